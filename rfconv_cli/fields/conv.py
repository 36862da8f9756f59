"""Convolutions over receptive fields: relaxed (L_c, while searching) and fixed (L_d, ever after).

Both take a slot 0 fixed to the centre and a kernel W, shared by all positions where nothing else is said; they differ
only in where the other slots get their values. Letters as in the paper: N columns, M = N positions, K slots, R logits,
L_c, L_d, W.
"""

from typing import Any

import torch
from torch import Tensor, nn

from rfconv_cli.fields.blocks import in_blocks, readers_of, worth_blocks
from rfconv_cli.fields.candidates import (
    over_all_columns,
    straight_through_candidates,
    weighted_candidates,
    worth_gathering,
)
from rfconv_cli.fields.logits import Logits


def gather_slots(x: Tensor, members: Tensor) -> Tensor:
    """Slot values under a discrete field L_d: I ⊗ L_d of eq. 1, as a gather.

    x (batch, N, C), members (M, K) int64 → (batch, M, K, C).
    Cost: batch·M·K·C reads; the (M, K, N) one-hot tensor is never built.
    """
    return x.index_select(1, members.flatten()).view(x.shape[0], *members.shape, x.shape[2])


def continuous_field(logits: Tensor, temperature: float = 1.0, *, mask: Tensor | None = None) -> Tensor:
    """L_c = softmax(R / temperature) along N, the convolved axis (eq. 2). (M, K−1, N) → same shape.

    mask: (M, 1, N) additive, −inf where a column may not stand (the centre, in its own field).
    """
    scaled = logits if temperature == 1.0 else logits / temperature
    return torch.softmax(scaled if mask is None else scaled + mask, dim=-1)


def centre_mask(columns: int) -> Tensor:
    """(N, 1, N) additive mask that keeps each centre out of the free slots of its own field."""
    mask = torch.zeros(columns, 1, columns)
    mask.diagonal(dim1=0, dim2=2).fill_(-torch.inf)
    return mask


def weighted_slots(x: Tensor, field: Tensor) -> Tensor:
    """Slot values under a continuous field: I ⊗ L_c of eq. 1. x (batch, N, C), field (M, S, N) → (batch, M, S, C)."""
    batch, columns, channels = x.shape
    positions, slots, _ = field.shape
    columns_first = x.permute(1, 0, 2).reshape(columns, batch * channels)
    values = field.reshape(positions * slots, columns) @ columns_first  # (M·S, batch·C)
    return values.view(positions, slots, batch, channels).permute(2, 0, 1, 3)


class _StraightThrough(torch.autograd.Function):
    """Forward: the argmax of each slot, gathered. Backward: as if L_c had been multiplied (Bengio et al. 2013).

    The same as multiplying by one-hot + L_c − L_c.detach(), to the second derivative. Written by hand so that a step
    holds R, its gradient and one softmax, never the forward's dense product.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, logits: Tensor, mask: Tensor | None, temperature: float) -> Tensor:
        members = (logits if mask is None else logits + mask).argmax(-1)  # (M, S)
        ctx.save_for_backward(x, logits, mask, members)
        ctx.temperature = temperature
        return gather_slots(x, members)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, logits, mask, members = ctx.saved_tensors
        batch, positions, slots, channels = grads[0].shape
        columns = x.shape[1]
        grad_x = grad_logits = None
        if ctx.needs_input_grad[0]:
            flat = grads[0].reshape(batch, positions * slots, channels)
            grad_x = torch.zeros_like(x).index_add(1, members.flatten(), flat)
        if ctx.needs_input_grad[1]:
            sources = x.permute(0, 2, 1).reshape(batch * channels, columns)
            onto = grads[0].permute(1, 2, 0, 3).reshape(positions * slots, batch * channels)
            grad_field = (onto @ sources).view(positions, slots, columns)
            field = continuous_field(logits, ctx.temperature, mask=mask)
            if grad_x is not None and torch.is_grad_enabled():
                # zero, but its derivative is not: what x gets depends on R through L_c, which eq. 4 differentiates
                unseen = (field - field.detach()).reshape(positions * slots, columns)
                grad_x = grad_x + (unseen.T @ onto).view(columns, batch, channels).permute(1, 0, 2)
            grad_logits = _softmax_backward(grad_field, field, ctx.temperature)
        return grad_x, grad_logits, None, None


def _softmax_backward(grad: Tensor, field: Tensor, temperature: float) -> Tensor:
    """Gradient of softmax(R / temperature): field · (grad − ⟨grad, field⟩) / temperature; in place when allowed."""
    inner = torch.einsum("mkn,mkn->mk", grad, field).unsqueeze(-1)
    if torch.is_grad_enabled():
        return field * (grad - inner) / temperature
    return grad.sub_(inner).mul_(field).div_(temperature)


def straight_through_slots(x: Tensor, logits: Tensor, mask: Tensor | None, temperature: float) -> Tensor:
    """Hard slots forward, L_c's gradient backward. x (batch, N, C), logits (M, S, N) → (batch, M, S, C)."""
    slots: Tensor = _StraightThrough.apply(x, logits, mask, temperature)
    return slots


class SharedKernel(nn.Module):
    """The kernel W of eq. 1, shared by all positions, and its bias.

    Shapes: slots (batch, M, K, C_in) → (batch, M, C_out).
    """

    def __init__(self, kernel_size: int, channels_in: int, channels_out: int, generator: torch.Generator) -> None:
        super().__init__()
        fan_in = kernel_size * channels_in
        self.weight = nn.Parameter(torch.randn(fan_in, channels_out, generator=generator) * (2.0 / fan_in) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(channels_out))

    def forward(self, slots: Tensor) -> Tensor:
        batch, positions = slots.shape[:2]
        flat = slots.reshape(batch * positions, -1)  # (batch·M, K·C_in)
        return torch.addmm(self.bias, flat, self.weight).view(batch, positions, -1)


class OwnKernels(nn.Module):
    """A kernel and a bias for each position, so that slots need no common order. All start as one shared kernel would.

    Shapes: slots (batch, M, K, C_in) → (batch, M, C_out). Cost: that of a shared kernel, with M times its weights.
    """

    def __init__(
        self, positions: int, kernel_size: int, channels_in: int, channels_out: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        start = SharedKernel(kernel_size, channels_in, channels_out, generator)
        self.weight = nn.Parameter(start.weight.detach().repeat(positions, 1, 1))  # (M, K·C_in, C_out)
        self.bias = nn.Parameter(torch.zeros(positions, 1, channels_out))

    def forward(self, slots: Tensor) -> Tensor:
        flat = slots.flatten(2).transpose(0, 1)  # (M, batch, K·C_in)
        return torch.baddbmm(self.bias, flat, self.weight).transpose(0, 1)


class FixedConv(nn.Module):
    """Convolution over discrete receptive fields (L_d of eq. 3): a gather, then the kernel.

    Shapes: x (batch, N, C_in) → (batch, M, C_out). `members` (M, K) int64, entries in [0, N); slot 0 is the centre.
    Cost: batch·M·K·C_in·C_out multiply-adds; never builds the (M, K, N) one-hot tensor.
    Source: Tazume et al., eq. 1 with L = L_d.
    """

    members: Tensor
    readers: Tensor | None

    def __init__(self, members: Tensor, kernel: SharedKernel | OwnKernels) -> None:
        super().__init__()
        self.register_buffer("members", members, persistent=False)
        self.register_buffer("readers", readers_of(members, len(members)), persistent=False)
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        if self.readers is not None and isinstance(self.kernel, SharedKernel) and worth_blocks(x):
            return in_blocks(x, self.members, self.readers, self.kernel.weight, self.kernel.bias)
        out: Tensor = self.kernel(gather_slots(x, self.members))
        return out


class RelaxedConv(nn.Module):
    """Convolution whose free slots are learned: O = I ⊗ L ⊗ W with L relaxed (eqs. 1 and 2).

    Shapes: x (batch, N, C_in) → (batch, N, C_out). `logits` gives R (N, K−1, N) or (N, K−1, Q) over candidates, and may
    be shared with other layers; slot 0 is the identity and has no logits. estimator: "softmax" multiplies by L_c;
    "straight-through" takes the argmax forward and L_c's gradient backward; "gumbel" is straight-through on R + noise,
    and without noise the same as it.
    """

    def __init__(
        self, logits: Logits, channels_in: int, channels_out: int, generator: torch.Generator, *, estimator: str
    ) -> None:
        super().__init__()
        self.logits = logits
        self.estimator = estimator
        self.kernel = SharedKernel(logits.slots + 1, channels_in, channels_out, generator)

    def forward(self, x: Tensor) -> Tensor:
        logits, table = self.logits(), self.logits.candidates
        if table is not None and not worth_gathering(x.shape[1], table.shape[1]):
            logits, table = over_all_columns(logits, table, x.shape[1]), None
        free = self._free_slots(x, logits, table)  # (batch, N, K−1, C_in)
        out: Tensor = self.kernel(torch.cat([x.unsqueeze(2), free], dim=2))  # (batch, N, C_out)
        return out

    def _free_slots(self, x: Tensor, logits: Tensor, table: Tensor | None) -> Tensor:
        mask, temperature = self.logits.mask, self.logits.temperature
        if self.estimator == "softmax":
            field = continuous_field(logits, temperature, mask=mask)
            return weighted_slots(x, field) if table is None else weighted_candidates(x, field, table)
        if table is None:
            return straight_through_slots(x, logits, mask, temperature)
        return straight_through_candidates(x, logits, table, temperature)

    def discrete(self, members: Tensor) -> FixedConv:
        """The convolution with this one's kernel on discrete fields. members (N, K) int64."""
        return FixedConv(members, self.kernel)
