"""Projection: from logits R to discrete fields L_d (eq. 3), and fields that need no search."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from rfconv_cli.fields.conv import continuous_field
from rfconv_cli.fields.value import ReceptiveFields

_DRAWN = 1 << 22  # numbers of one block of centres, for which members are drawn


def project(
    logits: Sequence[Tensor],
    names: Sequence[str],
    *,
    mask: Tensor | None,
    distinct: bool,
    temperature: float,
    candidates: Tensor | None = None,
) -> ReceptiveFields:
    """L_d from R: each slot's largest logit (eq. 3); with `distinct`, the best assignment without a column twice.

    logits: D tensors (N, K−1, N), or (N, K−1, Q) over `candidates` (N, Q) int64, which leave the centre out. The
    assignment maximises the sum of log-weights at each centre; since slot 0 holds the centre, no other slot may.
    mask: (N, 1, N) additive, −inf where a column may not stand, as in the search.
    Raises ValueError when `distinct` slots are more than candidates.
    """
    layers = [_project_layer(r, mask, candidates, distinct, temperature) for r in logits]
    members, weights, runners, runner_weights = (np.stack(parts) for parts in zip(*layers, strict=True))
    return ReceptiveFields(tuple(names), members, weights, runners, runner_weights)


def _project_layer(
    logits: Tensor, mask: Tensor | None, candidates: Tensor | None, distinct: bool, temperature: float
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    field = continuous_field(logits, temperature, mask=mask)  # (N, S, Q); Q is N without candidates
    scores = logits if mask is None else logits + mask  # L_c can round two unlike logits to one weight
    allowed = scores if candidates is not None else _without_centre(scores)
    chosen = _assign(allowed) if distinct else scores.argmax(-1)  # (N, S)
    weights = field.gather(2, chosen.unsqueeze(2)).squeeze(2)
    runners = scores.scatter(2, chosen.unsqueeze(2), -torch.inf).argmax(-1)
    runner_weights = field.gather(2, runners.unsqueeze(2)).squeeze(2)
    runners = torch.where((runner_weights > 0) & (runners != chosen), runners, -1)
    centres = torch.arange(len(field)).unsqueeze(1)
    if candidates is not None:  # from places in the table to columns
        chosen = candidates.gather(1, chosen)
        runners = candidates.gather(1, runners.clamp_min(0)).where(runners >= 0, -1)
    return (
        torch.cat([centres, chosen], 1).numpy(),
        F.pad(weights, (1, 0), value=1.0).numpy(),
        F.pad(runners, (1, 0), value=-1).numpy(),
        F.pad(runner_weights.where(runners >= 0, 0.0), (1, 0)).numpy(),
    )


def _without_centre(scores: Tensor) -> Tensor:
    """(N, S, N), −inf at the centre: slot 0 has it."""
    left = scores.clone()
    left.diagonal(dim1=0, dim2=2).fill_(-torch.inf)
    return left


def _assign(scores: Tensor) -> Tensor:
    """(N, S, Q) → (N, S), no place twice in a row.

    A slot's log-weights are its logits less a constant, so the logits decide, unrounded.
    """
    chosen = np.empty(scores.shape[:2], np.int64)
    for centre, rows in enumerate(scores.numpy()):
        places = linear_sum_assignment(-rows.astype(np.float64))[1]
        if len(places) < len(rows):
            raise ValueError(f"{len(rows)} distinct slots need as many candidates, got {scores.shape[2]}")
        chosen[centre] = places
    return torch.from_numpy(chosen)


def random_fields(names: Sequence[str], kernel_size: int, depth: int, rng: np.random.Generator) -> ReceptiveFields:
    """Fields with members drawn without replacement: the control that every learned field must beat."""
    columns = len(names)
    free = np.stack([_draw(columns, kernel_size - 1, rng) for _ in range(depth)])
    centres = np.broadcast_to(np.arange(columns)[None, :, None], (depth, columns, 1))
    return ReceptiveFields.unweighted(names, np.concatenate([centres, free], axis=2))


def _draw(columns: int, slots: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(N, slots) members, none the centre of its row, none twice in a row."""
    step = max(1, _DRAWN // columns)
    blocks = [min(step, columns - start) for start in range(0, columns, step)]  # of centres: N² numbers may be many
    others = np.concatenate([np.argsort(rng.random((some, columns - 1)), axis=1)[:, :slots] for some in blocks])
    return others + (others >= np.arange(columns)[:, None])
