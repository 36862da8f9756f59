"""How the rows will be split, decided from the flags and the table's date columns. Draws nothing; `split` does."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from rfconv_cli.errors import DataError, UsageError, nearest
from rfconv_cli.table import kinds
from rfconv_cli.table.select import quoted, shell_word

Kind = Literal["random", "group", "calendar", "time", "column"]
Unit = Literal["day", "week", "month", "year"]

_FEWEST_BLOCKS = 3  # one for each part


@dataclass(frozen=True)
class SplitPlan:
    """column: the one the parts come from; unit: of calendar blocks; sentence: what is done, for the user."""

    kind: Kind
    column: str | None
    unit: Unit | None
    sentence: str


def plan_split(
    table: pa.Table, *, group: str | None, time: str | None, split_by: str | None, split_column: str | None
) -> SplitPlan:
    """The plan the flags ask for; without flags, calendar blocks where there is a date column, else random.

    Raises UsageError: split_conflict, bad_split; DataError: column_not_found, no_time_column, missing_group.
    """
    _refuse_conflicts(group, time, split_by, split_column)
    for name in (group, time, split_column):
        if name is not None:
            _require_column(table, name)
    if group is not None:
        return SplitPlan("group", group, None, f"rows with one value of {group!r} stay together (--group)")
    if split_column is not None:
        return SplitPlan("column", split_column, None, f"column {split_column!r} says the part of each row")
    if split_by == "none":
        return SplitPlan("random", None, None, "rows are split at random (--split-by none)")
    for unit in get_args(Unit):
        if split_by == unit:
            column = time or _only_date_column(table, unit)
            days(table, column)
            return SplitPlan("calendar", column, unit, f"rows of one {unit} stay together (column {column!r})")
    if time is not None:
        order(table, time)
        return SplitPlan("time", time, None, f"the last rows by {time!r} are the test part, those before it validation")
    return _default(table)


def days(table: pa.Table, name: str) -> NDArray[np.datetime64]:
    """(rows,) datetime64[D], local to the column's time zone; whole numbers are read as YYYYMMDD.

    Raises DataError: no_time_column when they are no dates, missing_group when some are missing.
    """
    column = table.column(name)
    refuse_gaps(column, name)
    if pt.is_integer(column.type):
        return _written_days(column, name)
    if not kinds.is_calendar(column.type):
        raise _no_dates(name, f"column {name!r} does not hold dates, but {column.type}")
    if pt.is_timestamp(column.type) and column.type.tz:
        column = pc.local_timestamp(column)
    return np.asarray(column.to_numpy(), "datetime64[D]")


def order(table: pa.Table, name: str) -> NDArray[np.generic]:
    """(rows,) values that sort by time: int64 for dates and timestamps, float64 or int64 for numbers.

    Raises DataError: no_time_column for text, booleans, times of day and durations, missing_group, column_not_found.
    """
    _require_column(table, name)
    column = table.column(name)
    refuse_gaps(column, name)
    if kinds.is_calendar(column.type):
        return np.asarray(column.to_numpy()).astype(np.int64)
    if pt.is_integer(column.type):
        return np.asarray(column.to_numpy())
    if kinds.is_number(column.type) and not pt.is_boolean(column.type):
        return kinds.floats(column)
    raise _no_dates(name, f"column {name!r} gives no order in time: it is {column.type}")


def group_codes_of(table: pa.Table, name: str) -> NDArray[np.int64]:
    """(rows,) int64 code of the row's value. Raises DataError: column_not_found, missing_group."""
    _require_column(table, name)
    column = table.column(name)
    refuse_gaps(column, name)
    return np.asarray(column.combine_chunks().dictionary_encode().indices.to_numpy(), np.int64)


def _refuse_conflicts(group: str | None, time: str | None, split_by: str | None, split_column: str | None) -> None:
    if split_by not in (None, "none", *get_args(Unit)):
        raise UsageError(
            f"--split-by {split_by!r} is not one of day, week, month, year, none",
            hint="--split-by day",
            code="bad_split",
        )
    by_calendar = split_by not in (None, "none")
    given = {
        "--group": group is not None,
        "--split-by": split_by is not None and (by_calendar or time is not None),
        "--time": time is not None and not by_calendar,
        "--split-column": split_column is not None,
    }
    flags = [flag for flag, is_given in given.items() if is_given]
    if len(flags) > 1:
        raise UsageError(
            f"{' and '.join(flags)} exclude each other: each says by itself how rows are split",
            hint=f"keep one of them, such as {flags[0]}",
            code="split_conflict",
        )


def _require_column(table: pa.Table, name: str) -> None:
    if name not in table.column_names:
        near = nearest(name, table.column_names)
        raise DataError(
            f"there is no column {name!r}; the nearest names are {quoted(near)}",
            hint=f"name it {shell_word(near[0])}" if near else "the table has no columns",
            code="column_not_found",
        )


def _date_columns(table: pa.Table) -> list[str]:
    return [field.name for field in table.schema if kinds.is_calendar(field.type)]


def _only_date_column(table: pa.Table, unit: str) -> str:
    found = _date_columns(table)
    if len(found) == 1:
        return found[0]
    if found:
        raise _no_dates(found[0], f"--split-by {unit} needs to know which date column to use: {quoted(found)}")
    raise _no_dates("COLUMN", f"--split-by {unit} needs a date column, and the table has none", unit)


def _default(table: pa.Table) -> SplitPlan:
    found = _date_columns(table)
    if not found:
        return SplitPlan("random", None, None, "rows are split at random")
    # a date with gaps is more often a remark about the row than its time
    column = next((name for name in found if not kinds.missing(table.column(name)).any()), found[0])
    dates = days(table, column)
    unit: Unit = "day" if len(dates) > len(np.unique(dates)) else "week"
    named = f" --time {shell_word(column)}" if len(found) > 1 else ""
    if len(np.unique(blocks(dates, unit))) < _FEWEST_BLOCKS:
        return SplitPlan(
            "random",
            None,
            None,
            f"rows are split at random: column {column!r} spans fewer than {_FEWEST_BLOCKS} {unit}s",
        )
    sentence = (
        f"rows of one {unit} stay together (column {column!r}); --split-by {unit}{named} says so explicitly, "
        "--split-by none would ignore it"
    )
    return SplitPlan("calendar", column, unit, sentence)


def blocks(dates: NDArray[np.datetime64], unit: Unit) -> NDArray[np.int64]:
    """(rows,) dates → the number of the day, week (from Monday), month or year each lies in."""
    if unit == "week":
        return (dates.astype("datetime64[D]").astype(np.int64) + 3) // 7  # 1970-01-01 was a Thursday
    return dates.astype(f"datetime64[{unit[0].upper()}]").astype(np.int64)


def _written_days(column: pa.ChunkedArray, name: str) -> NDArray[np.datetime64]:
    dates = written_days(np.asarray(column.to_numpy(), np.int64))
    if dates is None:
        raise _no_dates(name, f"column {name!r} holds whole numbers that are not dates written as YYYYMMDD")
    return dates


def written_days(numbers: NDArray[np.int64]) -> NDArray[np.datetime64] | None:
    """(rows,) datetime64[D] of whole numbers that are dates written as YYYYMMDD; None where one is not."""
    year, month, day = numbers // 10000, numbers // 100 % 100, numbers % 100
    months = np.array(year - 1970, "datetime64[Y]").astype("datetime64[M]") + (month - 1)
    dates = months.astype("datetime64[D]") + (day - 1)
    same_month = dates.astype("datetime64[M]") == months
    right = (year >= 1000) & (year <= 9999) & (month >= 1) & (month <= 12) & (day >= 1) & same_month
    return np.asarray(dates) if right.all() else None


def refuse_gaps(column: pa.ChunkedArray, name: str) -> None:
    if gaps := int(kinds.missing(column).sum()):
        raise DataError(
            f"{gaps} rows have no value of {name!r}, so they belong to no part",
            hint="fill in or remove these rows, or split without it: --split-by none",
            code="missing_group",
        )


def _no_dates(name: str, message: str, unit: str = "") -> DataError:
    hint = (
        "--group COLUMN keeps rows together by any column" if unit else f"--time {shell_word(name)} names a date column"
    )
    return DataError(message, hint=hint, code="no_time_column")
