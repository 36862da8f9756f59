"""The screen: for each centre the few columns worth trying, from the training rows alone. Trains nothing.

Two measures, since each is blind where the other sees: correlation (signed or by rank) finds columns that go together;
the label-conditional covariance shift finds columns whose going together depends on the target, such as partners in a
product, which correlate with nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float32]
Codes = NDArray[np.int64]

_BLOCK_CELLS = 1 << 24  # centres × columns of one block: memory grows with N, not with N²
TARGET_BINS = 4
_MOST_INVERTED = 3000  # columns: a minute on one core
_RIDGE = 0.2  # beside 1 for a column's own variance
_NAMED = 4  # strongest of a column, which have to name it too


@dataclass(frozen=True, eq=False)
class Candidates:
    """Per centre the strongest other columns. members: (N, C) int64; strength: (N, C) float32 ≥ 0, descending."""

    members: NDArray[np.int64]
    strength: Floats


def by_correlation(x: Floats, size: int) -> Candidates:
    """Candidates by the larger of |Pearson's| and |Spearman's| correlation. x (rows, N) float32, size C ≤ N − 1."""
    plain = _standardised(x)
    ranked = _standardised(rankdata(x, axis=0).astype(np.float32))

    def strength(block: slice) -> Floats:
        found = np.maximum(np.abs(plain[:, block].T @ plain), np.abs(ranked[:, block].T @ ranked)) / len(x)
        return np.asarray(found, np.float32)

    return _strongest(strength, x.shape[1], size)


def by_partial_correlation(x: Floats, size: int) -> Candidates | None:
    """Candidates by partial correlation: what two columns share that no other column knows; None for many columns.

    On a lattice this leaves the neighbours where correlation reaches far beyond them: the edges of a Gaussian Markov
    random field (Lauritzen 1996). From the inverse of the correlation matrix, made sure by a ridge. A strength is 0
    where the sign is not that of the correlation (as for the second neighbours of a smooth field), and where the two
    are not among the strongest few of each other. Cost: O(N³), N² float64.
    """
    columns = x.shape[1]
    if columns > _MOST_INVERTED:
        return None
    z = _standardised(x)
    shared = (z.T @ z).astype(np.float64) / len(x)
    inverse = np.linalg.inv(shared + (_RIDGE + columns / len(x)) * np.eye(columns))
    scale = np.sqrt(np.diag(inverse))
    partial = np.maximum(-np.sign(shared) * inverse / np.outer(scale, scale), 0).astype(np.float32)
    found = _strongest(lambda block: partial[block].copy(), columns, size)
    return Candidates(found.members, np.where(_named_by_both(found), found.strength, np.float32(0)))


def by_covariance_shift(x: Floats, y: NDArray[Any], size: int) -> Candidates:
    """Candidates by how far Cov(· | class) lies from the pooled Cov within classes, in standard errors, over classes.

    y: (rows,) int64 class codes, or float values, which are cut into 4 bins of equal size.
    """
    parts = class_parts(x, y)
    rows = sum(len(part) for part in parts)

    def strength(block: slice) -> Floats:
        if not parts:  # no class has two rows
            return np.zeros((block.stop - block.start, x.shape[1]), np.float32)
        products = [part[:, block].T @ part for part in parts]
        pooled = np.sum(products, axis=0) / np.float32(rows)
        shifts = [
            np.abs(product / np.float32(len(part)) - pooled) * np.float32(len(part) ** 0.5)
            for product, part in zip(products, parts, strict=True)
        ]
        return np.asarray(np.max(shifts, axis=0))

    return _strongest(strength, x.shape[1], size)


def mixed(x: Floats, y: NDArray[Any], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(N, C) int64: about half of each centre's C candidates by correlation, a third by covariance shift, a few drawn.

    Distinct within a row, without the centre, in the order of the columns; C is `size`, or N − 1 where that is less.
    What two measures both name leaves its place to the next by covariance shift, then to the draw.
    """
    columns = x.shape[1]
    size = min(size, columns - 1)
    by_shift = max(1, size // 3)
    correlated = by_correlation(x, max(1, size // 2)).members
    shifted = by_covariance_shift(x, y, correlated.shape[1] + by_shift).members
    found = np.empty((columns, size), np.int64)
    for centre in range(columns):
        named = correlated[centre, :size]
        fresh = shifted[centre][~np.isin(shifted[centre], named)][: min(by_shift, size - len(named))]
        taken = np.concatenate([named, fresh])
        rest = np.delete(np.arange(columns), [centre, *taken])
        drawn = rng.choice(rest, size - len(taken), replace=False)
        found[centre] = np.sort(np.concatenate([taken, drawn]))
    return found


def class_parts(x: Floats, y: NDArray[Any]) -> list[Floats]:
    """The rows of each class that has two, (its rows, N): the columns standardised, then centred within the class."""
    codes, z = class_codes(y), _standardised(x)
    return [part - part.mean(axis=0) for part in (z[codes == code] for code in np.unique(codes)) if len(part) > 1]


def class_codes(y: NDArray[Any]) -> Codes:
    """(rows,) classes as they are; values as the quarter they fall into."""
    if y.dtype.kind != "f":
        return np.asarray(y, np.int64)
    edges = np.quantile(y, np.arange(1, TARGET_BINS) / TARGET_BINS)
    return np.searchsorted(edges, y).astype(np.int64)


def _standardised(x: Floats) -> Floats:
    centred = x - x.mean(axis=0)
    scale = centred.std(axis=0)
    return np.asarray(centred / np.where(scale > 0, scale, np.float32(1)), np.float32)


def _named_by_both(found: Candidates) -> NDArray[np.bool_]:
    """(N, C) whether each column is among the strongest few of the other."""
    columns = len(found.members)
    named = np.zeros((columns, columns), np.bool_)
    np.put_along_axis(named, found.members[:, :_NAMED], True, axis=1)
    return np.take_along_axis(named & named.T, found.members, axis=1)


def _strongest(strength: Callable[[slice], Floats], columns: int, size: int) -> Candidates:
    """The `size` strongest per centre, block by block; equal strengths in the order of the columns."""
    size = min(size, columns - 1)
    members = np.empty((columns, size), np.int64)
    values = np.empty((columns, size), np.float32)
    step = max(1, _BLOCK_CELLS // columns)
    for start in range(0, columns, step):
        block = slice(start, min(start + step, columns))
        found = strength(block)
        centres = np.arange(block.start, block.stop)
        found[centres - start, centres] = -1
        order = np.argsort(-found, axis=1, kind="stable")[:, :size]
        members[block] = order
        values[block] = np.take_along_axis(found, order, axis=1)
    return Candidates(members, values)
