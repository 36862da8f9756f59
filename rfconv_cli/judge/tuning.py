"""One method from its grid to predictions: settings chosen on the folds, one last fit, the test rows predicted."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from rfconv_cli.judge.folds import Fold
from rfconv_cli.judge.methods import MODEL, Method

Told = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a method may see.

    x: (rows, N) float32 of the training and validation rows; y: (rows,) int64 codes, or float32 values in standard
    deviations; weight: (rows,) what each counts, or None; folds: pairs of rows of x; test: (test rows, N) float32,
    without their targets. scaling: as in `Method.model`.
    """

    x: NDArray[np.float32]
    y: NDArray[Any]
    weight: NDArray[np.float64] | None
    folds: Sequence[Fold]
    test: NDArray[np.float32]
    scaling: str


@dataclass(frozen=True, eq=False)
class Fitted:
    """predicted: (test rows,) codes or values, as y was; best: the chosen settings; fold_score: their mean accuracy or
    R² on the folds; seconds: of "tuning", the last "fit", and "predict"; converged: False where the last fit says that
    it needs more iterations; weighted: whether it could heed the rows' weights, None where there are none.
    """

    predicted: NDArray[Any]
    best: Mapping[str, Any]
    fold_score: float
    seconds: Mapping[str, float]
    converged: bool
    weighted: bool | None


def fit_tuned(method: Method, seen: Seen, seed: int, tell: Told) -> Fitted:
    """Choose the method's settings on the folds, fit it with them on all rows of `seen`, predict the test rows.

    `tell` is told the share done. Raises ValueError where the predictions are no numbers, and what the method raises.
    """
    start = time.perf_counter()
    best, fold_score = _choose(method, seen, seed, tell)
    tuned = time.perf_counter()
    model = method.model(best, seed, seen.scaling)
    converged = _fit(model, seen, slice(None)) or "max_iter" in best  # then the number of passes was itself chosen
    fitted = time.perf_counter()
    predicted = np.asarray(model.predict(seen.test))
    if not np.isfinite(predicted).all():
        raise ValueError("its predictions are not all finite")
    seconds = {"tuning": tuned - start, "fit": fitted - tuned, "predict": time.perf_counter() - fitted}
    weighted = None if seen.weight is None else _takes_weights(model)
    return Fitted(predicted, best, fold_score, seconds, converged, weighted)


def _choose(method: Method, seen: Seen, seed: int, tell: Told) -> tuple[dict[str, Any], float]:
    """The settings with the best mean score over the folds, the first of equals, and that score."""
    points = method.points()
    means, fits = [], len(points) * len(seen.folds) + 1
    for i, point in enumerate(points):
        scores = []
        for j, (fit, held) in enumerate(seen.folds):
            model = method.model(point, seed, seen.scaling)
            _fit(model, seen, fit)
            scores.append(_score(seen.y[held], model.predict(seen.x[held])))
            tell((i * len(seen.folds) + j + 1) / fits)
        means.append(float(np.nan_to_num(np.mean(scores), nan=-np.inf)))
    first = int(np.argmax(means))
    return points[first], means[first]


def _fit(model: Pipeline, seen: Seen, rows: Any) -> bool:
    """Whether the fit converged."""
    weights = (
        {f"{MODEL}__sample_weight": seen.weight[rows]} if seen.weight is not None and _takes_weights(model) else {}
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.fit(seen.x[rows], seen.y[rows], **weights)
    return not any(issubclass(one.category, ConvergenceWarning) for one in said)


def _takes_weights(model: Pipeline) -> bool:
    return bool(has_fit_parameter(model[-1], "sample_weight"))


def _score(truth: NDArray[Any], predicted: NDArray[Any]) -> float:
    if truth.dtype.kind != "f":
        return float(np.mean(predicted == truth))
    spread = float(np.var(truth))
    return 1 - float(np.mean(np.square(predicted - truth))) / spread if spread > 0 else 0.0
