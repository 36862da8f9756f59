"""Training on fixed fields, with early stopping on the validation rows, and prediction."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rfconv_cli.config import Settings
from rfconv_cli.errors import TrainingError
from rfconv_cli.fields.draft import NO_DRAFT, Draft, State, restore, state_of
from rfconv_cli.fields.search import Progress, Rows, one_cycle
from rfconv_cli.network.device import device_for, device_of, draw_for, generators_of, move, rows_on
from rfconv_cli.network.peers import ALONE, Peers

_FIRST_STEPS = 10  # of a training: their weights are soon forgotten by the average
_SMALLEST_BATCH, _LARGEST_BATCH = 16, 256  # where the setting is left open
_MOST_PREDICTED = 256  # rows of one block; a part of few rows fills it up with empty ones
_PREDICT_CELLS = 1 << 20  # rows × columns of one block: bounds memory for wide tables


@dataclass(frozen=True)
class Epoch:
    """One pass: mean training loss, validation loss."""

    train_loss: float
    valid_loss: float


@dataclass(frozen=True)
class Trained:
    """A network with the weights of its best validation epoch, or trained anew for as long; and how it got there.

    length: epochs that a training on all rows takes, where that is not the best one.
    """

    network: nn.Module
    history: tuple[Epoch, ...]
    length: int | None = None

    @property
    def valid_loss(self) -> float:
        """Loss of the kept weights on the validation rows."""
        return min(epoch.valid_loss for epoch in self.history)

    @property
    def best_epoch(self) -> int:
        """How many epochs led to the smallest validation loss, from 1."""
        return _best(self.history)


def without_network(trained: Trained) -> Trained:
    """How a training went, without what it made."""
    return replace(trained, network=nn.Identity())


def loss_value(outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    """The mean of the heads' own losses, so that each learns by itself. outputs (batch, heads, outputs) → scalar.

    Cross-entropy for int64 class codes, squared error for float32 values. weight: (batch,) what each row's counts.
    """
    heads = outputs.shape[1]
    if weight is not None:
        each = torch.stack([_losses(outputs[:, head], y) for head in range(heads)])
        return (each.mean(dim=0) * weight).mean()
    if y.is_floating_point():
        return F.mse_loss(outputs.squeeze(2), y.unsqueeze(1).expand(-1, heads))
    return F.cross_entropy(outputs.flatten(0, 1), y.repeat_interleave(heads))


def combined(outputs: Tensor) -> Tensor:
    """What the heads say together: the log of their mean probabilities, or their mean value.

    (batch, heads, outputs) → (batch, outputs).
    """
    if outputs.shape[2] == 1:
        return outputs.mean(dim=1)
    return torch.log_softmax(outputs, dim=2).logsumexp(dim=1) - math.log(outputs.shape[1])


def row_losses(predicted: Tensor, rows: Rows) -> Tensor:
    """The loss of each row, times its weight. predicted: (rows, outputs) of `predict` → (rows,)."""
    each = _losses(predicted, rows.y)
    return each if rows.weight is None else each * rows.weight


def _losses(predicted: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy or squared error of each row."""
    if y.is_floating_point():
        return (predicted[:, 0] - y).square()
    return F.cross_entropy(predicted, y, reduction="none")


def batch_of(rows: int, settings: Settings) -> int:
    """Rows of a training step: as set, else a power of two near √(2·rows), so that small tables take many steps."""
    near = 2 ** round(math.log2(2 * rows) / 2) if rows else 1
    return min(rows, settings.batch_size or min(_LARGEST_BATCH, max(_SMALLEST_BATCH, near)))


def epochs_of(rows: int, settings: Settings) -> int:
    """Most passes of a training over so many rows: as set, and no more than `most_steps` make, but one at least."""
    return min(settings.epochs, max(1, settings.most_steps // steps_of_epoch(rows, settings)))


def steps_of_epoch(rows: int, settings: Settings) -> int:
    """Steps of one pass; rows that fill no batch wait for another one."""
    return max(1, rows // max(1, batch_of(rows, settings)))


def train_network(
    network: nn.Module,
    train: Rows,
    valid: Rows,
    settings: Settings,
    generator: torch.Generator,
    progress: Progress,
    draft: Draft = NO_DRAFT,
    peers: Peers = ALONE,
) -> Trained:
    """Minimise the loss on `train` (AdamW, one-cycle learning rate); keep the averaged weights best on `valid`.

    Stops after `settings.patience` epochs without a better validation loss. Goes on from `draft`, to the same end.
    Raises TrainingError on divergence.
    """
    course = _Course(network, train, settings, generator, peers)
    history, best = course.restored(draft.last())
    valid = rows_on(course.device, valid)
    while not (history and len(history) - _best(history) >= settings.patience) and len(history) < course.epochs:
        loss = course.one_pass()
        history.append(Epoch(loss, _valid_loss(course.average, valid)))
        if _best(history) == len(history):
            best = {name: value.clone() for name, value in course.average.state_dict().items()}
        draft.keep(partial(course.state, history, best))
        progress("train", len(history) / course.epochs)
    network.load_state_dict(best)
    network.eval().cpu()
    progress("train", 1.0)
    return Trained(network, tuple(history))


def _best(history: Sequence[Epoch]) -> int:
    """How many epochs led to the smallest validation loss, from 1."""
    losses = [epoch.valid_loss for epoch in history]
    return 1 + losses.index(min(losses))


def train_on_all(
    network: nn.Module,
    rows: Rows,
    before: Trained,
    settings: Settings,
    generator: torch.Generator,
    draft: Draft = NO_DRAFT,
    peers: Peers = ALONE,
) -> Trained:
    """Train on training and validation rows together, for the length of `before`: as many epochs as were best there.

    The history stays that one's: no row is left to say how far this training has come. Raises TrainingError.
    """
    course = _Course(network, rows, settings, generator, peers)
    course.restored(draft.last())
    length = min(before.length or before.best_epoch, course.epochs)
    while course.passes < length:
        course.one_pass()
        draft.keep(partial(course.state, [], {}))
    average = course.average
    if not all(bool(torch.isfinite(weights).all()) for weights in average.parameters()):
        raise _diverged()
    return Trained(average.eval().cpu(), before.history)


class _Course:
    """A network on its way through passes over the rows; the schedule is that of all that may be made.

    average: follows the weights with a memory of `settings.averaging` passes (Polyak and Juditsky 1992). A stop before
    the learning rate has come down leaves weights that still jump about; their mean does not. The network itself where
    there is no averaging. passes: how many there were.
    """

    def __init__(
        self, network: nn.Module, train: Rows, settings: Settings, generator: torch.Generator, peers: Peers
    ) -> None:
        self.device = device_for(settings, train.x.shape[1])
        self.average = copy.deepcopy(network) if settings.averaging else network
        move(network, self.device, generator)
        self.average.to(self.device)
        self.network, self.settings, self.generator = network, settings, generator
        self.size, self.steps, self.epochs = (
            count(len(train), settings) for count in (batch_of, steps_of_epoch, epochs_of)
        )
        self.peers, self.share = peers, peers.share(self.size)
        if peers.size > 1:
            draw_for(network, self.share)
        self.train = rows_on(self.device, train)
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True
        )
        self.schedule = one_cycle(self.optimiser, settings.lr, self.epochs * self.steps)
        self.memory, self.passes = max(1.0, settings.averaging * self.steps), 0

    def one_pass(self) -> float:
        """Every row once; the mean loss of the steps."""
        self.network.train()
        losses = []
        for index in self.train.shuffled(self.generator).split(self.size)[: self.steps]:
            x, *known = self.train.take(index[self.share.rows]).to(self.device).parts
            mixed = self.settings.precision == "bfloat16"
            with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
                loss = loss_value(self.network(x), *known) * self.peers.weight(self.share)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self._share_gradients()
            self.optimiser.step()
            self.schedule.step()
            losses.append(loss.detach())
            taken = self.passes * self.steps + len(losses)
            _follow(self.average, self.network, max(1 / self.memory, _FIRST_STEPS / (taken + _FIRST_STEPS)))
        self.passes += 1
        (every,) = self.peers.mean([torch.stack(losses)])
        return float(sum(every.tolist()) / self.steps)  # read at the end: a GPU does not wait for it

    def _share_gradients(self) -> None:
        if self.peers.size > 1:
            params = list(self.network.parameters())
            grads = [torch.zeros_like(param) if param.grad is None else param.grad for param in params]
            for param, grad in zip(params, self.peers.mean(grads), strict=True):
                param.grad = grad

    def state(self, history: Sequence[Epoch], best: dict[str, Tensor]) -> State:
        """All that the passes to come depend on, and what those so far have brought."""
        return {
            "passes": self.passes,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "history": [[epoch.train_loss, epoch.valid_loss] for epoch in history],
            "best": best,
            **state_of([self.optimiser], self.schedule, generators_of(self.network, self.generator)),
        }

    def restored(self, state: State | None) -> tuple[list[Epoch], dict[str, Tensor]]:
        """Bring all to a state that was kept; its history and its best weights. None changes nothing."""
        if state is None:
            return [], {}
        self.passes = int(state["passes"])
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        restore(state, [self.optimiser], self.schedule, generators_of(self.network, self.generator))
        return [Epoch(*losses) for losses in state["history"]], dict(state["best"])


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, share: float) -> None:
    """Move the average's weights towards the network's by `share` of the way."""
    if average is not network:
        for mean, weights in zip(average.parameters(), network.parameters(), strict=True):
            mean.lerp_(weights, share)


@torch.no_grad()
def predict(network: nn.Module, x: Tensor) -> Tensor:
    """What the heads say together of encoded rows: (rows, N) float32 → (rows, outputs) float32, see `combined`.

    The network computes where it lies, and the outputs come back to where x lies. Rows go in blocks of one fixed size,
    the last one padded, so that a row's outputs do not depend on its company.
    """
    network.eval()
    device = device_of(network)
    size = min(_MOST_PREDICTED, max(16, _PREDICT_CELLS // x.shape[1]))
    if not len(x):
        return combined(network(x.new_zeros(size, x.shape[1]).to(device)))[:0].to(x.device)
    outputs = []
    for block in x.split(size):
        padded = F.pad(block.to(device), (0, 0, 0, size - len(block)))
        outputs.append(combined(network(padded))[: len(block)])
    return torch.cat(outputs).to(x.device)


def _valid_loss(network: nn.Module, valid: Rows) -> float:
    loss = float(row_losses(predict(network, valid.x), valid).mean())
    if not math.isfinite(loss):
        raise _diverged()
    return loss


def _diverged() -> TrainingError:
    return TrainingError(
        "training diverged: the validation loss is no longer a number",
        hint="try a smaller --lr, or look for extreme values in the table",
        code="diverged",
    )
