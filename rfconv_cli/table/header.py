"""The names of a table's columns, from its first bytes. Those of a text table are read without Arrow."""

import csv
import io
from itertools import islice
from pathlib import Path

from rfconv_cli.errors import DataError
from rfconv_cli.table.dialect import AS_SHOWN, Dialect, with_one_header
from rfconv_cli.table.source import (
    ARROW,
    DELIMITERS,
    PARQUET,
    STANDARD_INPUT,
    beginning,
    kind_of_name,
    require_file,
    shown,
)
from rfconv_cli.table.text import as_utf8, first_line, shown_delimiter

_MOST_LOOKED_AT = 1000  # entries of a folder


def column_names(path: Path, dialect: Dialect = AS_SHOWN) -> list[str]:
    """What `read_table` would call the columns, in table order; no rows are read, so their faults do not show.

    Nothing of standard input and of pipes, which can be read once only, nor of a header longer than a megabyte.
    Raises DataError as `read_table` does, where the beginning of the file says that it cannot be read.
    """
    require_file(path)
    if path.is_dir():
        return _names_of_folder(path)
    if path == STANDARD_INPUT or not path.is_file():
        return []
    kind = kind_of_name(path)
    if kind in (*PARQUET, *ARROW):
        return _names_of_typed(path, kind)
    raw, _ = beginning(path)
    return _names_of_text(raw, shown(path), dialect, DELIMITERS[kind])


def _names_of_folder(folder: Path) -> list[str]:
    """The names in one of its Parquet files, and in what its folders say (`year=2020`)."""
    near = islice(folder.rglob("*"), _MOST_LOOKED_AT)
    first = next((path for path in near if path.suffix.lower() in PARQUET and path.is_file()), None)
    if first is None:
        return []
    said = [part.partition("=")[0] for part in first.relative_to(folder).parent.parts if "=" in part]
    return _named([*_names_of_typed(first, PARQUET[0]), *said])


def _names_of_typed(path: Path, kind: str) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if kind in PARQUET:
            return _named(pq.read_schema(path).names)
        with pa.memory_map(str(path)) as mapped:
            return _named(pa.ipc.open_file(mapped).schema.names)
    except (pa.ArrowException, OSError):
        raise _without_header(shown(path)) from None


def _names_of_text(raw: bytes, name: str, dialect: Dialect, usual: str | None) -> list[str]:
    """The cells of the header. usual: the delimiter that the file's ending stands for."""
    end = max(raw.rfind(b"\n"), raw.rfind(b"\r")) + 1
    # what is behind the last line end may be half a character
    text = as_utf8(raw[:end] if end and dialect.encoding is None else raw, name, dialect.encoding)
    if not text[:1].isascii():  # only so begins a download of the Meteorological Agency, for which Arrow is needed
        from rfconv_cli.table.jma import is_jma, parse_jma

        if is_jma(text):
            return list(parse_jma(text, name)[0].column_names)
    delimiter = dialect.delimiter or usual or shown_delimiter(first_line(text, dialect.skip_lines))
    text = with_one_header(text, name, dialect, delimiter).lstrip(b"\r\n")
    try:
        return _named(next(csv.reader(io.StringIO(text.decode(), newline=""), delimiter=delimiter), []))
    except csv.Error:
        raise _without_header(name) from None


def _named(names: list[str]) -> list[str]:
    return [name or f"Unnamed: {place}" for place, name in enumerate(names)]


def _without_header(name: str) -> DataError:
    return DataError(f"{name} has no header that can be read", hint="write or download it again", code="no_header")
