"""Quality flags: columns that say of another's values whether they are good. Flags are not learned from."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from rfconv_cli.errors import DataError
from rfconv_cli.table import kinds
from rfconv_cli.table.select import quoted


def flagged_columns(names: Sequence[str], suffix: str) -> set[str]:
    """The names that stand there with `suffix` behind, too."""
    present = set(names)
    return {name for name in names if name + suffix in present}


def without_flagged(table: pa.Table, suffix: str, good: Sequence[str]) -> tuple[pa.Table, int]:
    """The table without its columns of flags, values missing where these do not say good, and how many those are.

    A column of flags is called like the one it speaks of, with `suffix` behind. good: flags of good values; without
    any, all values stay, and so they do where the flag itself is missing. Raises DataError no_flags.
    """
    flagged = flagged_columns(table.column_names, suffix)
    if not flagged:
        raise DataError(
            f"no column is called like another one with {suffix!r} behind it: {quoted(table.column_names, 5)}",
            hint="correct or drop --flag-suffix",
            code="no_flags",
        )
    flags = {name + suffix for name in flagged}
    kept: dict[str, pa.ChunkedArray] = {}
    gone = 0
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name in flags:
            continue
        if good and name in flagged:
            said = table.column(name + suffix)
            bad = ~kinds.missing(said) & ~_is_one_of(said, good)
            gone += int((bad & ~kinds.missing(column)).sum())
            column = pc.if_else(pa.array(~bad), column, pa.scalar(None, column.type))
        kept[name] = column
    return pa.table(kept).replace_schema_metadata(table.schema.metadata), gone


def said_of_flags(names: Sequence[str], suffix: str, good: Sequence[str], gone: int) -> str:
    """What `without_flagged` did to a table with these columns, in words."""
    told = f"{len(flagged_columns(names, suffix))} columns …{suffix} are quality flags and not learned from"
    return told + (f"; {gone} values that they do not call good are missing" if good else "")


def _is_one_of(column: pa.ChunkedArray, words: Sequence[str]) -> NDArray[np.bool_]:
    """(rows,) where the column says one of the words: by value among numbers and booleans, else as written."""
    if pt.is_boolean(column.type):
        words = [{"true": "1", "false": "0"}.get(word.lower(), word) for word in words]
    if kinds.is_number(column.type):
        return np.isin(kinds.floats(column), kinds.numbers_in(words))
    written = pc.is_in(column.cast(pa.large_string()), value_set=pa.array(list(words), pa.large_string()))
    return np.asarray(written.to_numpy(), np.bool_)
