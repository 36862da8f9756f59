"""Several commands in one folder: two learns give two runs, and what only reads writes nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rfconv_cli.files import write_bytes
from rfconv_cli.program import run_app
from rfconv_cli.run import LATEST, find_run, list_runs, open_run
from rfconv_cli.run_writer import PART, RunWriter
from tests.conftest import FAST


def test_two_learns_at_once_give_two_runs(sensor_csv, tmp_path):
    words = [sys.executable, "-m", "rfconv_cli", "learn", str(sensor_csv), "-t", "state", "-q", "--no-plots", *FAST]
    environ = {**os.environ, "SOURCE_DATE_EPOCH": "1800000000"}  # so both want one name
    both = [subprocess.Popen(words, cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=200) for process in both] == [0, 0]
    runs = list_runs(tmp_path / "rfconv-runs")
    assert [run.path.name for run in runs] == ["20270115T080000Z-state", "20270115T080000Z-state-2"]
    for run in runs:
        run.verify()
    assert find_run(None, {}, tmp_path).name in {run.path.name for run in runs}
    assert {each.name for each in (tmp_path / "rfconv-runs").iterdir()} == {*(run.path.name for run in runs), LATEST}


def test_writers_at_once_have_names_of_their_own(tmp_path):
    with RunWriter(tmp_path, "x") as one, RunWriter(tmp_path, "x") as other:
        assert (one.name, other.name) == ("x", "x-2")
        assert one.folder != other.folder


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    dead, mine = tmp_path / f".dead{PART}", tmp_path / ".mine"
    for folder in (dead, mine):
        folder.mkdir()
        write_bytes(folder / "half", b"x")
    with RunWriter(tmp_path, "living") as living:
        living.write("half", b"x")
        with RunWriter(tmp_path, "next"):
            pass
        assert {each.name for each in tmp_path.iterdir()} == {".mine", living.folder.name}


def test_a_link_that_looks_like_something_left_is_not_followed(tmp_path):
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "gold").write_text("gold")
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / f".x{PART}").symlink_to(treasure)
    with RunWriter(runs, "y"):
        pass
    assert (treasure / "gold").read_text() == "gold"


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (status.st_mtime_ns, status.st_size)
        for path in (folder, *folder.rglob("*"))
        for status in [path.stat()]
    }


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate",),
        ("evaluate", "DATA"),
        ("evaluate", "--json", "--fail-under", "accuracy=0"),
        ("predict", "DATA"),
        ("export-fields",),
        ("export-fields", "--format", "md"),
        ("runs", "--json"),
        ("config", "show"),
        ("config", "schema", "fields"),
        ("check", "DATA", "--target", "state"),
        ("compare", "DATA", "--method", "decision-tree", "--jobs", "1", "--json"),
    ],
    ids=" ".join,
)
def test_what_only_reads_writes_nothing(command, learned, sensor_csv):
    folder = learned.parent.parent
    (folder / "t.csv").write_bytes(sensor_csv.read_bytes())
    before = tree(folder)
    assert run_app([str(folder / "t.csv") if word == "DATA" else word for word in command]) == 0
    assert tree(folder) == before
    open_run(learned).verify()
