"""What a search is said to have cost: scores against scikit-learn, the gap of a hardened search, every combination."""

import json

import pytest
import torch
from sklearn.metrics import accuracy_score, r2_score

from rfconv_cli.config import Settings, from_values
from rfconv_cli.fields.search import Rows
from rfconv_cli.network.contest import find_fields
from rfconv_cli.network.gap import SearchRecord, score
from rfconv_cli.network.learn import Problem, search_fields

COLUMNS = 12
EVERY = [(p, e) for p in ("dense", "candidates", "factored") for e in ("softmax", "straight-through", "gumbel")]
every_combination = pytest.mark.parametrize(("parameterisation", "estimator"), EVERY)


def silent(stage: str, share: float) -> None:
    pass


def problem(outputs: int = 3) -> Problem:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(160, COLUMNS, generator=draw)
    x = x + 0.6 * x.roll(1, 1)
    y = (x[:, 0] * x[:, 1] > 0).long() + (x[:, 5] > 0) if outputs > 1 else x[:, 0] - x[:, 2]
    names = tuple(f"c{i:02}" for i in range(COLUMNS))
    return Problem(names, Rows(x[:120], y[:120]), Rows(x[120:], y[120:]), outputs)


def settings(**changes) -> Settings:
    quick = {"search_steps": 20, "epochs": 2, "channels": 4, "hidden": 0, "kernel_size": 4, "candidates": 6}
    return from_values(quick | changes)


def test_the_score_of_classes_is_their_accuracy():
    outputs, y = torch.randn(50, 3), torch.randint(3, (50,))
    assert score(outputs, y) == pytest.approx(accuracy_score(y, outputs.argmax(1)))


def test_the_score_of_values_is_r2():
    outputs, y = torch.randn(50, 1), torch.randn(50)
    assert score(outputs, y) == pytest.approx(r2_score(y, outputs[:, 0]), abs=1e-5)


def test_values_that_do_not_vary_have_no_score_to_speak_of():
    assert score(torch.randn(5, 1), torch.ones(5)) == 0.0


@every_combination
@pytest.mark.parametrize("layers", [1, 2])
def test_every_way_to_search_gives_distinct_fields_with_weights(parameterisation, estimator, layers):
    chosen = settings(parameterisation=parameterisation, estimator=estimator, layers=layers, share_fields=False)
    fields, _ = search_fields(problem(), chosen, silent)
    assert fields.members.shape == (layers, COLUMNS, 4)
    assert all(len(set(field)) == 4 for layer in fields.members.tolist() for field in layer)
    assert (fields.weights[:, :, 1:] > 0).all()
    assert (fields.weights <= 1).all()
    assert (fields.runners_up[:, :, 1:] >= 0).all()


@every_combination
def test_one_seed_gives_one_search_bit_for_bit(parameterisation, estimator):
    chosen = settings(parameterisation=parameterisation, estimator=estimator)
    (fields, record), (again, same) = (search_fields(problem(), chosen, silent) for _ in range(2))
    assert fields == again
    assert record == same


@every_combination
@pytest.mark.parametrize("hyper_gradient", ["exact", "finite-difference"])
def test_the_unrolled_loss_is_searched_under_every_parameterisation(parameterisation, estimator, hyper_gradient):
    chosen = settings(
        parameterisation=parameterisation,
        estimator=estimator,
        level="second-order",
        hyper_gradient=hyper_gradient,
        search_steps=3,
    )
    _, record = search_fields(problem(), chosen, silent)
    assert all(loss == loss for loss in record.losses)


def test_annealing_hardens_the_continuous_field():
    warm, cold = (
        search_fields(problem(), settings(estimator="softmax", temperature_end=end), silent)[0] for end in (None, 0.01)
    )
    assert cold.weights[:, :, 1:].mean() > 2 * warm.weights[:, :, 1:].mean()


def test_hard_slots_that_are_distinct_anyway_leave_no_gap():
    _, record = search_fields(problem(), settings(kernel_size=2), silent)  # one free slot: nothing to part
    assert record.gap == 0.0


def test_the_same_weights_on_slots_moved_apart_leave_a_gap():
    _, record = search_fields(problem(1), settings(estimator="softmax", kernel_size=6, search_steps=60), silent)
    assert record.relaxed > record.discrete
    assert record.gap == pytest.approx(record.relaxed - record.discrete)


@pytest.mark.parametrize("source", ["contest", "searched"])
def test_the_record_goes_with_the_fields_that_were_found(source):
    found = find_fields(problem(), settings(source=source, contest_epochs=1), silent)
    assert isinstance(found.search, SearchRecord)
    told = json.loads(json.dumps(found.search.to_json(), allow_nan=False))
    assert set(told) == {"parameterisation", "estimator", "level", "steps", "losses", "relaxed", "discrete", "gap"}


def test_fields_read_off_the_rows_have_no_search_to_tell_of():
    assert find_fields(problem(), settings(source="correlation"), silent).search is None
