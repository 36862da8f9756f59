"""What an Arrow column holds, and its values as float64. The one place that knows Arrow's type names."""

import contextlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray


def is_text(kind: pa.DataType) -> bool:
    """Strings of any width, and bytes."""
    return bool(
        pt.is_string(kind)
        or pt.is_large_string(kind)
        or pt.is_string_view(kind)
        or pt.is_binary(kind)
        or pt.is_large_binary(kind)
        or pt.is_fixed_size_binary(kind)
    )


def is_plain_text(kind: pa.DataType) -> bool:
    """Strings that Arrow compares and searches."""
    return bool(pt.is_string(kind) or pt.is_large_string(kind))


def is_calendar(kind: pa.DataType) -> bool:
    """Dates and timestamps: they have a day."""
    return bool(pt.is_date(kind) or pt.is_timestamp(kind))


def is_temporal(kind: pa.DataType) -> bool:
    """Dates, timestamps, times of day, durations."""
    return bool(pt.is_temporal(kind))


def is_integer(kind: pa.DataType) -> bool:
    """Integers of any width, and decimals without places."""
    return bool(pt.is_integer(kind) or (pt.is_decimal(kind) and kind.scale <= 0))


def is_number(kind: pa.DataType) -> bool:
    """What a network can eat: integers, floats, decimals, booleans."""
    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind) or pt.is_boolean(kind))


def missing(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """(rows,) True where the value is null or NaN."""
    return np.asarray(pc.is_null(column, nan_is_null=True).to_numpy(), np.bool_)


def is_all_missing(column: pa.ChunkedArray) -> bool:
    """No row has a value."""
    return column.null_count == len(column) or bool(pc.all(pc.is_null(column, nan_is_null=True)).as_py())


def floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """(rows,) float64, NaN where missing. The column is a number (`is_number`) or without any value."""
    if column.null_count == len(column):
        return np.full(len(column), np.nan)
    if pt.is_boolean(column.type):
        column = column.cast(pa.uint8())
    # safe=False: whole numbers beyond 2**53 are rounded to the nearest float64 rather than refused
    return np.array(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)


def numbers_in(words: Iterable[str]) -> list[float]:
    """Those of the words that are numbers, without NaN, in their order."""
    found = []
    for word in words:
        with contextlib.suppress(ValueError):
            found.append(float(word))
    return [number for number in found if number == number]


def distinct(column: pa.ChunkedArray) -> list[Any]:
    """The values present, once each, as Python values, in order of appearance."""
    return list(pc.unique(column.filter(pa.array(~missing(column)))).to_pylist())
