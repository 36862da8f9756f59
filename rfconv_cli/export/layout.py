"""Where the columns stand in the picture of the field graph: each group a disc, the discs packed. Draws nothing."""

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_SEED = 0
_ROOM = 1.5  # between neighbouring columns of a group: the unit of every length here
_GAP = 1.6  # between the outermost columns of two groups
_CROWD = 600  # more points than this are not pushed apart, pair by pair
_EFFORT = 100_000  # steps of the layout inside the groups, times columns: seconds, whatever the number of columns
_GOLDEN = np.pi * (3 - np.sqrt(5))


def group_layout(graph: Any, groups: Sequence[Sequence[str]]) -> Points:
    """(N, 2) positions in the order of the nodes: every group a disc of its own, linked groups side by side.

    One spring layout of everything lets a few long links fold the groups into a ball, or no links tear them far apart;
    discs fill the page either way. The longer side of the whole lies flat. Distances between discs mean nothing.
    """
    position = {name: i for i, name in enumerate(graph)}
    plain = nx.convert_node_labels_to_integers(graph)
    members = [np.array(sorted(position[name] for name in group)) for group in groups]
    offsets = np.zeros((len(position), 2))
    group_of = np.zeros(len(position), np.int64)
    for i, nodes in enumerate(members):
        offsets[nodes] = _inside(plain.subgraph(nodes.tolist()), steps=int(np.clip(_EFFORT // len(position), 8, 80)))
        group_of[nodes] = i
    links = np.array([edge for edge in plain.edges(data="weight") if group_of[edge[0]] != group_of[edge[1]]])
    links = links.reshape(-1, 3)  # (E, 3) between groups: node, node, weight
    radii = np.array([np.hypot(*offsets[nodes].T).max() for nodes in members]) + _GAP / 2
    middles = _pack(radii, links, group_of)
    return _flat(_turned(offsets, middles, members, links))


def _inside(group: Any, *, steps: int) -> Points:
    """(n, 2) offsets of a group's columns, ascending, from the middle of their disc."""
    size = len(group)
    if size == 1:
        return np.zeros((1, 2))
    found = nx.spring_layout(group, weight="weight", seed=_SEED, iterations=steps, method="force")
    points = np.array([found[node] for node in sorted(group)], np.float64)
    points -= points.mean(axis=0)
    radius = _ROOM * (0.525 * np.sqrt(size) - 0.33)  # of n points in a hexagonal pattern
    points *= radius / max(np.hypot(*points.T).max(), 1e-9)
    points = _apart(points, np.full(size, 0.9 * _ROOM / 2), steps=steps)
    middle: Points = (points.max(axis=0) + points.min(axis=0)) / 2
    return points - middle


def _pack(radii: Points, links: Points, group_of: NDArray[np.int64]) -> Points:
    """(G, 2) middles of discs that do not overlap, linked ones pulled together, all of them towards one centre."""
    count = len(radii)
    if count > _CROWD:  # a sunflower, the first group in the middle
        angle = _GOLDEN * np.arange(count)
        reach = 1.1 * np.sqrt(np.cumsum(radii**2) - radii**2 / 2)
        return np.stack([reach * np.cos(angle), reach * np.sin(angle)], axis=1)
    pull = np.zeros((count, count))
    a, b = group_of[links[:, :2].astype(np.int64)].T
    np.add.at(pull, (a, b), links[:, 2])
    pull += pull.T
    found = nx.spring_layout(nx.from_numpy_array(pull), seed=_SEED, iterations=200, method="force")
    middles: Points = np.sqrt((radii**2).sum()) * np.array([found[i] for i in range(count)])
    pull /= max(float(pull.sum(axis=1).max()), 1e-9)
    for step in range(200):
        towards = pull @ middles - pull.sum(axis=1, keepdims=True) * middles
        middles = middles + (1 - step / 200) * (0.2 * towards - 0.05 * middles)
        middles = _apart(middles, radii, steps=3)
    return _apart(middles, radii, steps=200)


def _apart(points: Points, radii: Points, *, steps: int) -> Points:
    """The points moved until the circles around them do not overlap, or `steps` are over."""
    if len(points) > _CROWD:
        return points
    for _ in range(steps):
        away = points[:, None] - points[None]  # (n, n, 2)
        distance = np.hypot(away[..., 0], away[..., 1])
        lack = radii[:, None] + radii[None] - distance
        np.fill_diagonal(lack, 0)
        if lack.max() < 1e-3:
            break
        push = lack.clip(0) / np.maximum(distance, 1e-9) / 2
        points = points + 0.5 * (push[..., None] * away).sum(axis=1)
    return points


def _turned(offsets: Points, middles: Points, members: Sequence[NDArray[np.int64]], links: Points) -> Points:
    """(N, 2) points, each disc turned or mirrored so that linked columns of different discs face each other."""
    points = np.empty_like(offsets)
    for i, nodes in enumerate(members):
        points[nodes] = middles[i] + offsets[nodes]
    ends, weights = links[:, :2].astype(np.int64), links[:, 2:]
    for _ in range(5):
        wanted = np.zeros_like(points)  # where the links pull each column
        for here, there in (ends.T, ends.T[::-1]):
            np.add.at(wanted, here, weights * (points[there] - points[here]))
        for i, nodes in enumerate(members):
            left, _, right = np.linalg.svd(offsets[nodes].T @ wanted[nodes])
            points[nodes] = middles[i] + offsets[nodes] @ left @ right
    return points


def _flat(points: Points) -> Points:
    """The points around 0, turned so that they reach farthest along x."""
    centred = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(centred.T @ centred)
    turned: Points = centred @ axes.T
    return turned
