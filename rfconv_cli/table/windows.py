"""Windows: a time-ordered table as columns × lags, so that a field may join a sensor with another one's past.

A window is a row and the rows before it in its series. Rows without a target belong to the next row that has one.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rfconv_cli.table import kinds
from rfconv_cli.table.derive import free_name
from rfconv_cli.table.frozen import Schema
from rfconv_cli.table.plan import group_codes_of, order

Rows = NDArray[np.int64]


def series(table: pa.Table, time: str | None, group: str | None) -> tuple[Rows, Rows, str]:
    """(rows,) row numbers in the order of their series and time, (rows,) int64 the series of each, and what was done.

    time: None: by the first column of dates without gaps, or in the table's own order. group: the column whose values
    tell series apart. Raises DataError: column_not_found, missing_group, no_time_column.
    """
    dated = [name for name in table.column_names if kinds.is_calendar(table.schema.field(name).type)]
    by = time or next((name for name in dated if not kinds.missing(table.column(name)).any()), None)
    moments = np.arange(table.num_rows) if by is None else order(table, by)
    codes = np.zeros(table.num_rows, np.int64) if group is None else group_codes_of(table, group)
    ordered = np.lexsort((moments, codes)).astype(np.int64)
    said = ("the table's own order" if by is None else repr(by)) + (f", for each {group!r}" if group else "")
    return ordered, codes[ordered], said


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


def with_lags(schema: Schema, size: int, taken: list[str]) -> Schema:
    """The schema of windows of `size` rows: each feature now, one step back, and so on. taken: the table's names."""
    features = [
        replace(feature, name=free_name(f"{feature.name}@-{lag}", taken), of=feature.column, lag=lag)
        if lag
        else feature
        for feature in schema.features
        for lag in range(size)
    ]
    return replace(schema, features=tuple(features))


def lagged(x: NDArray[np.float64], windows: Rows) -> NDArray[np.float64]:
    """(windows, N·size) float64 in the order of `with_lags`. x: (rows, N) of the features without lag."""
    return x[windows[:, ::-1]].transpose(0, 2, 1).reshape(len(windows), -1)
