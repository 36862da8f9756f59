"""Slot values where each centre knows only a few candidate columns: eq. 1 and 2 on a table, never N² numbers.

x (batch, N, C), candidates (M, Q) int64, field L_c (M, S, Q): L_c[m, s, q] is the weight of column candidates[m, q].
The three products below are linear in each of their arguments and are each other's derivatives, so that the unrolled
loss of eq. 4 can be differentiated through them; each gathers candidates a block of positions at a time.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

_BLOCK_NUMBERS = 1 << 21  # gathered numbers at a time
_NEARLY_ALL = 4  # with more candidates than a quarter of the columns, one dense product was faster than many gathers


def worth_gathering(columns: int, size: int) -> bool:
    """Whether a table of `size` candidates each is cheaper to gather than to write out over all columns."""
    return _NEARLY_ALL * size < columns


def over_all_columns(logits: Tensor, candidates: Tensor, columns: int) -> Tensor:
    """The same R written over all N columns, −inf where a column is no candidate. (M, S, Q) → (M, S, N)."""
    everywhere = logits.new_full((*logits.shape[:2], columns), -torch.inf)
    return everywhere.scatter(2, candidates.unsqueeze(1).expand_as(logits), logits)


def weighted_candidates(x: Tensor, field: Tensor, candidates: Tensor) -> Tensor:
    """Slot values under a continuous field over candidates: I ⊗ L_c of eq. 1. → (batch, M, S, C)."""
    values: Tensor = _Weigh.apply(_columns_first(x), field, candidates)
    return _batch_first(values, len(x))


def straight_through_candidates(x: Tensor, logits: Tensor, candidates: Tensor, temperature: float) -> Tensor:
    """Hard slots forward, L_c's gradient backward, as `straight_through_slots`. logits (M, S, Q) → (batch, M, S, C)."""
    members = candidates.gather(1, logits.argmax(-1))  # (M, S)
    field = torch.softmax(logits / temperature, dim=-1)
    values: Tensor = _HardForward.apply(_columns_first(x), field, candidates, members)
    return _batch_first(values, len(x))


class _Weigh(torch.autograd.Function):
    """values[m, s] = Σ_q field[m, s, q] · x[candidates[m, q]]. x (N, F), field (M, S, Q) → (M, S, F)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, field: Tensor, candidates: Tensor) -> Tensor:
        ctx.save_for_backward(x, field, candidates)
        values = x.new_empty(*field.shape[:2], x.shape[1])
        for block in _blocks(candidates, x.shape[1]):
            torch.bmm(field[block], x[candidates[block]], out=values[block])
        return values

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, field, candidates = ctx.saved_tensors
        to_x = _Spread.apply(grads[0], field, candidates, len(x)) if ctx.needs_input_grad[0] else None
        to_field = _Match.apply(grads[0], x, candidates) if ctx.needs_input_grad[1] else None
        return to_x, to_field, None


class _Match(torch.autograd.Function):
    """match[m, s, q] = ⟨values[m, s], x[candidates[m, q]]⟩. values (M, S, F), x (N, F) → (M, S, Q)."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, x: Tensor, candidates: Tensor) -> Tensor:
        ctx.save_for_backward(values, x, candidates)
        match = x.new_empty(*values.shape[:2], candidates.shape[1])
        for block in _blocks(candidates, x.shape[1]):
            torch.bmm(values[block], x[candidates[block]].transpose(1, 2), out=match[block])
        return match

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        values, x, candidates = ctx.saved_tensors
        to_values = _Weigh.apply(x, grads[0], candidates) if ctx.needs_input_grad[0] else None
        to_x = _Spread.apply(values, grads[0], candidates, len(x)) if ctx.needs_input_grad[1] else None
        return to_values, to_x, None


class _Spread(torch.autograd.Function):
    """spread[n] = Σ field[m, s, q] · values[m, s] over all (m, s, q) with candidates[m, q] = n. → (N, F)."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, field: Tensor, candidates: Tensor, columns: int) -> Tensor:
        ctx.save_for_backward(values, field, candidates)
        spread = values.new_zeros(columns, values.shape[2])
        for block in _blocks(candidates, values.shape[2]):
            parts = torch.bmm(field[block].transpose(1, 2), values[block])  # (block, Q, F)
            spread.index_add_(0, candidates[block].flatten(), parts.flatten(0, 1))
        return spread

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        values, field, candidates = ctx.saved_tensors
        to_values = _Weigh.apply(grads[0], field, candidates) if ctx.needs_input_grad[0] else None
        to_field = _Match.apply(values, grads[0], candidates) if ctx.needs_input_grad[1] else None
        return to_values, to_field, None, None


class _HardForward(torch.autograd.Function):
    """Forward: x[members]. Backward: as one-hot + L_c − L_c.detach(), multiplied, to the second derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, field: Tensor, candidates: Tensor, members: Tensor) -> Tensor:
        ctx.save_for_backward(x, field, candidates, members)
        return x[members]  # (M, S, F)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, field, candidates, members = ctx.saved_tensors
        to_x = to_field = None
        if ctx.needs_input_grad[0]:
            to_x = torch.zeros_like(x).index_add(0, members.flatten(), grads[0].flatten(0, 1))
            if torch.is_grad_enabled():  # zero, but its derivative is not: what x gets depends on R through L_c
                to_x = to_x + _Spread.apply(grads[0], field - field.detach(), candidates, len(x))
        if ctx.needs_input_grad[1]:
            to_field = _Match.apply(grads[0], x, candidates)
        return to_x, to_field, None, None


def _blocks(candidates: Tensor, features: int) -> Iterator[slice]:
    positions, size = candidates.shape
    step = max(1, _BLOCK_NUMBERS // (size * features))
    return (slice(start, start + step) for start in range(0, positions, step))


def _columns_first(x: Tensor) -> Tensor:
    """(batch, N, C) → (N, batch·C), so that a candidate's values lie together."""
    return x.permute(1, 0, 2).reshape(x.shape[1], -1)


def _batch_first(values: Tensor, batch: int) -> Tensor:
    """(M, S, batch·C) → (batch, M, S, C)."""
    return values.view(*values.shape[:2], batch, -1).permute(2, 0, 1, 3)
