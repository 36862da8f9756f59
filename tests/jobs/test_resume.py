"""`learn --resume`: what ended too soon goes on, to the same bytes; what cannot go on says why."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from rfconv_cli.config import from_values
from rfconv_cli.errors import DataError, RunError
from rfconv_cli.jobs import begun as module
from rfconv_cli.jobs.begun import waiting
from rfconv_cli.jobs.learn import learn, resume
from rfconv_cli.locks import hold
from rfconv_cli.program import run_app
from rfconv_cli.run import open_run
from tests.conftest import FAST, sensor_frame

QUICK = {"search_steps": 20, "epochs": 3, "contest_epochs": 1, "random_draws": 1, "bootstrap": 100, "plots": False}
COMPARED = ("fields.json", "metrics.json", "model.safetensors", "splits.parquet", "config.toml")


def silent(*_) -> None:
    pass


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")
    monkeypatch.chdir(tmp_path)
    sensor_frame(120).to_csv("t.csv", index=False)
    return Path("t.csv")


def ends(at: str, error: Callable[[], BaseException] = KeyboardInterrupt):
    """A progress that ends the learn when its stage `at` is under way."""

    def progress(stage: str, share: float) -> None:
        if stage == at and share > 0.3:
            raise error()

    return progress


def begin(data: Path, runs: Path, at: str = "train", notice=silent, **options) -> Path:
    """A learn that ended too soon; its folder."""
    with pytest.raises(KeyboardInterrupt):
        learn(data, "state", from_values(QUICK), runs, notice, ends(at), **options)
    (folder,) = waiting(runs)
    return folder


def files(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in COMPARED}


@pytest.mark.parametrize("at", ["search", "contest", "train", "stability"])
def test_it_ends_as_it_would_have(data, at, monkeypatch):
    monkeypatch.setattr("rfconv_cli.network.memo._FIRST", 0.0)
    settings = from_values({**QUICK, "source": "contest" if at != "search" else "searched"})
    alone = Path(learn(data, "state", settings, Path("alone"), silent, silent)["run"]["path"])
    with pytest.raises(KeyboardInterrupt):
        learn(data, "state", settings, Path("runs"), silent, ends(at))
    resumed = Path(resume(Path("runs"), silent, silent)["run"]["path"])
    assert resumed.name == alone.name
    assert files(resumed) == files(alone)
    assert open_run(resumed).document["resumed"] == 1
    assert [each.name for each in sorted(Path("runs").iterdir())] == [alone.name, "LATEST"]


def test_given_fields_and_test_rows_are_taken_again(data, tmp_path, monkeypatch):
    first = Path(learn(data, "state", from_values(QUICK), Path("one"), silent, silent)["run"]["path"])
    sensor_frame(60, seed=4).to_csv("other.csv", index=False)
    options = {"given": first / "fields.json", "test_data": Path("other.csv")}
    alone = Path(learn(data, "state", from_values(QUICK), Path("alone"), silent, silent, **options)["run"]["path"])
    begin(data, Path("runs"), **options)
    monkeypatch.chdir("runs")  # paths were kept whole
    assert files(Path(resume(Path(), silent, silent)["run"]["path"])) == files(tmp_path / alone)


def test_the_user_is_told_where_it_goes_on_and_the_next_learn_reminds(data):
    told: list[str] = []
    folder = begin(data, Path("rfconv-runs"), notice=told.append)
    assert told[-1] == "what was found out is kept: rfconv learn --resume goes on from here"
    begin(data, Path("my runs"), notice=told.append)
    assert "rfconv learn --resume --runs 'my runs' goes on" in told[-1]
    told.clear()
    learn(data, "load", from_values(QUICK), Path("rfconv-runs"), told.append, silent)
    assert str(folder) in told[0]
    assert waiting(Path("rfconv-runs")) == [folder]


def test_the_command_resumes(data, capsys):
    folder = begin(data, Path("rfconv-runs"))
    assert run_app(["learn", "--resume", "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["run"]["id"] in folder.name
    assert run_app(["learn", "--resume"]) == 4
    assert "nothing to resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["t.csv", "--resume"], "takes no DATA"),
        (["--resume", "--target", "state", "--lr", "0.1"], "takes no --target, --lr"),
        (["--resume", "--test-data", "t.csv", "--search-steps", "3"], "takes no --test-data, --search-steps"),
        (["t.csv"], "missing --target"),
        (["--target", "state"], "missing DATA"),
        ([], "missing DATA and --target"),
    ],
)
def test_what_is_said_twice_or_not_at_all_is_a_usage_error(data, given, told, capsys):
    assert run_app(["learn", *given]) == 2
    assert told in capsys.readouterr().err


def test_a_table_that_changed_is_refused_and_nothing_is_lost(data):
    folder, was = begin(data, Path("runs")), data.read_bytes()
    data.write_bytes(was.replace(b"same", b"sane"))
    with pytest.raises(RunError, match=r"t\.csv has changed"):
        resume(Path("runs"), silent, silent)
    data.write_bytes(was)
    assert waiting(Path("runs")) == [folder]
    assert resume(Path("runs"), silent, silent)["run"]["id"] in folder.name


def test_what_would_end_as_badly_again_is_not_kept(data):
    with pytest.raises(DataError):
        learn(data, "state", from_values(QUICK), Path("runs"), silent, ends("train", _data_error))
    assert not Path("runs").exists()


def _data_error() -> DataError:
    return DataError("no", hint="no", code="no")


def test_a_full_disk_at_the_end_loses_nothing(data, monkeypatch):
    def full(*_):
        raise RunError("no space", hint="free some", code="cannot_write")

    with monkeypatch.context() as patch:
        patch.setattr("rfconv_cli.jobs.learn.save", full)
        with pytest.raises(RunError):
            learn(data, "state", from_values(QUICK), Path("runs"), silent, silent)
    monkeypatch.setattr("rfconv_cli.network.learn.train_network", full)
    assert resume(Path("runs"), silent, silent)["run"]["id"]


def test_standard_input_is_not_kept(data):
    code = f"import sys; sys.path[:0] = {sys.path!r}\n" + (
        "import rfconv_cli.jobs.fit as fit\n"
        "def stop(*a, **k): raise KeyboardInterrupt\n"
        "fit.train_with_controls = stop\n"
        "from rfconv_cli.program import run_app\n"
        "sys.exit(run_app(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", code, "learn", "-", "--target", "state", *FAST]
    done = subprocess.run(words, stdin=data.open(), capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert "resume" not in done.stderr
    assert not Path("rfconv-runs").exists()


def test_other_packages_are_refused(data, monkeypatch):
    begin(data, Path("runs"))
    was = module.version("torch")
    monkeypatch.setattr(module, "version", lambda name: "99" if name == "torch" else "1")
    with pytest.raises(RunError, match=f"torch {was}".replace("+", r"\+") + " is now 99"):
        resume(Path("runs"), silent, silent)


@pytest.mark.parametrize(
    "spoil", [lambda d: {}, lambda d: [], lambda d: {**d, "settings": {"lr": -1}}, lambda d: {**d, "more": 1}]
)
def test_a_damaged_beginning_is_one_clear_error(data, spoil, capsys):
    about = begin(data, Path("rfconv-runs")) / "begun.json"
    about.write_text(json.dumps(spoil(json.loads(about.read_bytes()))))
    assert run_app(["learn", "--resume"]) == 4
    assert "damaged" in capsys.readouterr().err


def test_what_is_under_way_is_not_taken_up_by_another(data):
    folder = begin(data, Path("runs"))
    with hold(folder):
        assert waiting(Path("runs")) == []
        with pytest.raises(RunError, match="another process"), hold(folder):
            pass
    assert waiting(Path("runs")) == [folder]


def test_the_newest_goes_first(data, monkeypatch):
    begin(data, Path("runs"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000060")
    with pytest.raises(KeyboardInterrupt):
        learn(data, "load", from_values(QUICK), Path("runs"), silent, ends("train"))
    assert [resume(Path("runs"), silent, silent)["run"]["id"][-4:] for _ in range(2)] == ["load", "tate"]


def test_killed_at_random_moments_it_ends_with_the_same_bytes():
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.kills", "--kills", "20"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert "the same bytes" in done.stdout


def test_a_resumed_run_gives_the_predictions_of_one_that_was_not(data):
    begin(data, Path("rfconv-runs"))
    assert run_app(["learn", "--resume", "-q"]) == 0
    assert run_app(["predict", "t.csv", "--out", "p.csv", "-q"]) == 0
    assert len(pd.read_csv("p.csv")) == 120
