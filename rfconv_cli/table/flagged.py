"""Quality flags: columns that say of another's values whether they are good. Flags are not learned from."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rfconv_cli.errors import DataError
from rfconv_cli.table import kinds
from rfconv_cli.table.select import quoted


def without_flagged(table: pa.Table, suffix: str, good: Sequence[str]) -> tuple[pa.Table, str]:
    """The table without its columns of flags, values missing where these do not say good, and a sentence that says so.

    A column of flags is called like the one it speaks of, with `suffix` behind. good: flags of good values; without
    any, all values stay, and so they do where the flag itself is missing. Raises DataError no_flags.
    """
    flagged = [name for name in table.column_names if name + suffix in table.column_names]
    if not flagged:
        raise DataError(
            f"no column is called like another one with {suffix!r} behind it: {quoted(table.column_names, 5)}",
            hint="correct or drop --flag-suffix",
            code="no_flags",
        )
    gone = 0
    for name in flagged if good else ():
        flags, column = table.column(name + suffix), table.column(name)
        bad = ~kinds.missing(flags) & ~_is_one_of(flags, good)
        gone += int((bad & ~kinds.missing(column)).sum())
        cleared = pc.if_else(pa.array(~bad), column, pa.scalar(None, column.type))
        place = table.column_names.index(name)
        table = table.set_column(place, table.schema.field(place).with_nullable(True), cleared)
    said = f"{len(flagged)} columns …{suffix} are quality flags and not learned from"
    said += f"; {gone} values that they do not call good are missing" if good else ""
    return table.drop_columns([name + suffix for name in flagged]), said


def _is_one_of(column: pa.ChunkedArray, words: Sequence[str]) -> NDArray[np.bool_]:
    """(rows,) where the column says one of the words: by value among numbers, else as written."""
    if kinds.is_number(column.type):
        return np.isin(kinds.floats(column), [float(word) for word in words if _is_number(word)])
    written = pc.is_in(column.cast(pa.large_string()), value_set=pa.array(list(words), pa.large_string()))
    return np.asarray(written.to_numpy(), np.bool_)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
