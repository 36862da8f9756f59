"""From arrays in memory to a fitted model: what the estimators do once their arguments have been checked."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfconv_cli.config import Settings
from rfconv_cli.network.contest import Found, find_fields
from rfconv_cli.network.fitted import Encoding, FittedModel, row_weights
from rfconv_cli.network.learn import Problem, fit_settings, train_on_fields, trained_on_all, trains_again
from rfconv_cli.network.lengths import length_of_last
from rfconv_cli.network.train import Trained, without_network
from rfconv_cli.table.split import split_rows

Floats = NDArray[np.float64]
_MIN_ROWS_TO_HOLD_OUT = 10


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model, and how it came about: a judgement of it trains its controls on the same rows.

    found: the fields and where they come from; the first training on them is among `found.trained`.
    """

    model: FittedModel
    problem: Problem
    found: Found
    settings: Settings

    @property
    def epochs(self) -> int:
        """Passes over the training rows of the first training on the fields."""
        return len(self.found.trained[self.found.fields].history)


def fit_arrays(
    names: tuple[str, ...],
    x: Floats,
    y: NDArray[Any],
    outputs: int,
    settings: Settings,
    groups: NDArray[Any] | None = None,
    weight: Floats | None = None,
) -> Fit:
    """Hold rows out for validation, find the fields on the others, train the final network.

    names: of the columns. x: (rows, N) float64, NaN where missing; y: (rows,) int64 class codes or float64 values;
    outputs: the number of classes, or 1; groups: (rows,) rows of one value stay together; weight: (rows,) above 0,
    what each row counts in the loss. Raises TrainingError, and UsageError no_device.
    """
    settings = fit_settings(settings, x.shape[1])
    codes = None if groups is None else np.asarray(np.unique(groups, return_inverse=True)[1], np.int64)
    valid = _held_out(y, codes, settings, stratify=outputs > 1)
    encoding = Encoding.fit(names, x, y, settings, ~valid)
    problem = encoding.problem(x, y, ~valid, valid, outputs, row_weights(y, ~valid, weight, settings))
    if not valid.any():  # too few rows to hold any out: stop on the training loss
        problem = Problem(problem.names, problem.train, problem.train, outputs)
    elif codes is not None:
        problem = replace(problem, valid_groups=codes[valid], train_groups=codes[~valid])
    found = find_fields(problem, settings, _silent)
    first = found.trained.get(found.fields) or train_on_fields(problem, found.fields, settings, _silent)
    length = length_of_last(
        problem, first, settings, lambda split: train_on_fields(split, found.fields, settings, _silent)
    )
    trained = trained_on_all(problem, found.fields, replace(first, length=length), settings)
    kept: Trained = without_network(first) if trains_again(problem, settings) else first
    found = replace(found, trained={**found.trained, found.fields: kept})
    return Fit(FittedModel(encoding, found.fields, trained.network, outputs), problem, found, settings)


def _held_out(
    y: NDArray[Any], groups: NDArray[np.int64] | None, settings: Settings, *, stratify: bool
) -> NDArray[np.bool_]:
    if len(y) < _MIN_ROWS_TO_HOLD_OUT:
        return np.zeros(len(y), np.bool_)
    rng = np.random.default_rng(settings.seed)
    return split_rows(y, groups, size=settings.valid_size, stratify=stratify, rng=rng)


def _silent(stage: str, share: float) -> None:
    """A fit inside Python shows no progress."""
