"""The controls are fair: as large as the learned network, trained alike, drawn anew for each draw."""

import itertools
from dataclasses import replace

import pytest
import torch

from rfconv_cli.config import Settings, from_values
from rfconv_cli.fields.search import Rows
from rfconv_cli.judge.controls import drawn_fields, train_with_controls
from rfconv_cli.network.learn import PLAIN_MLP, Problem, fit_settings, search_fields, train_on_fields, trained_on_all
from rfconv_cli.network.model import count_parameters

QUICK = {"search_steps": 2, "epochs": 1, "channels": 4, "hidden": 16, "random_draws": 2}
SHAPES = {
    "default": {},
    "linear head": {"hidden": 0},
    "two layers": {"layers": 2},
    "two layers with their own fields": {"layers": 2, "share_fields": False},
    "wide": {"channels": 16, "kernel_size": 9, "hidden": 128},
    "gelu": {"activation": "gelu"},
}
each_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def problem(columns: int = 12, outputs: int = 3, rows: int = 40) -> Problem:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(rows, columns, generator=draw)
    y = torch.arange(rows) % outputs if outputs > 1 else torch.randn(rows, generator=draw)
    return Problem(tuple(f"c{i:02}" for i in range(columns)), Rows(x[:30], y[:30]), Rows(x[30:], y[30:]), outputs)


def settings(**changes) -> Settings:
    return from_values(QUICK | changes)


def silent(stage: str, share: float) -> None:
    pass


def learned(given: Problem, chosen: Settings):
    return train_on_fields(given, search_fields(given, chosen, silent)[0], chosen, silent).network


def on_random(draw: int, **changes):
    return random_network(problem(), draw, settings(**changes))


def random_network(given: Problem, draw: int, chosen: Settings):
    return train_on_fields(given, drawn_fields(given, draw, chosen), chosen, silent).network


def members(network) -> list[list[list[int]]]:
    return [conv.members.tolist() for conv in network.convs]


@each_shape
@pytest.mark.parametrize("outputs", [1, 2, 12])
def test_random_fields_have_exactly_the_parameters_of_learned_ones(shape, outputs):
    given, chosen = problem(outputs=outputs), settings(**shape)
    random = random_network(given, 0, chosen)
    assert count_parameters(random) == count_parameters(learned(given, chosen))


@each_shape
@pytest.mark.parametrize(("columns", "outputs"), [(6, 1), (12, 2), (30, 12), (200, 10)])
def test_the_mlp_has_the_parameters_of_the_network_within_a_tenth(shape, columns, outputs):
    given, chosen = problem(columns, outputs), fit_settings(settings(**shape), columns)
    random = random_network(given, 0, chosen)
    mlp = train_on_fields(given, PLAIN_MLP, chosen, silent).network
    assert count_parameters(mlp) == pytest.approx(count_parameters(random), rel=0.1)


def test_different_draws_are_different_fields():
    assert not any(members(on_random(a)) == members(on_random(b)) for a, b in itertools.combinations(range(4), 2))


def test_another_seed_draws_other_fields():
    assert members(on_random(0)) != members(on_random(0, seed=1))


def test_the_same_draw_is_the_same_network_bit_for_bit():
    first, again = on_random(1), on_random(1)
    assert members(first) == members(again)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


def test_a_random_field_holds_its_centre_first_and_nothing_twice():
    for centre, field in enumerate(members(on_random(0))[0]):
        assert field[0] == centre
        assert len(set(field)) == len(field) == settings().kernel_size


@pytest.mark.parametrize(("share", "fields"), [(True, 1), (False, 2)])
def test_layers_share_random_fields_as_they_share_learned_ones(share, fields):
    drawn = members(on_random(0, layers=2, share_fields=share))
    assert len({str(field) for field in drawn}) == fields


def test_random_and_learned_fields_start_from_the_same_weights():
    still = {"lr": 1e-30, "weight_decay": 0.0}  # too small a step to move a float32
    random, ours = on_random(0, **still), learned(problem(), settings(**still))
    pairs = zip(random.parameters(), ours.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in pairs)


def with_controls(**changes):
    given, chosen = problem(), settings(**changes)
    return train_with_controls(given, search_fields(given, chosen, silent)[0], chosen, silent, {})


def test_there_are_as_many_random_networks_as_asked_and_one_of_each_other():
    _, found = with_controls(random_draws=3)
    assert {name: len(each) for name, each in found.items()} == {"random_fields": 3, "correlation_fields": 1, "mlp": 1}


def test_progress_rises_to_its_end():
    told: list[tuple[str, float]] = []
    given, chosen = problem(), settings()
    fields = search_fields(given, chosen, silent)[0]
    train_with_controls(given, fields, chosen, lambda *what: told.append(what), {})
    shares = [share for name, share in told if name == "train"]
    assert (len(shares), shares) == (len(told), sorted(shares))
    assert shares[-1] == pytest.approx(1.0)


def test_networks_that_are_known_are_not_trained_again():
    given, chosen = problem(), settings(refit=False)
    fields = search_fields(given, chosen, silent)[0]
    known = {fields: train_on_fields(given, fields, chosen, silent)}
    assert train_with_controls(given, fields, chosen, silent, known)[0] is known[fields]


def test_refitting_trains_on_the_validation_rows_too():
    given, chosen = problem(), settings()
    fields = drawn_fields(given, 0, chosen)
    first = train_on_fields(given, fields, chosen, silent)
    again = trained_on_all(given, fields, first, chosen)
    assert again.history == first.history
    other = replace(given, valid=Rows(given.valid.x + 1, given.valid.y))
    moved = trained_on_all(other, fields, first, chosen)
    states = [one.network.state_dict() for one in (first, again, moved)]
    for a, b in itertools.combinations(states, 2):
        assert not torch.equal(a["head.kernel"], b["head.kernel"])


@pytest.mark.parametrize("refit", [True, False])
def test_progress_rises_to_the_whole_with_and_without_a_last_training(refit):
    given, chosen, told = problem(), settings(refit=refit), []
    fields = search_fields(given, chosen, silent)[0]
    train_with_controls(given, fields, chosen, lambda stage, share: told.append(share), {})
    assert told == sorted(told)
    assert told[-1] == 1.0
