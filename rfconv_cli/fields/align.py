"""Slot alignment: makes slot k mean the same at every centre. Takes candidates from `screen`; trains nothing.

The candidates span a graph; its spectral embedding gives every column a place on a ring, a line, a plane or in space;
a slot is a displacement in that geometry, the same for all centres. Without a geometry, slots are translations of the
graph (see `translate`), and by strength where it has none.
Sources: Belkin and Niyogi 2003 (spectral embedding); Lassance, Vialatte, Gripon 2018 (slots aligned on a graph).
"""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from scipy.spatial import KDTree

from rfconv_cli.fields.screen import Candidates
from rfconv_cli.fields.translate import translated

Geometry = Literal["ring", "line", "plane", "space", "translations", "unaligned"]
Floats = NDArray[np.float64]

_DEGREE = 4  # neighbours that make the graph: more bring far columns in, which bend the geometry
_EIGENVALUES = 8
_ROUNDS = 20
_LEAST_INSIDE = 0.8  # of the columns in one part of the graph, or they have no geometry
_DENSE_UP_TO = 500
_ALIKE = 1.4  # eigenvalues, in units of the first, that count as equal to it
_RING_HOLE = 0.5  # share of the middle radius
_RING_GAP = np.pi / 3  # a wider arc without a column is an opening


@dataclass(frozen=True, eq=False)
class Alignment:
    """members: (N, K) int64, slot 0 the centre, no column twice in a row; geometry: what the columns lie on."""

    members: NDArray[np.int64]
    geometry: Geometry


def align(candidates: Candidates, kernel_size: int) -> Alignment:
    """Fields of K slots from the candidates' graph; "unaligned", with slots by strength, where nothing orders them.

    Columns outside the graph's largest part have slots by strength too, so that one that goes with none breaks nothing.
    """
    alone = by_strength(candidates, kernel_size)
    graph = _graph(candidates)
    inside = _largest_part(graph)
    if len(inside) <= max(kernel_size, _EIGENVALUES) + 1 or len(inside) < _LEAST_INSIDE * len(alone.members):
        return alone
    values, vectors = _embedding(csr_array(graph[inside][:, inside]))
    geometry = recognise(values, vectors)
    if geometry == "unaligned":
        moved = translated(candidates, kernel_size)
        return alone if moved is None else Alignment(moved, "translations")
    members = alone.members.copy()
    members[inside] = inside[_placed(values, vectors, geometry, kernel_size)]
    return Alignment(members, geometry)


def _placed(values: Floats, vectors: Floats, geometry: Geometry, kernel_size: int) -> NDArray[np.int64]:
    """(N, K) fields of columns that lie on a ring, a line, a plane or in space."""
    if geometry in ("ring", "line"):
        return _along_curve(vectors, kernel_size, closed=geometry == "ring")
    dimensions = 2 if geometry == "plane" else 3
    return _by_displacement(vectors[:, :dimensions] / np.sqrt(values[:dimensions]), kernel_size)


def spectral_embedding(candidates: Candidates) -> Floats | None:
    """(N, 8) places of the columns on the candidates' graph, each coordinate of variance 1; None for a broken graph."""
    graph = _graph(candidates)
    if len(candidates.members) <= _EIGENVALUES + 1 or connected_components(graph)[0] > 1:
        return None
    vectors = _embedding(graph)[1]
    scale = vectors.std(axis=0)
    return np.asarray(vectors / np.where(scale > 0, scale, 1.0))


def by_strength(candidates: Candidates, kernel_size: int) -> Alignment:
    """The K − 1 strongest candidates of each centre, strongest first: sets without a common order of slots."""
    centres = np.arange(len(candidates.members))[:, None]
    return Alignment(np.concatenate([centres, candidates.members[:, : kernel_size - 1]], axis=1), "unaligned")


def recognise(values: Floats, vectors: Floats) -> Geometry:
    """The geometry that the embedding speaks of. values: eigenvalues, ascending, without 0; vectors: (N, 8).

    In units of the first eigenvalue a line has 1, 4, 9; a ring 1, 1, 4, 4; a square 1, 1, 2; a cube 1, 1, 1, 2; a graph
    without geometry has them all close together, one of more than three dimensions, such as a torus, the first four. A
    ring is known by its hole: no column lies near the middle.
    """
    ratio = values / values[0]
    if ratio[-1] < 2 or ratio[3] < _ALIKE:
        return "unaligned"
    if ratio[1] > 2.5:
        return "line"
    if _has_hole(vectors[:, :2] / vectors[:, :2].std(axis=0)):
        return "ring"
    return "space" if ratio[2] < _ALIKE else "plane"


def _has_hole(places: Floats) -> bool:
    """Columns all around the middle, and hardly one in it. places: (N, 2)."""
    radius = np.linalg.norm(places, axis=1)
    angle = np.sort(np.arctan2(places[:, 1], places[:, 0]))
    widest = np.diff(angle, append=angle[0] + 2 * np.pi).max()
    return bool(np.quantile(radius, 0.05) > _RING_HOLE * np.median(radius) and widest < _RING_GAP)


def _largest_part(graph: csr_array) -> NDArray[np.int64]:
    """The columns of the graph's largest connected part, ascending."""
    part = connected_components(graph)[1]
    return np.flatnonzero(part == np.bincount(part).argmax())


def _graph(candidates: Candidates) -> csr_array:
    """(N, N) sparse, symmetric: the strongest few candidates of each centre, weighted by strength squared."""
    columns = len(candidates.members)
    degree = min(_DEGREE, candidates.members.shape[1])
    strength = candidates.strength[:, :degree].astype(np.float64)
    weights = np.square(strength / max(float(strength.max()), np.finfo(float).tiny)).ravel()
    rows = np.repeat(np.arange(columns), degree)
    one_way = csr_array((weights, (rows, candidates.members[:, :degree].ravel())), shape=(columns, columns))
    both = csr_array(one_way.maximum(one_way.T))
    both.eliminate_zeros()  # a column that goes with none is alone
    return both


def _embedding(graph: csr_array) -> tuple[Floats, Floats]:
    """The smallest nonzero eigenvalues of the normalised Laplacian, ascending, and their coordinates (N, 8)."""
    root = np.sqrt(np.asarray(graph.sum(axis=1)).ravel())
    similar = csr_array(diags_array(1 / root) @ graph @ diags_array(1 / root))
    if len(root) <= _DENSE_UP_TO:
        values, vectors = np.linalg.eigh(similar.toarray())
        values, vectors = values[-_EIGENVALUES - 1 :], vectors[:, -_EIGENVALUES - 1 :]
    else:  # the start vector is fixed: the same graph gives the same digits
        values, vectors = eigsh(similar, k=_EIGENVALUES + 1, which="LA", v0=np.cos(np.arange(len(root))))
    order = np.argsort(-values)[1:]
    small = np.maximum(1 - values[order], np.finfo(float).eps)
    return small, vectors[:, order] / root[:, None]


def _along_curve(vectors: Floats, kernel_size: int, *, closed: bool) -> NDArray[np.int64]:
    """Slots as steps along the order of a ring or line: −1, 1, −2, 2 …; at a line's end the nearest columns fill in."""
    columns = len(vectors)
    scaled = vectors[:, :2] / vectors[:, :2].std(axis=0)
    place = np.arctan2(scaled[:, 1], scaled[:, 0]) if closed else vectors[:, 0]
    order = np.argsort(place, kind="stable")
    members = np.empty((columns, kernel_size), np.int64)
    for here, centre in enumerate(order):
        steps = [-step if side else step for step in range(1, kernel_size) for side in (1, 0)]
        if closed:
            row = order[(here + np.array(steps[: kernel_size - 1])) % columns]
        else:
            row = order[_within(here, steps, kernel_size - 1, columns)]
        members[centre] = [centre, *row]
    return members


def _within(here: int, steps: list[int], slots: int, columns: int) -> list[int]:
    """Places of the slots on a line: each slot's own where it exists, else the nearest that no other slot has."""
    wanted = [here + step for step in steps[:slots]]
    taken = {place for place in wanted if 0 <= place < columns} | {here}
    spare = (place for place in sorted(range(columns), key=lambda p: abs(p - here)) if place not in taken)
    return [place if 0 <= place < columns else next(spare) for place in wanted]


def _by_displacement(places: Floats, kernel_size: int) -> NDArray[np.int64]:
    """Slots as displacements: a lattice to start with, then by turns the best assignment and the mean displacement."""
    near = KDTree(places).query(places, k=min(4 * kernel_size, len(places)))[1][:, 1:]  # (N, Q)
    moves = places[near] - places[:, None]  # (N, Q, d)
    local = np.linalg.norm(moves[:, :8], axis=2).mean(axis=1)
    middle = float(np.median(local))
    moves = moves / np.clip(local, 0.3 * middle, 3 * middle)[:, None, None]
    slots = _lattice(places.shape[1], kernel_size - 1) / 1.2
    chosen = np.zeros((len(places), kernel_size - 1), np.int64)
    for _ in range(_ROUNDS):
        costs = np.square(moves[:, :, None] - slots[None, None]).sum(axis=3)  # (N, Q, K−1)
        chosen = np.stack([_assigned(cost) for cost in costs])
        moved = np.take_along_axis(moves, chosen[:, :, None], axis=1).mean(axis=0)
        if np.abs(moved - slots).max() < 1e-3:
            break
        slots = moved
    return np.concatenate([np.arange(len(places))[:, None], np.take_along_axis(near, chosen, axis=1)], axis=1)


def _assigned(cost: Floats) -> NDArray[np.int64]:
    """For each slot the row of the cheapest assignment. cost (Q, K−1) → (K−1,)."""
    rows, slots = linear_sum_assignment(cost)
    return np.asarray(rows[np.argsort(slots)], np.int64)


def _lattice(dimensions: int, count: int) -> Floats:
    """The `count` lattice points nearest to the origin, without it, nearest first. (count, d)"""
    reach = range(-4, 5)
    points = np.array([point for point in product(reach, repeat=dimensions) if any(point)], float)
    return points[np.argsort(np.linalg.norm(points, axis=1), kind="stable")][:count]
