"""Several networks, each on its own fields, trained side by side where that pays: contest entries and controls.

A small network keeps one core busy, so the other cores take its siblings. Whether they do changes no digit.
"""

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from joblib import Parallel, cpu_count, delayed
from numpy.typing import NDArray

from rfconv_cli.config import Settings
from rfconv_cli.fields.search import Progress, Rows
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.interrupt import end_with
from rfconv_cli.network.device import CPU, device_for, threads_for
from rfconv_cli.network.learn import (
    Problem,
    history_on_fields,
    network_on,
    train_on_fields,
    trained_on_all,
    trains_again,
)
from rfconv_cli.network.memo import Memo
from rfconv_cli.network.train import Epoch, Trained, epochs_of, steps_of_epoch, without_network

_MOST_BYTES_SENT = 1 << 28  # rows of one process; more would have to fit into memory once for each
_STEPS_WORTH_PROCESSES = 3000  # in all: about the time in which a fresh process has loaded torch
_Arrays = tuple[NDArray[Any], ...]
Packed = tuple[tuple[str, ...], int, _Arrays, Memo]
_R = TypeVar("_R")
_Fields = ReceptiveFields | None  # None: `PLAIN_MLP`
_Task = tuple[_Fields, Callable[[Problem], Trained]]  # the fields, and the training on them
_Result = tuple[dict[str, NDArray[Any]], tuple[Epoch, ...]]


def train_each(
    problem: Problem, every: Sequence[_Fields], settings: Settings, stage: str, progress: Progress
) -> list[Trained]:
    """`train_on_fields` for each of `every`, in their order; `stage` is what `progress` is told.

    Raises TrainingError as `train_on_fields` does.
    """
    tasks = [(one, partial(train_on_fields, fields=one, settings=settings, progress=_silent)) for one in every]
    return list(_each(problem, tasks, settings, stage, progress))


def histories_of_each(
    problem: Problem, every: Sequence[_Fields], settings: Settings, stage: str, progress: Progress
) -> list[Trained]:
    """The trainings of `train_each` without their networks, see `history_on_fields`."""
    tasks = [(one, partial(history_on_fields, fields=one, settings=settings, progress=_silent)) for one in every]
    return list(_each(problem, tasks, settings, stage, progress))


def finish_each(
    problem: Problem, every: Mapping[_Fields, Trained], settings: Settings, stage: str, progress: Progress
) -> dict[_Fields, Trained]:
    """`trained_on_all` for every network of a first training. Raises TrainingError as that does."""
    if not trains_again(problem, settings):
        return dict(every)
    tasks = [
        # a network need not travel to be trained anew
        (one, partial(trained_on_all, fields=one, before=without_network(before), settings=settings))
        for one, before in every.items()
    ]
    return dict(zip(every, _each(problem, tasks, settings, stage, progress), strict=True))


def _each(
    problem: Problem, tasks: Sequence[_Task], settings: Settings, stage: str, progress: Progress
) -> Iterator[Trained]:
    count = _processes(problem, len(tasks), settings)
    each = (train(problem) for _, train in tasks) if count == 1 else _in_processes(problem, tasks, settings, count)
    for done, one in enumerate(each, start=1):
        progress(stage, done / len(tasks))
        yield one


def processes_for(problem: Problem, tasks: int, steps: int, settings: Settings) -> int:
    """How many processes share `tasks` of `steps` each: one where it is too little or too much, and where threads, a
    GPU or the processes of torchrun work on each.
    """
    if device_for(settings, len(problem.names)) != CPU or problem.memo.peers.size > 1:
        return 1
    much = problem.train.x.nbytes + problem.valid.x.nbytes > _MOST_BYTES_SENT
    if much or threads_for(settings, len(problem.names)) > 1 or tasks * steps < _STEPS_WORTH_PROCESSES:
        return 1
    return min(int(cpu_count()), tasks)


def in_processes(work: Callable[..., _R], tasks: Iterable[tuple[Any, ...]], count: int) -> Generator[_R, None, None]:
    """`work(*task)` of each task, in order, in `count` processes of one thread each, which begin at once.

    Tensors travel as arrays.
    """
    # without files: joblib would map large arrays into a temporary folder
    began = {"initializer": end_with, "initargs": (os.getpid(),)}
    pool = Parallel(n_jobs=count, return_as="generator", max_nbytes=None, **began)
    results: Generator[_R, None, None] = pool(delayed(_alone)(work, task) for task in tasks)
    return results


def packed(problem: Problem) -> Packed:
    """A problem in a form that travels to another process; its groups stay behind."""
    arrays = tuple(part.numpy() for rows in (problem.train, problem.valid) for part in rows.parts)
    return problem.names, problem.outputs, arrays, problem.memo


def unpacked(sent: Packed) -> Problem:
    """The problem that was `packed`."""
    names, outputs, arrays, memo = sent
    parts = [torch.from_numpy(array) for array in arrays]
    middle = len(parts) // 2
    return Problem(names, Rows(*parts[:middle]), Rows(*parts[middle:]), outputs, memo=memo)


def _alone(work: Callable[..., _R], task: tuple[Any, ...]) -> _R:
    torch.set_num_threads(1)
    return work(*task)


def _processes(problem: Problem, networks: int, settings: Settings) -> int:
    rows = len(problem.train)
    return processes_for(problem, networks, epochs_of(rows, settings) * steps_of_epoch(rows, settings), settings)


def _in_processes(problem: Problem, tasks: Sequence[_Task], settings: Settings, count: int) -> Iterator[Trained]:
    sent = packed(problem)
    results = in_processes(_work, ((sent, train) for _, train in tasks), count)
    for (fields, _), (state, history) in zip(tasks, results, strict=True):
        network: torch.nn.Module = torch.nn.Identity()
        if state:
            network, _ = network_on(problem, fields, settings)
            network.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
        yield Trained(network.eval(), history)


def _work(sent: Packed, train: Callable[[Problem], Trained]) -> _Result:
    """In a process of its own: train, and give back plain arrays."""
    trained = train(unpacked(sent))
    return {name: value.numpy() for name, value in trained.network.state_dict().items()}, trained.history


def _silent(stage: str, share: float) -> None:
    """Of one among several, its own progress is not shown."""
