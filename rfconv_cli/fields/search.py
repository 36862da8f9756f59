"""The search for R: W and R descend together until their slots have settled.

Knows the loss only as a function of (weights, logits, batch); which network stands behind it is not known here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from rfconv_cli.config import Settings
from rfconv_cli.errors import TrainingError
from rfconv_cli.fields import bilevel
from rfconv_cli.fields.bilevel import Batch, Gradients, Loss, Params

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
) -> Searched:
    """Descend W and R together; both updates of a step use the same training batch, R and W.

    One-level search uses all of `train`; bilevel search halves it, so that R's batches are independent of W's (DARTS).
    `weights` and `logits` are changed in place by their optimisers (Adam without L2). `begin_step` is told each step,
    from 0, before it is taken, so that all losses of one step see one temperature and one draw of noise. Raises
    TrainingError when the loss or R is no longer finite, or when there are too few rows to halve.
    """
    step = gradient_step(settings)
    lower, upper = _halves(train, generator) if settings.level != "one-level" else (train, train)
    rows_in_step, steps = min(settings.search_batch, len(lower)), settings.search_steps or _STEPS
    weight_optimiser = torch.optim.Adam(weights.values(), lr=settings.lr)
    logits_optimiser = torch.optim.Adam(logits.values(), lr=logits_rate(settings))
    schedule = one_cycle(weight_optimiser, settings.lr, steps)
    lower_batches = batches(lower, rows_in_step, generator)
    upper_batches = lower_batches if upper is lower else batches(upper, rows_in_step, generator)
    losses = []
    for done in range(steps):
        begin_step(done)
        train_batch = next(lower_batches)
        held_out = train_batch if upper is lower else next(upper_batches)
        value, down, up = step(loss, weights, logits, train_batch, held_out)
        _descend(weight_optimiser, weights, down)
        _descend(logits_optimiser, logits, up)
        schedule.step()
        if done % max(1, steps // 10) == 0:
            _check_finite(value)
            losses.append(float(value))
        progress("search", (done + 1) / steps)
    _check_finite(value, *logits.values())
    return Searched({name: r.detach() for name, r in logits.items()}, tuple(losses))


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


def batches(rows: Rows, size: int, generator: torch.Generator) -> Iterator[Batch]:
    """Endless shuffled batches of exactly `size` rows (the rest of a pass is left out). size: 1 to len(rows)."""
    if not 0 < size <= len(rows):
        raise ValueError(f"batches of {size} rows cannot be drawn from {len(rows)}")
    while True:
        for index in rows.shuffled(generator).split(size):
            if len(index) == size:
                yield rows.take(index).parts


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
