"""Processes that learn together: each takes its share of every batch, and all follow the mean gradient.

`torchrun` starts them and says who they are. What they hold (rows, weights, draws) is the same in all, so that one
process would have come to the same end but for the last digits of sums.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from rfconv_cli.errors import LostProcessError


@dataclass(frozen=True)
class Share:
    """The rows from `first` to before `stop` of a batch of `whole` rows, which this process takes."""

    first: int
    stop: int
    whole: int

    @property
    def rows(self) -> slice:
        """They as a slice of the batch; one row at least, since of none there is no mean: its weight is 0 then."""
        return slice(self.first, max(self.stop, self.first + 1))


@dataclass(frozen=True)
class Peers:
    """This process among others: the `rank`-th of `size`."""

    rank: int = 0
    size: int = 1

    def share(self, whole: int) -> Share:
        """This process's part of a batch of `whole` rows; parts differ by one row at most, and may be empty."""
        return Share(whole * self.rank // self.size, whole * (self.rank + 1) // self.size, whole)

    def weight(self, share: Share) -> float:
        """What the mean loss over a share counts in the mean over processes, for that to be the mean over the batch."""
        return (share.stop - share.first) * self.size / share.whole

    @torch.no_grad()
    def mean(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The mean over all processes of each tensor, by one all_reduce. Raises LostProcessError."""
        if self.size == 1:
            return list(tensors)
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        _heard(lambda: dist.all_reduce(flat))
        parts = (flat / self.size).split([tensor.numel() for tensor in tensors])
        return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]

    def of_first(self, data: bytes | None) -> bytes | None:
        """What the first process has: its bytes or its None. Raises LostProcessError."""
        return data if self.size == 1 else _sent_by(0, data)

    def of_each(self, data: bytes) -> list[bytes]:
        """What every process has, by rank. Raises LostProcessError."""
        return [data] if self.size == 1 else [_sent_by(rank, data) or b"" for rank in range(self.size)]

    def together(self, loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """A loss of (weights, logits, batch), the mean over processes of `loss` on their shares of the batch.

        Its gradients are those of the whole batch, in every process, the second ones too.
        """
        if self.size == 1:
            return loss

        def whole(weights: Mapping[str, Tensor], logits: Mapping[str, Tensor], batch: Sequence[Tensor]) -> Tensor:
            share = self.share(len(batch[0]))
            copies = _Copied.apply(self, *weights.values(), *logits.values())
            here = dict(zip(weights, copies, strict=False)), dict(zip(logits, copies[len(weights) :], strict=True))
            part = loss(*here, tuple(each[share.rows] for each in batch)) * self.weight(share)
            mean: Tensor = _Mean.apply(self, part)
            return mean

        return whole


ALONE = Peers()


class _Copied(torch.autograd.Function):
    """Parameters as they are; their gradient is the mean of what all processes send back."""

    @staticmethod
    def forward(ctx: Any, peers: Peers, *params: Tensor) -> tuple[Tensor, ...]:
        ctx.peers = peers
        return tuple(param.view_as(param) for param in params)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        return None, *_Mean.apply(ctx.peers, *grads)


class _Mean(torch.autograd.Function):
    """The mean over processes. What comes back is the whole's gradient, and is so for each process's part."""

    @staticmethod
    def forward(ctx: Any, peers: Peers, *parts: Tensor) -> Any:
        means = tuple(peers.mean(parts))
        return means if len(means) > 1 else means[0]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        return None, *grads


@contextlib.contextmanager
def peers_of_torchrun(device: str) -> Iterator[Peers]:
    """The processes that torchrun started, for as long as the block runs; this one alone without torchrun.

    device: where networks are trained; CUDA GPUs are spoken to by NCCL, each process has the one of its local rank.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    on_gpu = device == "cuda"
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    _heard(lambda: dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo"))
    try:
        yield Peers(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def _sent_by(rank: int, data: bytes | None) -> bytes | None:
    """The bytes or the None of one process, in all. data: this one's."""
    is_mine = dist.get_rank() == rank
    length = torch.tensor([len(data) if is_mine and data is not None else -1])
    _heard(lambda: dist.broadcast(length, rank))
    if length.item() < 0:
        return None
    # a copy: bytes cannot be written to
    sent = torch.frombuffer(bytearray(data if is_mine and data else int(length) or 1), dtype=torch.uint8)
    if length.item():
        _heard(lambda: dist.broadcast(sent, rank))
    return sent.numpy().tobytes()[: int(length)]


def _heard(work: Callable[[], Any]) -> None:
    try:
        work()
    except RuntimeError as error:
        raise LostProcessError(
            f"another process was lost ({str(error).partition(chr(10))[0][:120]})",
            hint="rfconv learn --resume goes on from what was found out, with as many processes as are there",
            code="lost_process",
        ) from None
