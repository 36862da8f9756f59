"""Folds of the training rows, cut as the run's own parts were: settings are chosen on them, and on no other rows."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

Rows = NDArray[np.int64]
Fold = tuple[Rows, Rows]  # fitted to, scored on
FOLDS = 3


@dataclass(frozen=True, eq=False)
class Kept:
    """What decides which rows stay together. groups: (rows,) int64 codes; moments: (rows,) what sorts them by time,
    where later rows are the test part; either may be None.
    """

    groups: NDArray[np.int64] | None = None
    moments: NDArray[Any] | None = None

    def of(self, rows: Rows) -> "Kept":
        """The same of some of the rows."""
        groups, moments = (None if each is None else each[rows] for each in (self.groups, self.moments))
        return Kept(groups, moments)


def folds(y: NDArray[Any], kept: Kept, train: NDArray[np.bool_], seed: int) -> list[Fold]:
    """Up to three pairs of row numbers. y: (rows,) int64 class codes, or float values; train: (rows,) training rows.

    Groups stay whole; in time, each fold is scored on later rows than it was fitted to; else classes keep their shares.
    Where the training rows give no two folds, there is one: the training rows, scored on the others.
    """
    rows = np.flatnonzero(train)
    inner = kept.of(rows)
    cut = _in_time(inner.moments) if inner.moments is not None else _drawn(y[rows], inner.groups, seed % 2**31)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class of fewer rows than folds: it is missing from one, and no harm is done
        pairs = [(rows[fit], rows[score]) for fit, score in cut if len(fit) and len(score)]
    usable = [pair for pair in pairs if y.dtype.kind == "f" or len(np.unique(y[pair[0]])) > 1]
    return usable or [(rows, np.flatnonzero(~train))]


def _in_time(moments: NDArray[Any]) -> Iterator[Fold]:
    """Four blocks, one after the other; each but the first is scored by what was fitted to those before it."""
    ordered = np.sort(moments)
    starts = [ordered[len(ordered) * block // (FOLDS + 1)] for block in range(1, FOLDS + 1)]
    block = np.searchsorted(np.unique(starts), moments, side="right")  # rows of one moment share a block
    for number in range(1, int(block.max()) + 1):
        yield np.flatnonzero(block < number), np.flatnonzero(block == number)


def _drawn(y: NDArray[Any], groups: NDArray[np.int64] | None, seed: int) -> Iterator[Fold]:
    classes = y.dtype.kind != "f"
    most = int(np.bincount(y).max(initial=0)) if classes else len(y)
    number = min(FOLDS, most, len(y) if groups is None else len(np.unique(groups)))
    if number < 2:
        return
    kinds = {
        (True, True): StratifiedGroupKFold,
        (True, False): StratifiedKFold,
        (False, True): GroupKFold,
        (False, False): KFold,
    }
    kind = kinds[classes, groups is not None]
    yield from kind(number, shuffle=True, random_state=seed).split(np.zeros(len(y)), y, groups)
