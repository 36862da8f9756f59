"""A text table cut into pieces that are tables of their own, each with the header."""

import codecs
import mmap
import shutil
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from rfconv_cli.errors import DataError
from rfconv_cli.files import cannot_write
from rfconv_cli.table.delimited import as_utf8, parse_delimited, settled
from rfconv_cli.table.dialect import Dialect
from rfconv_cli.table.jma import is_jma
from rfconv_cli.table.source import packing, shown, start_of, unpacked_pieces

_BYTES = 1 << 25  # of a piece
_LONGEST = 8  # pieces that quotes may stay open; those that stay open further are taken as they stand

Text = mmap.mmap | bytes


def mapped_text(path: Path, folder: Path) -> Text:
    """The bytes of a text file, looked at where they lie; unpacked into a nameless file in `folder` if need be.

    Raises DataError: empty_file, damaged_gzip, damaged_zstd, too_large; RunError cannot_write.
    """
    kind = packing(start_of(path))
    if kind is None:
        with path.open("rb") as file:
            return _mapped(file.fileno(), shown(path))
    most = shutil.disk_usage(folder).free // 2  # the table must find room as well
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

    Raises DataError: encoding, not_text, damaged_csv.
    """
    if dialect.encoding and "\n".encode(dialect.encoding) != b"\n":
        raise DataError(
            f"{name} is {dialect.encoding}, which is read into memory only, and it is too large for that",
            hint="save it as UTF-8 or Parquet, or raise --max-memory",
            code="too_large",
        )
    end = _record_end(text, 0)
    head = as_utf8(text[:end], name, dialect.encoding)
    if is_jma(head):
        return None
    head, spoken = settled(head, name, dialect)
    return TextPieces(text, name, spoken, head, end)


class TextPieces:
    """Called with the columns that are to be taken as text: the pieces. head: the first one; end: where it ends."""

    def __init__(self, text: Text, name: str, dialect: Dialect, head: bytes, end: int) -> None:
        self.text = text
        self.name = name
        self.dialect = dialect
        self.head = head
        self.end = end

    def __call__(self, texts: Collection[str]) -> Iterator[pa.Table]:
        """Tables of one header. Raises DataError as `parse_delimited` and `as_utf8` do."""
        dialect = replace(self.dialect, as_text=tuple(texts))
        yield parse_delimited(self.head, self.name, dialect)
        header = self.head[: _header_end(self.head)]
        lines, seen = self.head.count(b"\n"), _encoding_of(self.text[: self.end], self.name, dialect.encoding)
        start = self.end
        while start < len(self.text):
            end = _record_end(self.text, start)
            block = self.text[start:end]
            seen = _same(seen, _encoding_of(block, self.name, dialect.encoding), self.name)
            rows = as_utf8(block, self.name, dialect.encoding, lines)
            if rows.strip():
                yield parse_delimited(header + rows, self.name, dialect, above=lines - header.count(b"\n"))
            lines += block.count(b"\n")
            start = end


def _encoding_of(block: bytes, name: str, given: str | None) -> str | None:
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


def _record_end(text: Text, start: int) -> int:
    """Where a record ends, about a piece behind `start`: at a line's end outside of quotes."""
    end = first = text.find(b"\n", start + _BYTES) + 1 or len(text)
    quotes = text[start:end].count(b'"')
    while quotes % 2 and end < min(len(text), start + _LONGEST * _BYTES):
        further = text.find(b"\n", end) + 1 or len(text)
        quotes += text[end:further].count(b'"')
        end = further
    return end if quotes % 2 == 0 else first


def _header_end(head: bytes) -> int:
    """Where the header ends, empty lines above it included."""
    start = len(head) - len(head.lstrip(b"\r\n"))
    end = head.find(b"\n", start) + 1 or len(head)
    while head[start:end].count(b'"') % 2 and end < len(head):
        end = head.find(b"\n", end) + 1 or len(head)
    return end


def _mapped(handle: int, name: str) -> Text:
    try:
        return mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
    except ValueError:  # nothing to map
        raise DataError(f"{name} is empty", hint="export the table again", code="empty_file") from None
