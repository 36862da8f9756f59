"""Fields by second moments: the placements of one pattern that explain how the columns vary together in each class.

A kernel that all positions share sees the same at each of them: how slots a and b vary together in class c is one
number, the *pattern* P[a, b, c], wherever the field lies. So the class-conditional covariances of the columns are a sum
of patterns, one at the members of each field. Fields and pattern are found by turns: the pattern by least squares, a
field as the K columns at which what the other fields leave unexplained is most like the pattern. A member's slot is
then known by how it varies with all the others, on a graph without any geometry too. Trains nothing.
Source: ours; after the method of moments (Pearson 1894) and iterated conditional modes (Besag 1986).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from rfconv_cli.fields.screen import TARGET_BINS, class_parts

Columns = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]

_MOST_CELLS = 1 << 26  # of the moments, columns² × classes: a wider table has no such fields
_NEAR = 32  # columns that a centre's field is chosen from
_BEAM = 8  # partial fields that are followed at once
_STARTS, _FEWEST_STARTS, _COLUMNS_STARTED = 24, 4, 2400  # fewer starts where columns are many
_FIRST_SWEEPS, _SWEEPS = 4, 12
_LITTLE = 0.998  # a loss down to this share of the one before ends the sweeps
_KEPT = (0.25, 0.5, 0.75)  # shares of the best fields from which all others are tried again
_ROUNDS = 6  # of such tries at most, while one is better


@dataclass(frozen=True, eq=False)
class _Task:
    """moments: (N, N, C), see `_moments`. near: (N, Q) columns that each centre may choose from, the most alike first.

    price: what a field must explain to count: twice what the best of N chance fields at all N centres would.
    """

    moments: Floats
    near: Columns
    strength: Floats
    price: float


@dataclass(frozen=True, eq=False)
class _Placed:
    """fields: (N, K), slot 0 the centre. active: (N,) the fields that explain more than their price.

    loss: the power of what the active fields leave unexplained, and their price.
    """

    fields: Columns
    active: Bools
    loss: float


def by_moments(x: Floats, y: NDArray[Any], kernel_size: int) -> Columns | None:
    """(N, K) int64 fields, slot 0 the centre, no column twice in a row, slots in an order that all centres share.

    x: (rows, N) float32. y: (rows,) int64 class codes, or float values, which are cut into 4 bins.
    None where no two fields share a pattern, and of tables that are too wide for N² numbers a class, have fewer than K
    columns, or no class of two rows.
    """
    columns = x.shape[1]
    parts = class_parts(x, y)
    if not parts or columns < kernel_size or _cells(columns, len(parts)) > _MOST_CELLS:
        return None
    task = _task(parts, kernel_size)
    starts, finalists = _tries(columns)
    groups = _groups(task, kernel_size)[:starts]
    started = [_settled(task, _begun(task, task.moments[np.ix_(group, group)]), _FIRST_SWEEPS) for group in groups]
    started.sort(key=lambda placed: placed.loss)
    best = min((_bettered(task, placed) for placed in started[:finalists]), key=lambda placed: placed.loss)
    if best.active.sum() < 2:
        return None
    # a centre whose field explains nothing more than others do takes what is like the pattern, explained or not
    alike = _begun(task, _fitted(task.moments, best.fields[best.active])[0]).fields
    return np.where(best.active[:, None], best.fields, alike)


def moments_cost(columns: int, classes: int) -> tuple[int, int]:
    """About how often every field is chosen anew, and numbers in the moments; (0, 0) where the table is too wide.

    classes: of the target, or 1 for values.
    """
    cells = _cells(columns, classes if classes > 1 else TARGET_BINS)
    starts, finalists = _tries(columns)
    sweeps = starts * (1 + _FIRST_SWEEPS) + finalists * _ROUNDS * len(_KEPT) * _FIRST_SWEEPS
    return (0, 0) if cells > _MOST_CELLS else (sweeps, cells)


def _cells(columns: int, classes: int) -> int:
    return columns**2 * (classes + 1)


def _tries(columns: int) -> tuple[int, int]:
    """How many groups to begin with, and how many of these to end with."""
    starts = max(_FEWEST_STARTS, min(_STARTS, _COLUMNS_STARTED // columns))
    return starts, starts // 4


def _task(parts: Sequence[Floats], kernel_size: int) -> _Task:
    moments = _moments(parts)
    columns = len(moments)
    strength = np.square(moments).sum(axis=2)
    near = np.argsort(-strength, axis=1, kind="stable")[:, : min(_NEAR, columns - 1)]
    return _Task(moments, near, strength, 4 * kernel_size * float(np.log(columns)))


def _moments(parts: Sequence[Floats]) -> Floats:
    """(N, N, classes + 1): how far each class's covariance lies from the pooled one, in standard errors; then that one.

    The pooled covariance is scaled down to the power of the others together, where it has more: on most tables it is
    much the stronger, whether it tells of the target or not.
    """
    rows = sum(len(part) for part in parts)
    products = [part.T @ part for part in parts]
    pooled = np.sum(products, axis=0) / np.float32(rows)
    shifts = [
        (product / np.float32(len(part)) - pooled) * np.float32(len(part) ** 0.5)
        for product, part in zip(products, parts, strict=True)
    ]
    moments = np.stack([*shifts, pooled * np.float32(rows**0.5)], axis=2)
    moments[np.arange(len(pooled)), np.arange(len(pooled))] = 0  # a column with itself
    power = np.square(moments, dtype=np.float64).sum(axis=(0, 1))
    if power[-1] > power[:-1].sum() > 0:
        moments[:, :, -1] *= np.float32((power[:-1].sum() / power[-1]) ** 0.5)
    return np.asarray(moments, np.float32)


def _groups(task: _Task, kernel_size: int) -> list[Columns]:
    """Groups of K columns that all go together: one grown from each column, the tightest first."""
    grown: dict[tuple[int, ...], float] = {}
    for centre, near in enumerate(task.near):
        group, weakest = [centre], np.inf
        while len(group) < kernel_size:
            link = task.strength[np.ix_(near, group)].min(axis=1)
            link[np.isin(near, group)] = -1
            group.append(int(near[link.argmax()]))
            weakest = min(weakest, float(link.max()))
        grown[tuple(group)] = weakest
    return [np.array(group) for group in sorted(grown, key=lambda group: -grown[group])]


def _begun(task: _Task, pattern: Floats) -> _Placed:
    """Every centre's field that is most like the pattern."""
    order = _order(pattern)
    fields = np.stack([_best_field(task.moments, task.near, m, pattern, order)[0] for m in range(len(task.near))])
    return _Placed(fields, np.ones(len(fields), bool), np.inf)


def _settled(task: _Task, placed: _Placed, sweeps: int) -> _Placed:
    """The pattern and the fields by turns, until nothing more is explained."""
    fields, active, best = placed.fields, placed.active, placed
    for _ in range(sweeps):
        pattern, left = _fitted(task.moments, fields[active])
        loss = float(np.square(left, dtype=np.float64).sum()) + task.price * int(active.sum())
        if loss >= _LITTLE * best.loss:
            break
        best = _Placed(fields, active, loss)
        if not active.any():
            break
        fields, active = _moved(task, best, pattern, left)
    return best


def _bettered(task: _Task, placed: _Placed) -> _Placed:
    """Settled, and again from its best fields alone, as long as that explains more: out of a local optimum."""
    best = _settled(task, placed, _SWEEPS)
    for _ in range(_ROUNDS):
        if not best.active.any():
            break
        found = _settled(task, min(_anew(task, best), key=lambda one: one.loss), _SWEEPS)
        if found.loss >= _LITTLE * best.loss:
            break
        best = found
    return best


def _anew(task: _Task, placed: _Placed) -> Iterator[_Placed]:
    """What becomes of the best fields when the others are chosen anew, and of their pattern when all fields are."""
    pattern, left = _fitted(task.moments, placed.fields[placed.active])
    cells = placed.fields[:, :, None], placed.fields[:, None, :]
    explained = np.einsum("nabc,abc->n", left[cells], pattern)  # beside what the field itself takes off `left`
    explained[~placed.active] = -np.inf
    for share in _KEPT:
        active = np.zeros(len(explained), bool)
        active[np.argsort(-explained, kind="stable")[: max(2, int(share * placed.active.sum()))]] = True
        yield _settled(task, _Placed(placed.fields, active, np.inf), _FIRST_SWEEPS)
        yield _settled(task, _begun(task, _fitted(task.moments, placed.fields[active])[0]), _FIRST_SWEEPS)


def _fitted(moments: Floats, fields: Columns) -> tuple[Floats, Floats]:
    """The pattern (K, K, C) that explains most at these fields, and what of the moments it leaves. Least squares."""
    columns, kernel_size = len(moments), fields.shape[1]
    first, second = np.triu_indices(kernel_size, 1)
    one, other = fields[:, first], fields[:, second]  # (fields, pairs of slots)
    cells = np.concatenate([one * columns + other, other * columns + one]).ravel()
    pairs = np.tile(np.arange(len(first)), 2 * len(fields))
    counts = csr_array((np.ones(len(cells), np.float32), (pairs, cells)), shape=(len(first), columns**2))
    flat = moments.reshape(columns**2, -1)
    squares = (counts @ counts.T).toarray() + 1e-6 * np.eye(len(first))
    solved = np.linalg.solve(squares, counts @ flat).astype(np.float32)
    pattern = np.zeros((kernel_size, kernel_size, flat.shape[1]), np.float32)
    pattern[first, second] = pattern[second, first] = solved
    return pattern, np.asarray(flat - counts.T @ solved, np.float32).reshape(moments.shape)


def _moved(task: _Task, placed: _Placed, pattern: Floats, left: Floats) -> tuple[Columns, Bools]:
    """Each centre's field anew, in the light of all others. left: what these leave unexplained; it is worked on."""
    fields, active, order = placed.fields.copy(), placed.active.copy(), _order(pattern)
    power = float(np.square(pattern).sum())
    for centre, field in enumerate(fields):
        if active[centre]:
            left[np.ix_(field, field)] += pattern
        fields[centre], product = _best_field(left, task.near, centre, pattern, order)
        active[centre] = 2 * product - power > task.price
        if active[centre]:
            left[np.ix_(fields[centre], fields[centre])] -= pattern
    return fields, active


def _best_field(
    moments: Floats, near: Columns, centre: int, pattern: Floats, order: Sequence[int]
) -> tuple[Columns, float]:
    """The centre's field (K,) that is most like the pattern, of a beam of partial ones, and its product with it.

    order: the free slots, as they are filled.
    """
    around = np.concatenate([[centre], near[centre]])
    cells = (around[:, None] * len(moments) + around).ravel()
    local = moments.reshape(-1, moments.shape[2]).take(cells, axis=0)  # (Q², C), Q with the centre
    filled, products = np.zeros((1, 1), np.int64), np.zeros(1, np.float32)
    slots = [0, *order]
    for done, slot in enumerate(order, start=1):
        pulls = (local @ (2 * pattern[slot, slots[:done]].T)).reshape(len(around), len(around), done)
        total = products[:, None] + sum(pulls[filled[:, place], :, place] for place in range(done))
        total[np.arange(len(filled))[:, None], filled] = -np.inf
        best = np.argsort(-total, axis=None, kind="stable")[:_BEAM]
        best = best[np.isfinite(total.ravel()[best])]
        rows, chosen = np.divmod(best, len(around))
        filled, products = np.concatenate([filled[rows], chosen[:, None]], axis=1), total.ravel()[best]
    return around[filled[0][np.argsort(slots)]], float(products[0])


def _order(pattern: Floats) -> list[int]:
    """The free slots, each next one the slot that varies most with those before."""
    power = np.square(pattern).sum(axis=2)
    order = [0]
    while len(order) < len(power):
        pull = power[order].sum(axis=0)
        pull[order] = -1
        order.append(int(pull.argmax()))
    return order[1:]
