"""`compare` as a user types it: methods beside rfconv's own, errors, limits, what is written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from rfconv_cli.jobs import compare as job
from rfconv_cli.judge import methods
from rfconv_cli.judge.apart import TIME_LIMIT, Outcome
from rfconv_cli.judge.methods import Method, chosen_methods
from rfconv_cli.program import run_app
from tests.conftest import FAST, sensor_frame

QUICK = ("--method", "k-nn", "--method", "decision-tree")
OWN = {"learned_fields", "random_fields", "correlation_fields", "mlp"}


@pytest.fixture
def at_table(learned, sensor_csv):
    """In a folder with a learned run and its table; returns the run's path."""
    shutil.copy(sensor_csv, "sensors.csv")
    return learned


@pytest.fixture
def nothing_fitted(monkeypatch):
    """Methods are not fitted; returns the list of what they would have seen."""
    tasks: list[object] = []

    def refuse(given, *_):
        tasks.extend(given.values())
        return {name: Outcome(TIME_LIMIT) for name in given}

    monkeypatch.setattr(job, "run_apart", refuse)
    return tasks


def compared(capsys, *words: str) -> dict:
    capsys.readouterr()
    assert run_app(["compare", "--json", "-q", *words]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def by_name(document: dict) -> dict:
    return {method["name"]: method for method in document["methods"]}


def learn(frame: pd.DataFrame, target: str, *flags: str) -> None:
    frame.to_csv("own.csv", index=False)
    assert run_app(["learn", "own.csv", "-t", target, "-q", "--no-plots", *FAST, *flags]) == 0


def test_the_table_shows_every_method_and_the_verdict_within_80_columns(at_table, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert run_app(["compare", "sensors.csv", *QUICK]) == 0
    captured = capsys.readouterr()
    for word in ("* learned fields", "* random fields", "* plain MLP", "k-NN", "decision tree", "Verdict", "accuracy"):
        assert word in captured.out
    assert max(map(len, captured.out.splitlines())) <= 80
    assert "2 methods; settings are chosen on 3 folds" in captured.err


def test_json_carries_every_number_of_every_method(at_table, capsys):
    document = compared(capsys, *QUICK)
    assert (document["format"], document["format_version"]) == ("rfconv.compare", 1)
    found = by_name(document)
    assert found.keys() == OWN | {"k-nn", "decision-tree"}
    scores = [method["accuracy"] for method in document["methods"]]
    assert scores == sorted(scores, reverse=True)
    stored = json.loads((at_table / "metrics.json").read_text())
    assert found["learned_fields"]["interval"] == stored["test"]["interval"]
    assert found["mlp"]["difference"] == stored["controls"]["mlp"]["difference"]
    for name in ("k-nn", "decision-tree"):
        method = found[name]
        assert method["status"] == "done"
        assert method["seconds"].keys() == {"tuning", "fit", "predict", "fit_with_tuning"}
        assert method["peak_memory_bytes"] >= 0
        assert method["best"].keys() == set(chosen_methods([name], 7, classes=True)[0].grid)
        expected = stored["test"]["accuracy"] - method["accuracy"]
        assert method["difference"]["mean"] == pytest.approx(expected)
    assert document["verdict"]["code"] in {"better", "as_good", "worse"}
    assert document["rows"]["test"] == stored["test"]["rows"]


def test_the_same_run_gives_the_same_scores(at_table, capsys):
    def scores() -> dict:
        return {name: method["accuracy"] for name, method in by_name(compared(capsys, *QUICK)).items()}

    assert scores() == scores()


def test_without_names_every_method_takes_part(at_table, nothing_fitted, capsys):
    expected = {method.name for method in chosen_methods((), 7, classes=True)}
    assert by_name(compared(capsys)).keys() == OWN | expected


def test_a_linear_truth_puts_logistic_regression_above_k_nn(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(400, 8))
    frame = pd.DataFrame(x, columns=list("abcdefgh")).assign(up=np.where(x @ np.arange(1, 9) > 0, "yes", "no"))
    learn(frame, "up")
    found = by_name(compared(capsys, "--method", "logistic-regression", "--method", "k-nn"))
    assert found["logistic-regression"]["accuracy"] > 0.9
    assert found["logistic-regression"]["accuracy"] > found["k-nn"]["accuracy"]


def test_a_number_is_judged_by_r2_and_rmse(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    learn(sensor_frame().drop(columns="state"), "load")
    document = compared(capsys, "--method", "ridge", "--method", "k-nn")
    found = by_name(document)
    assert document["measure"] == "r2"
    assert found["ridge"]["r2"] > 0.99  # the load is linear in two columns
    assert {"rmse", "rmse_interval"} <= found["ridge"].keys() & found["learned_fields"].keys()
    assert run_app(["compare", "--method", "ridge", "-q"]) == 0
    assert "R²" in capsys.readouterr().out


def test_windows_and_categories_are_the_runs_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    frame = sensor_frame().assign(pump=np.where(np.arange(240) % 3, "old", "new"), hour=np.arange(240))
    learn(frame, "state", "--window", "2", "--time", "hour")
    document = compared(capsys, "--method", "decision-tree")
    stored = json.loads(next(Path("rfconv-runs").glob("*/metrics.json")).read_text())
    assert document["rows"]["test"] == stored["test"]["rows"]
    assert by_name(document)["decision-tree"]["status"] == "done"


def test_groups_stay_together_in_the_folds_that_settings_are_chosen_on(tmp_path, monkeypatch, nothing_fitted, capsys):
    monkeypatch.chdir(tmp_path)
    frame = sensor_frame().assign(machine=np.arange(240) % 24, number=np.arange(240) * 1.0)
    learn(frame, "state", "--group", "machine")
    compared(capsys, "--method", "k-nn")
    seen = nothing_fitted[0].arguments[1]
    splits = pd.read_parquet(next(Path("rfconv-runs").glob("*/splits.parquet")))
    rows = splits[splits["part"] != "test"]
    machine, part = rows["row"].to_numpy() % 24, rows["part"].to_numpy()
    assert len(seen.folds) == 3
    for fit, score in seen.folds:
        assert not set(machine[fit]) & set(machine[score])
        assert set(part[fit]) == set(part[score]) == {"train"}


def test_by_time_folds_are_scored_on_later_rows(tmp_path, monkeypatch, nothing_fitted, capsys):
    monkeypatch.chdir(tmp_path)
    learn(sensor_frame().assign(hour=np.random.default_rng(0).permutation(240)), "state", "--time", "hour")
    compared(capsys, "--method", "k-nn")
    seen = nothing_fitted[0].arguments[1]
    splits = pd.read_parquet(next(Path("rfconv-runs").glob("*/splits.parquet")))
    hours = pd.read_csv("own.csv")["hour"].to_numpy()[splits[splits["part"] != "test"]["row"]]
    for fit, score in seen.folds:
        assert hours[fit].max() < hours[score].min()


def test_no_method_is_shown_the_targets_of_test_rows(at_table, nothing_fitted, capsys):
    document = compared(capsys, "--method", "k-nn")
    seen = nothing_fitted[0].arguments[1]
    assert len(seen.y) == len(seen.x) == document["rows"]["train"] + document["rows"]["valid"]
    assert len(seen.test) == document["rows"]["test"]
    arrays = {name: len(value) for name, value in vars(seen).items() if isinstance(value, np.ndarray)}
    assert [name for name, rows in arrays.items() if rows == len(seen.test)] == ["test"]


def test_a_time_limit_reports_what_was_not_done_and_ends_well(at_table, capsys):
    document = compared(capsys, *QUICK, "--time-limit", "0")
    assert {name: by_name(document)[name]["status"] for name in ("k-nn", "decision-tree")} == {
        "k-nn": "time limit",
        "decision-tree": "time limit",
    }
    assert [method["own"] for method in document["methods"]] == [True] * 4 + [False] * 2
    assert document["verdict"]["code"] == "nothing_to_compare"
    assert run_app(["compare", *QUICK, "--time-limit", "0", "-q"]) == 0
    assert "time limit" in capsys.readouterr().out


def test_a_method_that_fails_is_a_line_with_its_reason(at_table, monkeypatch, capsys):
    broken = Method("broken", "broken [/b]", Ridge, {"alpha": (-1.0,)}, 1)
    monkeypatch.setattr(job, "chosen_methods", lambda *_, **__: [broken])
    assert by_name(compared(capsys))["broken"]["status"].startswith("failed: ")
    assert run_app(["compare", "-q"]) == 0
    assert "broken [/b] failed: InvalidParameterError" in capsys.readouterr().out


def test_a_method_that_is_not_installed_says_how_to_get_it(at_table, monkeypatch, capsys):
    monkeypatch.setattr(methods, "find_spec", lambda name: None)
    status = by_name(compared(capsys, "--method", "lightgbm"))["lightgbm"]["status"]
    assert status == "failed: not installed; pip install lightgbm"


def test_row_weights_count_where_a_method_takes_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    learn(sensor_frame().assign(trust=np.arange(240) % 3 + 1), "state", "--weight", "trust")
    found = by_name(compared(capsys, *QUICK))
    assert (found["decision-tree"]["weighted"], found["k-nn"]["weighted"]) == (True, False)
    assert run_app(["compare", "-q", "--method", "k-nn"]) == 0
    assert "k-NN takes no row weights" in capsys.readouterr().out


def test_rows_are_drawn_where_there_are_more_than_asked(at_table, capsys):
    assert run_app(["compare", *QUICK, "--rows", "100"]) == 0
    captured = capsys.readouterr()
    assert "100 of" in captured.err
    assert "100 rows to learn from" in captured.out


def test_plot_and_out_write_the_document_and_pictures(at_table, nothing_fitted, capsys):
    document = compared(capsys, "--plot")
    folder = Path("rfconv-compare") / at_table.name
    assert sorted(path.name for path in folder.iterdir()) == ["compare.json", "compare.png", "compare.svg"]
    assert json.loads((folder / "compare.json").read_text()) == document
    compared(capsys, "--out", "deep/here")
    assert [path.name for path in Path("deep/here").iterdir()] == ["compare.json"]


def test_a_folder_that_cannot_be_is_refused_before_anything_is_fitted(at_table, monkeypatch, capsys):
    monkeypatch.setattr(job, "run_apart", lambda *_: pytest.fail("methods were fitted"))
    Path("taken").write_text("")
    for out in ("taken", "taken/below"):
        assert run_app(["compare", "--out", out]) == 4
        assert "cannot be written" in capsys.readouterr().err


def test_without_out_nothing_is_written(at_table, capsys):
    before = sorted(Path().rglob("*"))
    compared(capsys, "--method", "k-nn")
    assert sorted(Path().rglob("*")) == before
