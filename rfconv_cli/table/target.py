"""The target: its task inferred or checked, its classes in natural order. Features are `schema`'s business."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from rfconv_cli.errors import DataError, UsageError, nearest
from rfconv_cli.table import kinds
from rfconv_cli.table.frozen import Label, Target
from rfconv_cli.table.select import quoted, shell_word

_MOST_INFERRED_CLASSES = 50
_MOST_FLOAT_CLASSES = 100
_MONTH = ("month", "月")
_TASKS = (None, "auto", "classification", "binary", "multiclass", "regression")


def freeze_target(table: pa.Table, name: str, task: str | None) -> Target:
    """The target column's task and classes, over the rows that have a value.

    task None or "auto" infers: text and booleans are classes, and so are whole numbers of at most 50 distinct values.
    Raises UsageError bad_task; DataError: target_not_found, target_missing, task_mismatch, one_class, rare_class,
    infinite_values, constant_target.
    """
    if task not in _TASKS:
        raise UsageError(
            f"there is no task {task!r}", hint="--task classification or --task regression", code="bad_task"
        )
    column = target_column(table, name)
    if kinds.is_all_missing(column):
        raise DataError(
            f"the target {name!r} has no value in any row", hint="name another --target", code="target_missing"
        )
    labels = column.type
    if not (kinds.is_number(labels) or (kinds.is_text(labels) and not _is_bytes(labels))):
        what = "a date or time" if kinds.is_temporal(labels) else f"of type {labels}"
        raise _mismatch(
            f"the target {name!r} is {what}, which can be neither class nor number", "name another --target"
        )
    if task in (None, "auto"):
        task = _inferred(column)
    if task == "regression":
        _require_regressable(column, name)
        return Target(name, "regression", ())
    return _classes(column, name, task)


def with_month(table: pa.Table, name: str) -> tuple[pa.Table, str | None]:
    """The table with its rows' months as a column, and a sentence that says so, where the target `name` means these.

    That is where it is "month" or 月, no column has this name, and one holds dates: the first of them.
    """
    dates = [column for column in table.column_names if kinds.is_calendar(table.schema.field(column).type)]
    if name not in _MONTH or name in table.column_names or not dates:
        return table, None
    months = pc.month(table.column(dates[0]))
    return table.append_column(name, months), f"{name} is the month of {dates[0]!r}: no column has this name"


def target_column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """The column called `name`. Raises DataError target_not_found, with the nearest names."""
    if name not in table.column_names:
        near = nearest(name, table.column_names)
        raise DataError(
            f"there is no column {name!r}; the nearest names are {quoted(near)}",
            hint=f"--target {shell_word(near[0])}" if near else "the table has no columns",
            code="target_not_found",
        )
    return table.column(name)


def natural_order(labels: Iterable[Label]) -> list[Label]:
    """Numbers by size, text so that 'class 2' comes before 'class 10'."""
    return sorted(labels, key=lambda label: _natural(label) if isinstance(label, str) else label)


def _natural(text: str) -> tuple[list[Any], str]:
    pieces = re.split(r"([0-9]+)", text)
    # text and digits alternate, so like is compared with like; the text itself breaks '01' against '1'
    return [piece if i % 2 == 0 else int(piece[:4000]) for i, piece in enumerate(pieces)], text


def labels_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decimals as integers or floats; anything else as it is. So labels are plain Python values JSON can hold."""
    if pt.is_decimal(column.type):
        return column.cast(pa.int64() if column.type.scale <= 0 else pa.float64(), safe=False)
    return column


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind))


def _inferred(column: pa.ChunkedArray) -> str:
    if kinds.is_text(column.type) or pt.is_boolean(column.type):
        return "classification"
    values = kinds.floats(column)
    values = values[~np.isnan(values)]
    whole = bool((np.isfinite(values) & (values == np.round(values))).all())
    return "classification" if whole and len(np.unique(values)) <= _MOST_INFERRED_CLASSES else "regression"


def _require_regressable(column: pa.ChunkedArray, name: str) -> None:
    if kinds.is_text(column.type):
        first = kinds.distinct(column)[0]
        raise _mismatch(f"--task regression needs numbers, but the target {name!r} is text such as {first!r}")
    values = kinds.floats(column)
    if np.isinf(values).any():
        raise DataError(
            f"the target {name!r} has {int(np.isinf(values).sum())} infinite values",
            hint="replace them by an empty cell",
            code="infinite_values",
        )
    if np.nanmin(values) == np.nanmax(values):
        raise DataError(
            f"the target {name!r} is {np.nanmin(values):g} in every row",
            hint="name another --target",
            code="constant_target",
        )


def _classes(column: pa.ChunkedArray, name: str, task: str | None) -> Target:
    column = labels_of(column)
    counts = pc.value_counts(column.filter(pa.array(~kinds.missing(column)))).to_pylist()
    rows = {item["values"]: item["counts"] for item in counts}
    if pt.is_floating(column.type) and len(rows) > _MOST_FLOAT_CLASSES:
        raise _mismatch(f"the target {name!r} has {len(rows)} distinct fractional values, too many for classes")
    if any(isinstance(label, float) and not np.isfinite(label) for label in rows):
        raise DataError(
            f"the target {name!r} has infinite values", hint="replace them by an empty cell", code="infinite_values"
        )
    if len(rows) < 2:
        raise DataError(
            f"the target {name!r} is {next(iter(rows))!r} in every row: there is nothing to tell apart",
            hint="name another --target, or add rows of another class",
            code="one_class",
        )
    if rare := natural_order(label for label, count in rows.items() if count < 2):
        raise DataError(
            f"the target {name!r} has classes with one row only: {quoted(rare)}",
            hint="merge each with another class or drop its row" + _or_regression(column, len(rows)),
            code="rare_class",
        )
    if task == "binary" and len(rows) > 2:
        raise _mismatch(f"--task binary, but the target {name!r} has {len(rows)} classes", "--task classification")
    return Target(name, "binary" if len(rows) == 2 else "multiclass", tuple(natural_order(rows)))


def _or_regression(column: pa.ChunkedArray, classes: int) -> str:
    return "; or --task regression" if kinds.is_number(column.type) and classes > 2 else ""


def _mismatch(message: str, hint: str = "") -> DataError:
    way_out = "--task classification" if "regression" in message else "--task regression"
    return DataError(message, hint=hint or way_out, code="task_mismatch")
