"""Scores with bootstrap intervals, and paired differences between models on the same rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_LEVEL = 0.95
_CHUNK_CELLS = 4_000_000
_MOST_UNITS = 10_000  # drawn at a time; of more, chance bundles are drawn, whose sums spread as those of rows do


@dataclass(frozen=True, eq=False)
class Resamples:
    """Bootstrap draws of rows: the same for every model, so that differences are paired.

    groups: (rows,) int64 codes when rows of one group were split together (the hours of a day): they resemble one
    another, so whole groups are drawn, or the intervals would be too narrow (Davison and Hinkley 1997, section 3.8).
    None draws single rows, and so does a single group, which would be drawn every time.
    """

    rows: int
    draws: int
    seed: int
    groups: NDArray[np.int64] | None = None

    def means(self, *values: Floats) -> list[Floats]:
        """The resampled mean of each (rows,) vector: one (draws,) array each."""
        sums, sizes = self._units(np.stack(values, axis=1))
        rng = np.random.default_rng(self.seed)
        step = max(1, _CHUNK_CELLS // len(sizes))
        even = np.full(len(sizes), 1 / len(sizes))
        parts = []
        for start in range(0, self.draws, step):
            counts = rng.multinomial(len(sizes), even, size=min(step, self.draws - start))
            parts.append((counts @ sums) / (counts @ sizes)[:, None])
        return list(np.concatenate(parts).T)

    def of_draws(self, vectors: Floats) -> Floats:
        """The resampled mean over rows and over the vectors themselves, which are draws too. (V, rows) → (draws,)."""
        means = np.stack(self.means(*vectors), axis=1)  # (draws, V)
        rng = np.random.default_rng([self.seed, 1])
        counts = rng.multinomial(len(vectors), np.full(len(vectors), 1 / len(vectors)), size=self.draws)
        return np.asarray((means * counts).sum(axis=1) / len(vectors))

    def _units(self, values: Floats) -> tuple[Floats, Floats]:
        """What is drawn: (U, V) sums of the values and (U,) numbers of rows, U rows, groups, or bundles of either."""
        _, codes = np.unique(self.groups if self.groups is not None else [], return_inverse=True)
        if codes.max(initial=0) == 0:
            if self.rows <= _MOST_UNITS:
                return values, np.ones(self.rows)
            codes = np.arange(self.rows)
        units = int(codes.max()) + 1
        if units > _MOST_UNITS:
            codes = np.random.default_rng([self.seed, 3]).permutation(units)[codes] % _MOST_UNITS
        sizes = np.bincount(codes).astype(np.float64)
        return np.stack([np.bincount(codes, column) for column in values.T], axis=1), sizes


def interval(draws: Floats, level: float = _LEVEL) -> list[float]:
    """The central 95 % of bootstrap draws, or another share: [low, high]."""
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return [float(low), float(high)]


def score(truth: NDArray[Any], predicted: NDArray[Any], resamples: Resamples) -> dict[str, Any]:
    """Scores on held-out rows. truth (rows,) int64 codes with predicted (rows, classes) probabilities → accuracy with
    `interval`, balanced_accuracy, log_loss; truth float64 with predicted (rows,) → r2 with `interval`, rmse with
    `rmse_interval`, mae. Raises ValueError when there are no rows.
    """
    if not len(truth):
        raise ValueError("there are no rows to score")
    if predicted.ndim == 2:
        return _score_classes(truth, predicted, resamples)
    error = predicted - truth
    centred = _centred(truth)
    squares, *moments = resamples.means(error**2, centred, centred**2)
    return {
        "rows": len(truth),
        "r2": float(_r2(np.mean(error**2), _variance(np.mean(centred), np.mean(centred**2)))),
        "interval": interval(_r2(squares, _variance(*moments))),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "rmse_interval": interval(np.sqrt(squares)),
        "mae": float(np.mean(np.abs(error))),
    }


def mean_interval(truth: NDArray[Any], each: list[NDArray[Any]], resamples: Resamples) -> list[float]:
    """Interval of the mean accuracy, or R², of several predictions of the same rows: over rows and predictions."""
    if each[0].ndim == 2:
        return interval(resamples.of_draws(np.stack([_correct(truth, one) for one in each])))
    squares = resamples.of_draws(np.stack([(one - truth) ** 2 for one in each]))
    return interval(_r2(squares, _resampled_variance(truth, resamples)))


def difference(
    truth: NDArray[Any], ours: NDArray[Any], theirs: list[NDArray[Any]], resamples: Resamples
) -> dict[str, Any]:
    """Ours minus the mean of theirs, in accuracy or R², on the same rows; positive is ours better.

    The interval covers which rows were held out and, where theirs are several draws, which were drawn, and that ours is
    one draw too: fitted again, it would differ by about as much as theirs differ from one another.
    """
    if ours.ndim == 2:
        gains = np.stack([_correct(truth, ours) - _correct(truth, other) for other in theirs])  # (draws, rows)
        mean, drawn = gains.mean(), _resampled_gain(gains, resamples)
    else:
        gains = np.stack([(other - truth) ** 2 - (ours - truth) ** 2 for other in theirs])
        centred = _centred(truth)
        mean = _share(gains.mean(), _variance(np.mean(centred), np.mean(centred**2)))
        drawn = _share(_resampled_gain(gains, resamples), _resampled_variance(truth, resamples))
    return {"mean": float(mean), "interval": interval(drawn), "interval_99": interval(drawn, 0.99)}


def _resampled_gain(gains: Floats, resamples: Resamples) -> Floats:
    """(draws,) mean gain over rows and fits, ours among them. gains: (their fits, rows)."""
    spread = float(gains.mean(axis=1).std(ddof=1)) if len(gains) > 1 else 0.0
    ours = np.random.default_rng([resamples.seed, 2]).normal(0.0, spread, resamples.draws)
    return np.asarray(resamples.of_draws(gains) + ours)


def _score_classes(truth: NDArray[Any], predicted: NDArray[Any], resamples: Resamples) -> dict[str, Any]:
    correct = _correct(truth, predicted)
    present = np.unique(truth)
    likelihood = predicted[np.arange(len(truth)), truth].astype(np.float64)
    return {
        "rows": len(truth),
        "accuracy": float(correct.mean()),
        "interval": interval(resamples.means(correct)[0]),
        "balanced_accuracy": float(np.mean([correct[truth == code].mean() for code in present])),
        "log_loss": float(-np.log(np.maximum(likelihood, np.finfo(np.float32).tiny)).mean()),
    }


def _correct(truth: NDArray[Any], predicted: NDArray[Any]) -> Floats:
    return np.asarray(predicted.argmax(1) == truth, np.float64)


def _centred(truth: Floats) -> Floats:
    """Without its mean, which R² does not see, but which would drown the variance in rounding: epoch seconds do."""
    return np.asarray(truth - np.mean(truth))


def _resampled_variance(truth: Floats, resamples: Resamples) -> Floats:
    centred = _centred(truth)
    return np.asarray(_variance(*resamples.means(centred, centred**2)))


def _variance(mean: Any, square: Any) -> Any:
    """From the means of values and of their squares; 0 where only rounding is left, as when all values are equal."""
    variance = square - mean**2
    return np.where(variance > square * 1e-12, variance, 0.0)


def _r2(error: Any, variance: Any) -> Any:
    """1 − error / variance. Truth that does not vary cannot be explained: 1 where there is no error, else 0."""
    return np.where(variance > 0, 1 - _share(error, variance), np.where(error == 0, 1.0, 0.0))


def _share(part: Any, variance: Any) -> Any:
    """part / variance; 0 where the truth does not vary, and so R² compares nothing."""
    return np.where(variance > 0, part / np.where(variance > 0, variance, 1.0), 0.0)
