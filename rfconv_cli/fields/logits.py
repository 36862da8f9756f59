"""R in its parameterisations: dense, over candidates, factored. Each gives logits (M, S, Q); none sees the data.

S = K − 1 free slots. Q is N, or the number of candidates of each centre.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_START = 0.01  # standard deviation of R where it starts: all columns about alike
_MAP_START = 0.3  # how far each slot's map starts from the identity, where all slots would want one column
_SCALE = 10.0


class Logits(nn.Module, ABC):
    """What every parameterisation of R has: S slots, a temperature, a mask or candidates, and the noise of a step.

    mask: (M, 1, N) additive, −inf where a column may not stand; or None.
    candidates: (M, Q) int64, the columns that the last axis of R stands for; None: all N, in order.
    noise: added to R while a step of the Gumbel estimator lasts; None: none.
    Calling it gives R + noise, (M, S, Q).
    """

    mask: Tensor | None
    candidates: Tensor | None

    def __init__(
        self, slots: int, temperature: float, *, mask: Tensor | None = None, candidates: Tensor | None = None
    ) -> None:
        super().__init__()
        self.slots = slots
        self.temperature = temperature
        self.noise: Tensor | None = None
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("candidates", candidates, persistent=False)

    @abstractmethod
    def raw(self) -> Tensor:
        """R without noise, (M, S, Q)."""

    def forward(self) -> Tensor:
        return self.raw() if self.noise is None else self.raw() + self.noise

    @torch.no_grad()
    def draw_noise(self, generator: torch.Generator) -> None:
        """Noise of the standard Gumbel distribution: the argmax of R + noise is then a draw from softmax(R)."""
        drawn = torch.empty_like(self.raw()).exponential_(generator=generator)
        self.noise = drawn.clamp_min_(torch.finfo(drawn.dtype).tiny).log_().neg_()


class DenseLogits(Logits):
    """R itself, a number for every centre, slot and column: (N, S, N)."""

    def __init__(
        self, columns: int, slots: int, generator: torch.Generator, *, temperature: float = 1.0, mask: Tensor | None
    ) -> None:
        super().__init__(slots, temperature, mask=mask)
        self.values = nn.Parameter(torch.randn(columns, slots, columns, generator=generator) * _START)

    def raw(self) -> Tensor:
        return self.values


class CandidateLogits(Logits):
    """R over a table of candidates, a number for every centre, slot and candidate: (N, S, Q).

    candidates: (N, Q) int64, distinct within a row and without the row's centre, which therefore needs no mask.
    """

    def __init__(self, candidates: Tensor, slots: int, generator: torch.Generator, *, temperature: float = 1.0) -> None:
        super().__init__(slots, temperature, candidates=candidates)
        positions, size = candidates.shape
        self.values = nn.Parameter(torch.randn(positions, slots, size, generator=generator) * _START)

    def raw(self) -> Tensor:
        return self.values


class FactoredLogits(Logits):
    """R[m, k, n] = s · cos(A_k e_m, e_n): an embedding e of the columns, a linear map A_k of each slot, a scale s.

    embedding: (N, rank), where e starts. N·rank + S·rank² + 1 numbers instead of S·N², and slots that mean the same
    at every centre by construction. R itself is still computed, (N, S, N), but neither stored nor carried by Adam.
    Source: Tazume et al. name a decomposition of R as future work; the form is RFConv's own.
    """

    def __init__(
        self,
        embedding: Tensor,
        slots: int,
        generator: torch.Generator,
        *,
        temperature: float = 1.0,
        mask: Tensor | None,
    ) -> None:
        super().__init__(slots, temperature, mask=mask)
        rank = embedding.shape[1]
        spread = torch.randn(slots, rank, rank, generator=generator) * _MAP_START
        self.embedding = nn.Parameter(embedding.clone())
        self.maps = nn.Parameter(torch.eye(rank) + spread)
        self.log_scale = nn.Parameter(torch.tensor(_SCALE).log())

    def raw(self) -> Tensor:
        moved = torch.einsum("nd,ked->nke", self.embedding, self.maps)
        moved = F.normalize(moved, dim=-1) * self.log_scale.exp()  # scaled here, where it is small
        direction = F.normalize(self.embedding, dim=-1)  # (N, rank)
        return (moved.flatten(0, 1) @ direction.T).view(len(direction), -1, len(direction))
