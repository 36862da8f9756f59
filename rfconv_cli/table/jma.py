"""Downloads of the Japan Meteorological Agency as they come: stacked headers, quality numbers, dates in pieces.

A stamp line, an empty line, then header rows over the columns: station, element, often what of the element (its normal,
its direction), and what a column says of the value before it: quality, homogeneity, no phenomenon. The rows begin with
a date in one cell (年月日, 年月日時, 年月) or in several (年, 月, 日, 時). Opens no files.
"""

import csv
import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rfconv_cli.errors import DataError
from rfconv_cli.table.delimited import parse_delimited
from rfconv_cli.table.dialect import Dialect
from rfconv_cli.table.kinds import is_all_missing, missing

_STAMP = "ダウンロードした時刻"
_QUALITY, _INFORMATION = "品質情報", ("品質情報", "均質番号", "現象なし情報")
_DATE_PIECES = ("年", "月", "日", "時")
_MOST_HEADER_LINES = 12
_WORST_VALUE = 2  # quality 8 normal, 5 nearly, 4 of too few, 2 doubtful; 1 missing, 0 not observed


@dataclass(frozen=True)
class _Value:
    """A column of values: its name, its place, and the place of its quality number."""

    name: str
    place: int
    quality: int | None


@dataclass(frozen=True)
class _Layout:
    """lines: of the header, down to the last before the rows. dates: name → places; columns: all cells of a row."""

    lines: int
    columns: int
    dates: dict[str, tuple[int, ...]]
    values: tuple[_Value, ...]


def is_jma(text: bytes) -> bool:
    """Whether this UTF-8 text is such a download."""
    return text.startswith(_STAMP.encode())


def parse_jma(text: bytes, name: str, na: Sequence[str] = ()) -> tuple[pa.Table, str]:
    """The table in `text`, UTF-8, and a sentence on what was done; `name` as in `parse_delimited`, na: what is
    missing beside the usual.

    Dates become timestamps, under the header's own words. Values are `station_element`, with what of it behind; those
    whose quality number says missing become missing, and columns without any value are left out.
    Raises DataError: damaged_jma, and what `parse_delimited` raises.
    """
    layout = _layout(text, name)
    body = text.split(b"\n", layout.lines)[-1]
    header = ",".join(f"c{i}" for i in range(layout.columns)).encode()
    # empty lines stand for the header's, so that messages count the file's own lines
    plain = Dialect(na=tuple(na), delimiter=",")
    cells = parse_delimited(b"\n" * (layout.lines - 1) + header + b"\n" + body, name, plain)
    columns = {words: _moments(cells, places, name, layout.lines) for words, places in layout.dates.items()}
    gone, empty = 0, 0
    for value in layout.values:
        try:
            column, marked = _observed(cells, value)
        except pa.ArrowInvalid:
            raise _damaged(name, f"the quality numbers of {value.name!r} are no numbers") from None
        gone += marked
        if is_all_missing(column):
            empty += 1
        elif value.name in columns:
            raise _damaged(name, f"names {value.name!r} twice")
        else:
            columns[value.name] = column
    said = f"a download of the Japan Meteorological Agency: {len(layout.values) - empty} columns of values"
    said += f", {gone} values missing by their quality number" if gone else ""
    return pa.table(columns), said + (f", {empty} columns without any value left out" if empty else "")


def _layout(text: bytes, name: str) -> _Layout:
    lines = [line.decode("utf-8") for line in text.split(b"\n", _MOST_HEADER_LINES)[:_MOST_HEADER_LINES]]
    try:
        rows = list(csv.reader(line.rstrip("\r") for line in lines))
    except csv.Error as error:
        raise _damaged(name, f"its header cannot be read: {error}") from None
    first = next((i for i, row in enumerate(rows) if row and re.match(r"\d{4}", row[0].strip())), None)
    elements = next((i for i, row in enumerate(rows) if row and row[0].startswith("年")), None)
    if first is None or elements is None or elements > first:
        raise _damaged(name, "has no line of elements (年, …), or no row, below its stamp")
    stations = next((row for row in reversed(rows[1:elements]) if any(row)), [])
    below = [row for row in rows[elements + 1 : first] if any(row)]
    information = below.pop() if below and set(below[-1]) & set(_INFORMATION) else []
    width = len(rows[elements])
    header = [_padded(row, width) for row in (stations, rows[elements], *below)]
    return _Layout(first, width, _dates(header[0], header[1]), _values(header, _padded(information, width)))


def _padded(row: Sequence[str], width: int) -> list[str]:
    return [*(cell.strip() for cell in row), *[""] * (width - len(row))][:width]


def _is_date(element: str) -> bool:
    return element in (*_DATE_PIECES, "年月", "年月日", "年月日時")


def _dates(above: Sequence[str], elements: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Name → places of its pieces; a name is what stands above (集計開始), else the pieces' own words (年月日)."""
    found: list[list[int]] = []
    for place, element in enumerate(elements):
        if not _is_date(element):
            break
        if element.startswith("年"):
            found.append([])
        found[-1].append(place)
    named = [(above[places[0]] or "".join(elements[place] for place in places), tuple(places)) for places in found]
    return dict(named)


def _values(header: Sequence[Sequence[str]], information: Sequence[str]) -> tuple[_Value, ...]:
    found: list[_Value] = []
    for place, element in enumerate(header[1]):
        if _is_date(element):
            continue
        if information[place] == _QUALITY and found:
            found[-1] = _Value(found[-1].name, found[-1].place, place)
        elif information[place] not in _INFORMATION:
            found.append(_Value("_".join(row[place] for row in header if row[place]), place, None))
    return tuple(found)


def _observed(cells: pa.Table, value: _Value) -> tuple[pa.ChunkedArray, int]:
    """The column with its missing values missing, and how many of these the quality number alone tells of."""
    column = cells.column(value.place)
    if value.quality is None:
        return column, 0
    quality = pc.cast(cells.column(value.quality), pa.float64(), safe=False)
    bad = ~missing(quality) & (np.nan_to_num(quality.to_numpy(), nan=9.0) < _WORST_VALUE)
    return pc.if_else(pa.array(~bad), column, pa.scalar(None, column.type)), int((bad & ~missing(column)).sum())


def _moments(cells: pa.Table, places: Sequence[int], name: str, lines: int) -> pa.ChunkedArray:
    """(rows,) timestamps from the pieces of the dates; hour 24 is the next day's 0."""
    found = []
    for row, pieces in enumerate(zip(*(cells.column(place).to_pylist() for place in places), strict=True)):
        try:
            found.append(_moment(pieces))
        except (ValueError, TypeError, OverflowError):
            said = "/".join(str(piece) for piece in pieces)
            raise _damaged(name, f"line {lines + 1 + row} has no date: {said!r}") from None
    return pa.chunked_array([pa.array(found, pa.timestamp("us"))])


def _moment(pieces: Sequence[object]) -> dt.datetime:
    first = pieces[0]
    if isinstance(first, dt.datetime):
        return first
    if isinstance(first, dt.date):
        return dt.datetime(first.year, first.month, first.day)
    numbers = [int(number) for piece in pieces for number in str(piece).split("/")]
    year, month, day, hour = [*numbers, *(1, 1, 0)[len(numbers) - 1 :]]
    return dt.datetime(year, month, day) + dt.timedelta(hours=hour)


def _damaged(name: str, what: str) -> DataError:
    return DataError(
        f"{name} is a download of the Japan Meteorological Agency, but {what}",
        hint="download it again; or remove the lines above the header and give the columns names of one line",
        code="damaged_jma",
    )
