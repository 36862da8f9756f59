"""Windows: a time-ordered table as columns × lags, so that a field may join a sensor with another one's past.

A window is a row and the rows before it in its series. Rows without a target belong to the next row that has one.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rfconv_cli.errors import DataError
from rfconv_cli.table import kinds
from rfconv_cli.table.derive import free_name
from rfconv_cli.table.frozen import Schema
from rfconv_cli.table.plan import group_codes_of, order
from rfconv_cli.table.room import IN_MEMORY, Room, free_memory

Rows = NDArray[np.int64]


def order_column(table: pa.Table, time: str | None) -> str | None:
    """What rows are ordered by: `time`, else the first column of dates without gaps; None: as they stand."""
    dated = [name for name in table.column_names if kinds.is_calendar(table.schema.field(name).type)]
    return time or next((name for name in dated if not kinds.missing(table.column(name)).any()), None)


def said_of_order(by: str | None, group: str | None) -> str:
    """In words: by what rows are ordered, and what tells their series apart."""
    return ("the table's own order" if by is None else repr(by)) + (f", for each {group!r}" if group else "")


def series(table: pa.Table, by: str | None, group: str | None) -> tuple[Rows, Rows]:
    """(rows,) row numbers in the order of their series and time, and (rows,) int64 the series of each.

    by: as `order_column` said at learning. group: the column whose values tell series apart. Raises DataError:
    column_not_found, missing_group, no_time_column.
    """
    moments = np.arange(table.num_rows) if by is None else order(table, by)
    codes = np.zeros(table.num_rows, np.int64) if group is None else group_codes_of(table, group)
    ordered = np.lexsort((moments, codes)).astype(np.int64)
    return ordered, codes[ordered]


def windows_of(ordered: Rows, apart: Rows, ends: NDArray[np.bool_], size: int, stride: int) -> Rows:
    """(windows, size) row numbers, the oldest first: every `stride`-th row of `ends` that has size − 1 rows before it.

    The windows come in the order of the rows they end in.
    ordered: (rows,) row numbers in time; apart: (rows,) in this order: a window's rows have one value here, side by
    side. ends: (rows,) by row number: whether a window may end there.
    """
    begins = np.flatnonzero(np.diff(apart, prepend=apart[:1] - 1))
    runs = np.cumsum(np.isin(np.arange(len(apart)), begins)) - 1
    place = np.arange(len(apart)) - begins[runs] if len(apart) else np.arange(0)
    last = np.flatnonzero((place >= size - 1) & ends[ordered])
    first_of_run = np.searchsorted(runs[last], runs[last])
    last = last[(np.arange(len(last)) - first_of_run) % stride == 0]
    windows = ordered[last[:, None] + np.arange(1 - size, 1)]
    return np.asarray(windows[np.argsort(windows[:, -1])], np.int64)


def carried_back(values: NDArray[np.str_], known: NDArray[np.bool_]) -> NDArray[np.str_]:
    """(rows,) in time: what is not known becomes what the next known one is, and "" where none follows."""
    following = np.where(known, np.arange(len(values)), len(values))
    following = np.minimum.accumulate(following[::-1])[::-1]
    return np.append(values, "")[following]


def with_lags(schema: Schema, size: int, taken: Iterable[str], order: str | None) -> Schema:
    """The schema of windows of `size` rows: each feature now, one step back, and so on.

    taken: the table's names. order: the column that rows are ordered by, as `order_column` says.
    """
    features, names = [], {*taken, *schema.names}
    for feature in schema.features:
        features.append(feature)
        for lag in range(1, size):
            name = free_name(f"{feature.name}@-{lag}", names)
            names.add(name)
            features.append(replace(feature, name=name, of=feature.column, lag=lag))
    return replace(schema, features=tuple(features), order=order)


def lagged(x: NDArray[np.float64], windows: Rows, room: Room = IN_MEMORY) -> NDArray[np.float64]:
    """(windows, N·size) float64 in the order of `with_lags`. x: (rows, N) of the features without lag.

    The result lies in `room`. Raises DataError too_large where that would not fit into the memory.
    """
    size, columns = windows.shape[1], x.shape[1]
    need, free = 8 * len(windows) * size * columns, free_memory()
    if room.folder is None and need > free:
        raise DataError(
            f"{len(windows)} windows of {size} rows and {columns} columns would take {need / 1e9:.1f} GB of memory, "
            f"and {free / 1e9:.1f} GB are free",
            hint="a smaller --max-memory (then they lie in files) or --window, a larger --stride, or fewer --features",
            code="too_large",
        )
    made = room.empty((len(windows), columns * size), np.float64, "F")
    for column in range(columns):
        for lag in range(size):
            made[:, column * size + lag] = x[windows[:, size - 1 - lag], column]
    return made
