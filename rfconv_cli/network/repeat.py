"""The same source of fields once more, on half-samples of the training rows: would other rows have said the same?

Half-samples come in complementary pairs (Shah and Samworth 2013). Rows that were kept together stay so. Each has noise
of its own, or a search would be stable only in where it began.
"""

import itertools
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from rfconv_cli.config import Settings
from rfconv_cli.fields.search import Progress, resolved
from rfconv_cli.network.contest import SEARCHED, find_fields
from rfconv_cli.network.learn import Problem, entropy, rows_to_find_on
from rfconv_cli.network.side_by_side import Packed, in_processes, packed, processes_for, unpacked
from rfconv_cli.network.starts import ALIGNED_INTERACTION, INTERACTION, MOMENTS

USES_TARGET = (INTERACTION, ALIGNED_INTERACTION, MOMENTS, SEARCHED)


def fields_on_halves(
    problem: Problem, source: str, settings: Settings, halves: int, progress: Progress
) -> list[NDArray[np.int64]]:
    """Members (D, N, K) that `source` finds on each half-sample. Raises TrainingError as the search does."""
    problem, asked = rows_to_find_on(problem, settings), settings.model_copy(update={"source": source})
    steps = resolved(asked, len(problem.train) // 2, len(problem.names)).search_steps or 0
    count = processes_for(problem, halves, steps, settings) if source == SEARCHED else 1
    tasks = (_half_problem(problem, number, asked) for number in range(halves))
    each = in_processes(_members, tasks, count) if count > 1 else itertools.starmap(_members, tasks)
    found = []
    for members in each:
        found.append(members)
        progress("stability", len(found) / halves)
    return found


def _half_problem(problem: Problem, number: int, settings: Settings) -> tuple[Packed, Settings]:
    """The rows of a half-sample, and the settings with a seed of its own."""
    rows = _half(problem, number, settings.seed)
    seed = entropy(settings.seed, f"half-sample {number}")
    half = replace(problem, train=problem.train.take(rows))
    return packed(half), settings.model_copy(update={"seed": seed})


def _members(sent: Packed, settings: Settings) -> NDArray[np.int64]:
    return find_fields(unpacked(sent), settings, lambda *_: None).fields.members


def with_shuffled_target(problem: Problem, settings: Settings) -> Problem:
    """The same columns, targets and weights of the training rows in a random order: what is found then is noise."""
    problem, rng = rows_to_find_on(problem, settings), np.random.default_rng(entropy(settings.seed, "shuffled target"))
    order = torch.from_numpy(rng.permutation(len(problem.train)))
    return replace(problem, train=replace(problem.train.take(order), x=problem.train.x))


def _half(problem: Problem, number: int, seed: int) -> torch.Tensor:
    """Rows of a half-sample, ascending; numbers 2i and 2i + 1 are each other's complement."""
    rng = np.random.default_rng(entropy(seed, f"pair of half-samples {number // 2}"))
    rows = len(problem.train)
    groups = np.arange(rows) if problem.train_groups is None else problem.train_groups
    kinds, codes = np.unique(groups, return_inverse=True)
    first = np.zeros(len(kinds), np.bool_)
    first[rng.permutation(len(kinds))[: len(kinds) // 2]] = True
    chosen = first[codes] if number % 2 == 0 else ~first[codes]
    return torch.from_numpy(np.flatnonzero(chosen))
