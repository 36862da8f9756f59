"""The fixed convolution as it is trained on a processor: a few rows at a time, so that their slots stay in its cache.

The same numbers as a gather and a product of the whole batch, in half to a third of the time.
"""

from typing import Any

import torch
from torch import Tensor

MOST_FILLING = 4  # times the slots
_CACHED = 1 << 19  # slot values of a block: 2 MB


def worth_blocks(x: Tensor) -> bool:
    """Whether x (batch, N, C) is trained through, on a processor and in one precision."""
    plain = x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    return plain and x.requires_grad and torch.is_grad_enabled()


def readers_of(members: Tensor, columns: int) -> Tensor | None:
    """(N, J) int64: where each column stands in the flattened `members` (M, K), filled up with M·K.

    None where few columns stand in many fields, and the table would be mostly filling; and of members without values.
    """
    if members.is_meta:
        return None
    flat = members.flatten()
    counts = torch.bincount(flat, minlength=columns)
    width = int(counts.max())
    if columns * width > MOST_FILLING * len(flat):
        return None
    order = torch.argsort(flat, stable=True)
    place = torch.arange(len(flat)) - (counts.cumsum(0) - counts)[flat[order]]
    readers = torch.full((columns, width), len(flat))
    readers[flat[order], place] = order
    return readers


def in_blocks(x: Tensor, members: Tensor, readers: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Slots under `members` (M, K) times a shared kernel: x (batch, N, C) → (batch, M, C_out).

    readers: of `readers_of`; weight: (K·C, C_out); bias: (C_out,).
    """
    out: Tensor = _InBlocks.apply(x, members, readers, weight, bias)
    return out


class _InBlocks(torch.autograd.Function):
    """Slots are gathered anew on the way back rather than kept. What columns get is gathered as well: each sums what
    its readers send; adding onto columns instead (index_add) takes many times as long.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, members: Tensor, readers: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, members, readers, weight)
        out = x.new_empty(len(x), len(members), weight.shape[1])
        for part, block in zip(*_blocks(members, x, out), strict=True):
            torch.addmm(bias, _slots(part, members), weight, out=block.view(-1, weight.shape[1]))
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, Tensor, Tensor]:
        x, members, readers, weight = ctx.saved_tensors
        grad = grads[0].contiguous()
        if torch.is_grad_enabled():
            return _differentiable(x, members, weight, grad)
        grad_x, grad_weight = torch.empty_like(x), torch.zeros_like(weight)
        sent = x.new_zeros(0)
        for part, onto, block in zip(*_blocks(members, x, grad_x, grad), strict=True):
            flat = block.view(-1, weight.shape[1])
            grad_weight.addmm_(_slots(part, members).T, flat)
            if len(sent) != len(part):
                sent = x.new_zeros(len(part), members.numel() + 1, x.shape[2])  # what fills the readers up is zero
            sent[:, :-1] = (flat @ weight.T).view(len(part), -1, x.shape[2])
            read = sent.index_select(1, readers.flatten()).view(len(part), *readers.shape, x.shape[2])
            torch.sum(read, dim=2, out=onto)
        return grad_x, None, None, grad_weight, grad.sum(dim=(0, 1))


def _differentiable(
    x: Tensor, members: Tensor, weight: Tensor, grad: Tensor
) -> tuple[Tensor, None, None, Tensor, Tensor]:
    """The gradients as they can be differentiated once more, of the whole batch at once."""
    flat = grad.view(-1, weight.shape[1])
    sent = (flat @ weight.T).view(len(x), -1, x.shape[2])
    grad_x = torch.zeros_like(x).index_add(1, members.flatten(), sent)
    return grad_x, None, None, _slots(x, members).T @ flat, grad.sum(dim=(0, 1))


def _slots(part: Tensor, members: Tensor) -> Tensor:
    """(rows·M, K·C)"""
    return part.index_select(1, members.flatten()).view(-1, members.shape[1] * part.shape[2])


def _blocks(members: Tensor, x: Tensor, *others: Tensor) -> list[tuple[Tensor, ...]]:
    """x (batch, N, C) and others of its batch, each as blocks of as many rows as stay in the cache."""
    rows = max(1, _CACHED // (members.numel() * x.shape[2]))
    return [each.split(rows) for each in (x, *others)]
