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
    found = verdict({"mean": mean, "interval": interval}, draws, regression=regression)
    assert found["code"] == code
    assert [part for part in says if part not in found["sentence"]] == []


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_sentence_is_one_line(case):
    sentence = verdict({"mean": case[0], "interval": case[1]}, case[2], regression=case[3])["sentence"]
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_the_difference_it_rests_on_comes_along():
    difference = {"mean": 0.1, "interval": [0.0, 0.2]}
    assert verdict(difference, 1, regression=False)["against_random"] == difference
