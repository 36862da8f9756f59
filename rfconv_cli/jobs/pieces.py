"""Prepared tables from prepared tables: windows in place of rows, and a test table behind the one to learn from."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rfconv_cli.config import Settings
from rfconv_cli.errors import DataError
from rfconv_cli.jobs.prepared import Prepared
from rfconv_cli.table.encode import encode_features, encode_target
from rfconv_cli.table.room import Room
from rfconv_cli.table.schema import drop_missing_target
from rfconv_cli.table.select import quoted
from rfconv_cli.table.split import PARTS, group_codes
from rfconv_cli.table.windows import carried_back, lagged, series, windows_of, with_lags


def test_part(prepared: Prepared, test: pa.Table, room: Room) -> Prepared:
    """The rows of another table, all of them "test"; their groups are none of `prepared`'s. Raises DataError."""
    target = prepared.schema.target
    kept, rows = drop_missing_target(test, target.name, room)
    if not len(rows):
        raise DataError(
            f"the test table has no row with a value of {target.name!r}", hint=f"fill in {target.name}", code="no_rows"
        )
    groups = prepared.groups
    if groups is not None:
        column = str(prepared.plan.column)
        if column not in kept.column_names:
            raise DataError(
                f"the test table has no column {column!r}, by which rows are kept together",
                hint="add it, or split without it: --split-by none",
                code="column_not_found",
            )
        theirs = np.asarray(group_codes(kept, prepared.plan), np.int64)
        groups = theirs - theirs.min() + groups.max() + 1
    x, y = encode_features(kept, prepared.schema, rows, room), encode_target(kept, target)
    weight = None if prepared.weight is None else np.ones(len(rows))  # the test rows are not learned from
    return Prepared(prepared.schema, x, y, rows, np.full(len(rows), "test", "<U5"), prepared.plan, groups, weight)


def windowed(prepared: Prepared, table: pa.Table, settings: Settings, order: str | None, room: Room) -> Prepared:
    """Windows in place of rows: of the rows of one part and series, each for the target of its last row.

    table: the one that `prepared` is of, with its rows without a target; order: the column they are ordered by.
    Raises DataError.
    """
    ordered, apart = series(table, order, settings.group)
    known = np.zeros(table.num_rows, np.bool_)
    known[prepared.rows] = True
    parts = np.zeros(table.num_rows, "<U5")
    parts[prepared.rows] = prepared.parts
    in_time = carried_back(parts[ordered], known[ordered])
    apart = apart * (len(PARTS) + 1) + np.unique(in_time, return_inverse=True)[1]
    x = prepared.x if known.all() else encode_features(table, prepared.schema, room=room)
    windows = windows_of(ordered, apart, known, settings.window, settings.stride)
    kept = np.searchsorted(prepared.rows, windows[:, -1])
    return Prepared(
        with_lags(prepared.schema, settings.window, table.column_names, order),
        lagged(x, windows, room),
        prepared.y[kept],
        prepared.rows[kept],
        prepared.parts[kept],
        prepared.plan,
        None if prepared.groups is None else prepared.groups[kept],
        None if prepared.weight is None else prepared.weight[kept],
    )


def joined(pieces: Sequence[Prepared], room: Room) -> Prepared:
    """The rows of all of them, one after the other."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    groups = [piece.groups for piece in pieces if piece.groups is not None]
    weights = [piece.weight for piece in pieces if piece.weight is not None]
    return replace(
        first,
        x=_stacked([piece.x for piece in pieces], room),
        y=np.concatenate([piece.y for piece in pieces]),
        rows=np.concatenate([piece.rows for piece in pieces]),
        parts=np.concatenate([piece.parts for piece in pieces]),
        groups=np.concatenate(groups) if groups else None,
        weight=np.concatenate(weights) if weights else None,
    )


def _stacked(each: Sequence[NDArray[np.float64]], room: Room) -> NDArray[np.float64]:
    stacked = room.empty((sum(map(len, each)), each[0].shape[1]), np.float64, "F")
    for column in range(stacked.shape[1]):
        np.concatenate([x[:, column] for x in each], out=stacked[:, column])
    return stacked


def require_parts(prepared: Prepared) -> None:
    """Windows may leave parts without rows, or classes without rows to learn from."""
    window, target = prepared.schema.window, prepared.schema.target
    hint = f"a --window of fewer than {window} rows, or a split into whole blocks, such as --time COLUMN"
    for part in PARTS:
        if not prepared.is_in(part).any():
            raise DataError(
                f"no window of {window} rows fits into the {part} part ({prepared.plan.sentence})",
                hint=hint,
                code="too_few_rows",
            )
    learned = np.unique(prepared.y[prepared.is_in("train")])
    if target.classes and (absent := np.setdiff1d(prepared.y, learned)).size:
        raise DataError(
            f"no window of {window} rows in the train part ends in the classes "
            f"{quoted([target.classes[int(code)] for code in absent], 5)} ({prepared.plan.sentence})",
            hint=hint,
            code="class_missing_in_part",
        )
