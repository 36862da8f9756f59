"""Alignment: planted geometries are recognised, and slot k means the same at every centre."""

from collections import Counter

import numpy as np
import pytest

from rfconv_cli.fields.align import align, by_strength, recognise, spectral_embedding
from rfconv_cli.fields.screen import Candidates


def candidates(places: np.ndarray, period: float | None = None, size: int = 16) -> Candidates:
    """Candidates by nearness of hidden places (N, d): what a screen finds when strength falls with distance."""
    moves = np.abs(places[None] - places[:, None])
    if period is not None:
        moves = np.minimum(moves, period - moves)
    distance = np.linalg.norm(moves, axis=2)
    np.fill_diagonal(distance, np.inf)
    order = np.argsort(distance, axis=1, kind="stable")[:, : min(size, len(places) - 1)]
    return Candidates(order, np.exp(-np.take_along_axis(distance, order, axis=1)).astype(np.float32))


def grid(*sides: int) -> np.ndarray:
    return np.stack(np.meshgrid(*map(np.arange, sides), indexing="ij"), axis=-1).reshape(-1, len(sides)).astype(float)


def shuffled(places: np.ndarray, seed: int = 0) -> np.ndarray:
    return places[np.random.default_rng(seed).permutation(len(places))]


CASES = {
    "ring": (shuffled(grid(48)), 48.0),
    "line": (shuffled(grid(40)), None),
    "plane": (shuffled(grid(12, 12)), None),
    "space": (shuffled(grid(6, 6, 6)), None),
}


@pytest.mark.parametrize("geometry", CASES)
def test_the_geometry_is_recognised(geometry):
    places, period = CASES[geometry]
    assert align(candidates(places, period), 5).geometry == geometry


@pytest.mark.parametrize(("geometry", "least"), [("ring", 1.0), ("line", 0.9), ("plane", 0.7)])
def test_a_slot_is_one_displacement_at_nearly_every_centre(geometry, least):
    places, period = CASES[geometry]
    members = align(candidates(places, period), 5).members
    for slot in range(1, 5):
        moves = places[members[:, slot]] - places
        if period is not None:
            moves = (moves + period / 2) % period - period / 2
        (_, count), *_ = Counter(map(tuple, moves)).most_common(1)
        assert count >= least * len(places)


@pytest.mark.parametrize("geometry", CASES)
def test_no_column_stands_twice_and_the_centre_only_in_slot_0(geometry):
    places, period = CASES[geometry]
    members = align(candidates(places, period), 7).members
    assert (members[:, 0] == np.arange(len(places))).all()
    assert all(len(set(row)) == 7 for row in members.tolist())


@pytest.mark.parametrize("geometry", ["ring", "line"])
def test_members_are_the_true_neighbours(geometry):
    places, period = CASES[geometry]
    members = align(candidates(places, period), 3).members[:, 1:]
    away = np.abs(places[members, 0] - places)
    away = away if period is None else np.minimum(away, period - away)
    assert (away <= 2).all()
    assert (away == 1).mean() > 0.95


def test_a_graph_in_pieces_is_unaligned_and_goes_by_strength():
    two = Candidates(np.array([[1], [0], [3], [2]] * 1), np.ones((4, 1), np.float32))
    found = align(two, 2)
    assert found.geometry == "unaligned"
    assert found.members.tolist() == [[0, 1], [1, 0], [2, 3], [3, 2]]


def test_a_random_graph_has_no_geometry():
    rng = np.random.default_rng(0)
    distance = rng.random((120, 120))
    np.fill_diagonal(distance, np.inf)
    order = np.argsort(distance, axis=1)[:, :16]
    assert align(Candidates(order, np.ones(order.shape, np.float32)), 5).geometry == "unaligned"


def test_by_strength_keeps_the_order_of_the_candidates():
    places, _ = CASES["line"]
    found = candidates(places)
    assert (by_strength(found, 4).members[:, 1:] == found.members[:, :3]).all()


@pytest.mark.parametrize(
    ("values", "geometry"),
    [
        ([1, 4, 9, 16, 25], "line"),
        ([1, 1, 2, 4, 4], "plane"),
        ([1, 1, 1, 2, 2], "space"),
        ([1, 1.1, 1.2, 1.3, 1.4], "unaligned"),
        ([1, 1, 1.2, 1.2, 2.2], "unaligned"),  # a torus: four dimensions
    ],
)
def test_eigenvalues_tell_the_geometry(values, geometry):
    filled = np.random.default_rng(0).uniform(-1, 1, (200, 8))
    assert recognise(np.array(values, float), filled) == geometry


def test_a_hole_in_the_middle_tells_a_ring_even_when_eigenvalues_are_uneven():
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    circle = np.stack([np.cos(angle), 0.4 * np.sin(angle)], axis=1)
    assert recognise(np.array([1, 1.6, 3.1, 4.0, 7.0]), circle) == "ring"


def test_the_same_candidates_give_the_same_fields():
    places, _ = CASES["plane"]
    assert (align(candidates(places), 9).members == align(candidates(places), 9).members).all()


def test_a_few_columns_that_go_with_none_leave_the_others_as_they_are():
    places, _ = CASES["plane"]
    found = candidates(places)
    apart = grid(3) + 1000
    outside = candidates(np.concatenate([places[:, :1], apart]))  # what these name does not matter: their strength is 0
    members = np.concatenate([found.members, outside.members[144:]])
    strength = np.concatenate([found.strength, np.zeros((3, 16), np.float32)])
    together = align(Candidates(members, strength), 9)
    assert together.geometry == "plane"
    np.testing.assert_array_equal(together.members[:144], align(found, 9).members)
    np.testing.assert_array_equal(together.members[144:, 1:], members[144:, :8])


def test_half_the_columns_are_no_geometry():
    apart = np.concatenate([grid(20), grid(20) + 1000])
    assert align(candidates(apart, size=8), 5).geometry == "unaligned"


def test_columns_that_go_with_none_leave_it_unaligned():
    places, period = CASES["ring"]
    found = candidates(places, period)
    silent = Candidates(found.members, np.where(np.arange(48)[:, None] == 5, 0, found.strength))
    assert align(silent, 5).members.shape == (48, 5)


def test_the_spectral_embedding_of_a_ring_is_a_circle_in_its_first_two_coordinates():
    places, period = CASES["ring"]
    embedded = spectral_embedding(candidates(places, period))
    np.testing.assert_allclose(embedded.std(axis=0), 1.0)
    np.testing.assert_allclose(np.linalg.norm(embedded[:, :2], axis=1), 2**0.5, rtol=1e-3)
    around = np.unwrap(np.arctan2(embedded[:, 1], embedded[:, 0])[np.argsort(places[:, 0])])
    np.testing.assert_allclose(np.abs(np.diff(around)), 2 * np.pi / 48, rtol=1e-2)


def test_a_graph_in_two_pieces_has_no_spectral_embedding():
    apart = np.concatenate([grid(20), grid(20) + 1000])
    assert spectral_embedding(candidates(apart)) is None


def test_columns_too_few_for_the_coordinates_have_no_spectral_embedding():
    assert spectral_embedding(candidates(grid(9))) is None
    assert spectral_embedding(candidates(grid(10))).shape == (10, 8)
