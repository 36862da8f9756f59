"""Room for what may be larger than memory: arrays and tables in memory, or in files that the system pages out.

Such a file has no name once it is made: nothing is left of it however the process ends.
"""

import mmap
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import psutil
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from rfconv_cli.files import cannot_write

_WORTH_A_FILE = 1 << 20  # bytes
_GROUPS, _OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True)
class Room:
    """folder: where the files are; None: all is kept in memory."""

    folder: Path | None = None

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike, order: Literal["C", "F"] = "C") -> NDArray[Any]:
        """An array to be filled. Raises RunError cannot_write where the disk has no room for it."""
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if self.folder is None or size < _WORTH_A_FILE:
            return np.empty(shape, dtype, order)
        try:
            with tempfile.TemporaryFile(dir=self.folder) as file:
                _reserve(file, size)
                return np.memmap(file, dtype, mode="r+", shape=shape, order=order)
        except OSError as error:
            raise cannot_write(self.folder, error) from None

    def table(self, schema: pa.Schema, pieces: Iterable[pa.Table]) -> pa.Table:
        """The pieces, all of this schema, one behind the other. Raises RunError cannot_write."""
        if self.folder is None:
            return pa.concat_tables([schema.empty_table(), *pieces])
        try:
            with tempfile.TemporaryFile(dir=self.folder) as file:
                with pa.ipc.new_file(pa.PythonFile(file, mode="w"), schema) as writer:
                    for piece in pieces:
                        writer.write_table(piece)
                file.flush()
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise cannot_write(self.folder, error) from None
        return pa.ipc.open_file(pa.py_buffer(mapped)).read_all()

    def filtered(self, table: pa.Table, rows: NDArray[np.bool_]) -> pa.Table:
        """The rows of the table for which `rows` (rows,) is true."""
        if self.folder is None:
            return table.filter(pa.array(rows))
        starts = np.cumsum([0, *(batch.num_rows for batch in table.to_batches())]).tolist()
        pieces = (
            pa.Table.from_batches([batch]).filter(pa.array(rows[start : start + batch.num_rows]))
            for start, batch in zip(starts, table.to_batches(), strict=False)
        )
        return self.table(table.schema, pieces)


IN_MEMORY = Room()


def free_memory() -> int:
    """Bytes that this process may still take: of the machine's, and of its control group's limit where one is set."""
    free = int(psutil.virtual_memory().available)
    for path in _limits():
        try:
            limit = int(path.read_text(encoding="ascii"))
        except (OSError, ValueError):  # no such file, or "max"
            continue
        free = min(free, max(0, limit - int(psutil.Process().memory_info().rss)))
    return free


def _limits() -> Iterator[Path]:
    """Files that may limit this process: of its control group and of those above it, in either version of these."""
    yield _GROUPS / "memory" / "memory.limit_in_bytes"
    try:
        own = _OWN_GROUP.read_text(encoding="utf-8").splitlines()
    except OSError:
        own = []
    for line in own:
        kinds, _, name = line.partition(":")[2].partition(":")
        group = Path(name.lstrip("/"))
        base, file = (_GROUPS / "memory", "memory.limit_in_bytes") if "memory" in kinds else (_GROUPS, "memory.max")
        yield from (base / one / file for one in (group, *group.parents))


def size_of(written: str) -> int:
    """Bytes of a size such as 2GB, 500 MB or 1.5G, as `Settings.max_memory` may be."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGTkmgt]?)[Bb]?", written)
    if found is None:
        raise ValueError(f"{written!r} is no size")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def nearest_folder(path: Path) -> Path:
    """`path`, or the first folder above it that is there."""
    return next((folder for folder in (path, *path.absolute().parents) if folder.is_dir()), Path())


def _reserve(file: IO[bytes], size: int) -> None:
    """Make the file that long; where the system can, so that no page of it can later fail for want of disk."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)
