"""Cells that are not what their column is: sentinels that mean missing, and a word among numbers."""

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from rfconv_cli.errors import DataError
from rfconv_cli.table.kinds import is_plain_text, numbers_in
from rfconv_cli.table.select import quoted, shell_word

_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_MOSTLY = 0.9  # share of numbers from which text among them is taken for a slip, not for the column's nature


def without_values(table: pa.Table, na: Sequence[str]) -> pa.Table:
    """The table with every cell missing that says what `na` says: as text, or as a number of the same value."""
    if not na:
        return table
    numbers = numbers_in(na)
    columns = []
    for column in table.columns:
        wanted: Sequence[object] = na if is_plain_text(column.type) else numbers if _is_plain_number(column) else ()
        if wanted:
            kept = pc.invert(pc.is_in(column, value_set=_values_of(column.type, wanted)))
            column = pc.if_else(kept, column, pa.scalar(None, column.type))
        columns.append(column)
    return pa.Table.from_arrays(columns, names=table.column_names).replace_schema_metadata(table.schema.metadata)


def refuse_mixed(table: pa.Table, names: Iterable[str]) -> None:
    """Raises DataError mixed_column where a column of text is numbers but for a few cells, with the first such row."""
    for name in names:
        column = table.column(name)
        if not is_plain_text(column.type):
            continue
        written = pc.match_substring_regex(column, _NUMBER)
        numbers, present = pc.sum(written).as_py() or 0, len(column) - column.null_count
        if not _MOSTLY * present <= numbers < present:
            continue
        odd = column.filter(pc.fill_null(pc.invert(written), False))
        words, first = pc.unique(odd).to_pylist(), pc.index(written, False).as_py() + 1
        more = f" and {len(odd) - 1} more such cells ({quoted(words, 5)})" if len(odd) > 1 else ""
        raise DataError(
            f"column {name!r} holds numbers, but {odd[0].as_py()!r} in row {first:,}{more}",
            hint=" ".join(f"--na {shell_word(word)}" for word in words[:5])
            + f" reads these as missing; --exclude {shell_word(name)} leaves the column out, --category "
            f"{shell_word(name)} takes its values for categories",
            code="mixed_column",
        )


def _is_plain_number(column: pa.ChunkedArray) -> bool:
    return bool(pt.is_integer(column.type) or pt.is_floating(column.type))


def _values_of(kind: pa.DataType, wanted: Sequence[object]) -> pa.Array:
    """Those of the wanted that a column of this type can hold: no fraction and no -999 among unsigned integers."""
    found = []
    for value in wanted:
        whole = int(value) if isinstance(value, float) and pt.is_integer(kind) and value.is_integer() else value
        try:
            found.append(pa.scalar(whole, kind))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            continue
    return pa.array([one.as_py() for one in found], kind)
