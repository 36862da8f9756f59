"""How long the last training takes: other splits are asked where few groups judge, and only there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rfconv_cli.config import from_values
from rfconv_cli.fields.search import Rows
from rfconv_cli.judge import controls
from rfconv_cli.judge.controls import RANDOM_FIELDS, drawn_fields, train_with_controls
from rfconv_cli.network.learn import Problem, train_on_fields, trained_on_all
from rfconv_cli.network.lengths import length_of_last
from rfconv_cli.network.train import Epoch, Trained

SETTINGS = from_values({"epochs": 6, "channels": 4, "hidden": 16, "random_draws": 2, "batch_size": 10})


def problem(groups: int, rows: int = 400) -> Problem:
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(rows, 8, generator=draw), torch.randn(rows, generator=draw)
    codes = np.arange(rows) % groups
    held = codes % 4 == 0
    mask = torch.from_numpy(held)
    names = tuple(f"c{i}" for i in range(8))
    parts = (Rows(x[which], y[which]) for which in (~mask, mask))
    return Problem(names, *parts, 1, valid_groups=codes[held], train_groups=codes[~held])


def best_after(epochs: int) -> Trained:
    history = (*[Epoch(1.0, 1.0)] * (epochs - 1), Epoch(1.0, 0.5))
    return Trained(torch.nn.Identity(), history)


def asked(given: Problem, settings=SETTINGS, bests=(4, 10, 6, 12)) -> tuple[int | None, list[Problem]]:
    splits: list[Problem] = []

    def train(split: Problem) -> Trained:
        splits.append(split)
        return best_after(bests[len(splits) - 1])

    return length_of_last(given, best_after(2), settings, train), splits


def test_few_groups_are_joined_by_four_other_splits_and_the_middle_one_counts():
    length, splits = asked(problem(40))
    assert (length, len(splits)) == (6, 4)


def test_the_other_splits_hold_out_other_whole_groups_and_lose_no_row():
    given = problem(40)
    for split in asked(given)[1]:
        assert not set(split.train_groups) & set(split.valid_groups)
        assert len(split.train) + len(split.valid) == 400
        assert abs(len(split.valid) - len(given.valid)) <= 10
        assert len(split.valid) == len(split.valid_groups)
    held_out = {frozenset(split.valid_groups.tolist()) for split in asked(given)[1]}
    assert len(held_out) == 4


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        (problem(400), SETTINGS),
        (replace(problem(40), valid_groups=None, train_groups=None), SETTINGS),
        (problem(40), SETTINGS.model_copy(update={"refit": False})),
    ],
    ids=["many groups", "single rows", "no last training"],
)
def test_otherwise_a_training_judges_itself(given, settings):
    assert asked(given, settings) == (None, [])


def test_the_same_seed_asks_the_same_splits():
    first, again = (asked(problem(40))[1] for _ in range(2))
    assert all(np.array_equal(a.valid_groups, b.valid_groups) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("length", [1, 5])
def test_the_last_training_takes_that_long(length):
    given = problem(400)
    fields = drawn_fields(given, 0, SETTINGS)
    first = train_on_fields(given, fields, SETTINGS, lambda *_: None)
    by_length = trained_on_all(given, fields, replace(first, length=length), SETTINGS)
    as_if_best = trained_on_all(given, fields, replace(best_after(length), network=first.network), SETTINGS)
    for a, b in zip(by_length.network.parameters(), as_if_best.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_controls_train_as_long_as_the_learned_network(monkeypatch):
    monkeypatch.setattr(controls, "length_of_last", lambda *_: 3)
    given = problem(40)
    fields = drawn_fields(given, 9, SETTINGS)
    trained, others = train_with_controls(given, fields, SETTINGS, lambda *_: None, {})
    for one, which in ((trained, fields), (others[RANDOM_FIELDS][0], drawn_fields(given, 0, SETTINGS))):
        expected = trained_on_all(given, which, replace(best_after(3), network=one.network), SETTINGS)
        for a, b in zip(one.network.parameters(), expected.network.parameters(), strict=True):
            assert torch.equal(a, b)
