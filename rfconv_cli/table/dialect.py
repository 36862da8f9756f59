"""How a text table is written: what the user said of it, and the lines above its rows made one header."""

import codecs
import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from rfconv_cli.config import Settings
from rfconv_cli.errors import DataError, UsageError

_SPELLED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


@dataclass(frozen=True)
class Dialect:
    """na: what is missing beside the usual; skip_lines: lines above the header; header_rows: rows that it takes;
    flag_suffix, flag_good: see `flagged`; as_text: columns that are text, whatever their cells look like;
    needs_flags: whether a table without such flags is refused.

    delimiter, decimal, encoding: None where the text itself shows it.
    """

    na: tuple[str, ...] = ()
    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    skip_lines: int = 0
    header_rows: int = 1
    flag_suffix: str | None = None
    flag_good: tuple[str, ...] = ()
    as_text: tuple[str, ...] = ()
    needs_flags: bool = True


AS_SHOWN = Dialect()


def dialect_of(settings: Settings) -> Dialect:
    """What the settings say of how the table is written. Raises UsageError bad_setting."""
    delimiter = settings.delimiter and _SPELLED.get(settings.delimiter, settings.delimiter)
    if delimiter and (len(delimiter) > 1 or not delimiter.isascii() or delimiter in '"\r\n'):
        raise UsageError(
            f"--delimiter {settings.delimiter!r} is not one character", hint="--delimiter ';'", code="bad_setting"
        )
    if settings.encoding:
        _require_codec(settings.encoding)
    if settings.flag_suffix == "" or (settings.flag_good and settings.flag_suffix is None):
        raise UsageError(
            "--flag-suffix says what the columns of quality flags end in", hint="--flag-suffix _qc", code="bad_setting"
        )
    same = {name: getattr(settings, name) for name in Dialect.__dataclass_fields__ if name in Settings.model_fields}
    del same["delimiter"]
    return Dialect(delimiter=delimiter, **same)


def with_one_header(text: bytes, name: str, dialect: Dialect, delimiter: str) -> bytes:
    """UTF-8 text whose first line that is not empty is the header; empty lines stand for those taken away.

    A header of several rows becomes one: the cells of a column joined by _, where an empty cell says what the one to
    its left says, as spreadsheets write merged cells, but for the last row. Raises DataError damaged_csv where the text
    is no longer than what is to be taken.
    """
    rows = dialect.header_rows
    if not dialect.skip_lines and rows == 1:
        return text
    end = b"\n" if b"\n" in text else b"\r"
    lines = text.split(end, dialect.skip_lines + rows)
    if len(lines) <= dialect.skip_lines + rows:
        raise DataError(
            f"{name} has {len(lines)} lines, too few for --skip-lines {dialect.skip_lines} and a header of {rows}",
            hint="give fewer, or look at the file",
            code="damaged_csv",
        )
    stacked = header_cells((line.decode() for line in lines[dialect.skip_lines : -1]), name, delimiter)
    header = io.StringIO()
    csv.writer(header, delimiter=delimiter, lineterminator="").writerow(_joined(stacked))
    return end.join([*[b""] * (len(lines) - 2), header.getvalue().encode(), lines[-1]])


def header_cells(lines: Iterable[str], name: str, delimiter: str) -> list[list[str]]:
    """The cells of each row of a header; `name` is the file's. Raises DataError damaged_csv."""
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error as error:
        raise DataError(
            f"the header of {name} cannot be read: {error}",
            hint="look at --delimiter and --skip-lines",
            code="damaged_csv",
        ) from None


def _joined(rows: list[list[str]]) -> list[str]:
    """One name for each column of a stacked header."""
    width = max(map(len, rows))
    said = [[cell.strip() for cell in row] + [""] * (width - len(row)) for row in rows]
    for row in said[:-1]:
        for place in range(1, width):
            row[place] = row[place] or row[place - 1]
    return ["_".join(dict.fromkeys(cell for cell in column if cell)) for column in zip(*said, strict=True)]


def _require_codec(encoding: str) -> None:
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise UsageError(
            f"there is no encoding {encoding!r}",
            hint="--encoding utf-8, cp932, latin-1, cp1252 or utf-16",
            code="bad_setting",
        ) from None
