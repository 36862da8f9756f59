"""Arrow columns to numbers by a frozen schema, labels to codes and back, and the scaling fitted on training rows."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from rfconv_cli.errors import DataError, nearest
from rfconv_cli.table import kinds
from rfconv_cli.table.derive import derived
from rfconv_cli.table.frozen import Label, Schema, Target
from rfconv_cli.table.room import IN_MEMORY, Room
from rfconv_cli.table.select import quoted
from rfconv_cli.table.target import labels_of, target_column

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
_BLOCK = 1 << 20  # cells that are worked on at a time


def encode_features(
    table: pa.Table, schema: Schema, rows: NDArray[np.int64] | None = None, room: Room = IN_MEMORY
) -> Floats:
    """(rows, N) float64 in the schema's order, NaN where missing. Columns are found by name; others are ignored.

    Features of earlier rows are left out: `windows.lagged` makes them of the others.

    rows: where each row stood in the file, for messages; None: as here. A column's numbers lie side by side.
    Integers, floats and booleans stand in for each other; a column without any value is all NaN.
    Raises DataError: columns_missing, text_in_numeric, infinite_values.
    """
    _require_columns(table, schema)
    now = [feature for feature in schema.features if not feature.lag]
    encoded = room.empty((table.num_rows, len(now)), np.float64, "F")
    for i, feature in enumerate(now):
        column = table.column(feature.column)
        encoded[:, i] = _numbers_of(column, feature.name, rows) if feature.is_own else derived(feature, column)
    return encoded


def _numbers_of(column: pa.ChunkedArray, name: str, rows: NDArray[np.int64] | None) -> Floats:
    """(rows,) float64 of a column that was learned as numbers."""
    _require_numbers(column, name, rows)
    values = kinds.floats(column)
    if np.isinf(values).any():
        raise DataError(
            f"column {name!r} is infinite in row {_numbered(int(np.isinf(values).argmax()), rows)}",
            hint="replace infinite values by an empty cell",
            code="infinite_values",
        )
    return values


def extra_columns(table: pa.Table, schema: Schema) -> list[str]:
    """Columns of the table that the schema neither eats nor predicts, in table order."""
    known = {schema.target.name, *schema.columns}
    return [name for name in table.column_names if name not in known]


def encode_target(table: pa.Table, target: Target) -> NDArray[Any]:
    """(rows,) int64 class codes, or float64 values for regression.

    Raises DataError: target_not_found, target_missing (a row without one), unknown_label, text_in_numeric,
    infinite_values.
    """
    name = target.name
    column = target_column(table, name)
    if gaps := int(kinds.missing(column).sum()):
        raise DataError(
            f"{gaps} rows have no value of {name!r}", hint="fill in or remove these rows", code="target_missing"
        )
    if target.classes:
        return _codes(labels_of(column), target)
    _require_numbers(column, name)
    values = kinds.floats(column)
    if np.isinf(values).any():
        raise DataError(f"{name!r} has infinite values", hint="remove these rows", code="infinite_values")
    return values


def decode_labels(codes: ArrayLike, target: Target) -> list[Label]:
    """Class codes (rows,) → the labels as they stood in the table: integers stay integers, text stays text."""
    return [target.classes[int(code)] for code in np.asarray(codes).tolist()]


def _codes(column: pa.ChunkedArray, target: Target) -> NDArray[np.int64]:
    known: dict[Any, int] = {label: code for code, label in enumerate(target.classes)}
    # a single odd label turns a whole CSV column of numbers into text: then they are compared as written
    written = {str(label): code for label, code in known.items()}
    dictionary = column.combine_chunks().dictionary_encode()
    labels = dictionary.dictionary.to_pylist()
    code_of = [known.get(label, written.get(str(label), -1)) for label in labels]
    unknown = [label for label, code in zip(labels, code_of, strict=True) if code < 0]
    if unknown:
        raise DataError(
            f"{target.name!r} has labels the run did not learn: {quoted(unknown)}; it knows {quoted(target.classes)}",
            hint="correct these labels or remove their rows",
            code="unknown_label",
        )
    codes: NDArray[np.int64] = np.asarray(code_of, np.int64)[dictionary.indices.to_numpy()]
    return codes


def _require_columns(table: pa.Table, schema: Schema) -> None:
    present = set(table.column_names)
    absent = [name for name in schema.columns if name not in present]
    if not absent:
        return
    known = set(schema.columns)
    spare = [name for name in table.column_names if name not in known]
    near = sorted({match for name in absent[:10] for match in nearest(name, spare, 1)})
    hint = f"the nearest other columns here are {quoted(near)}" if near else "give a table with the run's columns"
    raise DataError(
        f"{len(absent)} columns the run learned from are missing: {quoted(absent)}", hint=hint, code="columns_missing"
    )


def _numbered(row: int, rows: NDArray[np.int64] | None) -> int:
    """The row's number in the file, from 1."""
    return 1 + int(row if rows is None else rows[row])


def _require_numbers(column: pa.ChunkedArray, name: str, rows: NDArray[np.int64] | None = None) -> None:
    if kinds.is_number(column.type) or column.null_count == len(column):
        return
    present = [(i, value) for i, value in enumerate(column.to_pylist()) if value is not None]
    row, value = next((item for item in present if not _is_written_number(item[1])), present[0])
    raise DataError(
        f"column {name!r} was learned as numbers, but row {_numbered(row, rows)} holds {value!r}",
        hint="correct the value, or leave the cell empty if it is unknown",
        code="text_in_numeric",
    )


def _is_written_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


@dataclass(frozen=True, eq=False)
class Scaling:
    """What fills gaps and standardises: median, mean, scale, each (N,) float64; scale is above 0."""

    median: Floats
    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, x: Floats, rows: Mask | None = None) -> "Scaling":
        """From training rows of x (rows, N) float64 with NaN. A column without values has median 0, a constant scale 1.

        rows: (rows,) which are training rows; None: all.
        """
        median, mean, scale = np.zeros(x.shape[1]), np.zeros(x.shape[1]), np.ones(x.shape[1])
        for block, values in _columns(x, rows):
            present = ~np.isnan(values).all(axis=1)
            with np.errstate(over="ignore"):
                median[block][present] = np.nan_to_num(np.nanmedian(values[present], axis=1))
            filled = np.where(np.isnan(values), median[block, None], values)
            mean[block], scale[block] = _moments(filled)
        return cls(median, mean, scale)

    def pooled(self, x: Floats, rows: Mask | None = None) -> "Scaling":
        """The same medians, but one mean and scale for all columns, over x (rows, N): for columns of one unit."""

        def filled(block: slice, values: Floats) -> Floats:
            return np.where(np.isnan(values), self.median[block, None], values)

        def summed(of: Callable[[Floats], Floats]) -> float:
            # sums of columns, then an exact sum over the columns: their order must not move the last digit
            return math.fsum(sum_ for each in _columns(x, rows) for sum_ in of(filled(*each) / peak).sum(axis=1))

        peak = max((float(np.abs(filled(*each)).max(initial=0.0)) for each in _columns(x, rows)), default=0.0) or 1.0
        cells = max((len(x) if rows is None else int(rows.sum())) * x.shape[1], 1)
        mean = summed(lambda unit: unit) / cells
        deviation = math.sqrt(summed(lambda unit: np.square(unit - mean)) / cells) * peak
        ones = np.ones(len(self.median))
        return Scaling(self.median, mean * peak * ones, (deviation or 1.0) * ones)

    def apply(self, x: Floats) -> NDArray[np.float32]:
        """x (rows, N) float64 with NaN → float32 without. Computed in float64: epoch seconds do not fit float32."""
        filled = np.where(np.isnan(x), self.median, x)
        with np.errstate(over="ignore"):
            standard = (filled - self.mean) / self.scale
            far = np.isinf(standard)  # the difference of two numbers near the end of float64
            if far.any():
                standard = np.where(far, filled / self.scale - self.mean / self.scale, standard)
        limit = np.finfo(np.float32).max
        return np.clip(standard, -limit, limit).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Three lists of N numbers; `from_json` reads them back exactly."""
        return {"median": self.median.tolist(), "mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_json(cls, document: Any) -> "Scaling":
        """From an untrusted document. Raises ValueError: not three equally long lists of finite numbers, scale ≤ 0."""
        if not isinstance(document, Mapping):
            raise ValueError("scaling: not an object")
        median, mean, scale = (_numbers(document.get(key), f"scaling {key}") for key in ("median", "mean", "scale"))
        if not len(median) == len(mean) == len(scale) or (scale <= 0).any():
            raise ValueError("scaling: lists of unequal length, or a scale that is not above 0")
        return cls(median, mean, scale)


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Blocks of rows of some million cells, one after the other."""
    step = max(1, _BLOCK // max(1, columns))
    return (slice(start, start + step) for start in range(0, rows, step))


def _columns(x: Floats, rows: Mask | None) -> Iterator[tuple[slice, Floats]]:
    """Blocks of columns, and the numbers of each column (columns, rows) side by side, of `rows` alone if given.

    So a column's sums do not depend on which others stand in its block.
    """
    step = max(1, _BLOCK // max(1, len(x)))
    for start in range(0, x.shape[1], step):
        block = slice(start, min(start + step, x.shape[1]))
        values = x[:, block].T
        yield block, np.ascontiguousarray(values if rows is None else values[:, rows])


def _moments(x: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each row of x (N, values), without overflow; scale 1 where nothing varies."""
    if not x.shape[1]:
        return np.zeros(len(x)), np.ones(len(x))
    peak = np.abs(x).max(axis=1)
    peak = np.where(peak > 0, peak, 1.0)
    unit = x / peak[:, None]
    low, high = unit.min(axis=1), unit.max(axis=1)
    constant = low >= high
    # the mean of equal numbers is not always that number, so a constant is compared, not subtracted
    mean = np.where(constant, low, unit.mean(axis=1))
    deviation = np.std(unit, axis=1) * peak
    return mean * peak, np.where(constant | (deviation <= 0), 1.0, deviation)


def _numbers(values: Any, what: str) -> Floats:
    if not isinstance(values, list) or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        raise ValueError(f"{what}: not a list of numbers")
    try:
        numbers = np.array(values, np.float64)
    except OverflowError:
        raise ValueError(f"{what}: a number too large") from None
    if not np.isfinite(numbers).all():
        raise ValueError(f"{what}: a number that is not finite")
    return numbers
