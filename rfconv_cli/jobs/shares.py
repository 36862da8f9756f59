"""A Parquet table read by several processes: each its own row groups, which it then hands to the others."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from rfconv_cli.network.peers import Peers
from rfconv_cli.table.reader import opened_parquet, whole_parquet

_TABLE, _ERROR = b"t", b"e"  # what comes behind


def parquet_reader(peers: Peers) -> Callable[[Any], pa.Table]:
    """How a process among `peers` reads a Parquet file into memory; all end with the same table, or the same error.

    One process decompresses and decodes but its share; the rows are then whole in each, since columns are known only
    with all of their rows (medians, quantiles, classes).
    """
    return whole_parquet if peers.size == 1 else lambda source: _together(source, peers)


def _together(source: Any, peers: Peers) -> pa.Table:
    try:
        mine = _TABLE + _as_bytes(_share(source, peers))
    except (pa.ArrowException, OSError) as error:
        mine = _ERROR + str(error).encode()
    every = peers.of_each(mine)
    for part in every:
        if part[:1] == _ERROR:
            raise pa.ArrowInvalid(part[1:].decode())
    return pa.concat_tables([pa.ipc.open_stream(pa.py_buffer(part)[1:]).read_all() for part in every])


def _share(source: Any, peers: Peers) -> pa.Table:
    with opened_parquet(source) as file:
        groups = peers.share(file.num_row_groups)
        return file.read_row_groups(list(range(groups.first, groups.stop)))


def _as_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())
