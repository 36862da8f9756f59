"""CSV text to an Arrow table: delimiter, types, and which line is at fault. Opens no files; encodings: see `text`."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.types as pt

from rfconv_cli.errors import DataError
from rfconv_cli.table.dialect import AS_SHOWN, Dialect, with_one_header
from rfconv_cli.table.quotes import ends_open
from rfconv_cli.table.text import first_line, shown_delimiter

MISSING = ("", "NA", "NaN", "nan", "null", "NULL", "N/A")
_DATES = (pa_csv.ISO8601, "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S")
_SMALLEST_BLOCK = 1 << 20
_LARGEST_BLOCK = (1 << 31) - 1
_MOST_QUOTES = 10_000  # pairs that are looked at
_EXACT = 2.0**53  # from here on float64 does not hold every whole number


def settled(text: bytes, name: str, dialect: Dialect) -> tuple[bytes, Dialect]:
    """The text with its header in one line, and the dialect with nothing left for the text to show.

    Raises DataError damaged_csv.
    """
    delimiter = dialect.delimiter or shown_delimiter(first_line(text, dialect.skip_lines))
    text = with_one_header(text, name, dialect, delimiter)
    decimal = dialect.decimal or ("," if delimiter == ";" and _has_decimal_commas(text) else ".")
    return text, replace(dialect, delimiter=delimiter, decimal=decimal, skip_lines=0, header_rows=1)


def parse_delimited(text: bytes, name: str, dialect: Dialect = AS_SHOWN, above: int = 0) -> pa.Table:
    """The table in `text`, UTF-8 as `as_utf8` gives it; `name` is the file's, for messages.

    Types come from all rows, not the first block. A column with whole numbers that float64 would round stays text.
    Unnamed columns are `Unnamed: <position>`. above: lines of the file that are missing between the header and the
    rest. Raises DataError: ragged_rows, open_quote, damaged_csv.
    """
    text, dialect = settled(text, name, dialect)
    header = first_line(text)
    if len(header) == len(text):  # pyarrow calls a header without a line end an empty file
        text += b"\n"
    parse = pa_csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=_has_quoted_breaks(text))
    convert = pa_csv.ConvertOptions(
        null_values=[*MISSING, *dialect.na],
        strings_can_be_null=True,
        timestamp_parsers=list(_DATES),
        decimal_point=dialect.decimal,
        column_types=dict.fromkeys(dialect.as_text, pa.string()),
    )
    table = _parse(text, name, parse, convert, len(header), above)
    _refuse_open_quote(text, table, name, str(dialect.delimiter), above)
    table = _with_exact_numbers(text, table, parse, len(header), dialect.na)
    return table.rename_columns([c or f"Unnamed: {i}" for i, c in enumerate(table.column_names)])


def _has_quoted_breaks(text: bytes) -> bool:
    """Whether a line break stands between quotes. A text that may have some is read at half the speed."""
    place, looks = text.find(b'"'), 0
    while place >= 0 and looks < _MOST_QUOTES:
        end = text.find(b'"', place + 1)
        if end < 0 or text.find(b"\n", place, end) >= 0 or text.find(b"\r", place, end) >= 0:
            return True
        place, looks = text.find(b'"', end + 1), looks + 1
    return place >= 0


def _has_decimal_commas(text: bytes) -> bool:
    # with thousands points or plain points present, a comma may mean something else: leave such values as text
    start = text[: _SMALLEST_BLOCK + len(first_line(text))].lstrip(b"\r\n").partition(b"\n")[2]
    return bool(re.search(rb"\d,\d", start)) and not re.search(rb"\d\.\d", start)


def _parse(
    text: bytes,
    name: str,
    parse: pa_csv.ParseOptions,
    convert: pa_csv.ConvertOptions,
    header: int,
    above: int = 0,
) -> pa.Table:
    block = max(_SMALLEST_BLOCK, 4 * header)
    while True:
        # a header or row longer than a block makes pyarrow call the file empty, or ragged
        size = min(block, _LARGEST_BLOCK)
        try:
            return pa_csv.read_csv(pa.BufferReader(text), pa_csv.ReadOptions(block_size=size), parse, convert)
        except pa.ArrowInvalid as error:
            message = str(error)
        too_small = "straddl" in message or "block" in message
        if not too_small or size > len(text) or size == _LARGEST_BLOCK:
            raise _malformed(text, name, parse.delimiter, message, above)
        block *= 8


def _malformed(text: bytes, name: str, delimiter: str, message: str, above: int) -> DataError:
    if "columns, got" not in message:
        first = (message.splitlines() or ["it cannot be parsed"])[0]
        return DataError(f"{name} is not CSV: {first}", hint="export the table again", code="damaged_csv")
    rows = csv.reader(io.StringIO(text.decode("utf-8"), newline=""), delimiter=delimiter)
    line, found, expected, quoted = 0, 0, 0, False
    try:
        for row in rows:
            expected = expected or len(row)
            if row and len(row) != expected:
                line, found, quoted = rows.line_num, len(row), any("\n" in cell for cell in row)
                break
    except csv.Error:  # one cell of more than 128 KiB: a quote that never closes
        line = rows.line_num
    line += above
    blanks = "; a quote may be open" if quoted or not found else ""
    return DataError(
        f"{name} is ragged: line {line} has {found or 'too many'} cells where the header has {expected}{blanks}",
        hint=f"look at line {line}: a stray delimiter, a missing cell, or lines above the header (--skip-lines)",
        code="ragged_rows",
    )


def _refuse_open_quote(text: bytes, table: pa.Table, name: str, delimiter: str, above: int) -> None:
    """A quote that never closes swallows the rest of the file into the last row's cell."""
    # most texts have no quote behind the header, and to look for one is quick
    if table.num_rows == 0 or text.find(b'"', len(first_line(text))) < 0 or not ends_open(text, delimiter):
        return
    for column in table.columns:
        last = column[-1].as_py()
        if isinstance(last, str) and "\n" in last:
            line = text.count(b"\n") - last.count("\n") + 1 + above
            raise DataError(
                f"{name} has a quote that never closes, near line {line}: the lines after it are lost",
                hint=f'look for a stray " near line {line}',
                code="open_quote",
            )


def _with_exact_numbers(
    text: bytes, table: pa.Table, parse: pa_csv.ParseOptions, header: int, na: Sequence[str]
) -> pa.Table:
    """Columns of float64 that rounded a whole number (an id of 20 digits) are read again, as text."""
    times = Counter(table.column_names)
    for index, name in enumerate(table.column_names):
        if not name or times[name] > 1 or not _may_be_rounded(table.column(index)):
            continue
        convert = pa_csv.ConvertOptions(
            column_types={name: pa.string()},
            include_columns=[name],
            null_values=[*MISSING, *na],
            strings_can_be_null=True,
        )
        written = _parse(text, name, parse, convert, header).column(0)
        if _was_rounded(written):
            table = table.set_column(index, name, written)
    return table


def _may_be_rounded(column: pa.ChunkedArray) -> bool:
    if not pt.is_float64(column.type) or column.null_count == len(column):
        return False
    values = column.to_numpy()
    return bool(max(np.fmax.reduce(values), -np.fmin.reduce(values)) >= _EXACT)  # NaN is left out


def _was_rounded(written: pa.ChunkedArray) -> bool:
    long = written.filter(pc.match_substring_regex(written, r"^\s*[+-]?\d{16,}\s*$"))
    return any(int(number) != int(float(number)) for number in pc.unique(long).to_pylist() if len(number) < 300)
