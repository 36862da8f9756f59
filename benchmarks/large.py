"""A table beyond the memory it may use: its size, the time, and the memory above the interpreter.

Memory is what belongs to the process alone (RssAnon): pages of files that lie in memory only as long as there is room
for them do not count. Linux only.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.record import emit
from rfconv_cli.run import open_run

_PIECE = 200_000  # rows
_LOOKS = 20  # a second
_AT_REST = "import rfconv_cli.jobs.learn, time; print(flush=True); time.sleep(60)"


def run(rows: int, columns: int, allowed: str, preset: str, folder: Path, out: Path | None) -> None:
    """Emit how long `learn` takes on so many rows with `--max-memory allowed`, and how much memory."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        table, runs = Path(made) / "t.parquet", Path(made) / "runs"
        write(table, rows, columns)
        words = ["learn", str(table), "-t", "state", "--runs", str(runs), "--max-memory", allowed, "--preset", preset]
        at_rest = _at_rest()
        start = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-m", "rfconv_cli", *words, "-q", "--json"], stdout=subprocess.DEVNULL
        )
        peak = _peak(child)
        seconds = time.perf_counter() - start
        if child.returncode:
            raise SystemExit(f"learn ended with {child.returncode}")
        latest = open_run(runs / (runs / "LATEST").read_text(encoding="utf-8").strip())
        result = latest.json("metrics.json")
        emit(
            out,
            "large",
            rows=rows,
            columns=columns,
            allowed=allowed,
            preset=preset,
            table_gigabytes=rows * columns * 8 / 1e9,
            peak_above_interpreter_gigabytes=(peak - at_rest) / 1e9,
            seconds=seconds,
            accuracy=result["test"]["accuracy"],
            random=result["controls"]["random_fields"]["accuracy"],
            verdict=result["verdict"]["code"],
        )


def write(path: Path, rows: int, columns: int) -> None:
    """Columns on a ring, each correlated with the next; the class is the sign of a sum of products of neighbours."""
    rng = np.random.default_rng(0)
    with pq.ParquetWriter(path, _piece(rng, 1, columns).schema) as writer:
        for start in range(0, rows, _PIECE):
            writer.write_table(_piece(rng, min(_PIECE, rows - start), columns))


def _piece(rng: np.random.Generator, rows: int, columns: int) -> pa.Table:
    z = rng.normal(size=(rows, columns))
    x = z + 0.7 * np.roll(z, -1, axis=1)
    products = (x * np.roll(x, -1, axis=1))[:, ::5]
    score = products.sum(axis=1) + rng.normal(size=rows)
    names = [f"s{i:02d}" for i in range(columns)]
    data = dict(zip(names, x.round(4).T, strict=True))
    return pa.table({**data, "state": np.where(score > 0.7 * products.shape[1], "up", "down")})


def _at_rest() -> int:
    """Bytes of the program with its libraries."""
    child = subprocess.Popen([sys.executable, "-c", _AT_REST], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    taken = _own_bytes(child.pid)
    child.kill()
    child.wait()
    return taken


def _peak(child: "subprocess.Popen[bytes]") -> int:
    peak = 0
    while child.poll() is None:
        peak = max(peak, sum(map(_own_bytes, _family(child.pid))))
        time.sleep(1 / _LOOKS)
    return peak


def _family(pid: int) -> Iterator[int]:
    """The process, and those that it started."""
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for text in (task / "children").read_text(encoding="ascii").split():
                yield from _family(int(text))
    except OSError:  # ended meanwhile
        return


def _own_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")), 0)
