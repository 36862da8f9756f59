"""Files to Arrow tables: CSV, Parquet and Arrow, read strictly. What a cell of a CSV means lives in `delimited`."""

import hashlib
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from rfconv_cli.errors import DataError
from rfconv_cli.table.delimited import parse_delimited
from rfconv_cli.table.dialect import AS_SHOWN, Dialect
from rfconv_cli.table.flagged import flagged_columns, said_of_flags, without_flagged
from rfconv_cli.table.jma import is_jma, parse_jma
from rfconv_cli.table.kinds import is_text
from rfconv_cli.table.mixed import without_values
from rfconv_cli.table.source import (
    ARROW,
    DELIMITERS,
    PARQUET,
    STANDARD_INPUT,
    bytes_of,
    file_sum,
    folder_sum,
    kind_of_content,
    kind_of_name,
    parquet_in,
    require_file,
    shown,
    starts_with,
    unpacked,
)
from rfconv_cli.table.text import as_utf8

_HOW = b"rfconv.how_read"  # in the metadata of a table's schema


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


def whole_parquet(source: Any) -> pa.Table:
    """The table in a Parquet file, by its path or as a buffer. Raises what pyarrow does."""
    with opened_parquet(source) as file:
        return file.read()


def opened_parquet(source: Any) -> pq.ParquetFile:
    """A Parquet file, by its path or as a buffer. Mapped: a fifth faster than read into buffers."""
    return pq.ParquetFile(source, memory_map=isinstance(source, str), page_checksum_verification=True)


def read_with_fingerprint(
    path: Path, dialect: Dialect = AS_SHOWN, parquet: Callable[[Any], pa.Table] = whole_parquet
) -> tuple[pa.Table, str]:
    """The table of `read_table`, and the sha256 of the file's bytes as hex; of a folder: of its files' sums.

    parquet: reads a Parquet file that lies at a path.
    """
    table, identity = _read(path, dialect, parquet)
    return table, identity()


def _read(
    path: Path, dialect: Dialect, parquet: Callable[[Any], pa.Table] = whole_parquet
) -> tuple[pa.Table, Callable[[], str]]:
    require_file(path)
    table, identity = _parsed(path, dialect, parquet)
    refuse_duplicates(table.column_names, shown(path))
    names, said = table.column_names, how_read(table)
    table, gone = cleaned(table, dialect)
    if table.num_rows == 0:
        raise no_rows(path, table)
    if len(names) > table.num_columns:
        table = saying(table, said, said_of_flags(names, str(dialect.flag_suffix), dialect.flag_good, gone))
    return table, identity


def cleaned(table: pa.Table, dialect: Dialect) -> tuple[pa.Table, int]:
    """The table without sentinels and columns of flags, and how many values the flags did away with.

    Raises DataError no_flags.
    """
    table, suffix = without_values(table, dialect.na), dialect.flag_suffix
    if suffix and (dialect.needs_flags or flagged_columns(table.column_names, suffix)):
        return without_flagged(table, suffix, dialect.flag_good)
    return table, 0


def no_rows(path: Path, table: pa.Table) -> DataError:
    """The error for a table without rows."""
    return DataError(
        f"{shown(path)} has {table.num_columns} columns but no rows",
        hint="export the table again, with its rows",
        code="no_rows",
    )


def saying(table: pa.Table, *sentences: str | None) -> pa.Table:
    """The table, of which `how_read` says these."""
    return table.replace_schema_metadata({_HOW: "; ".join(sentence for sentence in sentences if sentence)})


def _parsed(path: Path, dialect: Dialect, parquet: Callable[[Any], pa.Table]) -> tuple[pa.Table, Callable[[], str]]:
    """The table, and what gives its fingerprint."""
    if path.is_dir():
        return typed(lambda: _parquet_folder(path), shown(path), "Parquet"), lambda: folder_sum(path)
    name = shown(path)
    kind = None if path == STANDARD_INPUT or path.is_fifo() else kind_of_name(path)
    if kind in PARQUET and starts_with(path, b"PAR1"):
        return typed(lambda: parquet(str(path)), name, "Parquet"), lambda: file_sum(path)
    packed = bytes_of(path)
    raw = unpacked(packed, name)
    kind = kind or kind_of_content(raw)
    return _parsed_bytes(raw, name, kind, dialect), lambda: hashlib.sha256(packed).hexdigest()


def _parsed_bytes(raw: bytes, name: str, kind: str, dialect: Dialect) -> pa.Table:
    if kind in PARQUET:
        return typed(lambda: whole_parquet(pa.BufferReader(raw)), name, "Parquet")
    if kind in ARROW:
        return typed(lambda: pa.ipc.open_file(pa.BufferReader(raw)).read_all(), name, "Arrow")
    return _parse_text(raw, name, replace(dialect, delimiter=dialect.delimiter or DELIMITERS[kind]))


def how_read(table: pa.Table) -> str | None:
    """A sentence on what reading did to this table of `read_table`, where it was more than reading."""
    said = (table.schema.metadata or {}).get(_HOW)
    return None if said is None else said.decode()


def _parse_text(raw: bytes, name: str, dialect: Dialect) -> pa.Table:
    text = as_utf8(raw, name, dialect.encoding)
    if not is_jma(text):
        return parse_delimited(text, name, dialect)
    table, said = parse_jma(text, name, dialect.na)
    return saying(table, said)


def _parquet_folder(folder: Path) -> pa.Table:
    return parquet_dataset(folder).to_table()


def parquet_dataset(folder: Path) -> Any:
    """A folder's Parquet files as one pyarrow.dataset.Dataset, what its folders say as columns."""
    import pyarrow.dataset as pa_dataset  # it brings pandas, for which single files need not wait

    files = [str(path) for path in parquet_in(folder)]
    hive = pa_dataset.partitioning(flavor="hive")
    return pa_dataset.dataset(files, format="parquet", partitioning=hive, partition_base_dir=str(folder))


def typed(read: Callable[[], pa.Table], name: str, kind: str, as_text: Container[str] = ()) -> pa.Table:
    """The table that `read` gives from a file with types of its own, with plain columns and a name for each.

    as_text: columns that stay text though they hold dates.
    """
    try:
        table = read()
        table.validate(full=True)
        columns = [
            _plain(column, dated=name not in as_text)
            for name, column in zip(table.column_names, table.columns, strict=True)
        ]
    except (pa.ArrowException, OSError, MemoryError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{name} is not {kind}, or is damaged: {first}",
            hint="write or download it again",
            code=f"damaged_{kind.lower()}",
        ) from None
    return pa.Table.from_arrays(columns, names=_named(table.column_names))


def _plain(column: pa.ChunkedArray, *, dated: bool) -> pa.ChunkedArray:
    """Without extension types, dictionaries and half floats, which Arrow's functions treat unevenly; dates as dates.

    dated: whether text may be dates.
    """
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(column.type.storage_type)
    if pt.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pt.is_float16(column.type):
        column = column.cast(pa.float32())
    if pt.is_string_view(column.type):
        column = column.cast(pa.large_string())
    return _dates_from_text(column) if dated and is_text(column.type) else column


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


def refuse_duplicates(names: list[str], file: str) -> None:
    """Raises DataError duplicate_columns where a name stands there twice."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        shown = ", ".join(repr(name) for name in twice[:10]) + (" …" if len(twice) > 10 else "")
        raise DataError(
            f"{file} names {len(twice)} columns more than once: {shown}",
            hint="rename or remove the duplicates in the header",
            code="duplicate_columns",
        )
