"""Slots as translations of a graph, where columns lie on nothing that can be drawn: a torus, a sphere, a bent lattice.

A translation moves every column to one of its own neighbours so that neighbours stay neighbours. The slots of one
column are carried along the strongest edges to all others, then settled by turns. After Pasdeloup et al. 2017
(translations on graphs that keep neighbourhoods) and Lassance, Vialatte and Gripon 2018.
"""

import heapq

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from rfconv_cli.fields.screen import Candidates

Columns = NDArray[np.int64]
Floats = NDArray[np.float64]

_SWEEPS = 5
_LEAST_KEPT = 0.6  # exact translations keep all neighbourhoods; of graphs drawn at random 0.03 to 0.48 were kept


def translated(candidates: Candidates, kernel_size: int) -> Columns | None:
    """(N, K) int64 fields, slot 0 the centre, then the K − 1 strongest candidates in an order that all centres share.

    None where no such order keeps enough of the neighbourhoods. Cost: O(N·K³) a sweep, and no N² anywhere.
    """
    near = candidates.members[:, : kernel_size - 1]
    strength = candidates.strength[:, : kernel_size - 1].astype(np.float64)
    if near.shape[1] < kernel_size - 1 or not strength.max() > 0:
        return None
    weight = np.square(strength / strength.max())
    slots = _carried_out(near, weight)
    for _ in range(_SWEEPS):
        before = slots.copy()
        for centre, around in enumerate(near):
            slots[centre] = _settled(centre, around, slots, near, weight)
        if np.array_equal(before, slots):
            break
    if _kept(slots, near) < _LEAST_KEPT:
        return None
    return np.concatenate([np.arange(len(near))[:, None], slots], axis=1)


def _carried_out(near: Columns, weight: Floats) -> Columns:
    """The slots of the best connected column, carried to all others along the strongest edges. (N, K−1)"""
    slots = np.full(near.shape, -1, np.int64)
    for start in np.argsort(-weight.sum(axis=1), kind="stable"):  # others start anew where no edge leads to them
        waiting = [(-np.inf, int(start))]
        while waiting:
            centre = heapq.heappop(waiting)[1]
            if slots[centre, 0] >= 0:
                continue
            around = near[centre]
            slots[centre] = _settled(centre, around[slots[around, 0] >= 0], slots, near, weight)
            for pull, other in zip(weight[centre], around, strict=True):
                heapq.heappush(waiting, (-float(pull), int(other)))
    return slots


def _settled(centre: int, around: Columns, slots: Columns, near: Columns, weight: Floats) -> Columns:
    """The slots of one column that best continue those of the columns `around` it. → (K−1,)"""
    there = slots[around]  # (A, K−1)
    same = near[there][..., None] == near[centre]  # (A, K−1, K−1, K−1): is a neighbour of theirs a candidate here
    continued = np.einsum("asq,asqc->sc", weight[there], same)
    _, places = linear_sum_assignment(continued, maximize=True)
    return np.asarray(near[centre][places], np.int64)


def _kept(slots: Columns, near: Columns) -> float:
    """Of neighbouring columns' like slots, the share that are neighbours; without those that lead to one of the two."""
    theirs, ours = slots[near], slots[:, None]  # (N, A, K−1), (N, 1, K−1)
    kept = (near[theirs] == ours[..., None]).any(axis=3)
    counted = (theirs != np.arange(len(near))[:, None, None]) & (ours != near[:, :, None])
    return float(kept[counted].mean()) if counted.any() else 0.0
