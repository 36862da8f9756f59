"""A text table cut into pieces that are tables of their own, each with the header."""

import codecs
import csv
import io
import mmap
import shutil
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from rfconv_cli.errors import DataError
from rfconv_cli.files import cannot_write
from rfconv_cli.table.delimited import parse_delimited, settled
from rfconv_cli.table.dialect import Dialect, header_cells
from rfconv_cli.table.jma import is_jma
from rfconv_cli.table.quotes import first_lines, line_ends
from rfconv_cli.table.source import packing, shown, start_of, unpacked_pieces
from rfconv_cli.table.text import as_utf8

_BYTES = 1 << 25  # of a piece
_MOST_UNPACKED = 200  # times its size
_LONGEST = 32  # pieces that a line may take

Text = mmap.mmap | bytes


def mapped_text(path: Path, folder: Path) -> Text:
    """The bytes of a text file, looked at where they lie; unpacked into a nameless file in `folder` if need be.

    Raises DataError: empty_file, damaged_gzip, damaged_zstd, too_large; RunError cannot_write.
    """
    kind = packing(start_of(path))
    if kind is None:
        with path.open("rb") as file:
            return _mapped(file.fileno(), shown(path))
    # the table must find room as well; and what unpacks to more is no table but an attack
    most = min(shutil.disk_usage(folder).free // 2, _MOST_UNPACKED * path.stat().st_size)
    try:
        with pa.OSFile(str(path)) as packed, tempfile.TemporaryFile(dir=folder) as file:
            for piece in unpacked_pieces(packed, shown(path), kind, most, "disk"):
                file.write(piece)
            file.flush()
            return _mapped(file.fileno(), shown(path))
    except OSError as error:
        raise cannot_write(folder, error) from None


def text_pieces(text: Text, name: str, dialect: Dialect) -> "TextPieces | None":
    """The table in `text` piece by piece; None for what is not read so: a download of the Meteorological Agency.

    Raises DataError: encoding, not_text, damaged_csv, too_large.
    """
    if dialect.encoding and not _is_cut_by_line_feeds(dialect.encoding):
        raise DataError(
            f"{name} is {dialect.encoding}, which is read into memory only, and it is too large for that",
            hint="save it as UTF-8 or Parquet, or raise --max-memory",
            code="too_large",
        )
    end = _piece_end(text, 0, name, dialect.delimiter or ",")
    head = as_utf8(text[:end], name, dialect.encoding)
    if not head.strip():
        raise DataError(f"{name} is empty", hint="export the table again", code="empty_file")
    if is_jma(head):
        return None
    head, spoken = settled(head, name, dialect)
    delimiter = str(spoken.delimiter)
    start = first_lines(head)
    ends = line_ends(head[start:], delimiter)
    begin = start + int(ends[0]) if len(ends) else len(head)
    header = _named(head[start:begin], name, delimiter)
    return TextPieces(text, name, spoken, header, head[begin:], _lines(head[:begin]), end)


@dataclass(frozen=True, eq=False)
class TextPieces:
    """Called with the columns that are to be taken as text: the pieces.

    header: one line, with a name for each column; first: the rows of the first piece; above: lines above these;
    end: where it ends in the text.
    """

    text: Text
    name: str
    dialect: Dialect
    header: bytes
    first: bytes
    above: int
    end: int

    def __call__(self, texts: Collection[str]) -> Iterator[pa.Table]:
        """Tables of one header. Raises DataError as `parse_delimited` and `as_utf8` do."""
        dialect = replace(self.dialect, as_text=tuple(texts))
        delimiter, encoding = str(dialect.delimiter), dialect.encoding
        start = self.end
        yield parse_delimited(self.header + self.first, self.name, dialect, self.above - 1)
        lines = self.above + _lines(self.first)
        seen = _encoding_of(self.text[:start], encoding)
        while start < len(self.text):
            end = _piece_end(self.text, start, self.name, delimiter)
            block = self.text[start:end]
            seen = _same(seen, _encoding_of(block, encoding), self.name)
            rows = as_utf8(block, self.name, encoding, lines)
            if rows.strip(b"\r\n"):
                yield parse_delimited(self.header + rows, self.name, dialect, lines - 1)
            lines += _lines(rows)
            start = end


def _named(header: bytes, name: str, delimiter: str) -> bytes:
    """The header in one line, unnamed columns called as `parse_delimited` calls them. Raises DataError damaged_csv."""
    cells, *_ = header_cells(io.StringIO(header.decode(), newline=""), name, delimiter) or [[]]
    line = io.StringIO()
    named = [cell or f"Unnamed: {place}" for place, cell in enumerate(cells)]
    csv.writer(line, delimiter=delimiter, lineterminator="\n").writerow(named)
    return line.getvalue().encode()


def _is_cut_by_line_feeds(encoding: str) -> bool:
    """Whether the byte of a line feed means one and nothing else; what is no encoding of text is refused elsewhere."""
    try:
        return "a\n".encode(encoding).endswith(b"a\n")
    except (LookupError, UnicodeError):
        return True


def _encoding_of(block: bytes, given: str | None) -> str | None:
    """What shows in a block that no encoding was given for; None: nothing."""
    if given is not None or block.isascii():
        return None
    try:
        codecs.utf_8_decode(block, "strict", True)
    except UnicodeDecodeError:
        return "cp932"
    return "UTF-8"


def _same(before: str | None, now: str | None, name: str) -> str | None:
    if before and now and before != now:
        raise DataError(
            f"{name} begins as {before} text and goes on as something else",
            hint="--encoding latin-1, or what it is, or save it as UTF-8",
            code="encoding",
        )
    return before or now


def _piece_end(text: Text, start: int, name: str, delimiter: str) -> int:
    """Where a line ends outside of quotes, some bytes behind `start`: of a line longer than pieces, further away.

    Raises DataError open_quote.
    """
    size = _BYTES
    while start + size < len(text):
        if size > _LONGEST * _BYTES:
            line = 1 + sum(_lines(text[place : min(place + _BYTES, start)]) for place in range(0, start, _BYTES))
            raise DataError(
                f"{name} has a quote that never closes, after line {line}",
                hint=f'look for a stray " after line {line}',
                code="open_quote",
            )
        ends = line_ends(text[start : start + size], delimiter)
        # the last byte may be a CR whose LF is cut off
        ends = ends[ends < size]
        if len(ends):
            return start + int(ends[-1])
        size *= 2
    return len(text)


def _lines(text: bytes) -> int:
    """Line ends, in quotes or not; of a text without LF, its CR."""
    return text.count(b"\n") or text.count(b"\r")


def _mapped(handle: int, name: str) -> Text:
    try:
        return mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
    except ValueError:  # nothing to map
        raise DataError(f"{name} is empty", hint="export the table again", code="empty_file") from None
