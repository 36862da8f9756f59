"""Every plant's truth is in its table, correlation is blind where it is said to be, and nothing else gives it away."""

import numpy as np
import pytest
from scipy.stats import rankdata

from benchmarks.plants import grid, interactions, null_additive, random_graph, ring, shuffled
from benchmarks.plants.motifs import uncorrelated

ROWS = 4000
PLANTS = {"ring": ring, "grid": grid, "random graph": random_graph, "interactions": interactions}
WITH_MOTIFS = {name: PLANTS[name] for name in ("ring", "grid", "random graph")}
every_plant = pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
every_motif_plant = pytest.mark.parametrize("plant", WITH_MOTIFS.values(), ids=WITH_MOTIFS)


def correlations(x):
    """(pairs,) correlations of all pairs of columns, and the pairs as (lower, higher)."""
    lower, higher = np.triu_indices(x.shape[1], 1)
    return np.corrcoef(x.T)[lower, higher], list(zip(lower.tolist(), higher.tolist(), strict=True))


def class_shifts(planted):
    """How far each pair's covariance within a class lies from that over all classes, in standard errors: the most."""
    z = (planted.x - planted.x.mean(axis=0)) / planted.x.std(axis=0)
    parts = [z[planted.y == code] for code in np.unique(planted.y)]
    within = np.stack([part.T @ part / len(part) for part in parts])
    errors = np.array([len(part) ** 0.5 for part in parts])
    shifts = (np.abs(within - within.mean(axis=0)) * errors[:, None, None]).max(axis=0)
    return shifts[np.triu_indices(z.shape[1], 1)]


def split(values, pairs, true):
    """The values of the true pairs, and of all others."""
    chosen = np.array([pair in true for pair in pairs])
    return values[chosen], values[~chosen]


@every_plant
def test_the_centre_comes_first_and_no_column_twice(plant):
    planted = plant(0, 10)
    assert (planted.members[:, 0] == np.arange(len(planted.names))).all()
    assert all(len(set(field)) == planted.kernel_size for field in planted.members.tolist())


@every_plant
def test_the_same_seed_gives_the_same_table_and_another_another(plant):
    one, again, other = plant(1, 50), plant(1, 50), plant(2, 50)
    for key in ("x", "y", "members"):
        np.testing.assert_array_equal(getattr(one, key), getattr(again, key))
    assert (one.members != other.members).any()


@every_plant
def test_columns_side_by_side_are_neighbours_no_more_than_by_chance(plant):
    side_by_side = sum(high - low == 1 for seed in range(10) for low, high in plant(seed, 2).pairs())
    pairs = sum(len(plant(seed, 2).pairs()) for seed in range(10))
    expected = pairs * 2 / len(plant(0, 2).names)
    assert abs(side_by_side - expected) < 5 * expected**0.5


@every_plant
def test_arrays_cannot_be_written_to(plant):
    with pytest.raises(ValueError, match="read-only"):
        plant(0, 5).members[0, 0] = 1


@every_motif_plant
def test_correlation_carries_the_neighbours(plant):
    planted = plant(0, ROWS)
    true, others = split(*correlations(planted.x), planted.pairs())
    assert np.mean(np.abs(true)) > 3 * np.mean(np.abs(others))


@every_motif_plant
@pytest.mark.parametrize("ranked", [False, True], ids=["values", "ranks"])
def test_without_correlation_no_two_columns_correlate_beyond_chance(plant, ranked):
    x = plant(0, ROWS, correlated=False).x
    found, _ = correlations(rankdata(x, axis=0) if ranked else x)
    assert np.abs(found).max() < 5 / ROWS**0.5


@every_motif_plant
def test_without_correlation_the_neighbours_correlate_no_more_than_the_others(plant):
    planted = plant(0, 10 * ROWS, correlated=False)
    for x in (planted.x, rankdata(planted.x, axis=0)):
        true, others = split(*correlations(x), planted.fellows())
        assert np.mean(np.abs(true)) < 1.2 * np.mean(np.abs(others))


@every_motif_plant
def test_without_correlation_no_columns_mean_tells_the_class(plant):
    planted = plant(0, ROWS, correlated=False)
    parts = [planted.x[planted.y == code] for code in range(4)]
    scores = [np.abs(part.mean(axis=0)) / part.std(axis=0) * len(part) ** 0.5 for part in parts]
    assert np.max(scores) < 5


@every_motif_plant
def test_without_correlation_the_classes_still_differ_in_covariance_within_the_fields(plant):
    planted = plant(0, ROWS, correlated=False, strength=3.0)
    _, pairs = correlations(planted.x)
    true, others = split(class_shifts(planted), pairs, planted.fellows())
    assert np.median(true) > 2 * np.median(others)
    assert np.quantile(others, 0.99) < 5


@every_motif_plant
def test_noise_has_variance_one(plant):
    quiet = plant(0, ROWS, strength=1e-9)
    np.testing.assert_allclose(quiet.x.var(axis=0), 1, atol=5 * (2 / ROWS) ** 0.5)


def test_interactions_are_no_correlation_but_a_covariance_within_every_pair():
    planted = interactions(0, ROWS)
    found, pairs = correlations(planted.x)
    true, others = split(class_shifts(planted), pairs, planted.pairs())
    assert np.abs(found).max() < 5 / ROWS**0.5
    assert true.min() > 5 > others.max()


def test_interactions_say_nothing_by_single_columns():
    planted = interactions(0, ROWS)
    means = np.stack([planted.x[planted.y == code].mean(axis=0) for code in range(4)])
    assert np.abs(means).max() < 5 / np.bincount(planted.y).min() ** 0.5


def test_a_ring_walks_along_its_columns():
    planted = ring(3, 10)
    before, after = planted.slots.index("-1"), planted.slots.index("+1")
    back = planted.members[planted.members[:, after], before]
    assert back.tolist() == list(range(48))


@pytest.mark.parametrize(("shape", "slots"), [("cross", 5), ("square", 9)])
def test_a_grid_steps_one_way_and_back_where_there_is_a_place(shape, slots):
    planted = grid(0, 10, height=4, width=6, shape=shape)
    down, up = planted.slots.index("+1,+0"), planted.slots.index("-1,+0")
    real = planted.real[:, down]
    below = planted.members[real, down]
    assert (planted.kernel_size, real.sum()) == (slots, 3 * 6)
    assert planted.members[below, up].tolist() == np.flatnonzero(real).tolist()


def test_without_correlation_a_field_that_reaches_beyond_the_border_has_no_real_member():
    planted = grid(0, 10, correlated=False)
    assert np.bincount(planted.real.sum(axis=1)).tolist() == [24, 0, 0, 0, 0, 25]


def test_a_grids_corner_has_three_real_members_of_the_cross():
    planted = grid(0, 10)
    assert np.bincount(planted.real.sum(axis=1)).tolist() == [0, 0, 0, 4, 20, 25]


def test_beyond_the_border_the_truth_names_nobody():
    planted = grid(0, 10)
    absent = sum(member is None for field in planted.truth()["fields"].values() for member in field)
    assert absent == 4 * 7


def test_a_random_graph_has_each_column_once_in_each_slot():
    members = random_graph(0, 10).members
    assert all(sorted(slot) == list(range(48)) for slot in members.T.tolist())


def test_motifs_too_strong_to_cancel_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="too strong"):
        uncorrelated(
            np.zeros((2, 2)), np.array([[0, 1]]), np.array([[2.0, 2.0], [-2.0, -2.0]]), np.zeros(2, np.int64), rng
        )


@pytest.mark.parametrize(
    ("plant", "wrong"),
    [
        (grid, {"classes": 5}),
        (grid, {"height": 2}),
        (grid, {"smoothness": 0.25}),
        (random_graph, {"sensors": 9}),
        (random_graph, {"classes": 1}),
        (interactions, {"pairs": 1}),
        (null_additive, {"columns": 0}),
        (null_additive, {"classes": 1}),
    ],
)
def test_a_plant_that_cannot_be_is_refused(plant, wrong):
    with pytest.raises(ValueError, match=r"got \d"):
        plant(0, 10, **wrong)


def test_the_additive_nulls_columns_correlate_and_its_classes_are_quantiles():
    table = null_additive(0, ROWS)
    found, _ = correlations(table.x)
    assert np.mean(np.abs(found)) > 0.1
    assert np.bincount(table.y).tolist() == [1000] * 4


def test_products_tell_nothing_of_the_additive_null_beyond_single_columns():
    """Of two least-squares fits of the class, the one with all products of two columns does worse on new rows."""
    table = null_additive(0, 3 * ROWS)
    curves = np.concatenate([table.x, np.abs(table.x), np.tanh(2 * table.x), np.sin(2 * table.x)], axis=1)
    lower, higher = np.triu_indices(table.x.shape[1], 1)
    products = table.x[:, lower] * table.x[:, higher]
    errors = []
    for features in (curves, np.concatenate([curves, products], axis=1)):
        weights, *_ = np.linalg.lstsq(features[:ROWS], table.y[:ROWS] - 1.5, rcond=None)
        errors.append(np.square(features[ROWS:] @ weights - table.y[ROWS:] + 1.5).mean())
    assert errors[0] < errors[1]


def test_shuffling_keeps_the_columns_and_the_classes_counts():
    planted = ring(0, 200)
    table = shuffled(planted, 1)
    assert table.x is planted.x
    assert (table.y != planted.y).any()
    assert np.bincount(table.y).tolist() == np.bincount(planted.y).tolist()


def test_a_shuffled_table_has_no_truth():
    assert not hasattr(shuffled(ring(0, 10), 0), "members")
