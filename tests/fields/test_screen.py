"""The screen: what each measure sees, against direct definitions."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from rfconv_cli.fields import screen
from rfconv_cli.fields.screen import (
    by_correlation,
    by_covariance_shift,
    by_partial_correlation,
    class_codes,
    mixed,
)

RNG = np.random.default_rng(0)


def chain(rows: int = 2000, columns: int = 12) -> np.ndarray:
    """Each column resembles the one before it."""
    x = np.random.default_rng(1).normal(size=(rows, columns))
    for i in range(1, columns):
        x[:, i] = 0.8 * x[:, i - 1] + 0.6 * x[:, i]
    return x.astype(np.float32)


def partners(rows: int = 3000, pairs: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Columns 2i and 2i + 1 go together in one class and against each other in the other; overall they do neither."""
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, rows)
    x = rng.normal(size=(rows, 2 * pairs))
    x[:, 1::2] = 0.5 * x[:, ::2] * np.where(y == 1, 1, -1)[:, None] + 0.87 * x[:, 1::2]
    return x.astype(np.float32), y


def test_correlation_is_the_larger_of_pearson_and_spearman():
    x = chain(300, 6)
    x[:, 3] = np.exp(3 * x[:, 3])  # monotone, not linear: ranks see what moments do not
    found = by_correlation(x, 5)
    ranked = spearmanr(x).statistic
    for centre in range(6):
        for member, strength in zip(found.members[centre], found.strength[centre], strict=True):
            expected = max(abs(np.corrcoef(x[:, centre], x[:, member])[0, 1]), abs(ranked[centre, member]))
            assert strength == pytest.approx(expected, abs=2e-3)


def test_candidates_are_the_strongest_in_order_and_never_the_centre():
    found = by_correlation(chain(), 4)
    assert (np.diff(found.strength, axis=1) <= 0).all()
    assert (found.members != np.arange(12)[:, None]).all()
    assert {*found.members[5, :2]} == {4, 6}


def test_the_shift_is_the_largest_over_classes_against_the_covariance_within_classes():
    x, y = partners(400, 2)
    z = (x - x.mean(0)) / x.std(0)
    within = sum(np.cov(z[y == c].T, bias=True) * (y == c).sum() for c in (0, 1)) / len(y)
    expected = max(abs(np.cov(z[y == c].T, bias=True) - within)[0, 1] * (y == c).sum() ** 0.5 for c in (0, 1))
    found = by_covariance_shift(x, y, 3)
    assert found.strength[0, list(found.members[0]).index(1)] == pytest.approx(expected, rel=1e-4)


def test_partners_that_correlation_cannot_see_are_found_by_the_shift():
    x, y = partners()
    assert (by_covariance_shift(x, y, 1).members[:, 0] == np.arange(12) ^ 1).all()
    assert (by_correlation(x, 1).members[:, 0] != np.arange(12) ^ 1).any()


def test_a_regression_target_is_cut_into_quarters():
    assert np.bincount(class_codes(np.random.default_rng(0).normal(size=1000))).tolist() == [250] * 4


def test_partners_are_found_for_a_regression_target_too():
    x, _ = partners()
    x = np.random.default_rng(3).normal(size=x.shape).astype(np.float32)
    y = (x[:, ::2] * x[:, 1::2]).sum(axis=1).astype(np.float32)
    assert (by_covariance_shift(x, y, 1).members[:, 0] == np.arange(12) ^ 1).mean() > 0.9


def test_blocks_do_not_change_the_result(monkeypatch):
    x = chain()
    whole = by_correlation(x, 5)
    monkeypatch.setattr(screen, "_BLOCK_CELLS", 24)
    parts = by_correlation(x, 5)
    assert (whole.members == parts.members).all()


def test_a_constant_column_goes_with_nothing():
    x = chain()
    x[:, 3] = 7
    found = by_correlation(x, 11)
    assert (found.strength[3] == 0).all()
    assert np.isfinite(found.strength).all()


def test_more_candidates_than_columns_are_all_columns():
    assert by_correlation(chain(), 99).members.shape == (12, 11)


def mixed_of(size: int, seed: int = 0) -> np.ndarray:
    x, y = partners()
    return mixed(x, y, size, np.random.default_rng(seed))


@pytest.mark.parametrize("size", [2, 3, 4, 7, 11, 12, 500])
def test_mixed_candidates_are_distinct_other_columns_in_order(size):
    found = mixed_of(size)
    assert found.shape == (12, min(size, 11))
    assert found.dtype == np.int64
    for centre, row in enumerate(found.tolist()):
        assert row == sorted(set(row))
        assert centre not in row
        assert set(row) <= set(range(12))


def test_mixed_candidates_hold_what_either_measure_finds_strongest():
    x, y = partners()
    x[:, 2] += 2 * x[:, 0]  # a correlation beside the partners that only the target tells of
    found = mixed(x, y, 4, np.random.default_rng(0))
    correlated, shifted = by_correlation(x, 2).members, by_covariance_shift(x, y, 1).members
    for centre in range(12):
        assert set(correlated[centre]) | set(shifted[centre]) <= set(found[centre])


def test_mixed_candidates_share_their_places_a_half_a_third_and_the_rest():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(200, 60)).astype(np.float32), rng.integers(0, 2, 200)
    found = [mixed(x, y, 12, np.random.default_rng(seed)) for seed in (1, 2)]
    for centre in range(60):
        both = set(found[0][centre]) & set(found[1][centre])
        assert set(by_correlation(x, 6).members[centre]) <= both
        assert 10 <= len(both) < 12  # six and four do not depend on the draw; two of 49 do


def test_mixed_candidates_depend_on_the_generator_alone():
    assert np.array_equal(mixed_of(6, 1), mixed_of(6, 1))
    assert not np.array_equal(mixed_of(6, 1), mixed_of(6, 2))


def test_in_time_every_other_column_is_drawn():
    drawn = {(centre, n) for seed in range(200) for centre, row in enumerate(mixed_of(6, seed)) for n in row.tolist()}
    assert drawn == {(m, n) for m in range(12) for n in range(12) if m != n}


def linked(found) -> list[set[int]]:
    """The members of each centre that have a strength."""
    return [set(row[weight > 0].tolist()) for row, weight in zip(found.members, found.strength, strict=True)]


def lattice(side: int = 9, rows: int = 4000) -> np.ndarray:
    """A smooth Gaussian field on a square: white noise, averaged with its neighbours again and again."""
    field = np.random.default_rng(3).normal(size=(rows, side, side))
    for _ in range(4):
        padded = np.pad(field, ((0, 0), (1, 1), (1, 1)), mode="reflect")
        field = (
            0.4 * field + 0.15 * sum(np.roll(padded, move, axis) for axis in (1, 2) for move in (1, -1))[:, 1:-1, 1:-1]
        )
    return field.reshape(rows, -1).astype(np.float32)


def test_partial_correlation_links_a_chain_to_its_neighbours_alone():
    found = by_partial_correlation(chain(), 8)
    neighbours = [{i - 1, i + 1} & set(range(12)) for i in range(12)]
    strongest = [set(row[: len(near)].tolist()) for row, near in zip(found.members, neighbours, strict=True)]
    assert strongest == neighbours


def test_partial_correlation_is_that_of_what_two_regressions_leave(monkeypatch):
    monkeypatch.setattr(screen, "_RIDGE", 0.0)
    x = chain(20_000, 5)
    found = by_partial_correlation(x, 4)
    for centre in range(5):
        for member, strength in zip(found.members[centre], found.strength[centre], strict=True):
            others = np.delete(x, [centre, member], axis=1)
            left = [x[:, i] - others @ np.linalg.lstsq(others, x[:, i], rcond=None)[0] for i in (centre, int(member))]
            expected = np.corrcoef(*left)[0, 1] * np.sign(np.corrcoef(x[:, centre], x[:, member])[0, 1])
            assert strength == pytest.approx(max(0.0, expected), abs=0.01)


def test_on_a_smooth_lattice_partial_correlation_sees_neighbours_only():
    side = 9
    row, column = np.divmod(np.arange(side**2), side)
    for centre, members in enumerate(linked(by_partial_correlation(lattice(side), 16))):
        away = {max(abs(row[m] - row[centre]), abs(column[m] - column[centre])) for m in members}
        assert away == {1}


def test_the_sign_of_a_column_does_not_change_its_partial_links():
    flipped = chain() * np.where(np.arange(12) % 3 == 0, -1, 1).astype(np.float32)
    assert linked(by_partial_correlation(flipped, 8)) == linked(by_partial_correlation(chain(), 8))


def test_partial_links_are_mutual_and_at_most_four():
    links = linked(by_partial_correlation(lattice(), 16))
    assert max(map(len, links)) <= 4
    assert all(centre in links[member] for centre, members in enumerate(links) for member in members)


def test_more_columns_than_rows_have_partial_correlations_too():
    found = by_partial_correlation(np.random.default_rng(0).normal(size=(10, 40)).astype(np.float32), 8)
    assert np.isfinite(found.strength).all()


def test_a_constant_column_has_no_partial_links():
    x = chain()
    x[:, 4] = 2.5
    assert linked(by_partial_correlation(x, 8))[4] == set()


def test_of_many_columns_no_inverse_is_taken(monkeypatch):
    monkeypatch.setattr(screen, "_MOST_INVERTED", 11)
    assert by_partial_correlation(chain(), 8) is None
