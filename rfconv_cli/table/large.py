"""Tables larger than memory: read piece by piece into a file, and from then on looked at where they lie.

Where types show only in the values they are read twice, since a column's type is known with its last row.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from rfconv_cli.table.dialect import Dialect
from rfconv_cli.table.flagged import said_of_flags
from rfconv_cli.table.kinds import is_calendar, is_text
from rfconv_cli.table.pieces import mapped_text, text_pieces
from rfconv_cli.table.reader import (
    cleaned,
    no_rows,
    parquet_dataset,
    read_with_fingerprint,
    refuse_duplicates,
    saying,
    typed,
)
from rfconv_cli.table.room import Room
from rfconv_cli.table.source import (
    ARROW,
    DELIMITERS,
    PARQUET,
    STANDARD_INPUT,
    file_sum,
    folder_sum,
    kind_of_name,
    packing,
    parquet_in,
    require_file,
    shown,
    start_of,
    starts_with,
)

_ROWS = 1 << 16  # of a piece
_UNITS = ("s", "ms", "us", "ns")
_EXACT = 2**53  # from here on float64 does not hold every whole number
_BYTES_OF_A_CELL = 48  # in memory while it is learned from: in the table, encoded, scaled, in parts
_BYTES_OF_TEXT = 6  # the same for each byte of a text table
_UNPACKED = 4  # times what a packed text takes

Pieces = Callable[[Collection[str]], Iterator[pa.Table]]  # of the whole table; these columns taken as text


@dataclass
class _Seen:
    """What pieces hold: the types of each column, and where whole numbers are beyond float64."""

    types: dict[str, set[pa.DataType]] = field(default_factory=dict)
    wide: set[str] = field(default_factory=set)
    flagged_away: int = 0


def memory_of(path: Path) -> int:
    """About the bytes that the table at `path` takes in memory while it is learned from; 0 where that is not known."""
    require_file(path)
    if path == STANDARD_INPUT or path.is_fifo():
        return 0
    if path.is_dir():
        return sum(map(memory_of, parquet_in(path)))
    size, kind = path.stat().st_size, kind_of_name(path)
    if kind in PARQUET:
        try:
            about = pq.read_metadata(path)
        except (pa.ArrowException, OSError):  # reading it will say what is wrong
            return 0
        return int(about.num_rows * about.num_columns * _BYTES_OF_A_CELL)
    return size * _BYTES_OF_TEXT * (1 if packing(start_of(path)) is None else _UNPACKED)


def read_into(room: Room, path: Path, dialect: Dialect) -> tuple[pa.Table, str]:
    """As `read_with_fingerprint`, but the table lies in `room`, where that is files, and so does text unpacked.

    Standard input, pipes and downloads of the Japan Meteorological Agency are read into memory all the same.
    Raises DataError as that does, and RunError cannot_write.
    """
    if room.folder is None or path == STANDARD_INPUT or path.is_fifo():
        return read_with_fingerprint(path, dialect)
    require_file(path)
    if path.is_dir():
        return _in_room(room, path, lambda texts: _dataset(path, texts), dialect), folder_sum(path)
    kind = kind_of_name(path)
    if kind in PARQUET and starts_with(path, b"PAR1"):
        return _in_room(room, path, lambda texts: _parquet(path, texts), dialect), file_sum(path)
    if kind in ARROW and starts_with(path, b"ARROW1"):
        return _in_room(room, path, lambda texts: _arrow(path, texts), dialect), file_sum(path)
    if kind not in DELIMITERS:
        return read_with_fingerprint(path, dialect)
    text = mapped_text(path, room.folder)
    spoken = replace(dialect, delimiter=dialect.delimiter or DELIMITERS[kind])
    pieces = text_pieces(text, shown(path), spoken)
    if pieces is None:
        return read_with_fingerprint(path, dialect)
    return _in_room(room, path, pieces, spoken), file_sum(path)


def _in_room(room: Room, path: Path, pieces: Pieces, dialect: Dialect) -> pa.Table:
    seen = _Seen()
    names: list[str] = []
    for piece in pieces(dialect.as_text):
        if not names:
            names = piece.column_names
            refuse_duplicates(names, shown(path))
            kept = cleaned(piece.slice(0, 0), dialect)[0].column_names
        _look(piece.select(kept), seen)
    if not names:
        raise no_rows(path, pa.table({}))
    schema = pa.schema([(name, _common(seen.types[name], wide=name in seen.wide)) for name in kept])
    table = room.table(schema, _written(pieces, schema, dialect, seen))
    if table.num_rows == 0:
        raise no_rows(path, table)
    if len(kept) == len(names):
        return table
    return saying(table, said_of_flags(names, str(dialect.flag_suffix), dialect.flag_good, seen.flagged_away))


def _written(pieces: Pieces, schema: pa.Schema, dialect: Dialect, seen: _Seen) -> Iterator[pa.Table]:
    texts = {column.name for column in schema if is_text(column.type)}
    for piece in pieces({*dialect.as_text, *texts}):
        kept, gone = cleaned(piece, dialect)
        seen.flagged_away += gone
        yield kept.cast(schema)


def _look(piece: pa.Table, seen: _Seen) -> None:
    for name, column in zip(piece.column_names, piece.columns, strict=True):
        seen.types.setdefault(name, set()).add(column.type)
        if pt.is_integer(column.type) and column.null_count < len(column):
            ends = pc.min_max(column)
            if ends["min"].as_py() < -_EXACT or ends["max"].as_py() > _EXACT:
                seen.wide.add(name)


def _common(types: set[pa.DataType], *, wide: bool) -> pa.DataType:
    """The type of a column whose pieces have these. wide: one holds whole numbers that float64 would round."""
    known = [kind for kind in types if not pt.is_null(kind)]
    if len(known) < 2:
        return known[0] if known else pa.null()
    if all(pt.is_integer(kind) or pt.is_floating(kind) for kind in known) and not wide:
        return pa.float64()
    moments = [pa.timestamp("s") if pt.is_date(kind) else kind for kind in known]
    if all(map(is_calendar, known)) and len({kind.tz for kind in moments}) == 1:
        return max(moments, key=lambda kind: _UNITS.index(kind.unit))
    return pa.string()


def _parquet(path: Path, texts: Collection[str]) -> Iterator[pa.Table]:
    def opened() -> Iterator[pa.RecordBatch]:
        # without reading ahead: a row group may be as large as the table
        options: dict[str, Any] = {"pre_buffer": False, "buffer_size": 1 << 20, "page_checksum_verification": True}
        with pq.ParquetFile(path, **options) as file:
            yield from file.iter_batches(batch_size=_ROWS)

    return _plain_pieces(opened, shown(path), "Parquet", texts)


def _dataset(folder: Path, texts: Collection[str]) -> Iterator[pa.Table]:
    def opened() -> Iterator[pa.RecordBatch]:
        yield from parquet_dataset(folder).to_batches(batch_size=_ROWS, batch_readahead=1, fragment_readahead=1)

    return _plain_pieces(opened, shown(folder), "Parquet", texts)


def _arrow(path: Path, texts: Collection[str]) -> Iterator[pa.Table]:
    def opened() -> Iterator[pa.RecordBatch]:
        with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as file:
            yield from (file.get_batch(number) for number in range(file.num_record_batches))

    return _plain_pieces(opened, shown(path), "Arrow", texts)


def _plain_pieces(
    opened: Callable[[], Iterator[pa.RecordBatch]], name: str, kind: str, texts: Collection[str]
) -> Iterator[pa.Table]:
    batches = opened()

    def following() -> pa.Table:
        batch = next(batches, None)
        return pa.table({}) if batch is None else pa.Table.from_batches([batch])

    while (piece := typed(following, name, kind, texts)).num_columns:
        yield piece
