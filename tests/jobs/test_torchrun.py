"""`torchrun … -m rfconv_cli learn`: two processes on gloo end as one does, and where one is lost all can go on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pytest
from safetensors.numpy import load_file

from rfconv_cli.jobs import shares
from rfconv_cli.jobs.begun import waiting
from rfconv_cli.network.peers import Peers
from rfconv_cli.table.reader import whole_parquet
from tests.faults.kills import table

FLAGS = (
    *("--search-steps", "40", "--contest-epochs", "2", "--epochs", "5", "--random-draws", "1", "--stability", "2"),
    *("--bootstrap", "100", "--channels", "4", "--hidden", "16", "--threads", "1", "--no-plots"),
)
CASES = {
    "everything": ("--ensemble", "2", "--shifts", "0.3", "--dropout", "0.4", "--estimator", "gumbel"),
    "second-order": ("--source", "searched", "--level", "second-order", "--estimator", "softmax"),
    "finite difference": (
        *("--source", "searched", "--level", "second-order", "--hyper-gradient", "finite-difference"),
        *("--estimator", "softmax"),
    ),
    "odd batches": ("--source", "searched", "--level", "first-order", "--batch-size", "7", "--search-batch", "9"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("together")
    frame = pd.read_csv(table(path / "t.csv"))
    # five groups, the last of 20 rows
    frame.to_parquet(path / "t.parquet", row_group_size=70, write_page_checksum=True)
    return path


def command(folder: Path, processes: int, *flags: str) -> subprocess.Popen:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] if processes else []
    environ = {**os.environ, "SOURCE_DATE_EPOCH": "1800000000", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "rfconv_cli", "learn", *flags],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def learned(folder: Path, processes: int, runs: str, *flags: str) -> tuple[Path, str]:
    """The run, and what was said on stdout."""
    data = "t.parquet" if "odd" in runs else "t.csv"
    process = command(folder, processes, data, "--target", "state", *FLAGS, *flags, "--runs", runs)
    said, told = process.communicate(timeout=240)
    assert process.returncode == 0, told
    (run,) = (each for each in (folder / runs).iterdir() if each.is_dir())
    return run, said


def numbers(value, name: str = "") -> dict[str, object]:
    """Every leaf of a document by its path."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        return {name: value}
    return {path: leaf for key, item in items for path, leaf in numbers(item, f"{name}/{key}").items()}


@pytest.mark.parametrize("case", CASES)
def test_two_processes_end_as_one(folder, case):
    alone, _ = learned(folder, 0, f"alone {case}", *CASES[case])
    both, said = learned(folder, 2, f"both {case}", *CASES[case])
    assert said.count("Verdict") == 1  # one of them speaks
    for name in ("fields.json", "metrics.json"):
        one, other = (numbers(json.loads((run / name).read_text())) for run in (alone, both))
        assert one.keys() == other.keys()
        for path, value in one.items():
            if isinstance(value, float):
                assert other[path] == pytest.approx(value, abs=1.001e-6), path  # stored to six places
            else:
                assert other[path] == value, path
    weights, others = (load_file(run / "model.safetensors") for run in (alone, both))
    assert max(float(np.abs(weights[name] - others[name]).max()) for name in weights) < 1e-4


@pytest.mark.parametrize("lost", [0, 1], ids=["the first", "the second"])
def test_where_one_is_lost_the_others_end_and_all_go_on(folder, lost):
    runs = folder / f"lost {lost}"
    process = command(folder, 2, "t.csv", "--target", "state", *FLAGS, "--runs", runs.name, "--epochs", "400")
    while not list(runs.glob(".*.resume/*.done")):
        time.sleep(0.05)
        assert process.poll() is None
    for child in psutil.Process(process.pid).children():
        if child.environ().get("RANK") == str(lost):
            os.kill(child.pid, signal.SIGKILL)
    _, told = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "Traceback (most recent call last)" not in told.partition("torch/distributed/elastic")[0]
    assert waiting(runs)
    process = command(folder, 2, "--resume", "--runs", runs.name)
    said, told = process.communicate(timeout=240)
    assert process.returncode == 0, told
    assert said.count("Verdict") == 1
    assert not waiting(runs)


def test_an_error_is_said_once(folder):
    process = command(folder, 2, "t.csv", "--target", "stat", *FLAGS, "--runs", "none")
    _, told = process.communicate(timeout=120)
    assert process.returncode != 0
    assert told.count("no column 'stat'") == 1
    assert not (folder / "none").exists()


def test_a_share_that_cannot_be_read_is_the_error_of_all(folder):
    data = bytearray((folder / "t.parquet").read_bytes())
    data[len(data) // 2] ^= 0xFF  # a page of a group in the middle
    (folder / "damaged.parquet").write_bytes(data)
    process = command(folder, 2, "damaged.parquet", "--target", "state", *FLAGS, "--runs", "none")
    _, told = process.communicate(timeout=120)
    assert process.returncode != 0
    assert told.count("damaged.parquet is not Parquet, or is damaged") == 1
    assert "another process was lost" not in told


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_shares_of_all_are_the_table(folder, size):
    source = str(folder / "t.parquet")
    parts = [shares._share(source, Peers(rank, size)) for rank in range(size)]
    assert pa.concat_tables(parts).equals(whole_parquet(source))
    read = [part.num_rows for part in parts]
    assert max(read) - min(read) <= (70 if size < 6 else 140)
