"""Tables larger than memory: read piece by piece into a file, and from then on looked at where they lie.

Where types show only in the values they are read twice, since a column's type is known with its last row.
"""

import re
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
    whole_parquet,
)
from rfconv_cli.table.room import Room
from rfconv_cli.table.source import (
    ARROW,
    DELIMITERS,
    PARQUET,
    STANDARD_INPUT,
    beginning,
    file_sum,
    folder_sum,
    kind_of_name,
    parquet_in,
    require_file,
    shown,
    starts_with,
)

_ROWS = 1 << 16  # of a piece
_UNITS = ("s", "ms", "us", "ns")
_EXACT = 2**53  # from here on float64 does not hold every whole number
_BYTES_OF_A_CELL = 48  # in memory while it is learned from: in the table, encoded, scaled, in parts

Pieces = Callable[[Collection[str]], Iterator[pa.Table]]  # of the whole table; these columns taken as text


@dataclass
class _Seen:
    """What pieces hold: the types of each column, the smallest and largest of its whole numbers."""

    types: dict[str, set[pa.DataType]] = field(default_factory=dict)
    least: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)
    flagged_away: int = 0

    def look(self, piece: pa.Table) -> None:
        """See one more piece."""
        for name, column in zip(piece.column_names, piece.columns, strict=True):
            self.types.setdefault(name, set())
            if column.null_count == len(column):  # such a piece says nothing; its type counts where no other one does
                continue
            self.types[name].add(column.type)
            if pt.is_integer(column.type):
                ends = pc.min_max(column)
                self.least[name] = min(self.least.get(name, 0), ends["min"].as_py())
                self.most[name] = max(self.most.get(name, 0), ends["max"].as_py())

    def common(self, name: str, usual: pa.DataType) -> pa.DataType:
        """The type of a column whose pieces have these types, as if it had been read at once. usual: without values."""
        known = sorted(self.types[name], key=str)
        least, most = self.least.get(name, 0), self.most.get(name, 0)
        if len(known) < 2:
            return known[0] if known else usual
        if all(pt.is_integer(kind) or pt.is_floating(kind) for kind in known) and -_EXACT <= least <= most <= _EXACT:
            return pa.float64()
        if all(pt.is_integer(kind) or pt.is_boolean(kind) for kind in known) and 0 <= least <= most <= 1:
            return pa.bool_()
        moments = [pa.timestamp("s") if pt.is_date(kind) else kind for kind in known]
        if all(map(is_calendar, known)) and len({kind.tz for kind in moments}) == 1:
            return max(moments, key=lambda kind: _UNITS.index(kind.unit))
        return pa.large_string() if any(map(pt.is_large_string, known)) else pa.string()


def memory_of(path: Path) -> int:
    """About the bytes that the table at `path` takes in memory while it is learned from; 0 where that is not known."""
    require_file(path)
    if path == STANDARD_INPUT or path.is_fifo():
        return 0
    if path.is_dir():
        return sum(map(memory_of, parquet_in(path)))
    size, kind = path.stat().st_size, kind_of_name(path)
    try:
        if kind in PARQUET:
            about = pq.read_metadata(path)
            return int(about.num_rows * about.num_columns * _BYTES_OF_A_CELL)
        if kind in ARROW:
            return _cells_of_arrow(path) * _BYTES_OF_A_CELL
    except (pa.ArrowException, OSError):  # reading it will say what is wrong
        return 0
    start, share = beginning(path)
    cells = len(re.findall(rb"[,;\t|\n]", start))
    return int(size / max(share, 1) * (len(start) + cells * _BYTES_OF_A_CELL))


def _cells_of_arrow(path: Path) -> int:
    first_column = pa.ipc.IpcReadOptions(included_fields=[0])
    with pa.memory_map(str(path)) as mapped:
        columns = len(pa.ipc.open_file(mapped).schema)
        file = pa.ipc.open_file(mapped, options=first_column)
        return columns * sum(int(file.get_batch(number).num_rows) for number in range(file.num_record_batches))


def read_into(
    room: Room, path: Path, dialect: Dialect, parquet: Callable[[Any], pa.Table] = whole_parquet
) -> tuple[pa.Table, str]:
    """As `read_with_fingerprint`, but the table lies in `room`, where that is files, and so does text unpacked.

    Standard input, pipes and downloads of the Japan Meteorological Agency are read into memory all the same.
    parquet: reads a Parquet file into memory. Raises DataError as that does, and RunError cannot_write.
    """
    if room.folder is None or path == STANDARD_INPUT or path.is_fifo():
        return read_with_fingerprint(path, dialect, parquet)
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
    seen, first = _Seen(), None
    for piece in pieces(dialect.as_text):
        if first is None:
            first = piece.slice(0, 0)
            refuse_duplicates(first.column_names, shown(path))
        seen.look(piece)
    if first is None:  # without a row there is no piece
        return read_with_fingerprint(path, dialect)[0]
    types = {column.name: seen.common(column.name, column.type) for column in first.schema}
    kept = cleaned(first, dialect)[0].column_names
    schema = pa.schema([(name, types[name]) for name in kept])
    texts = {*dialect.as_text, *(name for name, kind in types.items() if is_text(kind))}
    table = room.table(schema, _written(pieces(texts), schema, dialect, seen))
    if table.num_rows == 0:
        raise no_rows(path, table)
    if table.num_columns == len(types):
        return table
    return saying(table, said_of_flags(list(types), str(dialect.flag_suffix), dialect.flag_good, seen.flagged_away))


def _written(pieces: Iterator[pa.Table], schema: pa.Schema, dialect: Dialect, seen: _Seen) -> Iterator[pa.Table]:
    for piece in pieces:
        kept, gone = cleaned(piece, dialect)
        seen.flagged_away += gone
        yield kept.cast(schema)


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
            for number in range(file.num_record_batches):
                batch = file.get_batch(number)
                yield from (batch.slice(start, _ROWS) for start in range(0, batch.num_rows, _ROWS))

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
