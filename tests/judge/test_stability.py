"""Φ, its interval, the bound and the supports, against the formulas written out over all possible edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfconv_cli.judge.stability import THRESHOLD, stability

N, K = 9, 3


def drawn(rng: np.random.Generator, depth: int = 1, columns: int = N, kernel_size: int = K) -> np.ndarray:
    free = np.argsort(rng.random((depth, columns, columns - 1)), axis=2)[:, :, : kernel_size - 1]
    centres = np.broadcast_to(np.arange(columns)[None, :, None], (depth, columns, 1))
    return np.concatenate([centres, free + (free >= centres)], axis=2)


def selected(members: np.ndarray) -> np.ndarray:
    """(p,) 0 or 1 for every possible edge."""
    depth, columns, _ = members.shape
    table = np.zeros((depth, columns, columns))
    for d, m, k in np.ndindex(*members.shape):
        table[d, m, members[d, m, k]] = 1
    off = ~np.eye(columns, dtype=bool)
    return table[:, off].ravel()


def phi_written_out(selections) -> tuple[float, float]:
    """Φ and its standard error, by Nogueira, Sechidis and Brown 2018 over the whole 0/1 matrix."""
    z = np.stack([selected(members) for members in selections])
    m, p = z.shape
    share, sizes = z.mean(axis=0), z.sum(axis=1)
    mean = sizes.mean()
    chance = mean / p * (1 - mean / p)
    phi = 1 - (m / (m - 1) * share * (1 - share)).mean() / chance
    each = [
        ((row * share).mean() - k * mean / p**2 + phi / 2 * (2 * mean * k / p**2 - k / p - mean / p + 1)) / chance
        for row, k in zip(z, sizes, strict=True)
    ]
    return phi, float(np.sqrt(4 / m**2 * np.square(np.array(each) - np.mean(each)).sum()))


@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(1, 2))
def test_phi_and_its_interval_are_those_of_the_paper(seed, halves, depth):
    rng = np.random.default_rng(seed)
    common = drawn(rng, depth)
    selections = [common if rng.random() < 0.6 else drawn(rng, depth) for _ in range(halves)]
    found = stability(selections, common)
    phi, error = phi_written_out(selections)
    assert found.phi == pytest.approx(phi, abs=1e-9)
    assert found.phi_interval[0] == pytest.approx(phi - 1.959964 * error, abs=1e-9)


def test_equal_selections_are_wholly_stable():
    members = drawn(np.random.default_rng(0))
    found = stability([members] * 5, members)
    assert (found.phi, found.phi_interval) == (pytest.approx(1.0), (pytest.approx(1.0), pytest.approx(1.0)))
    assert found.stable_edges == found.edges == N * (K - 1)
    assert (found.support[:, :, 1:] == 1).all()


def test_random_selections_are_as_alike_as_chance():
    rng = np.random.default_rng(1)
    found = stability([drawn(rng, columns=40) for _ in range(40)], drawn(rng, columns=40))
    assert found.phi == pytest.approx(0.0, abs=0.01)
    assert found.stable_edges == 0


def test_selecting_everything_leaves_nothing_to_disagree_on():
    members = drawn(np.random.default_rng(2), kernel_size=N)
    assert stability([members, members], members).phi == 1.0


def test_the_order_of_slots_does_not_matter():
    members = drawn(np.random.default_rng(3), kernel_size=4)
    assert stability([members, members[:, :, [0, 3, 1, 2]]], members).phi == pytest.approx(1.0)


def test_support_is_the_share_of_half_samples_with_the_member():
    rng = np.random.default_rng(4)
    final, other = drawn(rng), drawn(rng)
    support = stability([final, final, final, other], final).support
    for m, k in np.ndindex(N, K):
        expected = np.nan if k == 0 else (3 + (final[0, m, k] in other[0, m, 1:])) / 4
        assert support[0, m, k] == pytest.approx(expected, nan_ok=True)


def test_the_bound_is_meinshausens_and_buehlmanns():
    members = drawn(np.random.default_rng(5))
    found = stability([members, members], members)
    assert found.expected_false == pytest.approx((N * (K - 1)) ** 2 / ((2 * THRESHOLD - 1) * N * (N - 1)))


def test_a_centre_in_its_own_free_slot_is_no_edge():
    members = np.array([[[0, 0], [1, 0], [2, 2]]])
    assert stability([members, members], members).edges == 1


def test_one_selection_cannot_be_compared():
    members = drawn(np.random.default_rng(6))
    with pytest.raises(ValueError, match="too few"):
        stability([members], members)
