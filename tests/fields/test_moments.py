"""Fields by second moments: a slot is known by how it varies with the others, on a graph without geometry too."""

import numpy as np
import pytest

from benchmarks.plant_runs import UNCORRELATED, agreement, learned_pairs
from benchmarks.plants import Planted, grid, random_graph
from rfconv_cli.fields.moments import by_moments, moments_cost
from rfconv_cli.fields.naming import named_like
from rfconv_cli.fields.value import ReceptiveFields

ROWS = 3000


def found_in(planted: Planted, order: np.ndarray | None = None) -> np.ndarray:
    order = np.arange(len(planted.names)) if order is None else order
    found = by_moments(planted.x[:, order].astype(np.float32), planted.y, planted.kernel_size)
    assert found is not None
    return found


def agreed(found: np.ndarray, planted: Planted) -> dict[str, float]:
    return agreement(learned_pairs(ReceptiveFields.unweighted(planted.names, found[None]), planted.names), planted)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("grow", [random_graph, UNCORRELATED["random-graph"]], ids=["correlated", "uncorrelated"])
def test_a_random_graphs_fields_are_found(grow, seed):
    planted = grow(seed, ROWS)
    found = agreed(found_in(planted), planted)
    assert min(found["recall"], found["precision"]) > 0.95


@pytest.mark.parametrize("family", ["ring", "grid"])
def test_fields_are_found_where_correlation_tells_nothing(family):
    planted = UNCORRELATED[family](3, ROWS)
    assert agreed(found_in(planted), planted)["recall"] > 0.95


def test_a_slot_means_the_same_at_every_centre():
    planted = UNCORRELATED["random-graph"](3, ROWS)
    found = found_in(planted)
    fields = {frozenset(field): list(field) for field in planted.members.tolist()}
    true = [fields[frozenset(field)] for field in found.tolist() if frozenset(field) in fields]
    orders = {
        tuple(there.index(column) for column in field)
        for field, there in zip((f for f in found.tolist() if frozenset(f) in fields), true, strict=True)
    }
    assert len(true) > 0.9 * len(found)
    assert len(orders) == 1


def test_every_field_starts_with_its_centre_and_holds_no_column_twice():
    found = found_in(grid(0, 1000))
    assert found.dtype == np.int64
    assert found[:, 0].tolist() == list(range(49))
    assert all(len(set(field)) == 5 for field in found.tolist())


def test_columns_in_another_order_give_the_same_fields_whichever_slot_is_the_centres():
    planted = random_graph(2, ROWS)
    order = np.random.default_rng(0).permutation(len(planted.names))
    found, moved = found_in(planted), order[found_in(planted, order)][np.argsort(order)]
    assert np.array_equal(np.sort(named_like(moved, found), axis=1), np.sort(found, axis=1))


def test_values_are_a_target_too():
    planted = UNCORRELATED["random-graph"](4, ROWS)
    value = planted.y + 0.1 * np.random.default_rng(0).random(ROWS)  # its quarters are nearly the four classes
    found = by_moments(planted.x.astype(np.float32), value, planted.kernel_size)
    assert agreed(found, planted)["recall"] > 0.95


def test_columns_that_do_not_vary_together_have_no_fields():
    rng = np.random.default_rng(0)
    assert by_moments(rng.standard_normal((2000, 30)).astype(np.float32), rng.integers(3, size=2000), 5) is None


@pytest.mark.parametrize(
    ("rows", "columns", "kernel_size"), [(50, 4, 5), (3, 9, 5), (8, 9000, 5)], ids=["few columns", "rows", "wide"]
)
def test_tables_that_it_cannot_be_asked_of(rows, columns, kernel_size):
    x = np.random.default_rng(0).standard_normal((rows, columns)).astype(np.float32)
    assert by_moments(x, np.arange(rows) // (2 if rows > 3 else 1), kernel_size) is None


def test_fields_are_named_as_others_are():
    planted = random_graph(0, 10)
    shifted = planted.members[:, [2, 0, 1, 3, 4]]
    elsewhere = shifted[np.argsort(shifted[:, 0])]  # the same fields, each under its slot 2
    assert np.array_equal(np.sort(named_like(elsewhere, planted.members), axis=1), np.sort(planted.members, axis=1))


def test_a_wide_table_costs_nothing_since_it_is_left_out():
    assert moments_cost(20_000, 12) == (0, 0)
    assert min(moments_cost(800, 12)) > 0
