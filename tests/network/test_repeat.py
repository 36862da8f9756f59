"""Half-samples: complementary, whole groups, of training rows alone; and the source found on each."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rfconv_cli.config import from_values
from rfconv_cli.network import repeat
from rfconv_cli.network.cost import halves_of
from rfconv_cli.network.repeat import fields_on_halves, with_shuffled_target
from tests.network.test_contest import FAST, planted, silent

__all__ = ["planted"]


@pytest.mark.parametrize("grouped", [False, True], ids=["rows", "groups"])
def test_a_pair_of_half_samples_holds_every_row_once(planted, grouped):
    groups = np.repeat(np.arange(60), 20) if grouped else None
    problem = replace(planted, train_groups=groups)
    first, second, third = (set(repeat._half(problem, number, 0).tolist()) for number in range(3))
    assert (first | second, first & second) == (set(range(len(planted.train))), set())
    assert first not in (third, second)
    if groups is not None:
        assert not set(groups[list(first)]) & set(groups[list(second)])


@pytest.mark.parametrize("source", ["correlation", "interaction", "aligned", "moments", "searched"])
def test_a_source_is_found_on_each_half_sample(planted, source):
    found = fields_on_halves(planted, source, from_values(FAST), 2, silent)
    assert [members.shape for members in found] == [(1, 48, 5)] * 2
    assert not np.array_equal(found[0], found[1])


def test_the_same_seed_finds_the_same(planted):
    first, again = (fields_on_halves(planted, "interaction", from_values(FAST), 2, silent) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_half_samples_searched_in_processes_find_the_same(planted, monkeypatch):
    alone = fields_on_halves(planted, "searched", from_values(FAST), 2, silent)
    monkeypatch.setattr(repeat, "processes_for", lambda *_: 2)
    beside = fields_on_halves(planted, "searched", from_values(FAST), 2, silent)
    assert all(np.array_equal(a, b) for a, b in zip(alone, beside, strict=True))


def test_a_shuffled_target_keeps_columns_and_classes(planted):
    noise = with_shuffled_target(planted, from_values(FAST))
    assert torch.equal(noise.train.x, planted.train.x)
    assert torch.equal(noise.train.y.bincount(), planted.train.y.bincount())
    assert not torch.equal(noise.train.y, planted.train.y)


@pytest.mark.parametrize(
    ("source", "given", "expected"),
    [
        ("correlation", None, 20),
        ("searched", None, 4),
        ("moments", None, 4),
        ("searched", 6, 6),
        ("aligned", 0, 0),
        ("random", 9, 0),
    ],
)
def test_how_often_a_source_is_repeated(source, given, expected):
    assert halves_of(source, from_values({} if given is None else {"stability": given})) == expected
