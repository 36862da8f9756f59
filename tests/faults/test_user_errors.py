"""Every error a user can meet: one clear line with the way out, the documented exit code, nothing half-written."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rfconv_cli.program import run_app
from tests.conftest import FAST, sensor_frame

LEARN = ("learn", "t.csv", "-t", "state", *FAST)
TORCH = ("--format", "torch", "--out")


@dataclass(frozen=True)
class Case:
    """make: prepares the current folder; command; exit code; words that the message must hold."""

    name: str
    make: Callable[[], object]
    command: tuple[str, ...]
    code: int
    says: tuple[str, ...]


def csv(frame: pd.DataFrame | None = None, **columns: object) -> Callable[[], object]:
    def make() -> None:
        (sensor_frame() if frame is None else frame).assign(**columns).to_csv("t.csv", index=False)

    return make


def text(content: str | bytes, name: str = "t.csv") -> Callable[[], object]:
    return lambda: Path(name).write_bytes(content.encode() if isinstance(content, str) else content)


def nothing() -> None:
    """The folder stays as it is."""


def damage(name: str, change: Callable[[bytes], bytes | None]) -> Callable[[], object]:
    def make() -> None:
        (path,) = Path("rfconv-runs").glob(f"*/{name}")
        changed = change(path.read_bytes())
        path.unlink() if changed is None else path.write_bytes(changed)

    return make


def run_json(**changes: object) -> Callable[[], object]:
    return damage("run.json", lambda data: json.dumps({**json.loads(data), **changes}).encode())


def other_fields() -> None:
    """t.csv lacks a column that the run's fields, copied to f.json, speak of."""
    (path,) = Path("rfconv-runs").glob("*/fields.json")
    shutil.copy(path, "f.json")
    csv(sensor_frame().drop(columns="temp_a"))()


TABLES = [
    Case("missing file", nothing, LEARN, 3, ("t.csv", "no such file")),
    Case("missing folder", nothing, ("learn", "no/t.csv", "-t", "y"), 3, ("t.csv", "no folder no")),
    Case("folder", lambda: Path("t.csv").mkdir(), LEARN, 3, ("folder",)),
    Case("empty file", text(""), LEARN, 3, ("t.csv is empty",)),
    Case("header only", text("a,b,state\n"), LEARN, 3, ("no rows",)),
    Case("binary garbage", text(bytes(range(256)) * 40), LEARN, 3, ("not text",)),
    Case("Parquet under a CSV name", lambda: pq.write_table(pa.table({"a": [1]}), "t.csv"), LEARN, 3, (".parquet",)),
    Case("garbage as Parquet", text(b"PAR1junk", "t.parquet"), ("learn", "t.parquet", "-t", "y"), 3, ("Parquet",)),
    Case("UTF-16", text("a,b\n1,2\n".encode("utf-16")), LEARN, 3, ("--encoding utf-16",)),
    Case("unknown encoding", text(b"a,b,state\n1,2,\xff\xfe\xfd\n"), LEARN, 3, ("UTF-8", "line 2")),
    Case("unknown format", text("x", "t.docx"), ("learn", "t.docx", "-t", "y"), 3, (".docx",)),
    Case("ragged row", text("a,b,state\n1,2,x\n1,2\n"), LEARN, 3, ("line 3",)),
    Case("open quote", text('a,b,state\n1,2,x\n1,"2,y\n3,4,z\n'), LEARN, 3, ("quote",)),
    Case("damaged gzip", text(b"\x1f\x8b\x08broken", "t.csv.gz"), ("learn", "t.csv.gz", "-t", "y"), 3, ("gzip",)),
    Case("duplicate names", text("a,a,state\n1,2,x\n3,4,y\n"), LEARN, 3, ("'a'", "more than once")),
    Case("one row", csv(sensor_frame(1)), LEARN, 3, ("nothing to tell apart",)),
    Case("missing target", csv(), ("learn", "t.csv", "-t", "stat"), 3, ("'stat'", "'state'")),
    Case("target without a value", csv(state=None), LEARN, 3, ("no value in any row",)),
    Case("one class", csv(state="same"), LEARN, 3, ("every row",)),
    Case("a class of one row", csv(state=["odd", *["x", "y"] * 119, "x"]), LEARN, 3, ("'odd'",)),
    Case("no usable columns", csv(pd.DataFrame({"state": list("xy") * 9, "a": list("pq") * 9})), LEARN, 3, ("usable",)),
    Case(
        "a word among numbers",
        csv(temp_a=["ERR", *["1.5"] * (len(sensor_frame()) - 1)]),
        LEARN,
        3,
        ("temp_a", "ERR", "row 1", "--na ERR"),
    ),
    Case("infinite values", csv(temp_a=np.inf), LEARN, 3, ("temp_a", "infinite")),
    Case("too few rows to split", csv(sensor_frame(2)), ("learn", "t.csv", "-t", "load"), 3, ("2 rows are too few",)),
    Case("missing group column", csv(), (*LEARN, "--group", "dya"), 3, ("'dya'", "nearest")),
    Case("no date column", csv(), (*LEARN, "--split-by", "day"), 3, ("date column", "--group")),
    Case("parts with other names", csv(part="dev"), (*LEARN, "--split-column", "part"), 3, ("'dev'", "train")),
]
USAGE = [
    Case("unknown command", nothing, ("lern",), 2, ("lern", "learn")),
    Case("unknown flag", nothing, (*LEARN, "--kernl-size", "3"), 2, ("--kernl-size",)),
    Case("no target", csv(), ("learn", "t.csv"), 2, ("--target",)),
    Case("value out of range", csv(), (*LEARN, "--kernel-size", "1"), 2, ("--kernel-size", "2")),
    Case("not a number", csv(), (*LEARN, "--epochs", "many"), 2, ("--epochs",)),
    Case("not a choice", csv(), (*LEARN, "--level", "third"), 2, ("--level", "second-order")),
    Case(
        "unknown setting in rfconv.toml", text("kernl_size = 3", "rfconv.toml"), LEARN, 2, ("kernl_size", "kernel_size")
    ),
    Case("rfconv.toml that is not TOML", text("kernel_size: 3", "rfconv.toml"), LEARN, 2, ("rfconv.toml",)),
    Case("no such fields", csv(), (*LEARN, "--fields", "f.json"), 3, ("f.json", "export-fields")),
    Case(
        "fields that are none",
        lambda: (csv()(), text("[]", "f.json")()),
        (*LEARN, "--fields", "f.json"),
        3,
        ("f.json",),
    ),
    Case("two splits at once", csv(), (*LEARN, "--group", "temp_a", "--time", "temp_b"), 2, ("--group", "--time")),
    Case(
        "shares that leave nothing", csv(), (*LEARN, "--test-size", "0.6", "--valid-size", "0.5"), 2, ("--test-size",)
    ),
    Case("a glob that matches nothing", csv(), (*LEARN, "--exclude", "wind*"), 2, ("wind*", "nearest")),
    Case("target as group", csv(), (*LEARN, "--group", "state"), 2, ("state", "target")),
    Case("unknown schema", nothing, ("config", "schema", "field"), 2, ("field",)),
]
AT_RUN = [  # in a folder with a completed run and t.csv
    Case("unknown run", nothing, ("evaluate", "--run", "nope"), 4, ("nope", "rfconv runs")),
    Case("foreign folder", lambda: Path("f").mkdir(), ("evaluate", "--run", "f"), 4, ("not a run",)),
    Case("run.json missing", damage("run.json", lambda _: None), ("evaluate",), 4, ("run.json",)),
    Case("run.json cut", damage("run.json", lambda data: data[:40]), ("evaluate",), 4, ("not JSON",)),
    Case("another format", run_json(format="other"), ("evaluate",), 4, ("not a run of rfconv",)),
    Case("a newer format", run_json(format_version=99), ("evaluate",), 4, ("99", "newer rfconv")),
    Case(
        "weights changed", damage("model.safetensors", lambda d: d[:-1] + b"!"), ("predict", "t.csv"), 4, ("damaged",)
    ),
    Case("fields missing", damage("fields.json", lambda _: None), ("export-fields",), 4, ("fields.json is missing",)),
    Case("settings changed", damage("config.toml", lambda d: d + b"\nx=1"), ("evaluate",), 4, ("config.toml",)),
    Case(
        "scores changed", damage("metrics.json", lambda d: d.replace(b"0.", b"9.")), ("evaluate",), 4, ("metrics.json",)
    ),
    Case("LATEST outside", lambda: Path("rfconv-runs/LATEST").write_text("../x"), ("evaluate",), 4, ("LATEST",)),
    Case(
        "text in a number column",
        csv(temp_a=["ERR", *["1"] * 239]),
        ("predict", "t.csv"),
        3,
        ("temp_a", "'ERR'", "row 1"),
    ),
    Case(
        "columns missing at predict",
        csv(sensor_frame().drop(columns=["temp_a", "pressure"])),
        ("predict", "t.csv"),
        3,
        ("'temp_a'", "'pressure'"),
    ),
    Case("an unknown label", csv(state="third"), ("evaluate", "t.csv"), 3, ("'third'",)),
    Case("no target to score", csv(sensor_frame().drop(columns="state")), ("evaluate", "t.csv"), 3, ("'state'",)),
    Case("output format", nothing, ("predict", "t.csv", "--out", "p.xlsx"), 2, ("p.xlsx", ".csv")),
    Case("output folder missing", csv(), ("predict", "t.csv", "--out", "no/p.csv"), 4, ("p.csv", "written")),
    Case("bad gate", nothing, ("evaluate", "--fail-under", "accuracy"), 2, ("accuracy=0.8",)),
    Case("gate on a score that is not there", nothing, ("evaluate", "--fail-under", "r2=0.5"), 2, ("r2", "accuracy")),
    Case("gate failed", nothing, ("evaluate", "--fail-under", "accuracy=1.01"), 6, ("below",)),
    Case("grid that does not fit", nothing, ("export-fields", "--plot", "--shape", "28x28"), 2, ("28",)),
    Case("grid that is none", nothing, ("export-fields", "--plot", "--shape", "big"), 2, ("--shape big",)),
    Case("grid without a plot", nothing, ("export-fields", "--shape", "1x7"), 2, ("--plot",)),
    Case("fields of another table", other_fields, (*LEARN, "--fields", "f.json"), 3, ("'temp_a'", "lacks")),
    Case("no table to compare on", nothing, ("compare",), 3, ("'sensors.csv'", "rfconv compare PATH")),
    Case("a changed table", csv(temp_a=1.0), ("compare", "t.csv"), 3, ("t.csv is not the table", "rfconv learn t.csv")),
    Case("unknown method", nothing, ("compare", "--method", "rbf"), 2, ("'rbf'", "--method rbf-svm")),
    Case("a method of another task", nothing, ("compare", "--method", "ridge"), 2, ("'ridge'", "logistic-regression")),
    Case("test rows of none", nothing, ("compare", "t.csv", "--test-data", "t.csv"), 2, ("--test-data",)),
    Case("no time at all", nothing, ("compare", "t.csv", "--time-limit", "-1"), 2, ("--time-limit",)),
    Case("a time that is none", nothing, ("compare", "t.csv", "--time-limit", "nan"), 2, ("--time-limit",)),
    Case("no method at a time", nothing, ("compare", "t.csv", "--jobs", "0"), 2, ("--jobs",)),
    Case("a comparison into a file", text("", "f"), ("compare", "t.csv", "--out", "f"), 4, ("f cannot",)),
    Case("unknown centre", nothing, ("export-fields", "--plot", "--centre", "temp"), 2, ("temp", "nearest")),
    Case("a file where a folder should be", text("", "f"), ("export-fields", "--plot", "--out", "f"), 4, ("f cannot",)),
    Case("a model's format", nothing, ("export-model", "--format", "pmml"), 2, ("'pmml'", "onnx")),
    Case("a folder that is taken", nothing, ("export-model", *TORCH, "."), 2, ("not empty", "--out")),
    Case("a file where a model should be", text("", "f"), ("export-model", *TORCH, "f"), 4, ("f cannot",)),
]
NO_RUN = [
    Case("no run yet", nothing, ("evaluate",), 4, ("rfconv learn",)),
    Case("no runs to list", nothing, ("runs",), 4, ("rfconv learn",)),
    Case("no run to compare", nothing, ("compare",), 4, ("rfconv learn",)),
    Case("no run to export", nothing, ("export-fields",), 4, ("rfconv learn",)),
    Case("no run whose model to export", nothing, ("export-model",), 4, ("rfconv learn",)),
]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check(case: Case, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole contract of an error, in one place."""
    case.make()
    before = contents(folder)
    capsys.readouterr()
    assert run_app([*case.command]) == case.code
    captured = capsys.readouterr()
    told = [line for line in captured.err.splitlines() if line.startswith("rfconv: ")]
    assert len(told) == 1, captured.err
    message = captured.err[captured.err.index(told[0]) :]
    assert [word for word in case.says if word not in message] == []
    hint = message.splitlines()[1]
    assert hint.startswith("  ")
    assert len(hint) > len("  rfconv")
    assert "Traceback" not in captured.err
    assert contents(folder) == before


@pytest.mark.parametrize("case", [*TABLES, *USAGE, *NO_RUN], ids=lambda case: case.name)
def test_an_error_before_any_run(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    check(case, tmp_path, capsys)


@pytest.mark.parametrize("case", AT_RUN, ids=lambda case: case.name)
def test_an_error_at_a_run(case, learned, sensor_csv, capsys):
    shutil.copy(sensor_csv, "t.csv")
    check(case, Path.cwd(), capsys)


def test_at_least_25_kinds_of_error_are_covered():
    assert len({(case.name, case.command) for case in (*TABLES, *USAGE, *NO_RUN, *AT_RUN)}) >= 25


def test_json_errors_are_one_document_on_stdout(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_app(["evaluate", "--json"]) == 4
    document = json.loads(capsys.readouterr().out)
    assert (document["format"], document["code"], document["exit_code"]) == ("rfconv.error", "run_not_found", 4)


def test_a_bug_is_one_line_and_verbose_shows_where(learned, monkeypatch, capsys):
    monkeypatch.setattr("rfconv_cli.jobs.apply.evaluate_stored", lambda run: 1 / 0)
    assert run_app(["evaluate", "-q"]) == 1
    assert capsys.readouterr().err.startswith("rfconv: a bug in rfconv: ZeroDivisionError")
    assert run_app(["evaluate", "-q", "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err
