"""Translations: on a torus a slot is one move at every centre; on a random graph there are none."""

import numpy as np
import pytest

from rfconv_cli.fields.align import align
from rfconv_cli.fields.screen import Candidates
from rfconv_cli.fields.translate import translated


def torus(rows: int, columns: int, size: int = 16, noise: float = 0.0) -> Candidates:
    """Candidates of a rows × columns lattice whose sides are joined; noise: of the strengths, as a share."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    up, right = (np.abs(place[:, None] - place) for place in (row, column))
    distance = np.hypot(np.minimum(up, rows - up), np.minimum(right, columns - right))
    strength = np.exp(-distance) * np.exp(noise * np.random.default_rng(1).standard_normal(distance.shape))
    return strongest(strength + strength.T, size)


def strongest(strength: np.ndarray, size: int = 16) -> Candidates:
    np.fill_diagonal(strength, -1)
    order = np.argsort(-strength, axis=1, kind="stable")[:, :size]
    return Candidates(order, np.take_along_axis(strength, order, axis=1).astype(np.float32))


@pytest.mark.parametrize("sides", [(12, 12), (8, 9)])
@pytest.mark.parametrize("kernel_size", [5, 9])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_on_a_torus_a_slot_is_one_move_at_every_centre(sides, kernel_size, noise):
    rows, columns = sides
    found = align(torus(rows, columns, noise=noise), kernel_size)
    assert found.geometry == "translations"
    row, column = np.divmod(found.members, columns)
    moves = (row - row[:, :1]) % rows * columns + (column - column[:, :1]) % columns
    assert (moves == moves[:1]).all()
    assert len(set(moves[0])) == kernel_size


def test_the_members_are_the_strongest_candidates():
    candidates = torus(12, 12, noise=0.3)
    found = translated(torus(12, 12), 5)
    assert found is not None
    assert (np.sort(found[:, 1:]) == np.sort(torus(12, 12).members[:, :4])).all()
    assert translated(candidates, 5) is None  # other strengths, other neighbours: no translation is left


@pytest.mark.parametrize("kernel_size", [5, 9])
def test_a_random_graph_has_no_translations(kernel_size):
    drawn = np.random.default_rng(0).random((200, 200))
    assert translated(strongest(drawn + drawn.T), kernel_size) is None


def test_columns_without_strength_and_fields_wider_than_the_candidates_have_none():
    candidates = torus(12, 12, size=6)
    assert translated(candidates, 8) is None
    assert translated(Candidates(candidates.members, np.zeros_like(candidates.strength)), 5) is None
