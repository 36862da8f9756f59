"""The screen: what each measure sees, against direct definitions."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from rfconv_cli.fields import screen
from rfconv_cli.fields.screen import by_correlation, by_covariance_shift, class_codes

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
