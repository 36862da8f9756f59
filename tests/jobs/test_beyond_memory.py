"""`learn` on a table that lies in files: the same run as in memory, and no more memory than allowed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rfconv_cli.config import from_values
from rfconv_cli.errors import RunError
from rfconv_cli.jobs.apply import evaluate_table, predict_pieces, predict_table
from rfconv_cli.jobs.check import check
from rfconv_cli.jobs.learn import learn
from rfconv_cli.jobs.memory import room_for
from rfconv_cli.jobs.result import table_bytes
from rfconv_cli.program import run_app
from rfconv_cli.run import open_run
from rfconv_cli.table import encode, large, pieces, room
from tests.conftest import sensor_frame

QUICK = {"epochs": 2, "contest_epochs": 1, "search_steps": 20, "random_draws": 1, "stability": 2, "bootstrap": 100}
SMALL = {"channels": 4, "hidden": 8, "plots": False}


def frame(rows: int = 240, seed: int = 0) -> pd.DataFrame:
    """Sensors with gaps, a column of categories, a weight, a moment, a machine."""
    table = sensor_frame(rows, seed)
    table["place"] = np.where(np.arange(rows) % 3 == 0, "roof", "yard")
    table.loc[np.arange(rows) % 5 == 0, "temp_a"] = np.nan
    table["counts"] = 1 + np.arange(rows) % 2
    table["hour"] = np.arange(rows)
    table["machine"] = np.arange(rows) % 12
    return table


CASES = {
    "plain": {},
    "shared scaling": {"scaling": "shared"},
    "regression": {"task": "regression", "target": "load"},
    "weights": {"weight": "counts", "class_weight": "balanced"},
    "groups": {"group": "machine"},
    "windows": {"window": 3, "time": "hour", "group": "machine"},
    "few rows to find on": {"find_rows": 60},
}


def learned(folder: Path, data: Path, settings: dict, test: Path | None = None):
    told: list[str] = []
    target = settings.pop("target", "state")
    chosen = from_values({**QUICK, **SMALL, **settings})
    result = learn(data, target, chosen, folder, told.append, lambda *_: None, test_data=test)
    return open_run(Path(result["run"]["path"])), result, told


@pytest.mark.parametrize("other", [False, True])
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_what_lies_in_files_gives_the_run_of_what_lies_in_memory(tmp_path, monkeypatch, case, gaps, other):
    monkeypatch.setattr(pieces, "_BYTES", 2000)
    monkeypatch.setattr(large, "_ROWS", 50)
    monkeypatch.setattr(room, "_WORTH_A_FILE", 1)
    table = frame()
    if gaps:
        table.loc[np.arange(len(table)) % 11 == 0, ["state", "load"]] = np.nan
    table.to_csv(tmp_path / "t.csv", index=False)
    test = tmp_path / "other.csv" if other else None
    if test:
        frame(90, seed=3).to_csv(test, index=False)
    runs = []
    for size in ("1TB", "1KB"):
        run, result, told = learned(tmp_path / size, tmp_path / "t.csv", {**CASES[case], "max_memory": size}, test)
        assert any("they lie in files" in line for line in told) == (size == "1KB")
        runs.append((run, {key: result[key] for key in ("test", "controls", "verdict", "contest", "groups")}))
    (in_memory, scores), (in_files, same_scores) = runs
    assert scores == same_scores
    for name in ("schema.json", "preprocess.json", "model.safetensors", "splits.parquet", "predictions-test.parquet"):
        assert in_memory.bytes(name) == in_files.bytes(name), name
    assert in_memory.json("fields.json")["layers"] == in_files.json("fields.json")["layers"]
    assert {path.name for path in (tmp_path / "1KB").iterdir()} == {"LATEST", in_files.path.name}


def test_nothing_is_left_where_the_disk_is_full(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room, "_WORTH_A_FILE", 1)
    monkeypatch.setattr(room, "_reserve", full)
    frame().to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(RunError, match="no space left"):
        learned(tmp_path / "runs", tmp_path / "t.csv", {"max_memory": "1KB"})
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_what_may_be_used_decides_where_the_rows_lie(tmp_path, monkeypatch):
    frame().to_csv(tmp_path / "t.csv", index=False)
    told: list[str] = []
    monkeypatch.setattr("rfconv_cli.jobs.memory.free_memory", lambda: 10_000)
    assert room_for([tmp_path / "t.csv"], from_values({}), tmp_path / "runs", told.append).folder == tmp_path
    assert told[0].startswith("the rows would take about ")
    assert room_for([tmp_path / "t.csv"], from_values({"max_memory": "1GB"}), tmp_path, told.append).folder is None
    assert len(told) == 1


ROWS, COLUMNS, LIMIT = 600_000, 50, 680_000_000
# reserve no more than is used, so that what is counted against the limit is what is taken
FRUGAL = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
LIMITED = """
import resource, sys
import rfconv_cli.jobs.learn
from rfconv_cli.program import run_app

status = dict(line.split(":") for line in open("/proc/self/status"))
data = 1024 * int(status["VmData"].split()[0])
resource.setrlimit(resource.RLIMIT_DATA, (data + int(sys.argv[1]),) * 2)
sys.exit(run_app(sys.argv[2:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits and tells the memory of a process's own data")
@pytest.mark.parametrize(("allowed", "fits"), [("100MB", True), ("100GB", False)])
def test_a_table_larger_than_memory_is_learned_from(tmp_path, allowed, fits):
    """With 680 MB above the interpreter; in memory it takes about 900."""
    rng = np.random.default_rng(0)
    data = {f"s{i:02d}": rng.normal(size=ROWS) for i in range(COLUMNS)}
    kinds = np.where(data["s00"] * data["s01"] > 0, "up", "down")
    pq.write_table(pa.table({**data, "state": kinds}), tmp_path / "t.parquet")
    words = ["learn", str(tmp_path / "t.parquet"), "--target", "state", "--runs", str(tmp_path / "runs"), "-q"]
    words += ["--max-memory", allowed, "--source", "correlation", "--find-rows", "5000", "--embedding", "none"]
    words += ["--channels", "4", "--hidden", "16", "--most-steps", "50", "--random-draws", "1", "--stability", "0"]
    words += ["--no-plots", "--no-refit", "--bootstrap", "100", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(LIMIT), *words],
        capture_output=True,
        text=True,
        env={**FRUGAL, "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
    )
    assert (done.returncode == 0) == fits, done.stderr
    assert (tmp_path / "runs" / "LATEST").exists() == fits


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("case", ["plain", "regression", "windows"])
def test_predictions_made_piece_by_piece_are_those_made_at_once(tmp_path, monkeypatch, case, suffix):
    frame().to_csv(tmp_path / "t.csv", index=False)
    settings = {**CASES[case], "max_memory": "1KB", "id": ("place",)}
    run, _, _ = learned(tmp_path / "runs", tmp_path / "t.csv", settings)
    new = frame(500, seed=8).drop(columns=run.schema.target.name)
    new.to_csv(tmp_path / "new.csv", index=False)
    at_once, notices = predict_table(run, tmp_path / "new.csv", ["counts"])
    monkeypatch.setattr(encode, "_BLOCK", 300)
    monkeypatch.setattr(room, "_WORTH_A_FILE", 1)
    out = tmp_path / "out"
    out.mkdir()
    words = ["predict", str(tmp_path / "new.csv"), "--run", str(run.path), "--id", "counts", "--out"]
    assert run_app([*words, str(out / f"p.{suffix}")]) == 0
    assert [path.name for path in out.iterdir()] == [f"p.{suffix}"]
    written = (out / f"p.{suffix}").read_bytes()
    parts, again = predict_pieces(run, tmp_path / "new.csv", room.Room(out), ["counts"])
    pieces = list(parts)
    assert (len(pieces) > 10, again) == (True, notices)
    assert pa.concat_tables(pieces).equals(at_once)
    if suffix == "csv":
        assert written == table_bytes(at_once, ".csv")
    else:
        assert pq.read_table(pa.BufferReader(written)).equals(at_once)


def test_a_bad_cell_far_down_is_told_with_its_row_and_leaves_no_file(tmp_path, monkeypatch, capsys):
    frame().to_csv(tmp_path / "t.csv", index=False)
    run, _, _ = learned(tmp_path / "runs", tmp_path / "t.csv", {})
    new = frame(500)
    new.loc[432, "pressure"] = np.inf
    new.to_csv(tmp_path / "new.csv", index=False)
    monkeypatch.setattr(encode, "_BLOCK", 300)
    out = tmp_path / "out"
    out.mkdir()
    assert run_app(["predict", str(tmp_path / "new.csv"), "--run", str(run.path), "--out", str(out / "p.csv")]) == 3
    assert "row 433" in capsys.readouterr().err
    assert list(out.iterdir()) == []


def test_scores_of_a_table_do_not_depend_on_how_much_is_read_at_a_time(tmp_path, monkeypatch):
    frame().to_csv(tmp_path / "t.csv", index=False)
    run, _, _ = learned(tmp_path / "runs", tmp_path / "t.csv", dict(CASES["windows"]))
    whole = evaluate_table(run, tmp_path / "t.csv")
    monkeypatch.setattr(encode, "_BLOCK", 300)
    assert evaluate_table(run, tmp_path / "t.csv") == whole


def test_check_of_what_lies_in_files_finds_what_it_finds_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "_BYTES", 2000)
    monkeypatch.setattr(room, "_WORTH_A_FILE", 1)
    table = frame()
    table["copy"], table["epoch"] = table["load"], 1_600_000_000 + 3600 * table["hour"]
    pd.concat([table, table[:40]]).to_csv(tmp_path / "t.csv", index=False)
    found = []
    for size in ("1TB", "1KB"):
        told: list[str] = []
        found.append(check(tmp_path / "t.csv", "state", from_values({"max_memory": size}), told.append))
        assert any("they lie in files" in line for line in told) == (size == "1KB")
    assert found[0] == found[1]
    assert {"duplicate_columns", "epoch", "repeated_rows"} <= {one["code"] for one in found[0]["findings"]}
