"""Several networks, each on its own fields, trained side by side where that pays: contest entries and controls.

A small network keeps one core busy, so the other cores take its siblings. Whether they do changes no digit.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from joblib import Parallel, cpu_count, delayed
from numpy.typing import NDArray
from torch import Tensor

from rfconv_cli.config import Settings
from rfconv_cli.fields.search import Progress, Rows
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.learn import Problem, network_on, threads_for, train_on_fields
from rfconv_cli.network.train import Epoch, Trained

_STEPS_WORTH_PROCESSES = 3000  # in all: about the time in which a fresh process has loaded torch
_Arrays = tuple[NDArray[Any], ...]
_Result = tuple[dict[str, NDArray[Any]], tuple[Epoch, ...]]


def train_each(
    problem: Problem, every: Sequence[ReceptiveFields], settings: Settings, stage: str, progress: Progress
) -> list[Trained]:
    """`train_on_fields` for each of `every`, in their order; `stage` is what `progress` is told.

    Raises TrainingError as `train_on_fields` does.
    """
    count = _processes(problem, len(every), settings)
    each = _one_by_one(problem, every, settings) if count == 1 else _in_processes(problem, every, settings, count)
    trained = []
    for one in each:
        trained.append(one)
        progress(stage, len(trained) / len(every))
    return trained


def _processes(problem: Problem, networks: int, settings: Settings) -> int:
    """How many processes train at once: one where threads are used, or where there is little to do."""
    steps = networks * settings.epochs * max(1, len(problem.train) // settings.batch_size)
    if threads_for(settings, len(problem.names)) > 1 or steps < _STEPS_WORTH_PROCESSES:
        return 1
    return min(int(cpu_count()), networks)


def _one_by_one(problem: Problem, every: Sequence[ReceptiveFields], settings: Settings) -> Iterator[Trained]:
    for fields in every:
        yield train_on_fields(problem, fields, settings, _silent)


def _in_processes(
    problem: Problem, every: Sequence[ReceptiveFields], settings: Settings, count: int
) -> Iterator[Trained]:
    arrays = tuple(part.numpy() for rows in (problem.train, problem.valid) for part in (rows.x, rows.y))
    # in order, and without files: joblib would map large arrays into a temporary folder
    pool = Parallel(n_jobs=count, return_as="generator", max_nbytes=None)
    results = pool(delayed(_work)(problem.names, problem.outputs, arrays, fields, settings) for fields in every)
    for fields, (state, history) in zip(every, results, strict=True):
        network, _ = network_on(problem, fields, settings)
        network.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
        yield Trained(network.eval(), history)


def _work(
    names: tuple[str, ...], outputs: int, arrays: _Arrays, fields: ReceptiveFields, settings: Settings
) -> _Result:
    """In a process of its own: train, and give back plain arrays."""
    torch.set_num_threads(1)
    train_x, train_y, valid_x, valid_y = (_tensor(array) for array in arrays)
    problem = Problem(names, Rows(train_x, train_y), Rows(valid_x, valid_y), outputs)
    trained = train_on_fields(problem, fields, settings, _silent)
    return {name: value.numpy() for name, value in trained.network.state_dict().items()}, trained.history


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(array)


def _silent(stage: str, share: float) -> None:
    """The whole of `every` shows its progress, not each of them."""
