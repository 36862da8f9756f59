"""Files to Arrow tables: CSV, Parquet and Arrow, read strictly. What a cell of a CSV means lives in `delimited`."""

import hashlib
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from rfconv_cli.errors import DataError, nearest
from rfconv_cli.table.delimited import as_utf8, parse_delimited
from rfconv_cli.table.dialect import AS_SHOWN, Dialect
from rfconv_cli.table.flagged import without_flagged
from rfconv_cli.table.jma import is_jma, parse_jma
from rfconv_cli.table.kinds import is_text
from rfconv_cli.table.mixed import without_values

STANDARD_INPUT = Path("-")
_DELIMITERS = {".csv": None, ".txt": None, ".tsv": "\t"}  # None: the header tells
_HOW = b"rfconv.how_read"  # in the metadata of a table's schema
_PARQUET, _ARROW = (".parquet", ".pq"), (".arrow", ".feather", ".ipc")
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}  # by their magic numbers: downloads lose their .gz
_MAGIC = {b"PAR1": ".parquet", b"ARROW1": ".arrow"}
_ENDINGS = (".gz", ".zst")
_PIECE = 1 << 24
_GLANCE = 4096
_READABLE = (
    "CSV (.csv, .tsv, .txt, also with .gz or .zst), Parquet (.parquet, .pq, or a folder of them) and Arrow "
    "(.arrow, .feather) are read"
)


def read_table(path: Path, dialect: Dialect = AS_SHOWN) -> pa.Table:
    """The table in the file at `path`: at least one row, distinct non-empty names, no value rounded or guessed.

    path: - is the standard input, whose format its first bytes tell.
    CSV is UTF-8 or cp932 where `dialect` does not say otherwise; '', NA, NaN, nan, null, NULL, N/A are missing, and so
    is what it names: cells of this text, and numbers of this value. An unnamed column is `Unnamed: <position>`.
    Downloads of the Japan Meteorological Agency are known by their first line, see `jma`.
    A folder is read as one Parquet dataset: its files by name, and what their folders say (`year=2020`) as columns.
    Dictionary columns of Parquet and Arrow are decoded, and ISO dates written as text become timestamps, as in CSV.
    Raises DataError: file_not_found, is_directory, unknown_format, unreadable, empty_file, not_text, encoding,
    ragged_rows, open_quote, damaged_csv, damaged_gzip, damaged_zstd, damaged_jma, damaged_parquet, damaged_arrow,
    too_large, duplicate_columns, no_rows, no_flags.
    """
    return _read(path, dialect)[0]


def read_with_fingerprint(path: Path, dialect: Dialect = AS_SHOWN) -> tuple[pa.Table, str]:
    """The table of `read_table`, and the sha256 of the file's bytes as hex; of a folder: of its files' sums."""
    table, identity = _read(path, dialect)
    return table, identity()


def _read(path: Path, dialect: Dialect) -> tuple[pa.Table, Callable[[], str]]:
    _require_file(path)
    table, identity = _parsed(path, dialect)
    table = without_values(table, dialect.na)
    _refuse_duplicates(table.column_names, shown(path))
    if table.num_rows == 0:
        raise DataError(
            f"{shown(path)} has {table.num_columns} columns but no rows",
            hint="export the table again, with its rows",
            code="no_rows",
        )
    if dialect.flag_suffix is not None:
        said = how_read(table)
        table, flagged = without_flagged(table, dialect.flag_suffix, dialect.flag_good)
        table = table.replace_schema_metadata({_HOW: f"{said}; {flagged}" if said else flagged})
    return table, identity


def shown(path: Path) -> str:
    """The name of the file for messages."""
    return "standard input" if path == STANDARD_INPUT else path.name


def _parsed(path: Path, dialect: Dialect) -> tuple[pa.Table, Callable[[], str]]:
    """The table, and what gives its fingerprint."""
    if path.is_dir():
        return _typed(lambda: _parquet_folder(path), shown(path), "Parquet"), lambda: _folder_sum(path)
    name = shown(path)
    kind = None if path == STANDARD_INPUT or path.is_fifo() else _kind(path)
    if kind in _PARQUET and _starts_with(path, b"PAR1"):
        return _typed(lambda: _parquet(str(path)), name, "Parquet"), lambda: _sum(path)
    packed = _bytes_of(path)
    raw = _unpacked(packed, name)
    kind = kind or _kind_of(raw)
    return _parsed_bytes(raw, name, kind, dialect), lambda: hashlib.sha256(packed).hexdigest()


def _parsed_bytes(raw: bytes, name: str, kind: str, dialect: Dialect) -> pa.Table:
    if kind in _PARQUET:
        return _typed(lambda: _parquet(pa.BufferReader(raw)), name, "Parquet")
    if kind in _ARROW:
        return _typed(lambda: pa.ipc.open_file(pa.BufferReader(raw)).read_all(), name, "Arrow")
    return _parse_text(raw, name, replace(dialect, delimiter=dialect.delimiter or _DELIMITERS[kind]))


def how_read(table: pa.Table) -> str | None:
    """A sentence on what reading did to this table of `read_table`, where it was more than reading."""
    said = (table.schema.metadata or {}).get(_HOW)
    return None if said is None else said.decode()


def _folder_sum(folder: Path) -> str:
    return hashlib.sha256("".join(map(_sum, _parquet_in(folder))).encode()).hexdigest()


def _sum(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from None


def _starts_with(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(magic)) == magic
    except OSError as error:
        raise _unreadable(path, error) from None


def _parse_text(raw: bytes, name: str, dialect: Dialect) -> pa.Table:
    text = as_utf8(raw, name, dialect.encoding)
    if not is_jma(text):
        return parse_delimited(text, name, dialect)
    table, said = parse_jma(text, name, dialect.na)
    return table.replace_schema_metadata({_HOW: said})


def _parquet_in(folder: Path) -> list[Path]:
    """The Parquet files in it and below, by name; none below a folder or in a file whose name begins with . or _."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in _PARQUET and path.is_file())
    return sorted(path for path in found if not any(part[0] in "._" for part in path.relative_to(folder).parts))


def _require_file(path: Path) -> None:
    if path == STANDARD_INPUT:
        return
    try:
        if path.is_dir() and not _parquet_in(path):
            raise DataError(
                f"{path.name or path} is a folder, not a table",
                hint=_inside(path),
                code="is_directory",
            )
        if not path.exists():
            raise DataError(f"{path.name}: no such file", hint=_near_files(path), code="file_not_found")
    except OSError as error:
        raise _unreadable(path, error) from None


def _tables_in(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if _known(entry) and not entry.name.startswith("."))
    except OSError:
        return []


def _inside(folder: Path) -> str:
    names = _tables_in(folder)
    return f"name one table in it, such as {folder / names[0]}" if names else f"name a file; {_READABLE}"


def _near_files(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent} either; check the path"
    near = nearest(path.name, _tables_in(path.parent))
    where = "this folder" if path.parent == Path() else str(path.parent)
    return f"the nearest files in {where} are {', '.join(near)}" if near else f"{where} holds no table; check the path"


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _ENDINGS and suffixes[-2:-1] and suffixes[-2] in _DELIMITERS:
        return suffixes[-2]
    return suffixes[-1] if suffixes else ""


def _known(path: Path) -> bool:
    return _suffix(path) in (*_DELIMITERS, *_PARQUET, *_ARROW)


def _kind(path: Path) -> str:
    if not _known(path):
        raise DataError(
            f"{path.name}: {path.suffix or 'a file without an ending'} is not a format rfconv reads",
            hint=_READABLE,
            code="unknown_format",
        )
    return _suffix(path)


def _kind_of(raw: bytes) -> str:
    """The format of a file without a name."""
    return next((kind for magic, kind in _MAGIC.items() if raw.startswith(magic)), ".csv")


def _bytes_of(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == STANDARD_INPUT else path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unpacked(raw: bytes, name: str) -> bytes:
    """The bytes, unpacked where they are packed. Raises DataError empty_file, damaged_gzip, damaged_zstd, too_large."""
    packed = next((kind for magic, kind in _COMPRESSED.items() if raw.startswith(magic)), None)
    raw = raw if packed is None else _unpacked_stream(raw, name, packed)
    if not raw[:_GLANCE].strip() and not raw.strip():
        raise DataError(f"{name} is empty", hint="export the table again", code="empty_file")
    return raw


def _unpacked_stream(raw: bytes, name: str, kind: str) -> bytes:
    most = psutil.virtual_memory().available // 4  # text, table and numbers of it must fit as well
    pieces, size = [], 0
    try:
        with pa.CompressedInputStream(pa.BufferReader(raw), kind) as stream:
            while piece := stream.read(_PIECE):
                pieces.append(piece)
                size += len(piece)
                if size > most:
                    raise DataError(
                        f"{name} holds more than {most / 1e9:.1f} GB of text, too much for this machine's memory",
                        hint="split it, or convert it to Parquet",
                        code="too_large",
                    )
    except (pa.ArrowException, OSError):
        raise DataError(
            f"{name} is damaged: its {kind} stream ends early or is broken",
            hint="download it again",
            code=f"damaged_{kind}",
        ) from None
    return b"".join(pieces)


def _unreadable(path: Path, error: OSError) -> DataError:
    reason = error.strerror or type(error).__name__
    return DataError(
        f"{shown(path)} cannot be read: {reason}", hint=f"check the permissions of {path}", code="unreadable"
    )


def _parquet(source: Any) -> pa.Table:
    with pq.ParquetFile(source, page_checksum_verification=True) as file:
        return file.read()


def _parquet_folder(folder: Path) -> pa.Table:
    import pyarrow.dataset as pa_dataset  # it brings pandas, for which single files need not wait

    files = [str(path) for path in _parquet_in(folder)]
    hive = pa_dataset.partitioning(flavor="hive")
    return pa_dataset.dataset(files, format="parquet", partitioning=hive, partition_base_dir=str(folder)).to_table()


def _typed(read: Callable[[], pa.Table], name: str, kind: str) -> pa.Table:
    """The table that `read` gives from a file with types of its own, with plain columns and a name for each."""
    try:
        table = read()
        table.validate(full=True)
        columns = [_plain(column) for column in table.columns]
    except (pa.ArrowException, OSError, MemoryError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{name} is not {kind}, or is damaged: {first}",
            hint="write or download it again",
            code=f"damaged_{kind.lower()}",
        ) from None
    return pa.Table.from_arrays(columns, names=_named(table.column_names))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without extension types, dictionaries and half floats, which Arrow's functions treat unevenly; dates as dates."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(column.type.storage_type)
    if pt.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pt.is_float16(column.type):
        column = column.cast(pa.float32())
    if pt.is_string_view(column.type):
        column = column.cast(pa.large_string())
    return _dates_from_text(column) if is_text(column.type) else column


def _dates_from_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not (pt.is_string(column.type) or pt.is_large_string(column.type)) or column.null_count == len(column):
        return column
    if not pc.all(pc.match_substring_regex(column, r"^\d{4}[-/]\d\d[-/]\d\d")).as_py():
        return column
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return pc.replace_substring(column, "/", "-").cast(kind)
        except pa.ArrowInvalid:
            continue
    return column


def _named(names: list[str]) -> list[str]:
    return [name or f"Unnamed: {position}" for position, name in enumerate(names)]


def _refuse_duplicates(names: list[str], file: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        shown = ", ".join(repr(name) for name in twice[:10]) + (" …" if len(twice) > 10 else "")
        raise DataError(
            f"{file} names {len(twice)} columns more than once: {shown}",
            hint="rename or remove the duplicates in the header",
            code="duplicate_columns",
        )
