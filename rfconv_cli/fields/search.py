"""The search for R: W and R descend together until their slots have settled.

Knows the loss only as a function of (weights, logits, batch); which network stands behind it is not known here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from rfconv_cli.config import Settings
from rfconv_cli.errors import TrainingError
from rfconv_cli.fields import bilevel
from rfconv_cli.fields.bilevel import Batch, Gradients, Loss, Params
from rfconv_cli.fields.draft import NO_DRAFT, Draft, State, restore, state_of

_LOGITS_LR, _FACTORS_LR = 0.05, 0.005
_STEPS, _PASSES, _DENSE_COLUMNS = 2000, 100, 300

Progress = Callable[[str, float], None]  # (stage, share done)
BeginStep = Callable[[int], None]  # what changes from step to step and stands still within one: temperature, noise
Step = Callable[[Loss, Params, Params, Batch, Batch], Gradients]


@dataclass(frozen=True)
class Rows:
    """Encoded rows: x (rows, N) float32; y (rows,) int64 class codes, or float32 standardised values.

    weight: (rows,) float32, what each row's loss counts; None: all the same.
    """

    x: Tensor
    y: Tensor
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.y)

    def take(self, index: Tensor) -> "Rows":
        """The rows at `index` (int64, or a mask)."""
        return Rows(*(part[index] for part in self.parts))

    def to(self, device: torch.device) -> "Rows":
        """The same rows on a device; the same tensors where they are there."""
        return Rows(*(part.to(device) for part in self.parts))

    def shuffled(self, generator: torch.Generator) -> Tensor:
        """(rows,) int64: their places in a random order, drawn by `generator` on the CPU, beside x."""
        return torch.randperm(len(self), generator=generator).to(self.x.device)

    def between(self, start: int, stop: int) -> "Rows":
        """The rows from `start` to before `stop`, as a view."""
        return Rows(*(part[start:stop] for part in self.parts))

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """x, y, and the weights where there are any."""
        return (self.x, self.y) if self.weight is None else (self.x, self.y, self.weight)


@dataclass(frozen=True)
class Searched:
    """What a search ends with: R's parameters by name, detached, and the training loss of every tenth of the way."""

    logits: Params
    losses: tuple[float, ...]


def gradient_step(settings: Settings) -> Step:
    """The step function of `settings.level`; γ defaults to the learning rate of W."""
    gamma = settings.lr if settings.gamma is None else settings.gamma
    if settings.level == "one-level":
        return lambda loss, weights, logits, train, held_out: bilevel.one_level_gradients(loss, weights, logits, train)
    if settings.level == "first-order":
        return bilevel.first_order_gradients
    if settings.hyper_gradient == "exact":
        return partial(bilevel.exact_gradients, gamma=gamma)
    return partial(bilevel.finite_difference_gradients, gamma=gamma)


def search(
    loss: Loss,
    weights: Params,
    logits: Params,
    train: Rows,
    settings: Settings,
    generator: torch.Generator,
    progress: Progress,
    begin_step: BeginStep = lambda step: None,
    *,
    draft: Draft = NO_DRAFT,
    others: Sequence[torch.Generator] = (),
) -> Searched:
    """Descend W and R together; both updates of a step use the same training batch, R and W.

    One-level search uses all of `train`; bilevel search halves it, so that R's batches are independent of W's (DARTS).
    `weights` and `logits` are changed in place by their optimisers (Adam without L2). `begin_step` is told each step,
    from 0, before it is taken, so that all losses of one step see one temperature and one draw of noise; others: the
    generators that it draws from. Goes on from `draft`, to the same end. Raises TrainingError when the loss or R is no
    longer finite, or when there are too few rows to halve.
    """
    step = gradient_step(settings)
    descent = _Descent(weights, logits, train, settings, generator, others)
    begun = draft.last()
    losses = [] if begun is None else descent.restored(begun)
    for done in range(descent.schedule.last_epoch, descent.steps):
        begin_step(done)
        value, down, up = step(loss, weights, logits, *descent.next_batches())
        descent.take(down, up)
        if done % max(1, descent.steps // 10) == 0:
            _check_finite(value)
            losses.append(float(value))
        if done == descent.steps - 1:
            _check_finite(value)
        else:
            draft.keep(partial(descent.state, losses))
        progress("search", (done + 1) / descent.steps)
    _check_finite(*logits.values())
    return Searched({name: r.detach() for name, r in logits.items()}, tuple(losses))


class _Descent:
    """Parameters on their way down: their optimisers, the schedule, the batches, and every generator."""

    def __init__(
        self,
        weights: Params,
        logits: Params,
        train: Rows,
        settings: Settings,
        generator: torch.Generator,
        others: Sequence[torch.Generator],
    ) -> None:
        lower, upper = _halves(train, generator) if settings.level != "one-level" else (train, train)
        size = min(settings.search_batch, len(lower))
        self.steps = settings.search_steps or _STEPS
        self.params = {**weights, **logits}
        self.weights, self.logits = weights, logits
        self.optimisers = (
            torch.optim.Adam(weights.values(), lr=settings.lr),
            torch.optim.Adam(logits.values(), lr=logits_rate(settings)),
        )
        self.schedule = one_cycle(self.optimisers[0], settings.lr, self.steps)
        self.batches = [Batches(rows, size, generator) for rows in ((lower,) if upper is lower else (lower, upper))]
        self.generators = (generator, *others)

    def next_batches(self) -> tuple[Batch, Batch]:
        """A batch for W and one for R; in a one-level search the same."""
        drawn = [next(each) for each in self.batches]
        return drawn[0], drawn[-1]

    def take(self, down: Params, up: Params) -> None:
        """One step of W and of R along their gradients."""
        _descend(self.optimisers[0], self.weights, down)
        _descend(self.optimisers[1], self.logits, up)
        self.schedule.step()

    def state(self, losses: list[float]) -> State:
        """All that the steps to come depend on."""
        return {
            "params": {name: param.detach() for name, param in self.params.items()},
            "batches": [each.state() for each in self.batches],
            "losses": losses,
            **state_of(self.optimisers, self.schedule, self.generators),
        }

    @torch.no_grad()
    def restored(self, state: State) -> list[float]:
        """Bring all to a state that was kept; its losses."""
        for name, param in self.params.items():
            param.copy_(state["params"][name])
        for each, was in zip(self.batches, state["batches"], strict=True):
            each.restore(was)
        restore(state, self.optimisers, self.schedule, self.generators)
        return list(state["losses"])


def resolved(settings: Settings, rows: int, columns: int) -> Settings:
    """`settings` with what was left open decided by the size of the training table; twice is the same as once.

    R is dense up to 300 columns and over candidates beyond, where it costs less and finds as much; the search takes
    2,000 steps, but no more than 100 passes over the rows.
    """
    batch = max(1, min(settings.search_batch, rows))
    steps = max(1, min(_STEPS, _PASSES * rows // batch))
    dense = "dense" if columns <= _DENSE_COLUMNS else "candidates"
    return settings.model_copy(
        update={
            "search_steps": settings.search_steps or steps,
            "parameterisation": settings.parameterisation or dense,
        }
    )


def logits_rate(settings: Settings) -> float:
    """The learning rate of R: as set, else what suits its parameterisation (an embedding turns with small steps)."""
    if settings.logits_lr is not None:
        return settings.logits_lr
    return _FACTORS_LR if settings.parameterisation == "factored" else _LOGITS_LR


def temperature_at(step: int, settings: Settings) -> float:
    """The temperature of a step: from `temperature` at the first to `temperature_end` at the last, geometrically."""
    start = settings.temperature
    end = start if settings.temperature_end is None else settings.temperature_end
    share = step / max(1, (settings.search_steps or _STEPS) - 1)
    return float(start * (end / start) ** share)


def one_cycle(optimiser: torch.optim.Optimizer, lr: float, steps: int) -> torch.optim.lr_scheduler.OneCycleLR:
    """The one-cycle learning rate of `steps` steps: a fifth of the way up to `lr`, then down to nearly nothing."""
    rise = 0.2 if steps != 5 else 0.25  # torch divides by rise · steps − 1
    return torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=rise)


class Batches(Iterator[Batch]):
    """Endless shuffled batches of exactly `size` rows (the rest of a pass is left out). size: 1 to len(rows)."""

    def __init__(self, rows: Rows, size: int, generator: torch.Generator) -> None:
        if not 0 < size <= len(rows):
            raise ValueError(f"batches of {size} rows cannot be drawn from {len(rows)}")
        self.rows, self.size, self.generator = rows, size, generator
        self.order = torch.empty(0, dtype=torch.int64)
        self.place = 0

    def __next__(self) -> Batch:
        if self.place + self.size > len(self.order):
            self.order, self.place = self.rows.shuffled(self.generator), 0
        start, self.place = self.place, self.place + self.size
        return self.rows.take(self.order[start : self.place]).parts

    def state(self) -> State:
        """The order of this pass, and how far it has come."""
        return {"order": self.order, "place": self.place}

    def restore(self, state: State) -> None:
        """Go on in a pass that was kept."""
        self.order, self.place = state["order"].to(self.rows.x.device), int(state["place"])


def _halves(rows: Rows, generator: torch.Generator) -> tuple[Rows, Rows]:
    if len(rows) < 2:
        raise TrainingError(
            f"a search with a held-out loss needs at least 2 training rows, and there are {len(rows)}",
            hint="--level one-level searches on all training rows",
            code="too_few_rows",
        )
    order = rows.shuffled(generator)
    middle = len(rows) // 2
    return rows.take(order[:middle]), rows.take(order[middle:])


def _descend(optimiser: torch.optim.Optimizer, params: Params, grads: Params) -> None:
    for name, param in params.items():
        param.grad = grads[name]
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def _check_finite(*values: Tensor) -> None:
    if not all(bool(torch.isfinite(value).all()) for value in values):
        raise TrainingError(
            "the search diverged: its loss is no longer a number",
            hint="try a smaller --lr, or look for extreme values in the table",
            code="diverged",
        )
