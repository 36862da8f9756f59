"""The installed program as a process of its own: start-up, the three commands of the demo, signals, pipes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import FAST

SAMPLES = Path(__file__).parents[2] / "sample_data"
HEAVY = {"torch", "pandas", "sklearn", "matplotlib", "pyarrow", "numpy", "scipy", "networkx"}


def rfconv(*arguments: str, folder: Path, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *python, "-m", "rfconv_cli", *arguments]
    environ = {**os.environ, "COLUMNS": "80", "RFCONV_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_starting_imports_nothing_heavy(flag, tmp_path):
    done = rfconv(flag, folder=tmp_path, python=("-X", "importtime"))
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert done.returncode == 0
    assert "typer" in imported
    assert not imported & HEAVY


@pytest.mark.parametrize(
    ("table", "target", "flags"),
    [
        ("nyc_weather.csv", "month", ()),
        ("digits_shuffled.parquet", "digit", ("--scaling", "shared", "--kernel-size", "9")),
        ("chicago_ridership.csv", "ridership", ("--time", "date")),
        ("ring.csv", "motif", ()),
    ],
)
def test_the_three_commands_run_on_the_sample_tables(table, target, flags, tmp_path):
    learn = rfconv("learn", str(SAMPLES / table), "--target", target, *flags, *FAST, folder=tmp_path)
    assert learn.returncode == 0, learn.stderr
    assert "Verdict" in learn.stdout
    evaluate = rfconv("evaluate", folder=tmp_path)
    assert evaluate.returncode == 0, evaluate.stderr
    scores = [line for line in evaluate.stdout.splitlines() if line.startswith(("learned fields", "random fields"))]
    assert len(scores) == 2
    assert set(scores) <= set(learn.stdout.splitlines())
    export = rfconv("export-fields", "--plot", folder=tmp_path)
    assert export.returncode == 0, export.stderr
    written = {Path(line).name for line in export.stdout.splitlines()}
    assert {"fields.json", "field-graph.png", "field-matrix.svg", "training.png"} <= written


def test_hours_of_one_day_lie_in_one_part_of_the_weather(tmp_path):
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    rfconv("learn", str(SAMPLES / "nyc_weather.csv"), "-t", "month", "--no-plots", *FAST, folder=tmp_path)
    (splits,) = (tmp_path / "rfconv-runs").glob("*/splits.parquet")
    parts = pq.read_table(splits)["part"].to_pylist()
    days = [str(hour)[:10] for hour in pa_csv.read_csv(SAMPLES / "nyc_weather.csv")["time_hour"].to_pylist()]
    assert len({(day, part) for day, part in zip(days, parts, strict=True)}) == len(set(days))


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_learn_ends_with_its_code_and_leaves_what_it_goes_on_from(sent, code, tmp_path):
    command = [sys.executable, "-m", "rfconv_cli", "learn", str(SAMPLES / "ring.csv"), "-t", "motif"]
    # a suite that runs in the background of a shell ignores SIGINT, and so would its children

    def heed() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=heed)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("search"):
            break
    time.sleep(0.2)
    process.send_signal(sent)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert "rfconv learn --resume goes on from here" in told
    (left,) = tmp_path.joinpath("rfconv-runs").iterdir()
    assert left.name.endswith("-motif.resume")


def test_a_reader_that_leaves_early_is_no_error(learned, sensor_csv):
    command = f"{sys.executable} -m rfconv_cli predict {sensor_csv} -q | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.startswith('"row"')
    assert "Traceback" not in done.stderr


def test_completion_for_the_shell_is_offered(tmp_path):
    environ = {**os.environ, "_RFCONV_COMPLETE": "complete_bash", "COMP_WORDS": "rfconv ", "COMP_CWORD": "1"}
    program = Path(sys.executable).with_name("rfconv")
    done = subprocess.run([program], env=environ, capture_output=True, text=True, check=False)
    assert {"learn", "evaluate", "export-fields"} <= set(done.stdout.split())
