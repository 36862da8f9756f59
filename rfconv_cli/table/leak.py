"""Columns that give the target away: one shallow tree for each, judged on rows that it has not seen."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_ROWS = 2000  # that are looked at
_MOST_CELLS = 400_000  # of all columns together: bounds the time
_LEAVES = 64
_FARTHEST = float(np.finfo(np.float32).max)  # of what a tree takes
_TREE_FOR_EACH = 500  # columns; of more, those get a tree that a cheap look leaves
_RUN, _MAY_TELL = 10, 0.7
_GIVES_AWAY = 0.95  # of what there is to tell beyond the most frequent class, or of the variance


def given_away(x: NDArray[np.float64], y: NDArray[Any], *, classes: bool) -> NDArray[np.float64]:
    """(N,) how much of the target each column alone tells, 0 to 1: of the errors, or of the variance, that are avoided.

    x: (rows, N) float64, NaN where missing. y: (rows,) class codes, or values. Two halves of at most 2,000 rows, each
    judged by a tree of at most 64 leaves that the other grew.
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    rows = np.random.default_rng(0).permutation(len(x))[: min(MOST_ROWS, max(200, _MOST_CELLS // max(1, x.shape[1])))]
    halves = rows[::2], rows[1::2]
    x = np.clip(x, -_FARTHEST, _FARTHEST)
    kind = DecisionTreeClassifier if classes else DecisionTreeRegressor
    told = np.zeros(x.shape[1])
    if min(map(len, halves)) == 0:
        return told
    wide = x.shape[1] > _TREE_FOR_EACH and len(rows) >= 2 * _RUN
    worth = np.flatnonzero(_may_tell(x[rows], y[rows], classes=classes)).tolist() if wide else range(x.shape[1])
    for column in worth:
        values = x[:, [column]]
        wrong, worst = 0.0, 0.0
        for grown, judged in (halves, halves[::-1]):
            tree = kind(max_leaf_nodes=_LEAVES, random_state=0).fit(values[grown], y[grown])
            wrong += _wrong(tree.predict(values[judged]), y[judged], classes=classes)
            worst += _wrong(_best_guess(y[grown], classes=classes), y[judged], classes=classes)
        told[column] = max(0.0, 1 - wrong / worst) if worst > 0 else 0.0
    return told


def _may_tell(x: NDArray[np.float64], y: NDArray[Any], *, classes: bool) -> NDArray[np.bool_]:
    """(N,) whether runs of ten neighbouring values of a column are much of one target: a cheap look at many columns."""
    runs = max(1, len(x) // _RUN)
    order = np.argsort(x, axis=0, kind="stable")[: runs * _RUN]
    told = np.empty(x.shape[1], np.bool_)
    most = np.bincount(y).max() / len(y) if classes else 0.0
    for column in range(x.shape[1]):
        grouped = y[order[:, column]].reshape(runs, _RUN)
        if classes:
            grouped = np.sort(grouped, axis=1)
            alike = (grouped == grouped[:, [_RUN // 2]]).mean()  # the middle one of a run is its most frequent, if any
            told[column] = alike - most >= _MAY_TELL * (1 - most)
        else:
            told[column] = grouped.var(axis=1).mean() <= (1 - _MAY_TELL) * y.var()
    return told


def gives_away(told: float) -> bool:
    """Whether a column that tells so much is suspicious."""
    return told >= _GIVES_AWAY


def _best_guess(y: NDArray[Any], *, classes: bool) -> Any:
    """What one would say without any column: the most frequent class, or the mean."""
    if not classes:
        return y.mean()
    labels, counts = np.unique(y, return_counts=True)
    return labels[counts.argmax()]


def _wrong(said: Any, y: NDArray[Any], *, classes: bool) -> float:
    return float((said != y).sum() if classes else np.square(y - said).sum())
