"""Which member a field is named after: its centre's slot, where any slot could be the centre's."""

import numpy as np
from numpy.typing import NDArray

Columns = NDArray[np.int64]


def named_like(fields: Columns, others: Columns) -> Columns:
    """The fields (N, K) named after the members of that slot by which they share most edges with `others` (N, K).

    Which slot is the centre's is for us to say, as long as each column is about once in each: a field is known by its
    members. Where no field has a column in the slot, the column keeps its own.
    """
    wanted = _edges(others)
    renamed = [_named_after(slot, fields) for slot in range(fields.shape[1])]
    return max(renamed, key=lambda one: len(np.intersect1d(_edges(one), wanted)))


def _named_after(slot: int, fields: Columns) -> Columns:
    order = [slot, *(other for other in range(fields.shape[1]) if other != slot)]
    renamed = fields.copy()
    renamed[fields[:, slot]] = fields[:, order]
    return renamed


def _edges(fields: Columns) -> Columns:
    """A number for each (centre, member). (N·(K−1),)"""
    return np.asarray((fields[:, :1] * len(fields) + fields[:, 1:]).ravel(), np.int64)
