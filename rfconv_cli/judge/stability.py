"""Stability selection: are the same edges found again on half-samples of the rows?

An edge is a centre with a member of its field, in one layer, whichever slot the member takes.
Sources: Meinshausen and Bühlmann 2010 (stability selection, the bound); Nogueira, Sechidis and Brown 2018 (Φ).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.75  # π: the support from which an edge counts as stable
_NORMAL_95 = 1.959964

Members = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Stability:
    """What half-samples say of selections of edges.

    halves: M, how many. phi: Φ, 1 where all are alike, 0 where they are as alike as chance makes them; phi_interval:
    its asymptotic 95 % interval, approximate, since half-samples share rows. edges: in the mean selection.
    stable_edges: those in at least π of the half-samples. expected_false: the bound q² / ((2π − 1) p) on how many of
    these are chance, where q edges out of p are selected; it takes the false edges to be exchangeable.
    support: (D, N, K) the share of the half-samples that put a member into its centre's field; NaN at slot 0.
    """

    halves: int
    phi: float
    phi_interval: tuple[float, float]
    edges: float
    stable_edges: int
    expected_false: float
    support: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """Its numbers, without the supports, which stand beside the members."""
        return {
            "halves": self.halves,
            "phi": self.phi,
            "phi_interval": list(self.phi_interval),
            "threshold": THRESHOLD,
            "edges": self.edges,
            "stable_edges": self.stable_edges,
            "expected_false": self.expected_false,
        }


def stability(selections: Sequence[Members], members: Members) -> Stability:
    """Compare M ≥ 2 selections, each (D, N, K) int64, and count each edge of the final `members` (D, N, K) in them.

    Time and memory grow with the edges that occur, never with N². Raises ValueError for fewer than two selections.
    """
    if len(selections) < 2:
        raise ValueError(f"stability compares selections: {len(selections)} are too few")
    depth, columns, _ = members.shape
    possible = depth * columns * (columns - 1)
    each = [np.unique(_edges(selection)[_is_edge(selection)]) for selection in selections]
    found, counts = np.unique(np.concatenate(each), return_counts=True)
    share = counts / len(each)
    sizes = np.array([len(one) for one in each], np.float64)
    overlap = np.array([share[np.searchsorted(found, one)].sum() for one in each])
    phi, interval = _phi(share, sizes, overlap, possible)
    return Stability(
        halves=len(each),
        phi=phi,
        phi_interval=interval,
        edges=float(sizes.mean()),
        stable_edges=int((share >= THRESHOLD).sum()),
        expected_false=float(sizes.mean() ** 2 / ((2 * THRESHOLD - 1) * possible)),
        support=_support(members, found, share),
    )


def _phi(
    share: NDArray[np.float64], sizes: NDArray[np.float64], overlap: NDArray[np.float64], possible: int
) -> tuple[float, tuple[float, float]]:
    """Φ and its interval. share: of each edge that occurs; overlap: the sum of these over each selection's edges.

    1 where every possible edge is selected every time: then there was nothing to choose.
    """
    count, mean = len(sizes), sizes.mean() / possible
    chance = mean * (1 - mean)
    if chance <= 0:
        return 1.0, (1.0, 1.0)
    variances = count / (count - 1) * share * (1 - share)
    phi = 1 - variances.sum() / possible / chance
    part = sizes / possible
    each = (overlap / possible - part * mean + phi / 2 * (2 * mean * part - part - mean + 1)) / chance
    error = 2 / count * np.sqrt(np.square(each - each.mean()).sum())
    low, high = phi - _NORMAL_95 * error, phi + _NORMAL_95 * error
    return float(phi), (float(low), float(min(1.0, high)))


def _edges(members: Members) -> NDArray[np.int64]:
    """(D, N, K) a number for each edge, the same in every slot."""
    depth, columns, _ = members.shape
    layer, centre = np.arange(depth)[:, None, None], np.arange(columns)[None, :, None]
    return np.asarray((layer * columns + centre) * columns + members, np.int64)


def _is_edge(members: Members) -> NDArray[np.bool_]:
    """(D, N, K) False where a slot holds the centre itself."""
    return np.asarray(members != np.arange(members.shape[1])[None, :, None])


def _support(members: Members, found: NDArray[np.int64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    edges = _edges(members)
    place = np.searchsorted(found, edges).clip(max=len(found) - 1)
    support = np.where(found[place] == edges, share[place], 0.0)
    support[:, :, 0] = np.nan
    return support
