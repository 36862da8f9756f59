"""Test scores of the learned network beside its controls, and the verdict that follows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfconv_cli.judge.controls import RANDOM_FIELDS
from rfconv_cli.judge.metrics import Resamples, difference, mean_interval, score
from rfconv_cli.judge.verdict import verdict


def compare(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    controls: Mapping[str, Sequence[NDArray[Any]]],
    resamples: Resamples,
    stability: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`test`, `controls` and `verdict` of the result document.

    truth, predicted: as in `metrics.score`; controls: the predictions of each trained network, by control. A control's
    score is the mean over its networks. stability: as in `verdict`.
    """
    regression = predicted.ndim == 1
    judged = {
        name: _control(truth, predicted, list(theirs), resamples, regression) for name, theirs in controls.items()
    }
    return {
        "test": score(truth, predicted, resamples),
        "controls": judged,
        "verdict": verdict(
            judged[RANDOM_FIELDS]["difference"],
            len(controls[RANDOM_FIELDS]),
            regression=regression,
            stability=stability,
        ),
    }


def _control(
    truth: NDArray[Any], ours: NDArray[Any], theirs: list[NDArray[Any]], resamples: Resamples, regression: bool
) -> dict[str, Any]:
    each = [score(truth, other, resamples) for other in theirs]
    measures = ("r2", "rmse") if regression else ("accuracy",)
    return {
        **{measure: float(np.mean([one[measure] for one in each])) for measure in measures},
        "interval": mean_interval(truth, theirs, resamples),
        "draws": [one[measures[0]] for one in each],
        "difference": difference(truth, ours, theirs, resamples),
    }
