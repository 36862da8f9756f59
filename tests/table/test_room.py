"""Room in files: what lies there reads as in memory, leaves nothing behind, and says when the disk is full."""

import errno
import os

import numpy as np
import pyarrow as pa
import pytest

from rfconv_cli.config import from_values
from rfconv_cli.errors import RunError, UsageError
from rfconv_cli.table import room as module
from rfconv_cli.table.room import IN_MEMORY, Room, free_memory, nearest_folder, size_of

LARGE = (300, 1000)


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_lie_in_files_without_a_name(tmp_path, order):
    made = Room(tmp_path).empty(LARGE, np.float64, order)
    assert isinstance(made, np.memmap)
    assert made.flags[f"{order}_CONTIGUOUS"]
    made[:] = np.arange(300)[:, None]
    assert made[7, 3] == 7
    assert list(tmp_path.iterdir()) == []


def test_small_arrays_and_those_in_memory_need_no_file(tmp_path):
    assert not isinstance(Room(tmp_path).empty((10, 10), np.float32), np.memmap)
    assert not isinstance(IN_MEMORY.empty(LARGE, np.float64), np.memmap)


@pytest.mark.parametrize("where", ["memory", "files"])
def test_tables_are_put_together_and_filtered(tmp_path, where):
    room = IN_MEMORY if where == "memory" else Room(tmp_path)
    pieces = [pa.table({"a": [i, i + 1], "t": [None, f"x{i}"]}) for i in range(5)]
    whole = room.table(pieces[0].schema.set(1, pa.field("t", pa.string())), (p.cast(whole_schema()) for p in pieces))
    assert whole.equals(pa.concat_tables(p.cast(whole_schema()) for p in pieces))
    rows = np.arange(10) % 3 == 0
    assert room.filtered(whole, rows).equals(whole.filter(pa.array(rows)))
    assert room.table(whole_schema(), []).num_rows == 0
    assert list(tmp_path.iterdir()) == []


def whole_schema():
    return pa.schema([("a", pa.int64()), ("t", pa.string())])


def test_a_full_disk_is_a_clear_error(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "_reserve", full)
    with pytest.raises(RunError, match="no space left") as caught:
        Room(tmp_path).empty(LARGE, np.float64)
    assert caught.value.code == "cannot_write"


def test_a_folder_that_cannot_be_written_to_is_a_clear_error(tmp_path):
    with pytest.raises(RunError) as caught:
        Room(tmp_path / "absent").table(whole_schema(), [])
    assert caught.value.code == "cannot_write"


@pytest.mark.parametrize(
    ("written", "size"),
    [("2GB", 2 * 10**9), ("500 MB", 5 * 10**8), ("1.5g", 15 * 10**8), ("64k", 64_000), ("7", 7), ("1T", 10**12)],
)
def test_sizes_are_read_as_they_are_written(written, size):
    assert size_of(written) == size
    assert from_values({"max_memory": written}).max_memory == written


@pytest.mark.parametrize("written", ["much", "-1GB", "2 gallons", "", "1e9"])
def test_what_is_no_size_is_refused(written):
    with pytest.raises(UsageError, match="--max-memory"):
        from_values({"max_memory": written})
    with pytest.raises(ValueError, match="no size"):
        size_of(written)


def test_the_limit_of_a_control_group_counts(tmp_path, monkeypatch):
    group = tmp_path / "slice" / "job"
    group.mkdir(parents=True)
    (tmp_path / "own").write_text("0::/slice/job\n")
    monkeypatch.setattr(module, "_GROUPS", tmp_path)
    monkeypatch.setattr(module, "_OWN_GROUP", tmp_path / "own")
    (group / "memory.max").write_text("max\n")
    unlimited = free_memory()
    (tmp_path / "slice" / "memory.max").write_text("1000\n")
    assert (free_memory(), unlimited > 1000) == (0, True)


def test_the_nearest_folder_is_one_that_is_there(tmp_path):
    assert nearest_folder(tmp_path / "a" / "b") == tmp_path
    assert nearest_folder(tmp_path) == tmp_path
