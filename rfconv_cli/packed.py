"""Parquet from a stranger: unpacked only as far as its own size allows.

A few bytes of Parquet can stand for a table of terabytes: by packing, by runs of one value, by a dictionary whose long
text stands in every row, and by texts that say only how they differ from the one before. What rfconv writes unpacks to
some thirty times its size at the most. What a file says of itself in its footer need not be true, so the headers of its
pages, by which Arrow takes memory, are read here before it does.
"""

import io
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rfconv_cli.thrift import BYTES, I32, I64, LIST, STRUCT, Struct

_RATIO, _FLOOR = 256, 1 << 26  # bytes of a table for each byte of its file; and what any table may have
_BATCH = 1 << 16
_WIDTHS = {0: 1, 1: 4, 2: 8, 3: 8, 4: 4, 5: 8, 6: 4}  # by Parquet's types: boolean, int32, int64, int96, floats, text
_TEXT = 6
_WRITER = b"parquet-cpp"  # for some old writers Arrow reads beyond where their columns end
_PACKINGS = (0, 1, 6)  # not at all, snappy, zstd
_ENCODINGS = (0, 2, 3, 4, 8)  # plain, dictionary, runs: each value is said in full, or by its place
_MAGIC = b"PAR1"

Fields = dict[tuple[int, int], Any]


def read_parquet(data: bytes) -> pa.Table:
    """The table in a Parquet file of plain columns. Raises ValueError where it is damaged, nested, or would unpack to
    far more than its size.
    """
    most = _FLOOR + _RATIO * len(data)
    try:
        with pq.ParquetFile(io.BytesIO(data), read_dictionary=_texts(data, most)) as file:
            batches = []
            for batch in file.iter_batches(_BATCH):
                most -= _size_of(batch)
                if most < 0:
                    raise ValueError("it would unpack to far more than its size")
                batches.append(batch)
            table = pa.Table.from_batches(batches, file.schema_arrow)
        plain = [_plain(column) for column in table.columns]
        return pa.table(plain, names=table.column_names)
    except (pa.ArrowException, OSError, MemoryError, LookupError, TypeError, AttributeError) as error:
        raise ValueError((str(error).splitlines() or ["it is not Parquet"])[0]) from None


def _texts(data: bytes, most: int) -> list[str]:
    """The columns of text, once it is sure that the table takes no more than `most` bytes.

    The footer is read here, and not by pyarrow, whose views of it end the process where it is forged.
    """
    footer = _footer(data)
    root, *columns = footer[2, LIST]
    if root.get((5, I32)) != len(columns) or any(map(_is_nested, columns)):
        raise ValueError("it has nested columns")
    if any(column.get((1, I32)) not in _WIDTHS for column in columns):
        raise ValueError("it has columns of odd types")
    if not footer.get((6, BYTES), b"").startswith(_WRITER):
        raise ValueError("another program wrote it")
    rows = [group[3, I64] for group in footer[4, LIST]]
    if min(rows, default=0) < 0 or sum(rows) != footer[3, I64]:
        raise ValueError("its row counts are odd")
    size = sum(rows) * sum(_WIDTHS[column[1, I32]] for column in columns)
    for group in footer[4, LIST]:
        for described, column in zip(group[1, LIST], columns, strict=True):
            if (1, BYTES) in described or described[3, STRUCT][1, I32] != column[
                1, I32
            ]:  # in another file, or of another type
                raise ValueError("its columns are odd")
            size += size_of_pages(data, described[3, STRUCT], most)
    if size > 2 * most:
        raise ValueError("it would unpack to far more than its size")
    return [column[4, BYTES].decode() for column in columns if column[1, I32] == _TEXT]


def _is_nested(column: Fields) -> bool:
    return (5, I32) in column or column.get((3, I32)) not in (0, 1)


def _footer(data: bytes) -> Fields:
    size = int.from_bytes(data[-8:-4], "little")
    if len(data) < 12 or not (data.startswith(_MAGIC) and data.endswith(_MAGIC)) or size > len(data) - 12:
        raise ValueError("it is not Parquet")
    return Struct(data, len(data) - 8 - size).read()[0]


def _size_of(batch: Any) -> int:
    """Bytes of the batch with its texts written out, one by one."""
    size = 0
    for column in batch.columns:
        size += column.nbytes
        if pa.types.is_dictionary(column.type):
            lengths = pc.binary_length(column.dictionary)
            size += pc.sum(lengths.take(column.indices)).as_py() or 0
    return size


def size_of_pages(data: bytes, column: Fields, most: int) -> int:
    """Bytes of a column's pages once they are unpacked, as their own headers say. column: its part of the footer.

    Raises ValueError for odd pages. Ends early beyond `most`.
    """
    if column[4, I32] not in _PACKINGS:
        raise ValueError("it is packed in another way")
    # Arrow begins at the dictionary only where that lies before the data
    place = min(column[9, I64], column.get((11, I64)) or column[9, I64])
    end, size = place + column[7, I64], 0
    if not 0 <= place <= end <= len(data):
        raise ValueError("its columns lie outside of it")
    while place < end and size <= most:
        header, place = Struct(data, place).read()
        unpacked, packed = header.get((2, I32), -1), header.get((3, I32), -1)
        # of a data page, one of version 2, a dictionary
        encodings = [header[of, STRUCT][at, I32] for of, at in ((5, 2), (8, 4), (7, 2)) if (of, STRUCT) in header]
        if min(unpacked, packed) < 0 or not encodings or not set(encodings) <= set(_ENCODINGS):
            raise ValueError("it has odd pages")
        place, size = place + packed, size + unpacked
    return size


def _plain(column: Any) -> Any:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
