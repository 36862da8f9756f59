"""Scores against scikit-learn's, bootstrap draws against rows drawn by hand, intervals against many simulated sets."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
)

from rfconv_cli.judge import metrics
from rfconv_cli.judge.metrics import Resamples, difference, interval, mean_interval, score


def classes_problem(rows: int = 150, classes: int = 3, skill: float = 1.0, seed: int = 0):
    """(truth, probabilities as a network gives them)."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, rows)
    logits = rng.normal(size=(rows, classes)) + skill * np.eye(classes)[truth]
    likelihood = np.exp(logits)
    return truth, (likelihood / likelihood.sum(axis=1, keepdims=True)).astype(np.float32)


def values_problem(rows: int = 150, noise: float = 0.5, offset: float = 0.0, seed: int = 0):
    """(truth, predicted)."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=rows) + offset
    return truth, truth + noise * rng.normal(size=rows)


def right_or_wrong(correct):
    """(truth, probabilities) of two classes such that exactly the `correct` rows are predicted right."""
    return np.ones(len(correct), np.int64), np.stack([1.0 - correct, 1.0 * correct], axis=1)


def resamples_of(truth, groups=None, draws: int = 400, seed: int = 3) -> Resamples:
    return Resamples(len(truth), draws, seed, groups)


def drawn_units(resamples: Resamples, units: int) -> list[np.ndarray]:
    """Which rows, or groups, each bootstrap draw holds, as often as it holds them."""
    rng = np.random.default_rng(resamples.seed)
    counts = rng.multinomial(units, np.full(units, 1 / units), size=resamples.draws)
    return [np.repeat(np.arange(units), count) for count in counts]


def width(pair: list[float]) -> float:
    return pair[1] - pair[0]


def test_bootstrap_means_are_the_means_of_the_drawn_rows():
    values, resamples = np.random.default_rng(1).normal(size=30), Resamples(30, 50, seed=7)
    by_hand = [values[rows].mean() for rows in drawn_units(resamples, 30)]
    np.testing.assert_allclose(resamples.means(values)[0], by_hand, rtol=1e-12)


def test_every_draw_holds_as_many_units_as_there_are():
    assert {len(units) for units in drawn_units(Resamples(30, 50, seed=7), 30)} == {30}


def test_group_resampling_draws_whole_groups():
    groups = np.array([5, 5, 5, 9, 9, 2, 7, 7, 7, 7])
    values, resamples = np.random.default_rng(1).normal(size=10), Resamples(10, 60, seed=7, groups=groups)
    rows_of = [np.flatnonzero(groups == code) for code in sorted(set(groups))]
    by_hand = [
        values[np.concatenate([rows_of[unit] for unit in units])].mean()
        for units in drawn_units(resamples, len(rows_of))
    ]
    np.testing.assert_allclose(resamples.means(values)[0], by_hand, rtol=1e-12)


def test_all_vectors_are_resampled_on_the_same_rows():
    first = np.random.default_rng(1).normal(size=40)
    one, other = Resamples(40, 80, seed=0).means(first, 3 * first - 2)
    np.testing.assert_allclose(other, 3 * one - 2, rtol=1e-12)


def test_bootstrap_means_spread_like_the_standard_error():
    values = np.random.default_rng(1).normal(size=200)
    spread = Resamples(200, 4000, seed=0).means(values)[0].std()
    assert spread == pytest.approx(values.std() / np.sqrt(200), rel=0.05)


def test_groups_of_agreeing_rows_widen_the_interval():
    correct = np.repeat(np.random.default_rng(0).random(30) < 0.7, 20)  # 30 days, all of a day right or wrong
    problem = right_or_wrong(correct)
    by_row = score(*problem, resamples_of(correct))["interval"]
    by_group = score(*problem, resamples_of(correct, np.repeat(np.arange(30), 20)))["interval"]
    assert width(by_group) > 3 * width(by_row)


def test_groups_of_one_row_are_rows():
    truth, predicted = classes_problem(60)
    one_by_one = score(truth, predicted, resamples_of(truth, np.arange(60)[::-1]))["interval"]
    # the groups are drawn in the order of their codes, here the reverse of the rows
    assert one_by_one == score(truth[::-1], predicted[::-1], resamples_of(truth))["interval"]


def test_the_names_of_groups_do_not_matter():
    truth, predicted = values_problem(60)
    groups = np.arange(60) // 7
    renamed = resamples_of(truth, groups * 1000 - 5)
    assert score(truth, predicted, renamed) == score(truth, predicted, resamples_of(truth, groups))


def test_a_single_group_does_not_pretend_to_certainty():
    truth, predicted = classes_problem(60)
    assert width(score(truth, predicted, resamples_of(truth, np.zeros(60, np.int64)))["interval"]) > 0.05


@pytest.mark.parametrize("cells", [1, 100, 1000])
def test_chunks_do_not_change_the_draws(monkeypatch, cells):
    values, resamples = np.random.default_rng(0).normal(size=37), Resamples(37, 101, seed=5)
    whole = resamples.means(values, values**2)
    monkeypatch.setattr(metrics, "_CHUNK_CELLS", cells)
    np.testing.assert_allclose(resamples.means(values, values**2), whole, rtol=1e-12)


def test_chunks_do_not_change_an_interval_of_accuracy_by_one_bit(monkeypatch):
    truth, predicted = classes_problem()
    whole = score(truth, predicted, resamples_of(truth))
    monkeypatch.setattr(metrics, "_CHUNK_CELLS", 1000)
    assert score(truth, predicted, resamples_of(truth)) == whole


def test_the_interval_holds_the_central_95_percent():
    assert interval(np.arange(1001.0)) == pytest.approx([25, 975])


CLASS_SCORES = {
    "accuracy": lambda truth, p: accuracy_score(truth, p.argmax(1)),
    "balanced_accuracy": lambda truth, p: balanced_accuracy_score(truth, p.argmax(1)),
    "log_loss": lambda truth, p: log_loss(truth, p, labels=range(p.shape[1])),
}
VALUE_SCORES = {"r2": r2_score, "rmse": root_mean_squared_error, "mae": mean_absolute_error}


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:.*sum to one")
@pytest.mark.parametrize("measure", CLASS_SCORES)
@pytest.mark.parametrize("problem", ["three classes", "two classes", "one class is absent", "no skill"])
def test_class_scores_are_scikit_learns(measure, problem):
    truth, predicted = {
        "three classes": lambda: classes_problem(),
        "two classes": lambda: classes_problem(classes=2),
        "one class is absent": lambda: (np.minimum(classes_problem()[0], 1), classes_problem()[1]),
        "no skill": lambda: classes_problem(skill=0.0),
    }[problem]()
    ours = score(truth, predicted, resamples_of(truth, draws=10))[measure]
    assert ours == pytest.approx(CLASS_SCORES[measure](truth, predicted), rel=1e-6)


@pytest.mark.parametrize("measure", VALUE_SCORES)
@pytest.mark.parametrize("offset", [0.0, 1e5, 1.6e9], ids=["centred", "pascals", "epoch seconds"])
def test_value_scores_are_scikit_learns(measure, offset):
    truth, predicted = values_problem(offset=offset)
    ours = score(truth, predicted, resamples_of(truth, draws=10))[measure]
    assert ours == pytest.approx(VALUE_SCORES[measure](truth, predicted), rel=1e-6)


@pytest.mark.parametrize("error", [0.0, 0.1])
def test_r2_of_truth_that_does_not_vary_is_scikit_learns(error):
    truth = np.full(5, 3.3)
    found = score(truth, truth + error, resamples_of(truth))
    assert found["r2"] == r2_score(truth, truth + error)
    assert found["interval"] == [found["r2"]] * 2


def test_draws_of_one_row_only_give_a_finite_interval():
    truth = np.array([1.0, 2.0])
    low, high = score(truth, truth + 0.1, resamples_of(truth))["interval"]
    assert 0 <= low <= high <= 1


def test_an_impossible_row_costs_a_finite_log_loss():
    truth, predicted = right_or_wrong(np.array([True, False]))
    assert score(truth, predicted, resamples_of(truth))["log_loss"] < 100


@pytest.mark.parametrize("offset", [0.0, 1.6e9])
def test_an_interval_of_r2_does_not_depend_on_the_zero_of_the_unit(offset):
    centred, shifted = (
        score(truth + add, predicted + add, resamples_of(truth))["interval"]
        for truth, predicted in [values_problem()]
        for add in (0.0, offset)
    )
    assert shifted == pytest.approx(centred, abs=1e-5)


PROBLEMS = pytest.mark.parametrize("problem", [classes_problem, values_problem], ids=["classes", "values"])


@PROBLEMS
def test_identical_models_differ_by_exactly_nothing(problem):
    truth, predicted = problem()
    nothing = {"mean": 0.0, "interval": [0.0, 0.0], "interval_99": [0.0, 0.0]}
    assert difference(truth, predicted, [predicted], resamples_of(truth)) == nothing


@PROBLEMS
def test_the_difference_is_that_of_the_scores(problem):
    truth, ours = problem()
    theirs = [problem(seed=seed)[1] if problem is classes_problem else truth + 0.8 * (ours - truth) for seed in (4, 5)]
    measure = "accuracy" if problem is classes_problem else "r2"
    mine, *others = (score(truth, one, resamples_of(truth))[measure] for one in (ours, *theirs))
    found = difference(truth, ours, theirs, resamples_of(truth))
    assert found["mean"] == pytest.approx(mine - np.mean(others))
    assert found["interval"][0] < found["mean"] < found["interval"][1]


def test_the_difference_is_paired():
    hard = np.random.default_rng(0).random(400) < 0.5  # what makes rows hard is common to both models
    ours, theirs = ~hard, ~hard.copy()
    theirs[np.flatnonzero(theirs)[:8]] = False
    truth, better = right_or_wrong(ours)
    gain = difference(truth, better, [right_or_wrong(theirs)[1]], resamples_of(truth))
    assert gain["interval"][0] > 0
    assert width(gain["interval"]) < width(score(truth, better, resamples_of(truth))["interval"]) / 2


def test_which_networks_were_drawn_widens_the_interval():
    truth, perfect = right_or_wrong(np.ones(50))
    useless = right_or_wrong(np.zeros(50))[1]
    assert mean_interval(truth, [perfect, useless], resamples_of(truth)) == [0.0, 1.0]


@PROBLEMS
def test_the_mean_interval_of_one_prediction_is_its_own(problem):
    truth, predicted = problem()
    own = score(truth, predicted, resamples_of(truth))["interval"]
    assert mean_interval(truth, [predicted], resamples_of(truth)) == pytest.approx(own, rel=1e-12)


@PROBLEMS
def test_scores_hold_only_what_json_can_say(problem):
    truth, predicted = problem()
    found = score(truth, predicted, resamples_of(truth)) | difference(
        truth, predicted, [predicted], resamples_of(truth)
    )
    numbers = [number for value in found.values() for number in (value if isinstance(value, list) else [value])]
    assert {type(number) for number in numbers} <= {int, float}


@PROBLEMS
def test_no_rows_have_no_score(problem):
    truth, predicted = problem()
    with pytest.raises(ValueError, match="no rows"):
        score(truth[:0], predicted[:0], resamples_of(truth[:0]))


def coverage(truth: float, sets) -> float:
    """How many of the intervals of (problem, resamples) hold the truth."""
    found = [score(*problem, resamples)["interval"] for problem, resamples in sets]
    return float(np.mean([low <= truth <= high for low, high in found]))


def test_intervals_of_accuracy_hold_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(0)
    sets = [(right_or_wrong(rng.random(120) < 0.7), Resamples(120, 300, seed)) for seed in range(300)]
    assert 0.91 <= coverage(0.7, sets) <= 0.98


def test_intervals_of_r2_hold_the_truth_about_95_times_in_100():
    sets = [(values_problem(noise=0.5, seed=seed), Resamples(150, 300, seed)) for seed in range(300)]
    assert 0.90 <= coverage(0.75, sets) <= 0.98


@pytest.mark.parametrize(("grouped", "low", "high"), [(True, 0.88, 0.99), (False, 0.0, 0.75)])
def test_rows_that_resemble_one_another_need_group_resampling(grouped, low, high):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 12)
    days = [np.repeat(rng.random(40) < 0.7, 12) for _ in range(200)]
    sets = [(right_or_wrong(day), Resamples(480, 300, i, groups if grouped else None)) for i, day in enumerate(days)]
    assert low <= coverage(0.7, sets) <= high
