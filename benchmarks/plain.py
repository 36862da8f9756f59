"""Equations 1 and 2 written down as they stand, in einsum: what our search step is measured against."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PlainRelaxed(nn.Module):
    """O = I ⊗ softmax(R) ⊗ W, then ReLU and a linear head. x (batch, N) → (batch, classes).

    R (N, K, N) with the centre's slot among the others, W (K, 1, channels).
    """

    def __init__(self, columns: int, slots: int, channels: int, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.randn(columns, slots, columns, generator=generator) * 0.01)
        self.kernel = nn.Parameter(torch.randn(slots, 1, channels, generator=generator) * (2 / slots) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.head = nn.Linear(columns * channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        field = torch.softmax(self.logits, dim=-1)  # (M, K, N), eq. 2
        slots = torch.einsum("bnc,mkn->bmkc", x.unsqueeze(2), field)  # (batch, M, K, 1), eq. 1
        out = torch.einsum("bmkc,kcd->bmd", slots, self.kernel) + self.bias  # (batch, M, channels)
        scores: Tensor = self.head(F.relu(out).flatten(1))
        return scores
