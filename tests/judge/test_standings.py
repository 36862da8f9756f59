"""Where methods stand: scores, paired differences, order, and the sentence that follows."""

import numpy as np
import pytest

from rfconv_cli.judge.apart import DONE, FAILED, TIME_LIMIT, Outcome
from rfconv_cli.judge.methods import chosen_methods
from rfconv_cli.judge.metrics import Resamples
from rfconv_cli.judge.standings import in_words, main_score, ordered, own_standings, standing
from rfconv_cli.judge.tuning import Fitted
from rfconv_cli.network.fitted import Encoding
from rfconv_cli.table.encode import Scaling

ROWS = 1000
TRUTH = np.arange(ROWS) % 2
VALUES = np.random.default_rng(0).normal(size=ROWS) * 3 + 10
ENCODING = Encoding(("a",), Scaling(np.zeros(1), np.zeros(1), np.ones(1)), 10.0, 3.0)
RESAMPLES = Resamples(ROWS, 2000, 0)
METRICS = {
    "test": {"accuracy": 0.8, "interval": [0.7, 0.9], "rows": ROWS, "log_loss": 0.4},
    "controls": {
        "random_fields": {
            "accuracy": 0.7,
            "interval": [0.6, 0.8],
            "draws": [0.6, 0.8],
            "difference": {"mean": 0.1, "interval": [0.0, 0.2]},
        },
        "mlp": {"accuracy": 0.75, "interval": [0.6, 0.8], "draws": [0.75], "difference": {}},
    },
}


def right_in(share: float, seed: int):
    """(rows,) codes that are right in this share of the rows."""
    right = np.random.default_rng(seed).permutation(ROWS) < share * ROWS
    return np.where(right, TRUTH, 1 - TRUTH)


def outcome(predicted) -> Outcome:
    seconds = {"tuning": 2.0, "fit": 0.5, "predict": 0.1}
    return Outcome(DONE, Fitted(predicted, {"C": 1.0}, 0.7, seconds, True, None), 123)


def of_classes(theirs: float, ours: float = 0.8, name: str = "k-nn"):
    (method,) = chosen_methods([name], 5, classes=True)
    learned = np.eye(2)[right_in(ours, 1)]
    return standing(method, outcome(right_in(theirs, 2)), TRUTH, learned, ENCODING, RESAMPLES)


def not_done(status: str, reason: str = "", name: str = "linear-svm"):
    (method,) = chosen_methods([name], 5, classes=True)
    return standing(method, Outcome(status, reason=reason), TRUTH, np.eye(2)[TRUTH], ENCODING, RESAMPLES)


def test_a_score_and_its_interval_are_those_of_the_binomial():
    found = of_classes(0.7)
    assert found["accuracy"] == pytest.approx(0.7)
    half = 1.96 * np.sqrt(0.7 * 0.3 / ROWS)
    assert found["interval"] == pytest.approx([0.7 - half, 0.7 + half], abs=0.004)


def test_the_difference_is_learned_minus_this_on_the_same_rows():
    found = of_classes(0.7)["difference"]
    gains = (right_in(0.8, 1) == TRUTH).astype(float) - (right_in(0.7, 2) == TRUTH)
    half = 1.96 * gains.std() / np.sqrt(ROWS)
    assert found["mean"] == pytest.approx(0.1)
    assert found["interval"] == pytest.approx([0.1 - half, 0.1 + half], abs=0.004)


def test_groups_are_drawn_whole():
    (method,) = chosen_methods(["k-nn"], 5, classes=True)
    blocks = np.arange(ROWS) // 100
    predicted = np.where(blocks % 2 == 0, TRUTH, 1 - TRUTH)
    alone, grouped = (
        standing(method, outcome(predicted), TRUTH, np.eye(2)[TRUTH], ENCODING, Resamples(ROWS, 500, 0, groups))
        for groups in (None, blocks)
    )
    assert np.ptp(grouped["interval"]) > 3 * np.ptp(alone["interval"])


def test_a_number_is_scored_in_its_own_unit():
    (method,) = chosen_methods(["ridge"], 5, classes=False)
    error = np.random.default_rng(1).normal(size=ROWS) * 0.5
    predicted = ((VALUES + error - 10) / 3).astype(np.float32)
    found = standing(method, outcome(predicted), VALUES, VALUES.copy(), ENCODING, RESAMPLES)
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-4)
    assert found["r2"] == pytest.approx(1 - np.mean(error**2) / VALUES.var(), rel=1e-4)
    assert "accuracy" not in found
    assert found["difference"]["mean"] == pytest.approx(1 - found["r2"], rel=1e-4)


def test_a_method_says_its_seconds_memory_and_settings():
    found = of_classes(0.7)
    assert found["seconds"] == {"tuning": 2.0, "fit": 0.5, "predict": 0.1, "fit_with_tuning": 2.5}
    assert (found["peak_memory_bytes"], found["best"], found["status"]) == (123, {"C": 1.0}, "done")


def test_all_standings_have_the_same_keys_but_for_scores():
    own, done, lost = own_standings(METRICS)[0], of_classes(0.7), not_done(TIME_LIMIT)
    assert lost.keys() <= own.keys() & done.keys()


def test_the_runs_own_scores_stand_as_they_were_stored():
    learned, random, mlp = own_standings(METRICS)
    assert (learned["accuracy"], learned["interval"]) == (0.8, [0.7, 0.9])
    assert random["difference"] == METRICS["controls"]["random_fields"]["difference"]
    assert [one["label"] for one in (learned, random, mlp)] == [
        "learned fields",
        "random fields (2 draws)",
        "plain MLP",
    ]
    assert all(one["own"] for one in (learned, random, mlp))


def test_the_best_is_first_and_what_has_no_score_last():
    rows = [not_done(TIME_LIMIT), of_classes(0.6), *own_standings(METRICS), of_classes(0.9)]
    assert [main_score(one) for one in ordered(rows)] == [pytest.approx(v) for v in (0.9, 0.8, 0.75, 0.7, 0.6)] + [None]


def test_a_score_below_zero_stands_before_none():
    rows = [{"r2": -3.0}, {}, {"r2": 0.0}]
    assert ordered(rows) == [{"r2": 0.0}, {"r2": -3.0}, {}]


@pytest.mark.parametrize(
    ("theirs", "code", "words"),
    [(0.6, "better", "better than"), (0.8, "as_good", "as well as"), (0.95, "worse", "worse than")],
)
def test_the_sentence_says_how_the_learned_fields_do_against_the_best_other(theirs, code, words):
    said = in_words([of_classes(theirs), of_classes(0.5, name="linear-svm"), *own_standings(METRICS)])
    assert (said["code"], said["best_other"]) == (code, "k-nn")
    assert words in said["sentence"]
    assert "k-NN" in said["sentence"]
    assert "best of 2" in said["sentence"]


def test_rfconvs_own_are_no_other_method():
    assert in_words([of_classes(0.5), *own_standings(METRICS)])["best_other"] == "k-nn"


def test_methods_without_a_score_are_counted_and_never_silently_missing():
    lost = [not_done(TIME_LIMIT), not_done(FAILED, "ValueError: no")]
    assert [one["status"] for one in lost] == ["time limit", "failed: ValueError: no"]
    assert "2 of 3 other methods gave no score" in in_words([*lost, of_classes(0.7)])["sentence"]
    said = in_words([*lost, *own_standings(METRICS)])
    assert (said["code"], said["best_other"]) == ("nothing_to_compare", None)
    assert "2 of 2" in said["sentence"]
