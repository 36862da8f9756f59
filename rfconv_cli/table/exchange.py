"""Tables and columns of other libraries, over Arrow's C protocol, as what scikit-learn takes."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from rfconv_cli.errors import ArgumentError
from rfconv_cli.table import kinds

_PROTOCOLS = ("__arrow_c_stream__", "__arrow_c_array__")


def as_frame(table: Any) -> Any:
    """A table of Arrow, polars or whoever speaks the protocol as a pandas DataFrame of float64, NaN where missing.

    What does not speak it comes back as it is, and so does pandas, which scikit-learn knows better.
    Raises ArgumentError not_numbers.
    """
    if not _is_foreign(table):
        return table
    import pandas as pd  # only those who bring such a table wait for it

    arrow = pa.table(table)
    columns = {
        i: _numbers(name, column)
        for i, (name, column) in enumerate(zip(arrow.column_names, arrow.columns, strict=True))
    }
    # by position first: names may stand there twice, which is for the caller to refuse
    frame = pd.DataFrame(columns, copy=False, index=pd.RangeIndex(arrow.num_rows))
    return frame.set_axis(arrow.column_names, axis="columns")


def as_values(column: Any) -> Any:
    """A column of Arrow, polars or whoever speaks the protocol as (rows,) numpy values; anything else as it is.

    Text becomes objects; where numbers are missing there is NaN.
    """
    if not _is_foreign(column):
        return column
    array = pa.chunked_array(column) if hasattr(column, _PROTOCOLS[0]) else pa.chunked_array([pa.array(column)])
    if pt.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    return kinds.floats(array) if pt.is_decimal(array.type) else array.to_numpy()


def _is_foreign(data: Any) -> bool:
    return any(hasattr(data, name) for name in _PROTOCOLS) and not hasattr(data, "iloc")


def _numbers(name: str, column: pa.ChunkedArray) -> NDArray[np.float64]:
    if kinds.is_number(column.type) or column.null_count == len(column):
        return kinds.floats(column)
    raise ArgumentError(
        f"column {name!r} is {column.type}, not a number",
        hint="leave it out, or turn it into numbers, as sklearn.preprocessing.OneHotEncoder does",
        code="not_numbers",
    )
