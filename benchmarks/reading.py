"""Reading a table of floats, over pyarrow reading the same file: CSV and Parquet, as a ratio of speeds in one run."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from benchmarks.record import emit
from rfconv_cli.table.reader import read_table

COLUMNS, BYTES_OF_A_CELL, ROUNDS = 50, 9, 3


def run(megabytes: int, out: Path | None) -> None:
    """Emit, for each format, how fast `read_table` is over pyarrow: 1 is as fast, below 1 slower."""
    with tempfile.TemporaryDirectory() as folder:
        table = floats(megabytes * 1_000_000 // (COLUMNS * BYTES_OF_A_CELL))
        csv, parquet = Path(folder) / "t.csv", Path(folder) / "t.parquet"
        pa_csv.write_csv(table, csv)
        pq.write_table(table, parquet)
        readers: dict[str, tuple[Path, Callable[[], object]]] = {
            "csv": (csv, lambda: pa_csv.read_csv(csv)),
            "parquet": (parquet, lambda: pq.read_table(parquet)),
        }
        for kind, (path, theirs) in readers.items():
            ours_s, theirs_s = seconds([lambda path=path: read_table(path), theirs])  # type: ignore[misc]
            emit(
                out,
                "reading",
                format=kind,
                speed_over_pyarrow=theirs_s / ours_s,
                ours_s=ours_s,
                pyarrow_s=theirs_s,
                megabytes=path.stat().st_size / 1e6,
            )


def floats(rows: int) -> pa.Table:
    """(rows, 50) float64 with seven digits or so."""
    rng = np.random.default_rng(0)
    return pa.table({f"sensor {i:02d}": rng.normal(size=rows).round(5) for i in range(COLUMNS)})


def seconds(works: list[Callable[[], object]]) -> list[float]:
    """The median time of each, by turns, so that what else the machine does falls on all."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, each in zip(works, times, strict=True):
            start = time.perf_counter()
            work()
            each.append(time.perf_counter() - start)
    return [statistics.median(each) for each in times]
