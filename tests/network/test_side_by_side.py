"""Networks trained side by side are those that would be trained one after the other."""

import pytest
import torch

from rfconv_cli.config import Settings, from_values
from rfconv_cli.errors import TrainingError
from rfconv_cli.fields.search import Rows
from rfconv_cli.judge.controls import drawn_fields
from rfconv_cli.network import side_by_side
from rfconv_cli.network.learn import Problem
from rfconv_cli.network.side_by_side import finish_each, train_each

QUICK = {"epochs": 2, "channels": 4, "hidden": 16}


def problem() -> Problem:
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(60, 8, generator=draw), torch.arange(60) % 3
    return Problem(tuple(f"c{i}" for i in range(8)), Rows(x[:40], y[:40]), Rows(x[40:], y[40:]), 3)


def settings(**changes) -> Settings:
    return from_values(QUICK | changes)


def trained(count: int = 3, told=None, **changes):
    chosen = settings(**changes)
    every = [drawn_fields(problem(), draw, chosen) for draw in range(count)]
    return train_each(problem(), every, chosen, "stage", lambda *what: None if told is None else told.append(what))


@pytest.fixture
def two_processes(monkeypatch):
    monkeypatch.setattr(side_by_side, "_processes", lambda *_: 2)


def test_processes_give_the_same_networks_in_the_same_order(monkeypatch):
    alone = trained()
    monkeypatch.setattr(side_by_side, "_processes", lambda *_: 2)
    for one, other in zip(alone, trained(), strict=True):
        assert one.history == other.history
        assert not other.network.training
        states = one.network.state_dict(), other.network.state_dict()
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("refit", [True, False])
def test_a_last_training_in_processes_is_the_same_as_alone(refit, monkeypatch):
    chosen = settings(refit=refit)
    first = {drawn_fields(problem(), draw, chosen): one for draw, one in enumerate(trained(refit=refit))}
    alone = finish_each(problem(), first, chosen, "stage", lambda *_: None)
    monkeypatch.setattr(side_by_side, "_processes", lambda *_: 2)
    beside = finish_each(problem(), first, chosen, "stage", lambda *_: None)
    for fields, one in alone.items():
        states = one.network.state_dict(), beside[fields].network.state_dict()
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
        assert (one is first[fields]) is not refit


def test_a_divergence_in_a_process_is_told_as_it_is(two_processes):
    with pytest.raises(TrainingError, match="diverged"):
        trained(lr=1e30)


@pytest.mark.parametrize("processes", [1, 2])
def test_progress_counts_the_networks(processes, monkeypatch):
    monkeypatch.setattr(side_by_side, "_processes", lambda *_: processes)
    told = []
    trained(told=told)
    assert told == [("stage", pytest.approx(share)) for share in (1 / 3, 2 / 3, 1)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, 1), ({"epochs": 1500}, 2), ({"epochs": 1500, "threads": 2}, 1)],
    ids=["little to do", "much to do", "threads are used"],
)
def test_processes_are_used_where_they_pay(changes, expected, monkeypatch):
    monkeypatch.setattr(side_by_side, "cpu_count", lambda: 2)
    assert side_by_side._processes(problem(), 3, settings(**{"batch_size": 40, **changes})) == expected
