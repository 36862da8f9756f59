"""What a run will cost, stage by stage, before it starts: work, memory, and about how long on this machine.

Counts come from the shapes alone; seconds from two timings of some milliseconds and constants measured once on one CPU
core. They tell a coffee from a night, not 10 s from 20.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from rfconv_cli.config import Settings
from rfconv_cli.fields.candidates import worth_gathering
from rfconv_cli.fields.moments import moments_cost
from rfconv_cli.fields.search import resolved
from rfconv_cli.network.train import batch_of, epochs_of, steps_of_epoch

_FLOAT, _INT = 4, 8  # bytes
_AT_REST = 600_000_000  # bytes of the program with its libraries, before any table
_STEP_SECONDS = 1.2e-3  # a training step of a tiny network: dispatch, not arithmetic
_ASSIGNMENT_SECONDS = 5e-5  # one centre's assignment, of 20 rounds for each of two alignments
_ROUNDS = 40
_ENTRIES = 7  # of the contest
_FINALISTS = 4  # of them at most; one is the final network, one its control on correlation fields
_HALVES, _HALVES_OF = 20, {"searched": 4, "moments": 4}
_FIELD_SECONDS = 2e-4  # one centre's field by moments, once
_COPIES_SCREENED = 7  # of the rows and of one block: products, ranks, shifts of each class
_SCREENED = 1 << 24  # pairs of columns of one block, see fields.screen
_GATHERED = 1 << 21  # numbers of one block of candidates, see fields.candidates
_PREDICTED = 1 << 20  # cells of one block of rows, see network.train
_COPIES = {"dense": 7, "candidates": 7, "factored": 4}  # of R: it, its gradient, L_c, L_c's gradient; three of Adam
_COPIES_OF_WEIGHTS = 4  # W, its gradient, Adam's two moments; the same for the factors of R
_COPIES_OF_VALUES = 2  # each value inside the network, and its gradient
_COPIES_WITH_NOISE = 2  # the noise, and R + noise
_PASSES = {"one-level": 1, "first-order": 2, "second-order": 4}  # gradients of a step, in units of the first
_R_TOUCHED = 90  # what a number of R costs in a step, in numbers: softmax, its gradient and Adam, from slow memory
_GATHER_TOUCHED = 25  # the same for each value of a candidate that is gathered
_VALUE_TOUCHED = 12  # the same for each value inside the network


@dataclass(frozen=True)
class StageCost:
    """One stage. products: floating-point operations in matrix products; numbers: read or written one by one;
    seconds_besides: what costs time whatever the size (steps, assignments); memory: bytes at its peak, roughly."""

    stage: str
    products: float
    numbers: float
    seconds_besides: float
    memory: int

    def seconds(self, speed: "Speed") -> float:
        """About how long the stage takes."""
        return self.products / speed.products + self.numbers / speed.numbers + self.seconds_besides


@dataclass(frozen=True)
class Speed:
    """products: floating-point operations a second in matrix products; numbers: numbers a second, one by one."""

    products: float
    numbers: float


def stage_costs(
    rows: int, columns: int, outputs: int, settings: Settings, held: int | None = None
) -> tuple[StageCost, ...]:
    """The stages that `settings` ask for, in order: screen, align, search, choose, train, controls.

    rows: training rows. held: how many of them lie in memory; None: all. An upper bound where training may stop early.
    """
    settings = resolved(settings, rows, columns)
    contest = settings.source == "contest"
    training = _training(rows, columns, outputs, settings, rows if held is None else held)
    drawn = min(rows, settings.find_rows)  # fields are found and compared on these
    shown = settings.contest_epochs / epochs_of(drawn, settings)
    entries = _ENTRIES * shown + _FINALISTS - (1 if drawn == rows else 0)
    controls = settings.random_draws + (1 if contest else 2)  # the MLP, and correlation fields that stood in no contest
    # a search is counted again only where it is sure to be repeated: a contest may be won by others
    searched = settings.source == "searched"
    halves = halves_of(settings.source, settings) * (2 if searched else 1)
    once_more = _search(drawn // 2, columns, outputs, settings) if searched else _screen(drawn // 2, columns)
    stages = [
        *([_screen(drawn, columns), _align(columns, outputs, settings)] if settings.source != "searched" else []),
        *([_search(drawn, columns, outputs, settings)] if contest or settings.source == "searched" else []),
        *([_times(_training(drawn, columns, outputs, settings, drawn), "choose", entries)] if contest else []),
        training,
        _times(training, "controls", controls),
        *([_times(once_more, "stability", halves)] if halves else []),
    ]
    return tuple(stages)


def halves_of(source: str, settings: Settings) -> int:
    """Half-samples on which a source is repeated: as set, else as many as its cost allows; none of random or given."""
    if source in ("random", "given"):
        return 0
    return _HALVES_OF.get(source, _HALVES) if settings.stability is None else settings.stability


def search_memory(columns: int, settings: Settings) -> int:
    """Bytes that the search holds at its peak: the copies of R that its parameterisation keeps, W's, a batch's values.

    dense: R, its gradient, L_c and that one's gradient, Adam's two moments and its scratch, each N² numbers a slot.
    candidates: the same of Q columns, their table and a block of gathered values. factored: nothing of Adam's.
    """
    depth = 1 if settings.share_fields else settings.layers
    slots = settings.kernel_size - 1
    settings = resolved(settings, settings.search_batch, columns)
    copies = _COPIES[settings.parameterisation or "dense"] + (
        _COPIES_WITH_NOISE if settings.estimator == "gumbel" else 0
    )
    numbers = copies * depth * slots * columns * _width(columns, settings)
    rows = max(settings.search_batch, min(256, _PREDICTED // columns))
    numbers += _COPIES_OF_VALUES * rows * columns * _values_each(settings, inputs=1)
    numbers += _COPIES_OF_WEIGHTS * columns * settings.channels * max(1, settings.hidden)
    table = 0
    if settings.parameterisation == "candidates":
        numbers += _GATHERED
        table = columns * _width(columns, settings)
    elif settings.parameterisation == "factored":
        numbers += _COPIES_OF_WEIGHTS * depth * (columns + slots * settings.rank) * settings.rank
    return numbers * _FLOAT + table * _INT


def measured_speed(device: torch.device) -> Speed:
    """The speed of this machine with the present number of threads, or of its GPU, in about 20 ms."""
    side = 256 if device.type == "cpu" else 4096
    square, flat = torch.ones(side, side, device=device), torch.ones(16 * side**2, device=device)
    return Speed(
        products=2 * side**3 / _fastest(lambda: square @ square), numbers=2 * len(flat) / _fastest(lambda: flat * flat)
    )


def estimate_line(costs: Sequence[StageCost], speed: Speed) -> str:
    """One line for the user, such as "about 40 s and 0.2 GB: search 25 s, controls 10 s"; none below 1 s."""
    seconds = {cost.stage: cost.seconds(speed) for cost in costs}
    memory = peak_of(costs)
    parts = ", ".join(f"{stage} {_duration(value)}" for stage, value in seconds.items() if value >= 1)
    return f"about {_duration(sum(seconds.values()))} and {memory / 1e9:.1f} GB" + (f": {parts}" if parts else "")


def peak_of(costs: Sequence[StageCost]) -> int:
    """About the bytes that the process takes at most."""
    return _AT_REST + max(cost.memory for cost in costs)


def _screen(rows: int, columns: int) -> StageCost:
    ranking = 20.0 * rows * columns
    memory = _COPIES_SCREENED * (rows * columns + min(columns**2, _SCREENED)) * _FLOAT
    return StageCost("screen", 6.0 * rows * columns**2, ranking + 30.0 * columns**2, 0.0, memory)


def _align(columns: int, outputs: int, settings: Settings) -> StageCost:
    """Both alignments and the fields by moments; less where only one of these is asked for."""
    eigen = 20.0 * min(columns, 500) ** 2 * columns
    assigning = _ROUNDS * columns * _ASSIGNMENT_SECONDS
    sweeps, cells = moments_cost(columns, outputs)
    besides = assigning + sweeps * columns * _FIELD_SECONDS * settings.kernel_size / 5
    memory = max(4 * min(columns, 500) ** 2 * _INT, 4 * cells * _FLOAT)
    return StageCost("align", eigen, 4.0 * sweeps * cells, besides, memory)


def _search(rows: int, columns: int, outputs: int, settings: Settings) -> StageCost:
    batch, slots = settings.search_batch, settings.kernel_size - 1
    width = _width(columns, settings)
    steps = (settings.search_steps or 0) * _PASSES[settings.level]
    inputs = 1 + (settings.layers - 1) * settings.channels  # channels into all layers
    dense_products = 2 if settings.estimator == "softmax" else 1
    onto_r = 2.0 * dense_products * slots * columns * width * batch * inputs
    if settings.parameterisation == "factored":
        onto_r += 6.0 * slots * columns**2 * settings.rank
    depth = 1 if settings.share_fields else settings.layers
    products = onto_r + 6.0 * batch * _weights_used(columns, outputs, settings, inputs=1)
    numbers = _R_TOUCHED * depth * slots * columns * width + _VALUE_TOUCHED * batch * columns * _values_each(
        settings, inputs=1
    )
    if width < columns:
        numbers += _GATHER_TOUCHED * columns * width * batch * inputs
    besides = steps * _STEP_SECONDS * (1 + settings.layers) / 2
    memory = search_memory(columns, settings)
    if settings.parameterisation != "dense":  # it begins with a screen
        memory = max(memory, _screen(rows, columns).memory)
    return StageCost("search", steps * products, float(steps * numbers), besides, memory)


def _training(rows: int, columns: int, outputs: int, settings: Settings, held: int) -> StageCost:
    batch = batch_of(rows, settings)
    steps = steps_of_epoch(rows, settings) * epochs_of(rows, settings)
    embedded = settings.embedding != "none"
    inputs = settings.embedding_size if embedded else 1
    embedding = settings.bins * settings.embedding_size if embedded else 0  # weights of a column
    values = batch * columns * (_values_each(settings, inputs) + (settings.bins + inputs if embedded else 0))
    products = 6.0 * batch * (_weights_used(columns, outputs, settings, inputs) + columns * embedding)
    own_kernels = settings.kernel_size * inputs * settings.channels if settings.kernel == "own" else 0
    weights = columns * (settings.channels * (settings.hidden or outputs) + embedding + own_kernels)
    memory = (settings.ensemble * (3 * values + 5 * weights) + 2 * held * columns) * _FLOAT
    numbers = float(_VALUE_TOUCHED * (values + weights))
    besides = steps * _STEP_SECONDS * (1 + settings.layers) / 2
    return _times(StageCost("train", steps * products, steps * numbers, besides, memory), "train", settings.ensemble)


def _times(cost: StageCost, stage: str, times: float) -> StageCost:
    return StageCost(stage, times * cost.products, times * cost.numbers, times * cost.seconds_besides, cost.memory)


def _width(columns: int, settings: Settings) -> int:
    """Numbers of R that one slot works on: the candidates where they are gathered, else all columns."""
    size = max(settings.candidates, settings.kernel_size - 1)
    return size if settings.parameterisation == "candidates" and worth_gathering(columns, size) else columns


def _values_each(settings: Settings, inputs: int) -> int:
    """Values inside the network for each row and column: slots and channels of all layers. inputs: of the first one."""
    first, others = settings.kernel_size * inputs + settings.channels, (settings.kernel_size + 1) * settings.channels
    return first + (settings.layers - 1) * others


def _weights_used(columns: int, outputs: int, settings: Settings, inputs: int) -> float:
    """Multiply-adds of one row's forward pass behind the first slots. inputs: channels that enter the first layer."""
    first, others = (settings.kernel_size * settings.channels * entering for entering in (inputs, settings.channels))
    convs = columns * (first + (settings.layers - 1) * others)
    return float(convs + columns * settings.channels * (settings.hidden or outputs) + settings.hidden * outputs)


def _fastest(work: Callable[[], torch.Tensor]) -> float:
    work()
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        work().view(-1)[0].item()  # a GPU is waited for
        best = min(best, time.perf_counter() - start)
    return best


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
