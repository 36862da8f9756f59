"""The comparison with the controls: whose scores are shown, and which control decides."""

import numpy as np
import pytest

from rfconv_cli.judge.compare import compare
from rfconv_cli.judge.metrics import Resamples, difference, score

ROWS = 200
RESAMPLES = Resamples(ROWS, 200, 0)
TRUTH = np.arange(ROWS) % 2
VALUES = np.random.default_rng(0).normal(size=ROWS)


def with_accuracy(share: float):
    """Probabilities of two classes, right in this share of the rows."""
    right = np.random.default_rng(round(share * 100)).permutation(ROWS) < share * ROWS
    return np.eye(2)[np.where(right, TRUTH, 1 - TRUTH)]


def with_noise(noise: float):
    return VALUES + noise * np.random.default_rng(1).normal(size=ROWS)


def of_classes(ours: float, random: list[float], mlp: float):
    controls = {"random_fields": [with_accuracy(one) for one in random], "mlp": [with_accuracy(mlp)]}
    return compare(TRUTH, with_accuracy(ours), controls, RESAMPLES)


def test_the_test_part_is_the_score_of_the_learned_network():
    assert of_classes(0.8, [0.6], 0.7)["test"] == score(TRUTH, with_accuracy(0.8), RESAMPLES)


def test_a_control_scores_the_mean_of_its_networks_and_lists_each():
    control = of_classes(0.8, [0.5, 0.6, 0.7], 0.7)["controls"]["random_fields"]
    assert control["accuracy"] == pytest.approx(0.6)
    assert control["draws"] == pytest.approx([0.5, 0.6, 0.7])
    assert control["interval"][0] < 0.6 < control["interval"][1]


def test_differences_are_ours_minus_theirs():
    controls = of_classes(0.8, [0.5, 0.6, 0.7], 0.9)["controls"]
    assert controls["random_fields"]["difference"]["mean"] == pytest.approx(0.2)
    assert controls["mlp"]["difference"]["mean"] == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("ours", "random", "mlp", "code"),
    [
        (0.9, 0.6, 0.95, "not_unique"),  # the MLP is better, and does not matter
        (0.6, 0.6, 0.5, "no_evidence"),
        (0.6, 0.9, 0.5, "no_evidence"),  # the MLP is worse, and does not matter
    ],
)
def test_the_random_fields_decide_not_the_mlp(ours, random, mlp, code):
    assert of_classes(ours, [random], mlp)["verdict"]["code"] == code


def test_the_verdict_names_the_number_of_random_draws():
    assert "2 random draws" in of_classes(0.8, [0.6, 0.6], 0.7)["verdict"]["sentence"]


def test_regression_is_judged_by_r2():
    found = compare(VALUES, with_noise(0.3), {"random_fields": [with_noise(1.0)], "mlp": [with_noise(0.4)]}, RESAMPLES)
    control = found["controls"]["random_fields"]
    assert found["test"]["r2"] - control["r2"] == pytest.approx(control["difference"]["mean"])
    assert control["draws"] == [control["r2"]]
    assert control["rmse"] > found["test"]["rmse"]
    assert "R²" in found["verdict"]["sentence"]


def test_all_models_are_compared_on_the_same_resampled_rows():
    found = of_classes(0.8, [0.6], 0.7)["controls"]["mlp"]["difference"]
    assert found == difference(TRUTH, with_accuracy(0.8), [with_accuracy(0.7)], RESAMPLES)
