"""Where each method stands on the test rows beside rfconv's learned fields, and what that says in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfconv_cli.judge.apart import DONE, Outcome
from rfconv_cli.judge.controls import CORRELATION_FIELDS, MLP, RANDOM_FIELDS
from rfconv_cli.judge.methods import Method
from rfconv_cli.judge.metrics import Resamples, difference, score
from rfconv_cli.judge.verdict import difference_in_words
from rfconv_cli.network.fitted import Encoding

LEARNED_FIELDS = "learned_fields"
_OWN = {
    LEARNED_FIELDS: "learned fields",
    RANDOM_FIELDS: "random fields",
    CORRELATION_FIELDS: "correlation fields",
    MLP: "plain MLP",
}
_SCORES = ("accuracy", "balanced_accuracy", "r2", "rmse", "rmse_interval", "mae", "interval", "difference")
_OF_FITS = ("best", "fold_score", "seconds", "peak_memory_bytes", "converged", "weighted")

Standing = dict[str, Any]


def own_standings(metrics: Mapping[str, Any]) -> list[Standing]:
    """The learned fields and each control of a run: scores and differences as they stand in its metrics.json."""
    each = [(LEARNED_FIELDS, metrics["test"]), *metrics["controls"].items()]
    return [_standing(name, _own_label(name, scores), scores, own=True) for name, scores in each]


def standing(
    method: Method,
    outcome: Outcome,
    truth: NDArray[Any],
    learned: NDArray[Any],
    encoding: Encoding,
    resamples: Resamples,
) -> Standing:
    """One method's place. truth, learned: the test rows' targets and the run's predictions, as in `metrics.score`.

    encoding: what the values of a regression target were standardised with.
    """
    if outcome.status != DONE:
        reason = f"{outcome.status}: {outcome.reason}" if outcome.reason else outcome.status
        return _standing(method.name, method.label, {}, own=False) | {"status": reason}
    fitted = outcome.result
    if learned.ndim == 2:  # one-hot: not every method gives probabilities, and accuracy asks for none
        predicted = np.eye(learned.shape[1], dtype=np.float32)[fitted.predicted]
    else:
        predicted = fitted.predicted.astype(np.float64) * encoding.target_scale + encoding.target_mean
    scores = score(truth, predicted, resamples) | {"difference": difference(truth, learned, [predicted], resamples)}
    of_fit = {
        "best": dict(fitted.best),
        "fold_score": fitted.fold_score,
        "seconds": {**fitted.seconds, "fit_with_tuning": fitted.seconds["tuning"] + fitted.seconds["fit"]},
        "peak_memory_bytes": outcome.peak,
        "converged": fitted.converged,
        "weighted": fitted.weighted,
    }
    return _standing(method.name, method.label, scores, own=False) | of_fit


def ordered(standings: Sequence[Standing]) -> list[Standing]:
    """The best first, those without a score last."""
    scores = [main_score(one) for one in standings]
    places = sorted(range(len(scores)), key=lambda place: (scores[place] is None, -(scores[place] or 0.0)))
    return [standings[place] for place in places]


def main_score(one: Mapping[str, Any]) -> float | None:
    """Accuracy or R²; None where there is no score."""
    value = one.get("accuracy", one.get("r2"))
    return None if value is None else float(value)


def in_words(standings: Sequence[Standing]) -> dict[str, Any]:
    """`code` (better, as_good, worse, nothing_to_compare), `best_other` and `sentence`: the learned fields against the
    best method that is not rfconv's, by the 95 % interval of the paired difference.
    """
    others = [one for one in ordered(standings) if not one["own"]]
    done = [one for one in others if main_score(one) is not None]
    lost = len(others) - len(done)
    missing = f" {lost} of {len(others)} other methods gave no score." if lost else ""
    if not done:
        sentence = f"No other method gave a score: there is nothing to compare the learned fields with.{missing}"
        return {"code": "nothing_to_compare", "best_other": None, "sentence": sentence}
    best = done[0]
    low, high = best["difference"]["interval"]
    code, claim, doubt = (
        ("better", "better than", "")
        if low > 0
        else ("worse", "worse than", "")
        if high < 0
        else ("as_good", "as well as", ", as far as these rows can tell")
    )
    numbers = difference_in_words(best["difference"], regression="r2" in best)
    among = f" It is the best of {len(done)} on these very rows, which flatters it a little." if len(done) > 1 else ""
    sentence = f"Learned fields do {claim} the best other method, {best['label']}{doubt} ({numbers}).{among}{missing}"
    return {"code": code, "best_other": best["name"], "sentence": sentence}


def _own_label(name: str, scores: Mapping[str, Any]) -> str:
    draws = len(scores.get("draws", ()))
    return _OWN.get(name, name) + (f" ({draws} draws)" if draws > 1 else "")


def _standing(name: str, label: str, scores: Mapping[str, Any], *, own: bool) -> Standing:
    known = {key: scores[key] for key in _SCORES if key in scores}
    return {"name": name, "label": label, "own": own, "status": DONE, **known, **dict.fromkeys(_OF_FITS)}
