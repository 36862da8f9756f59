"""The run folder: whole or absent, found where it should be, and never trusted when something in it was changed."""

import errno
import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from rfconv_cli.config import Settings, from_values
from rfconv_cli.errors import RunError
from rfconv_cli.jobs.apply import evaluate_stored, evaluate_table, predict_table
from rfconv_cli.jobs.fields import stored_document
from rfconv_cli.jobs.learn import learn
from rfconv_cli.run import find_run, list_runs, open_run
from rfconv_cli.run_writer import RunWriter, run_name
from rfconv_cli.table.frozen import Feature, Schema, Target
from rfconv_cli.weights import load_model

QUICK = {
    "search_steps": 5,
    "epochs": 1,
    "random_draws": 1,
    "bootstrap": 100,
    "channels": 4,
    "hidden": 8,
    "threads": 1,
    "plots": False,
}
FILES = (
    "run.json",
    "config.toml",
    "schema.json",
    "splits.parquet",
    "preprocess.json",
    "fields.json",
    "model.safetensors",
    "metrics.json",
    "predictions-test.parquet",
)
each_file = pytest.mark.parametrize("name", FILES)


def quick_learn(data: Path, runs: Path, target: str = "state", **changes: Any) -> Path:
    settings = from_values(QUICK | changes)
    result = learn(data, target, settings, runs, lambda text: None, lambda stage, share: None)
    return Path(result["run"]["path"])


def use(run_path: Path, data: Path) -> None:
    """Everything that any command reads of a run."""
    run = open_run(run_path)
    evaluate_stored(run)
    evaluate_table(run, data)
    predict_table(run, data)
    stored_document(run)


def assert_damage_is_told(run_path: Path, data: Path, codes: tuple[str, ...] = ("damaged_run",)) -> None:
    with pytest.raises(RunError) as caught:
        use(run_path, data)
    assert caught.value.exit_code == 4
    assert caught.value.code in codes
    assert caught.value.message.strip()
    assert caught.value.hint
    assert "\n" not in caught.value.message


def without(document: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != key}


def seal(run_path: Path, document: dict[str, Any]) -> None:
    """Write run.json with a checksum that fits it."""
    content = without(document, "sha256")
    checksum = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (run_path / "run.json").write_text(json.dumps(content | {"sha256": checksum}))


def forge(run_path: Path, name: str, data: bytes) -> None:
    """Replace a file and both checksums, as nothing but malice or a bug would."""
    (run_path / name).write_bytes(data)
    document = json.loads((run_path / "run.json").read_bytes())
    document["files"][name] = hashlib.sha256(data).hexdigest()
    seal(run_path, document)


@pytest.fixture(scope="module")
def once(sensor_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_learn(sensor_csv, tmp_path_factory.mktemp("once") / "rfconv-runs")


@pytest.fixture(scope="module")
def another(sensor_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_learn(sensor_csv, tmp_path_factory.mktemp("another") / "rfconv-runs", "load", seed=1, lr=0.01)


@pytest.fixture
def run_path(once: Path, tmp_path: Path) -> Path:
    """A run of one's own, to break."""
    return Path(shutil.copytree(once, tmp_path / "rfconv-runs" / once.name))


# --- writing, finding, reading


def schema() -> Schema:
    target = Target("state", "binary", ("no", "yes"))
    features = (Feature("a", "float", -1.5, 2.0, 0.25), Feature("気温[°C]", "integer", 0.0, 9.0, 0.0))
    return Schema(target, features, (("day", "date or time"),))


def write_run(writer: RunWriter, settings: Settings | None = None) -> Path:
    writer.write_settings(settings or Settings())
    writer.write_json("schema.json", schema().to_json())
    writer.write_json("metrics.json", {"a": 0.1 + 0.2, "nan": float("nan")})
    writer.write_table("splits.parquet", pa.table({"row": [0, 1], "part": ["train", "test"]}))
    writer.write("plots/matrix.png", b"\x89PNG")
    return writer.complete({"created": "2026-01-31T12:00:00Z"})


def test_what_is_written_is_read_back(tmp_path):
    settings = from_values({"preset": "paper", "features": ["a*"], "gamma": 0.5})
    with RunWriter(tmp_path / "runs", "20260131T120000Z-state") as writer:
        run = open_run(write_run(writer, settings))
    assert run.id == run.path.name == "20260131T120000Z-state"
    assert run.settings == settings
    assert run.schema == schema()
    assert run.document["created"] == "2026-01-31T12:00:00Z"
    assert run.json("metrics.json") == {"a": 0.1 + 0.2, "nan": None}
    assert run.table("splits.parquet").to_pydict() == {"row": [0, 1], "part": ["train", "test"]}
    assert run.bytes("plots/matrix.png") == b"\x89PNG"


def test_a_loaded_model_predicts_what_was_predicted_before_it_was_saved(once, sensor_csv):
    run = open_run(once)
    stored = run.table("predictions-test.parquet")
    again, _ = predict_table(run, sensor_csv)
    again = again.take(stored["row"])
    for name in ("prediction", "probability_same", "probability_other"):
        assert again[name].to_pylist() == stored[name].to_pylist()


def test_fields_weights_and_encoding_survive_saving(once):
    first, second = load_model(open_run(once)), load_model(open_run(once))
    assert first.fields == second.fields
    assert first.encoding.names == open_run(once).schema.names
    tensors = load_tensors((once / "model.safetensors").read_bytes())
    assert all(torch.equal(value, first.network.state_dict()[name]) for name, value in tensors.items())


def test_a_moved_and_renamed_run_still_works(run_path, sensor_csv, tmp_path):
    stored = evaluate_stored(open_run(run_path))
    moved = run_path.rename(tmp_path / "elsewhere")
    use(moved, sensor_csv)
    found = evaluate_stored(open_run(moved))
    assert found["run"] == {"id": stored["run"]["id"], "path": str(moved)}
    assert found["test"] == stored["test"]


def test_using_a_run_leaves_it_as_it_was(run_path, sensor_csv):
    def state() -> dict[str, tuple[bytes, int]]:
        files = (path for path in run_path.rglob("*") if path.is_file())
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    before = state()
    for path in (*run_path.iterdir(), run_path):
        path.chmod(0o555 if path.is_dir() else 0o444)
    use(run_path, sensor_csv)
    run_path.chmod(0o755)
    assert state() == before  # modes alone do not stop the superuser


def test_the_run_folder_holds_the_documented_files(learned):
    names = {path.relative_to(learned).as_posix() for path in learned.rglob("*") if path.is_file()}
    plots = {name for name in names if name.startswith("plots/")}
    assert names - plots == set(FILES)
    assert plots
    assert set(json.loads((learned / "run.json").read_bytes())["files"]) == names - {"run.json"}


def text_of(path: Path) -> str:
    if path.suffix != ".parquet":
        return path.read_bytes().decode("latin-1")
    table = pq.read_table(path)
    return f"{table.schema} {table.schema.metadata} {table.to_pylist()}"


def test_no_file_of_a_run_holds_an_absolute_path(learned, learned_once, sensor_csv):
    places = [
        str(place) for place in (learned_once, sensor_csv.parent, learned.parent, Path.home(), Path(__file__).parent)
    ]
    texts = {path.name: text_of(path) for path in learned.rglob("*") if path.is_file()}
    assert [(name, place) for name, text in texts.items() for place in places if place in text] == []


MAGIC = {".parquet": b"PAR1", ".png": b"\x89PNG", ".json": b"{", ".svg": b"<?xml", ".toml": b""}


def test_every_file_of_a_run_is_what_its_ending_says(learned):
    for path in (path for path in learned.rglob("*") if path.is_file()):
        if path.suffix == ".safetensors":
            assert load_tensors(path.read_bytes())
        else:
            assert path.read_bytes().startswith(MAGIC[path.suffix])


def test_nothing_is_pickled_or_unpickled(monkeypatch, tmp_path, sensor_csv):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("pickle was used")

    for name in ("dump", "dumps", "load", "loads", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    run = quick_learn(sensor_csv, tmp_path / "runs")
    use(run, sensor_csv)
    assert open_run(run).id == run.name


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("month", "20260131T120000Z-month"),
        ("気温", "20260131T120000Z-気温"),
        ("a/../b", "20260131T120000Z-a_.._b"),
        ("../..", "20260131T120000Z-_"),
        ("flow[l/h]", "20260131T120000Z-flow_l_h_"),
        ("..", "20260131T120000Z-run"),
        ("x" * 300, "20260131T120000Z-" + "x" * 40),
    ],
)
def test_a_run_is_named_by_time_and_target_in_one_safe_word(target, name):
    found = run_name("2026-01-31T12:00:00Z", target)
    assert found == name
    assert Path(found).name == found


def test_two_runs_of_one_second_get_two_folders(tmp_path):
    paths = []
    for _ in range(3):
        with RunWriter(tmp_path, "20260131T120000Z-state") as writer:
            paths.append(write_run(writer))
    assert [path.name for path in paths] == [f"20260131T120000Z-state{end}" for end in ("", "-2", "-3")]
    assert (tmp_path / "LATEST").read_text() == "20260131T120000Z-state-3\n"
    assert [run.path for run in list_runs(tmp_path)] == paths


def test_runs_are_listed_oldest_first_without_those_that_are_damaged(tmp_path):
    for name in ("20260201T000000Z-a", "20260101T000000Z-b", "20260301T000000Z-c"):
        with RunWriter(tmp_path, name) as writer:
            write_run(writer)
    (tmp_path / "20260301T000000Z-c" / "schema.json").unlink()
    (tmp_path / "a folder").mkdir()
    (tmp_path / ".20260401T000000Z-d.part-1").mkdir()
    assert [run.id for run in list_runs(tmp_path)] == ["20260101T000000Z-b", "20260201T000000Z-a"]


def test_where_there_is_no_folder_there_are_no_runs(tmp_path):
    assert list_runs(tmp_path / "none") == []


# --- finding a run


@pytest.fixture
def two_projects(tmp_path: Path) -> Path:
    """outer/rfconv-runs/{a,b}, LATEST a; outer/inner/rfconv-runs/c, LATEST c; outer/inner/deep; outer/free."""
    inner = tmp_path / "outer" / "inner"
    for runs, names in ((tmp_path / "outer", "ab"), (inner, "c")):
        for name in names:
            (runs / "rfconv-runs" / name).mkdir(parents=True)
        (runs / "rfconv-runs" / "LATEST").write_text(f"{names[0]}\n")
    (inner / "deep" / "er").mkdir(parents=True)
    (tmp_path / "outer" / "free").mkdir()
    return tmp_path / "outer"


@pytest.mark.parametrize(
    ("here", "given", "variable", "found"),
    [
        (".", None, None, "rfconv-runs/a"),
        ("free", None, None, "rfconv-runs/a"),
        ("inner/deep/er", None, None, "inner/rfconv-runs/c"),
        ("inner", None, "", "inner/rfconv-runs/c"),
        (".", None, "rfconv-runs/b", "rfconv-runs/b"),
        (".", "b", None, "rfconv-runs/b"),
        (".", "b", "rfconv-runs/a", "rfconv-runs/b"),
        (".", "inner/rfconv-runs/c", "rfconv-runs/b", "inner/rfconv-runs/c"),
        ("free", "../rfconv-runs/b", None, "rfconv-runs/b"),
    ],
)
def test_the_flag_beats_the_environment_beats_the_nearest_latest(
    monkeypatch, two_projects, here, given, variable, found
):
    monkeypatch.chdir(two_projects / here)
    environ = {} if variable is None else {"RFCONV_RUN": variable}
    assert find_run(given, environ, Path.cwd()).resolve() == (two_projects / found).resolve()


@pytest.mark.parametrize("named", ["no-such-run", "x" * 300, "a\0b", "LATEST"])
@pytest.mark.parametrize("by", ["flag", "environment"])
def test_a_named_run_that_is_not_there_is_an_error_not_the_latest(monkeypatch, two_projects, named, by):
    monkeypatch.chdir(two_projects)
    given, environ = (named, {}) if by == "flag" else (None, {"RFCONV_RUN": named})
    with pytest.raises(RunError) as caught:
        find_run(given, environ, Path.cwd())
    assert caught.value.code == "run_not_found"


def test_without_any_run_the_way_to_one_is_told(tmp_path):
    with pytest.raises(RunError, match="no run yet") as caught:
        find_run(None, {}, tmp_path)
    assert caught.value.hint.startswith("rfconv learn")


POINTERS = ["", "\n", "gone", "..", ".", "../run", "{parent}/run", "sub/run", "x" * 300, "a\0b", "\x1b[2J", "run\nrun"]


@pytest.mark.parametrize("content", POINTERS)
def test_latest_leads_nowhere_but_to_a_run_beside_it(tmp_path, content):
    (tmp_path / "rfconv-runs").mkdir()
    for place in ("run", "rfconv-runs/sub/run"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "rfconv-runs" / "LATEST").write_text(content.format(parent=tmp_path))
    with pytest.raises(RunError) as caught:
        find_run(None, {}, tmp_path)
    assert caught.value.code == "run_not_found"


def test_latest_that_is_no_text_is_an_error(tmp_path):
    (tmp_path / "rfconv-runs").mkdir()
    (tmp_path / "rfconv-runs" / "LATEST").write_bytes(bytes(range(256)))
    with pytest.raises(RunError):
        find_run(None, {}, tmp_path)


def test_latest_that_cannot_be_read_is_an_error(monkeypatch, two_projects):
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("rfconv_cli.run.read_file", refuse)
    with pytest.raises(RunError, match="permission denied"):
        find_run(None, {}, two_projects)


# --- a run that fails leaves nothing but what `learn --resume` goes on from, which has tests of its own


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if ".resume" not in str(path)
    }


def files_left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and ".resume" not in str(path)]


class Breaking:
    """An os.fsync that raises at the `at`-th call for a file of the run, and counts them all."""

    def __init__(self, at: int, error: BaseException) -> None:
        self.at, self.error, self.calls = at, error, 0
        self.whole = os.fsync

    def __call__(self, handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if ".resume" not in str(path) and not path.is_dir():
            self.calls += 1
            if self.calls == self.at:
                raise self.error
        self.whole(handle)


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


WRITES = len(FILES) + 1  # and LATEST


def test_every_file_of_a_run_is_written_once(monkeypatch, tmp_path, sensor_csv):
    counting = Breaking(0, full_disk())
    monkeypatch.setattr(os, "fsync", counting)
    quick_learn(sensor_csv, tmp_path / "runs")
    assert counting.calls == WRITES


@pytest.mark.parametrize("at", range(1, WRITES + 1))
def test_a_learn_that_fails_at_any_write_leaves_the_runs_as_they_were(monkeypatch, run_path, sensor_csv, at):
    runs = run_path.parent
    (runs / "LATEST").write_text(f"{run_path.name}\n")
    before = snapshot(runs)
    monkeypatch.setattr(os, "fsync", Breaking(at, full_disk()))
    with pytest.raises(RunError, match="cannot be written: no space left"):
        quick_learn(sensor_csv, runs)
    assert snapshot(runs) == before


@pytest.mark.parametrize("at", [1, WRITES - 1, WRITES])
def test_a_first_learn_that_fails_leaves_no_file(monkeypatch, tmp_path, sensor_csv, at):
    monkeypatch.setattr(os, "fsync", Breaking(at, full_disk()))
    with pytest.raises(RunError):
        quick_learn(sensor_csv, tmp_path / "project" / "rfconv-runs")
    assert files_left(tmp_path) == []


@pytest.mark.parametrize("at", [1, WRITES - 1, WRITES])
def test_an_interrupted_learn_leaves_nothing(monkeypatch, tmp_path, sensor_csv, at):
    monkeypatch.setattr(os, "fsync", Breaking(at, KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        quick_learn(sensor_csv, tmp_path / "rfconv-runs")
    assert files_left(tmp_path) == []


@pytest.mark.parametrize("step", ["rename", "mkdir"])
def test_a_folder_that_cannot_be_made_or_named_is_one_error_and_leaves_nothing(monkeypatch, tmp_path, step):
    whole, calls = getattr(Path, step), []

    def refuse(path: Path, *given: Any, **named: Any) -> Any:
        calls.append(path)
        if step == "rename" or path.name == "plots":
            raise full_disk()
        return whole(path, *given, **named)

    monkeypatch.setattr(Path, step, refuse)
    with pytest.raises(RunError, match="no space left"), RunWriter(tmp_path / "runs", "x") as writer:
        write_run(writer)
    assert calls
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["a-file/runs", "n" * 300])
def test_a_runs_folder_that_cannot_be_made_is_one_error(tmp_path, place):
    (tmp_path / "a-file").write_text("x")
    with pytest.raises(RunError) as caught, RunWriter(tmp_path / place, "x"):
        pass
    assert caught.value.code == "cannot_write"
    assert [path.name for path in tmp_path.iterdir()] == ["a-file"]


def test_a_failed_run_leaves_what_others_put_beside_it(tmp_path):
    def work(writer: RunWriter) -> None:
        (writer.runs / "notes.txt").write_text("mine")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), RunWriter(tmp_path / "runs", "x") as writer:
        work(writer)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["notes.txt"]


# --- damage: whatever happens to a file, one clear error


@each_file
def test_a_missing_file_is_told(run_path, sensor_csv, name):
    (run_path / name).unlink()
    assert_damage_is_told(run_path, sensor_csv, ("damaged_run", "foreign_run"))


@each_file
def test_a_folder_in_place_of_a_file_is_told(run_path, sensor_csv, name):
    (run_path / name).unlink()
    (run_path / name).mkdir()
    assert_damage_is_told(run_path, sensor_csv)


@each_file
@pytest.mark.parametrize("left", [0, 0.5, 0.99])
def test_a_truncated_file_is_told(run_path, sensor_csv, name, left):
    data = (run_path / name).read_bytes()
    (run_path / name).write_bytes(data[: int(len(data) * left)])
    assert_damage_is_told(run_path, sensor_csv)


@each_file
@pytest.mark.parametrize("place", [0.0, 0.3, 0.7, 1.0])
def test_one_flipped_byte_is_told(run_path, sensor_csv, name, place):
    data = bytearray((run_path / name).read_bytes())
    data[round(place * (len(data) - 1))] ^= 0x01
    (run_path / name).write_bytes(data)
    assert_damage_is_told(run_path, sensor_csv, ("damaged_run", "foreign_run", "newer_format"))


def test_any_flipped_byte_of_run_json_is_told(run_path):
    whole = (run_path / "run.json").read_bytes()
    for place in range(0, len(whole), 3):
        data = bytearray(whole)
        data[place] ^= 0x01
        (run_path / "run.json").write_bytes(data)
        with pytest.raises(RunError):
            open_run(run_path)


@each_file
def test_a_file_of_another_run_is_told(run_path, another, sensor_csv, name):
    assert (another / name).read_bytes() != (run_path / name).read_bytes()
    shutil.copy(another / name, run_path / name)
    assert_damage_is_told(run_path, sensor_csv)


@each_file
def test_appended_bytes_are_told(run_path, sensor_csv, name):
    with (run_path / name).open("ab") as file:
        file.write(b"\0")
    assert_damage_is_told(run_path, sensor_csv)


RUN_JSON: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another format": (lambda d: d | {"format": "other.run"}, "foreign_run"),
    "no format": (lambda d: without(d, "format"), "foreign_run"),
    "a newer version": (lambda d: d | {"format_version": 2}, "newer_format"),
    "a version in words": (lambda d: d | {"format_version": "one"}, "newer_format"),
    "no files": (lambda d: without(d, "files"), "damaged_run"),
    "files as a list": (lambda d: d | {"files": list(d["files"])}, "damaged_run"),
    "no id": (lambda d: without(d, "id"), "damaged_run"),
    "an id that is a number": (lambda d: d | {"id": 7}, "damaged_run"),
    "one file unlisted": (lambda d: d | {"files": without(d["files"], "schema.json")}, "damaged_run"),
    "checksums that are numbers": (lambda d: d | {"files": dict.fromkeys(d["files"], 7)}, "damaged_run"),
    "a list": (lambda d: [d], "foreign_run"),
    "a number": (lambda d: 7, "foreign_run"),
    "null": (lambda d: None, "foreign_run"),
}


@pytest.mark.parametrize(("change", "code"), RUN_JSON.values(), ids=RUN_JSON)
def test_a_run_json_that_is_none_of_ours_is_refused(run_path, sensor_csv, change, code):
    changed = change(json.loads((run_path / "run.json").read_bytes()))
    if isinstance(changed, dict):
        seal(run_path, changed)
    else:
        (run_path / "run.json").write_text(json.dumps(changed))
    assert_damage_is_told(run_path, sensor_csv, (code,))


def test_another_table_cannot_pass_for_the_one_learned_from(run_path, sensor_csv):
    """Else its training rows would be scored as if they were new."""
    document = json.loads((run_path / "run.json").read_bytes())
    document["table"]["sha256"] = "0" * 64
    (run_path / "run.json").write_text(json.dumps(document))
    assert_damage_is_told(run_path, sensor_csv)


def test_run_json_may_be_laid_out_otherwise(run_path, sensor_csv):
    document = json.loads((run_path / "run.json").read_bytes())
    (run_path / "run.json").write_text(json.dumps(dict(reversed(document.items())), indent=4))
    use(run_path, sensor_csv)


TEXTS = [b"", b"{", b"\xff\xfe{}", b"[" * 5000 + b"]" * 5000, b"[" * 700 + b"]" * 700, b"9" * 5000, b"\0" * 100]


@pytest.mark.parametrize("content", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".json")])
def test_a_file_that_is_no_json_object_is_told_even_with_fitting_checksums(run_path, sensor_csv, name, content):
    if name == "run.json":
        (run_path / name).write_bytes(content)
    else:
        forge(run_path, name, content)
    assert_damage_is_told(run_path, sensor_csv, ("damaged_run", "foreign_run"))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(40) + b"PAR1", bytes(1000)])
@pytest.mark.parametrize("name", ["splits.parquet", "predictions-test.parquet"])
def test_a_file_that_is_no_parquet_is_told_even_with_fitting_checksums(run_path, sensor_csv, name, content):
    forge(run_path, name, content)
    assert_damage_is_told(run_path, sensor_csv)


def in_json(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """A change of the document; `change` may return another one or alter the one it gets."""

    def changed(data: bytes) -> bytes:
        document = json.loads(data)
        other = change(document)
        return json.dumps(document if other is None else other).encode()

    return changed


def in_tensors(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Callable[[bytes], bytes]:
    return lambda data: save_tensors(change(load_tensors(data)))


def in_toml(old: str, new: str) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        assert old in data.decode()
        return data.decode().replace(old, new).encode()

    return changed


def in_table(change: Callable[[pa.Table], pa.Table]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        pq.write_table(change(pq.read_table(pa.BufferReader(data))), sink)
        return sink.getvalue().to_pybytes()

    return changed


def member(document: dict[str, Any], **changes: Any) -> None:
    document["fields"][0]["members"][1].update(changes)


def filled(value: float) -> Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
    return lambda tensors: {name: torch.full_like(tensor, value) for name, tensor in tensors.items()}


def first_of(tensors: dict[str, torch.Tensor]) -> str:
    return sorted(tensors)[0]


FORGED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "weights that are NaN": ("model.safetensors", in_tensors(filled(float("nan")))),
    "weights that are infinite": ("model.safetensors", in_tensors(filled(float("inf")))),
    "weights too large for float32": (
        "model.safetensors",
        in_tensors(lambda t: {name: torch.full_like(value, 1e300, dtype=torch.float64) for name, value in t.items()}),
    ),
    "weights of other shapes": ("model.safetensors", in_tensors(lambda t: {k: torch.zeros(3) for k in t})),
    "a tensor less": ("model.safetensors", in_tensors(lambda t: without(t, first_of(t)))),
    "a tensor more": ("model.safetensors", in_tensors(lambda t: t | {"more": torch.zeros(2)})),
    "no tensors": ("model.safetensors", in_tensors(lambda t: {})),
    "no safetensors": ("model.safetensors", lambda data: b"x" * 100),
    "a header longer than the file": ("model.safetensors", lambda data: b"\xff" * 8 + data),
    "a field with a slot less": ("fields.json", in_json(lambda d: d["fields"][0]["members"].pop() and None)),
    "fields with a slot less": (
        "fields.json",
        in_json(lambda d: [field["members"].pop() for field in d["fields"]] and None),
    ),
    "a field less": ("fields.json", in_json(lambda d: d["fields"].pop() and None)),
    "a column less": ("fields.json", in_json(lambda d: d["columns"].pop() and None)),
    "fields of two layers": (
        "fields.json",
        in_json(lambda d: d["fields"].extend(field | {"layer": 1} for field in list(d["fields"]))),
    ),
    "a member that is no column": ("fields.json", in_json(lambda d: member(d, column=99))),
    "a member below zero": ("fields.json", in_json(lambda d: member(d, column=-1))),
    "a member that is a fraction": ("fields.json", in_json(lambda d: member(d, column=1.5))),
    "a member that is huge": ("fields.json", in_json(lambda d: member(d, column=10**400))),
    "a weight that is NaN": ("fields.json", in_json(lambda d: member(d, weight=float("nan")))),
    "a weight that is text": ("fields.json", in_json(lambda d: member(d, weight="1"))),
    "other column names": ("fields.json", in_json(lambda d: d["columns"][0].update(name="another"))),
    "columns that are texts": ("fields.json", in_json(lambda d: d | {"columns": ["a", "b"]})),
    "no fields": ("fields.json", in_json(lambda d: without(d, "fields"))),
    "fields that are null": ("fields.json", in_json(lambda d: d | {"fields": None})),
    "a newer fields.json": ("fields.json", in_json(lambda d: d | {"format_version": 2})),
    "a foreign fields.json": ("fields.json", in_json(lambda d: d | {"format": "x"})),
    "no target scale": ("preprocess.json", in_json(lambda d: d | {"target": {"mean": 0}})),
    "no target": ("preprocess.json", in_json(lambda d: without(d, "target"))),
    "a target that is a list": ("preprocess.json", in_json(lambda d: d | {"target": [0, 1]})),
    "a target mean that is NaN": (
        "preprocess.json",
        in_json(lambda d: d | {"target": {"mean": float("nan"), "scale": 1}}),
    ),
    "a target mean that is huge": ("preprocess.json", in_json(lambda d: d | {"target": {"mean": 10**400, "scale": 1}})),
    "a target mean that is text": ("preprocess.json", in_json(lambda d: d | {"target": {"mean": "0", "scale": 1}})),
    "a target mean that is null": ("preprocess.json", in_json(lambda d: d | {"target": {"mean": None, "scale": 1}})),
    "a target scale of 0": ("preprocess.json", in_json(lambda d: d | {"target": {"mean": 0, "scale": 0}})),
    "a scale of 0": ("preprocess.json", in_json(lambda d: d["scaling"]["scale"].__setitem__(0, 0))),
    "a mean that is NaN": ("preprocess.json", in_json(lambda d: d["scaling"]["mean"].__setitem__(0, float("nan")))),
    "a median less": ("preprocess.json", in_json(lambda d: d["scaling"]["median"].pop() and None)),
    "no scaling": ("preprocess.json", in_json(lambda d: without(d, "scaling"))),
    "columns in another order": ("preprocess.json", in_json(lambda d: d["columns"].reverse())),
    "columns that are null": ("preprocess.json", in_json(lambda d: d | {"columns": None})),
    "a schema without features": ("schema.json", in_json(lambda d: d | {"features": []})),
    "a schema with a feature less": ("schema.json", in_json(lambda d: d["features"].pop() and None)),
    "a schema of one class": ("schema.json", in_json(lambda d: d["target"].update(classes=["same"]))),
    "a schema of three classes": ("schema.json", in_json(lambda d: d["target"].update(classes=["a", "b", "c"]))),
    "a schema of other classes": ("schema.json", in_json(lambda d: d["target"].update(classes=["a", "b"]))),
    "a schema of another target": ("schema.json", in_json(lambda d: d["target"].update(task="regression", classes=[]))),
    "settings that are no TOML": ("config.toml", lambda data: b"= 1"),
    "settings that are no text": ("config.toml", lambda data: b"\xff\xfe"),
    "an unknown setting": ("config.toml", lambda data: data + b"depth = 3\n"),
    "a setting out of range": ("config.toml", in_toml("channels = 4", "channels = 0")),
    "settings of a wider network": ("config.toml", in_toml("channels = 4", "channels = 5")),
    "settings of a deeper network": ("config.toml", in_toml("layers = 1", "layers = 2")),
    "settings of a larger kernel": ("config.toml", in_toml("kernel_size = 5", "kernel_size = 4")),
    "no test scores": ("metrics.json", in_json(lambda d: without(d, "test"))),
    "test scores that are null": ("metrics.json", in_json(lambda d: d | {"test": None})),
    "a better score": ("metrics.json", in_json(lambda d: d["test"].update(accuracy=1.0))),
    "a narrower interval": ("metrics.json", in_json(lambda d: d["test"].update(interval=[0.9, 0.91]))),
    "predictions less one": ("predictions-test.parquet", in_table(lambda t: t.slice(1))),
    "no predictions": ("predictions-test.parquet", in_table(lambda t: t.slice(0, 0))),
    "predictions without truth": ("predictions-test.parquet", in_table(lambda t: t.drop_columns("target"))),
    "predictions without probabilities": (
        "predictions-test.parquet",
        in_table(lambda t: t.drop_columns("probability_same")),
    ),
    "predictions of other labels": (
        "predictions-test.parquet",
        in_table(lambda t: t.set_column(1, "target", pa.array(["?"] * len(t)))),
    ),
    "predictions turned round": (
        "predictions-test.parquet",
        in_table(
            lambda t: t.rename_columns(
                {"probability_same": "probability_other", "probability_other": "probability_same"}
            )
        ),
    ),
}


@pytest.mark.parametrize(("name", "change"), FORGED.values(), ids=FORGED)
def test_content_that_does_not_fit_is_told_even_with_fitting_checksums(run_path, sensor_csv, name, change):
    forge(run_path, name, change((run_path / name).read_bytes()))
    assert_damage_is_told(run_path, sensor_csv)


def test_forging_nothing_damages_nothing(run_path, sensor_csv):
    """The table above breaks runs by what it says, not by how it says it."""
    for name in FILES[1:]:
        forge(run_path, name, (run_path / name).read_bytes())
    use(run_path, sensor_csv)


def test_random_bytes_in_any_file_never_raise_anything_else(run_path, sensor_csv):
    rng = np.random.default_rng(0)
    for name in FILES:
        whole = (run_path / name).read_bytes()
        for size in (1, 37, 500):
            (run_path / name).write_bytes(rng.bytes(size))
            assert_damage_is_told(run_path, sensor_csv)
        (run_path / name).write_bytes(whole)


@pytest.mark.parametrize("kind", ["folder", "file", "missing"])
def test_what_is_no_run_is_refused(tmp_path, kind):
    place = tmp_path / "place"
    if kind == "folder":
        place.mkdir()
    if kind == "file":
        place.write_text("x")
    with pytest.raises(RunError):
        open_run(place)
