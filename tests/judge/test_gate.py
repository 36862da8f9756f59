"""The gate a user sets: what it may say, and when it holds."""

import pytest

from rfconv_cli.errors import GateError, UsageError
from rfconv_cli.judge.gate import check_gate, read_gate

CLASSES = {"rows": 10, "accuracy": 0.8, "balanced_accuracy": 0.7, "log_loss": 0.4, "interval": [0.6, 0.9]}
VALUES = {"rows": 10, "r2": 0.5, "rmse": 2.0}


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        (None, None),
        ("accuracy=0.8", ("accuracy", 0.8)),
        ("balanced_accuracy=1", ("balanced_accuracy", 1.0)),
        ("r2=-0.5", ("r2", -0.5)),
        ("accuracy=8e-1", ("accuracy", 0.8)),
    ],
)
def test_a_gate_is_a_measure_and_its_least_value(text, gate):
    assert read_gate(text) == gate


@pytest.mark.parametrize(
    "text",
    ["", "accuracy", "accuracy=", "accuracy=high", "accuracy=nan", "=0.8", "0.8", "rmse=2", "Accuracy=0.8", "r2=1=2"],
)
def test_a_gate_that_cannot_be_read_is_refused_with_an_example(text):
    with pytest.raises(UsageError) as caught:
        read_gate(text)
    assert caught.value.code == "bad_gate"
    assert text in caught.value.message
    assert read_gate(caught.value.hint.removeprefix("--fail-under "))


@pytest.mark.parametrize(
    ("gate", "scores"),
    [
        (None, CLASSES),
        (("accuracy", 0.8), CLASSES),
        (("balanced_accuracy", 0.5), CLASSES),
        (("r2", 0.5), VALUES),
        (("r2", -1.0), VALUES),
    ],
)
def test_a_gate_that_is_met_lets_pass(gate, scores):
    check_gate(gate, scores)


@pytest.mark.parametrize(
    ("gate", "scores", "says"),
    [
        (("accuracy", 0.81), CLASSES, ["accuracy", "0.8000", "0.81"]),
        (("balanced_accuracy", 0.75), CLASSES, ["balanced_accuracy", "0.7000", "0.75"]),
        (("r2", 0.6), VALUES, ["r2", "0.5000", "0.6"]),
    ],
)
def test_a_gate_that_is_missed_fails_with_both_numbers(gate, scores, says):
    with pytest.raises(GateError) as caught:
        check_gate(gate, scores)
    assert caught.value.exit_code == 6
    assert [part for part in says if part not in caught.value.message] == []


@pytest.mark.parametrize(("gate", "scores"), [(("r2", 0.5), CLASSES), (("accuracy", 0.5), VALUES)])
def test_a_gate_on_a_score_of_another_task_is_wrong_usage(gate, scores):
    with pytest.raises(UsageError) as caught:
        check_gate(gate, scores)
    measure, _ = read_gate(caught.value.hint.removeprefix("--fail-under "))
    assert measure in scores
