"""How long the last training takes, where few groups of validation rows are a poor judge of it.

Ten engines may by chance be predicted best after two epochs, when the network has learned next to nothing. So other
groups are asked as well.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from rfconv_cli.config import Settings
from rfconv_cli.network.learn import Problem, entropy, trains_again
from rfconv_cli.network.train import Trained
from rfconv_cli.table.split import split_rows

_FEW_GROUPS = 100
_MORE_SPLITS = 4


def length_of_last(
    problem: Problem, first: Trained, settings: Settings, train: Callable[[Problem], Trained]
) -> int | None:
    """Epochs of the last training: the median of the best of `first` and of four trainings on other splits.

    None where a training's own best epoch is asked alone: with 100 groups of validation rows or more, with rows that
    were not kept together, with more training rows than `settings.find_rows` (each split is a copy of the rows, and
    four more trainings of them), and without a last training. train: as `first` was trained, on another split of the
    same rows, whole groups held out.
    """
    groups = problem.valid_groups
    if groups is None or len(np.unique(groups)) >= _FEW_GROUPS or not trains_again(problem, settings):
        return None
    if len(problem.train) > settings.find_rows:
        return None
    return int(np.median([first.best_epoch, *(train(split).best_epoch for split in _splits(problem, settings))]))


def _splits(problem: Problem, settings: Settings) -> Iterator[Problem]:
    """The problem's rows split anew into training and validation rows, about as many of each."""
    if problem.train_groups is None or problem.valid_groups is None:
        return
    together = problem.together().train
    groups = np.concatenate([problem.train_groups, problem.valid_groups])
    for number in range(_MORE_SPLITS):
        held = split_rows(
            together.y.numpy(),
            groups,
            size=len(problem.valid) / len(together),
            stratify=not together.y.is_floating_point(),
            rng=np.random.default_rng(entropy(settings.seed, f"split {number} for the epochs")),
        )
        mask = torch.from_numpy(held)
        yield Problem(
            problem.names,
            together.take(~mask),
            together.take(mask),
            problem.outputs,
            valid_groups=groups[held],
            train_groups=groups[~held],
            memo=problem.memo,
        )
