"""Parquet from a stranger: unpacked only as far as its own size allows.

A few bytes of Parquet can stand for a table of terabytes: by packing, by runs of one value, and by a dictionary whose
long text stands in every row. What rfconv writes unpacks to some thirty times its size at the most.
"""

import io
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_RATIO, _FLOOR = 256, 1 << 26  # bytes of a table for each byte of its file; and what any table may have
_BATCH = 1 << 16
_TEXT = ("BYTE_ARRAY",)
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 4}


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
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise ValueError((str(error).splitlines() or ["it is not Parquet"])[0]) from None


def _texts(data: bytes, most: int) -> list[str]:
    """The columns of text, once what the file says of its size is within `most` bytes."""
    metadata = pq.read_metadata(io.BytesIO(data))
    columns = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    if any(column.max_repetition_level or column.max_definition_level > 1 for column in columns):
        raise ValueError("it has nested columns")
    if any(column.physical_type not in _WIDTHS for column in columns):
        raise ValueError("it has columns of odd types")
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    rows = sum(group.num_rows for group in groups)
    said = sum(group.total_byte_size for group in groups)
    if min(rows, said, *(g.num_rows for g in groups), 0) < 0:
        raise ValueError("its sizes are below 0")
    if max(said, rows * sum(_WIDTHS[column.physical_type] for column in columns)) > most:
        raise ValueError("it would unpack to far more than its size")
    return [column.path for column in columns if column.physical_type in _TEXT]


def _size_of(batch: Any) -> int:
    """Bytes of the batch with its texts written out, one by one."""
    size = 0
    for column in batch.columns:
        size += column.nbytes
        if pa.types.is_dictionary(column.type):
            lengths = pc.binary_length(column.dictionary)
            size += pc.sum(lengths.take(column.indices)).as_py() or 0
    return size


def _plain(column: Any) -> Any:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
