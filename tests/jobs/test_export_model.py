"""`export-model`: what leaves a run gives its predictions where rfconv is not, and leaves whole or not at all."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from rfconv_cli.config import from_values
from rfconv_cli.jobs import model as job
from rfconv_cli.jobs.apply import predict_table
from rfconv_cli.jobs.learn import learn
from rfconv_cli.program import run_app
from rfconv_cli.run import Run, open_run
from tests.conftest import sensor_frame

QUICK = {"epochs": 2, "source": "correlation", "random_draws": 1, "stability": 0, "plots": False, "bootstrap": 100}
ONNX = {"model.onnx", "model.json"}
TORCH = {"model.py", "model.safetensors", "model.json"}
STRANGER = """
import sys

class Refuse:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("rfconv_cli", "pandas", "pyarrow", "sklearn", "pydantic"):
            raise ImportError(name)

sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[1])
from model import FieldModel
from safetensors.torch import load_file, save_file
save_file({"y": FieldModel.load(sys.argv[1])(load_file(sys.argv[2])["x"])}, sys.argv[2])
"""


def needs_onnx() -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason="the extra [onnx] is not installed")


@pytest.fixture(params=["onnx", "torch"])
def form(request: pytest.FixtureRequest) -> str:
    if request.param == "onnx":
        needs_onnx()
    return str(request.param)


def mixed_frame(rows: int = 240, seed: int = 0) -> pd.DataFrame:
    """Numbers with gaps, whole numbers, booleans and text, under names that nobody vouches for."""
    frame = sensor_frame(rows, seed).rename(columns={"temp_a": "気温(℃)", "temp_b": "<script>alert(1)</script>"})
    rng = np.random.default_rng(seed + 1)
    frame["kind"] = rng.choice(["pump", "=valve", "fan"], rows)
    frame["open"] = rng.random(rows) < 0.5
    frame["count"] = rng.integers(0, 9, rows)
    frame.loc[rng.random(rows) < 0.2, "pressure"] = np.nan
    return frame


def learned_from(frame: pd.DataFrame, folder: Path, target: str, **settings: object) -> Run:
    frame.to_csv(folder / "t.csv", index=False)
    chosen = from_values({**QUICK, **settings})
    result = learn(folder / "t.csv", target, chosen, folder / "runs", lambda _: None, lambda *_: None)
    return open_run(Path(result["run"]["path"]))


def as_described(frame: pd.DataFrame, document: dict) -> np.ndarray:
    """x (rows, N) float64, made by a reader of model.json who has never heard of rfconv."""
    made = {
        "number": lambda column, values: values.astype(float),
        "missing": lambda column, values: values.isna().astype(float),
        "category": lambda column, values: (values == column.get("value")).astype(float),
    }
    columns = document["columns"]
    return np.stack([made[each["made"]](each, frame[each["from"]].shift(each["lag"])) for each in columns], axis=1)


def applied(folder: Path, form: str, x: np.ndarray) -> np.ndarray:
    if form == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
        return session.run(None, {"x": x})[0]
    exchange = folder.with_suffix(".x")
    save_file({"x": torch.from_numpy(np.ascontiguousarray(x))}, exchange)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", STRANGER, str(folder), str(exchange)], check=True, env=environment, cwd="/")
    return load_file(exchange)["y"].numpy()


def predicted(run: Run, table: Path) -> np.ndarray:
    found = predict_table(run, table)[0]
    classes = run.schema.target.classes
    names = [f"probability_{label}" for label in classes] or ["prediction"]
    columns = np.stack([found[name].to_numpy() for name in names], axis=1)
    return columns if classes else columns[:, 0]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("target", "settings"),
    [
        ("state", {"layers": 2, "kernel": "own", "category": ("count",)}),
        ("load", {"ensemble": 2, "scaling": "shared"}),
        ("kind", {"embedding": "none", "hidden": 0, "heads": 1, "activation": "gelu"}),
    ],
    ids=["classes", "values", "three classes"],
)
def test_a_table_read_by_model_json_alone_gets_the_predictions_of_the_run(form, target, settings, tmp_path):
    frame = mixed_frame()
    run = learned_from(frame, tmp_path, target, **settings)
    document, _ = job.export_model(run, tmp_path / "out", form)
    found = applied(tmp_path / "out", form, as_described(frame, document))
    own = predicted(run, tmp_path / "t.csv")
    assert np.ptp(own, axis=0).max() > 0.01
    assert np.abs(found - own).max() <= 1e-5 * document["output"].get("target_scale", 1.0)


def test_lags_of_a_window_are_described(form, tmp_path):
    frame = mixed_frame()[["flow[l/h]", "pressure", "kind", "state"]]
    run = learned_from(frame, tmp_path, "state", window=3, split_by="none")
    document, _ = job.export_model(run, tmp_path / "out", form)
    assert document["window"] == {"rows": 3, "order": None, "group": None}
    found = applied(tmp_path / "out", form, as_described(frame, document)[2:])
    assert np.abs(found - predicted(run, tmp_path / "t.csv")).max() <= 1e-5


def test_paths_come_on_stdout_and_the_difference_on_stderr(form, learned, capsys):
    assert run_app(["export-model", "--format", form]) == 0
    captured = capsys.readouterr()
    paths = [Path(line) for line in captured.out.splitlines()]
    assert {path.parent for path in paths} == {Path("rfconv-model") / learned.name}
    assert {path.name for path in paths} == (ONNX if form == "onnx" else TORCH)
    assert all(path.is_file() for path in paths)
    assert "largest difference from rfconv's own probabilities" in captured.err


def test_json_is_one_document_that_says_where_the_files_are(learned, capsys):
    assert run_app(["export-model", "--format", "torch", "--out", "out", "--json", "-q"]) == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out, parse_constant=lambda name: pytest.fail(name))
    stored = json.loads(Path("out/model.json").read_text())
    assert (printed["format"], printed["format_version"], printed.pop("path")) == ("rfconv.model", 1, "out")
    assert printed == stored
    assert set(stored["files"]) == TORCH
    assert stored["check"]["largest_difference"] <= stored["check"]["limit"] == 1e-5
    assert captured.err == ""


def test_a_program_of_its_own_is_quiet_too(form, learned):
    """Exporters and runtimes speak from places that capturing in one process does not reach."""
    command = [sys.executable, "-m", "rfconv_cli", "export-model", "--format", form, "--out", "out", "-q", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert json.loads(done.stdout)["form"] == form
    assert done.stderr == ""


def test_an_export_replaces_an_earlier_one_and_nothing_else(learned):
    needs_onnx()
    assert run_app(["export-model", "-q", "--out", "out"]) == 0
    Path("out/notes.txt").write_text("mine")
    assert run_app(["export-model", "-q", "--out", "out", "--format", "torch"]) == 0
    assert {path.name for path in Path("out").iterdir()} == {*TORCH, "notes.txt"}


def test_the_same_run_gives_the_same_files(form, learned):
    for name in ("a", "b"):
        assert run_app(["export-model", "-q", "--out", name, "--format", form]) == 0
    assert contents(Path("a")) == contents(Path("b"))


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("failing_write", [1, 2, 3])
def test_a_disk_that_is_full_leaves_the_folder_as_it_was(failing_write, earlier, learned, monkeypatch, capsys):
    if earlier:
        assert run_app(["export-model", "-q", "--out", "deep/out", "--format", "torch"]) == 0
    before, done, real = contents(Path.cwd()), 0, os.fsync
    monkeypatch.setattr(job, "_run_elsewhere", lambda files, x, beside: job.load_model(open_run(learned)).predict(x))

    def full(handle: int) -> None:
        nonlocal done
        done += 1
        if done >= failing_write:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    assert run_app(["export-model", "-q", "--out", "deep/out", "--format", "torch"]) == 4
    assert "no space left on device" in capsys.readouterr().err
    assert contents(Path.cwd()) == before
    assert Path("deep").exists() == earlier


@pytest.mark.parametrize("wrong", [1e-3, np.nan])
def test_a_model_that_predicts_anything_else_is_not_written(wrong, learned, monkeypatch, capsys):
    monkeypatch.setattr(
        job, "_run_elsewhere", lambda files, x, beside: job.load_model(open_run(learned)).predict(x) + wrong
    )
    assert run_app(["export-model", "-q", "--out", "out", "--format", "torch"]) == 4
    told = capsys.readouterr().err
    assert ("0.001" if wrong == 1e-3 else "nan") in told
    assert "1e-05" in told
    assert not Path("out").exists()


def test_a_module_that_needs_rfconv_is_not_written(learned, monkeypatch, capsys):
    class Elsewhere:
        def joinpath(self, name: str):
            return self

        def read_bytes(self) -> bytes:
            return b"import rfconv_cli\n"

    monkeypatch.setattr(job.resources, "files", lambda _: Elsewhere())
    assert run_app(["export-model", "-q", "--out", "out", "--format", "torch"]) == 4
    assert "does not run by itself: ModuleNotFoundError" in capsys.readouterr().err
    assert not Path("out").exists()


def test_without_the_extra_the_way_out_is_said(learned, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert run_app(["export-model", "-q"]) == 2
    told = capsys.readouterr().err
    assert "'.[onnx]'" in told
    assert "--format torch" in told
    assert not Path("rfconv-model").exists()
