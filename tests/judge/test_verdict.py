"""What is concluded from a difference, and that the sentence says the numbers it rests on."""

import pytest

from rfconv_cli.judge.verdict import verdict

# mean, interval, draws, regression → code, what the sentence says
CASES = {
    "better": (
        0.123,
        [0.05, 0.2],
        3,
        False,
        "not_unique",
        ["beat random", "+12.3 points", "+5.0 to +20.0", "3 random"],
    ),
    "barely better": (0.01, [1e-9, 0.02], 1, False, "not_unique", ["beat random", "+1.0 points", "1 random draw)"]),
    "touching zero": (0.01, [0.0, 0.02], 2, False, "no_evidence", ["do not beat", "no evidence", "+0.0 to +2.0"]),
    "undecided": (0.004, [-0.02, 0.03], 3, False, "no_evidence", ["do not beat", "+0.4 points", "-2.0 to +3.0"]),
    "the same": (0.0, [0.0, 0.0], 3, False, "no_evidence", ["do not beat", "+0.0 points"]),
    "worse": (-0.05, [-0.08, -0.02], 3, False, "no_evidence", ["worse than random", "-5.0 points", "-8.0 to -2.0"]),
    "better R²": (0.1234, [0.05, 0.2], 3, True, "not_unique", ["beat random", "+0.123 R²", "+0.050 to +0.200"]),
    "worse R²": (-2.5, [-3.0, -2.0], 1, True, "no_evidence", ["worse than random", "-2.500 R²", "-3.000 to -2.000"]),
}


@pytest.mark.parametrize(("mean", "interval", "draws", "regression", "code", "says"), CASES.values(), ids=CASES)
def test_the_verdict_follows_from_the_interval_and_says_its_numbers(mean, interval, draws, regression, code, says):
    found = verdict({"mean": mean, "interval": interval, "interval_99": interval}, draws, regression=regression)
    assert found["code"] == code
    assert [part for part in says if part not in found["sentence"]] == []


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_sentence_is_one_line(case):
    difference = {"mean": case[0], "interval": case[1], "interval_99": case[1]}
    sentence = verdict(difference, case[2], regression=case[3])["sentence"]
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_the_difference_it_rests_on_comes_along():
    difference = {"mean": 0.1, "interval": [0.0, 0.2]}
    assert verdict(difference, 1, regression=False)["against_random"] == difference


AHEAD = {"mean": 0.1, "interval": [0.06, 0.14], "interval_99": [0.05, 0.15]}
AGREED = {
    "halves": 20,
    "phi": 0.9,
    "phi_interval": [0.85, 0.95],
    "edges": 100.0,
    "stable_edges": 90,
    "expected_false": 20.0,
    "uses_target": True,
    "null": {"phi": 0.01, "phi_interval": [0.0, 0.02]},
}


def test_fields_that_help_and_that_half_samples_agree_on_are_structure():
    found = verdict(AHEAD, 5, regression=False, stability=AGREED)
    assert (found["code"], found["stability"]) == ("structure_found", AGREED)
    assert "20 half-samples" in found["sentence"]
    assert "Φ 0.90, 95 % interval 0.85 to 0.95" in found["sentence"]


def test_structure_read_off_the_columns_is_said_to_be_so():
    sentence = verdict(AHEAD, 5, regression=False, stability=AGREED | {"uses_target": False, "null": None})["sentence"]
    assert "the target had no part" in sentence


@pytest.mark.parametrize(
    ("ahead", "stability", "says"),
    [
        (AHEAD, None, "was not tested"),
        (AHEAD, AGREED | {"phi": 0.5, "phi_interval": [0.4, 0.6]}, "choose others (Φ 0.50"),
        (
            AHEAD,
            AGREED | {"null": {"phi": 0.8, "phi_interval": [0.7, 0.85]}},
            "a shuffled target gives",
        ),
        (AHEAD, AGREED | {"stable_edges": 39}, "of 39 stable edges 20 may be chance"),
        (AHEAD | {"interval_99": [0.0, 0.2]}, AGREED, "99 % interval reaches 0"),
    ],
)
def test_fields_that_help_but_are_not_settled_are_not_unique(ahead, stability, says):
    found = verdict(ahead, 5, regression=False, stability=stability)
    assert found["code"] == "not_unique"
    assert says in found["sentence"]


def test_stable_fields_that_do_not_help_are_no_evidence():
    nothing = {"mean": 0.0, "interval": [-0.01, 0.01], "interval_99": [-0.02, 0.02]}
    assert verdict(nothing, 5, regression=False, stability=AGREED)["code"] == "no_evidence"
