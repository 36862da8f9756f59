"""What looks wrong in a table's columns, whatever the target: copies, ids, dates as numbers, sentinels, gaps."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rfconv_cli.table import kinds
from rfconv_cli.table.plan import written_days
from rfconv_cli.table.select import quoted, shell_word

_MOSTLY_MISSING = 0.5
_FEWEST_IDS = 20  # rows from which all-distinct whole numbers are suspicious
_ID_NAME = re.compile(r"(^|[^a-z])(id|index|row|no|nr|serial)([^a-z]|$)", re.IGNORECASE)
_EPOCHS = ((9.4e8, 2.2e9), (9.4e11, 2.2e12), (9.4e14, 2.2e15), (9.4e17, 2.2e18))  # 1999 to 2039, in s, ms, µs, ns
_FIRST_DAY, _LAST_DAY = 1800_01_01, 2199_12_31
_SENTINELS = (-9999.0, -999.0, -99.0, -9.99e30, 999.0, 9999.0, 99999.0, -32768.0, 32767.0, 1e20)
_FAR = 5.0  # interquartile ranges beyond which a sentinel lies
_LONG_GAP = 1.5  # steps
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Finding:
    """One thing to look at. code: stable; columns: the names it is about; hint: what a user may do."""

    code: str
    columns: tuple[str, ...]
    message: str
    hint: str


def suspicious(columns: Mapping[str, Floats], whole: Mapping[str, bool]) -> list[Finding]:
    """What there is to say of the columns that would be learned from.

    columns: name → (rows,) float64, NaN where missing. whole: column → whether its type is whole numbers.
    """
    found = [*_mostly_missing(columns), *_copies(columns)]
    for name, column in columns.items():
        values = column[~np.isnan(column)]
        if whole[name] and _is_epoch(values):
            found.append(_told("epoch", name, "looks like a time in epoch units", "a time gives much away"))
        elif whole[name] and _is_written_date(values):
            found.append(
                _told("date_as_number", name, f"looks like dates, such as {values[0]:.0f}", "a time gives much away")
            )
        elif whole[name] and _is_id(name, values):
            found.append(_told("id_like", name, "looks like a row number or an id", "it says nothing of other rows"))
        elif sentinel := _sentinel(values):
            word, times = sentinel
            message = f"{name!r} is {word} in {times} rows, far from all its other values"
            found.append(Finding("sentinel", (name,), message, f"--na {word}, if that means missing"))
    return found


def time_gaps(table: pa.Table) -> list[Finding]:
    """Where the first column of dates leaves out more than a step between neighbouring moments."""
    for name in table.column_names:
        column = table.column(name)
        if not kinds.is_calendar(column.type) or kinds.is_all_missing(column):
            continue
        moments = np.unique(column.drop_null().to_numpy().astype("datetime64[s]"))
        steps = np.diff(moments).astype(np.int64)
        if len(steps) < 2 or (usual := float(np.median(steps))) <= 0:
            return []
        gaps = np.flatnonzero(steps > _LONG_GAP * usual)
        if not len(gaps):
            return []
        longest = gaps[np.argmax(steps[gaps])]
        message = (
            f"{name!r} has {len(gaps)} gap{'s' if len(gaps) > 1 else ''} in time; the longest, "
            f"{_span(int(steps[longest]))}, follows {moments[longest]} (the usual step is {_span(int(usual))})"
        )
        return [Finding("time_gaps", (name,), message, "rows on either side of a gap are no neighbours in time")]
    return []


def _told(code: str, name: str, what: str, why: str) -> Finding:
    return Finding(code, (name,), f"{name!r} {what}", f"{why}: --exclude {shell_word(name)}")


def _mostly_missing(columns: Mapping[str, Floats]) -> Iterator[Finding]:
    found = tuple(name for name, column in columns.items() if np.isnan(column).mean() > _MOSTLY_MISSING)
    if found:
        message = f"{_columns(found)} more than half missing: {quoted(found, 5)}"
        yield Finding("mostly_missing", found, message, "what stands there is mostly the median; --exclude leaves out")


def _copies(columns: Mapping[str, Floats]) -> Iterator[Finding]:
    same: dict[bytes, list[str]] = {}
    for name, column in columns.items():
        digest = hashlib.sha256(np.ascontiguousarray(column + 0.0).data).digest()  # −0 is 0
        same.setdefault(digest, []).append(name)
    for first, *others in same.values():
        if others:
            message = f"{quoted(others, 5)} {'says' if len(others) == 1 else 'say'} the same as {first!r} in every row"
            hint = " ".join(f"--exclude {shell_word(name)}" for name in others[:5])
            yield Finding("duplicate_columns", (first, *others), message, hint)


def _is_epoch(values: Floats) -> bool:
    if len(values) < 2:
        return False
    low, high = values.min(), values.max()
    return low < high and any(start <= low and high <= end for start, end in _EPOCHS)


def _is_written_date(values: Floats) -> bool:
    """YYYYMMDD between 1800 and 2200, in more than one month."""
    if not len(values) or not _FIRST_DAY <= values.min() <= values.max() <= _LAST_DAY:
        return False
    days = written_days(values.astype(np.int64))
    return days is not None and len(np.unique(days.astype("datetime64[M]"))) > 1


def _is_id(name: str, values: Floats) -> bool:
    if len(values) < _FEWEST_IDS or len(np.unique(values)) < len(values):
        return False
    return bool((np.diff(values) == 1).all()) or _ID_NAME.search(name) is not None


def _sentinel(values: Floats) -> tuple[str, int] | None:
    """The value that stands for missing, as text, and how often; None where none does."""
    for mark in _SENTINELS:
        times = int((values == mark).sum())
        rest = values[values != mark]
        if times < 2 or len(rest) < _FEWEST_IDS:
            continue
        low, high = np.quantile(rest, [0.25, 0.75])
        reach = _FAR * max(high - low, np.finfo(float).tiny)
        if not min(rest.min(), low - reach) <= mark <= max(rest.max(), high + reach):
            return f"{mark:g}", times
    return None


def _columns(names: Sequence[str]) -> str:
    return "1 column is" if len(names) == 1 else f"{len(names)} columns are"


def _span(seconds: int) -> str:
    size, unit = next((one for one in _UNITS if seconds >= one[0]), _UNITS[-1])
    number = f"{round(seconds / size, 1):g}"
    return f"{number} {unit}{'' if number == '1' else 's'}"
