"""Learning from a table and applying what was learned: what may be seen, what comes out, and the same again."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, r2_score

from rfconv_cli.config import PRESETS, from_values
from rfconv_cli.errors import DataError, TrainingError
from rfconv_cli.export.document import fields_from_document
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.jobs.apply import evaluate_stored, evaluate_table, predict_table
from rfconv_cli.jobs.learn import learn
from rfconv_cli.jobs.result import table_bytes
from rfconv_cli.judge.metrics import Resamples, score
from rfconv_cli.run import Run, open_run

QUICK = {
    "search_steps": 20,
    "contest_epochs": 2,
    "epochs": 3,
    "stability": 2,
    "random_draws": 2,
    "bootstrap": 100,
    "channels": 4,
    "hidden": 8,
    "threads": 1,
    "plots": False,
}
ROWS = 200
TARGETS = ("state", "load", "kind")


def silent(*_: object) -> None:
    pass


def sensors(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Six sensors; `state` of two classes, `kind` of three, `load` a number."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(rows, 6)), columns=["flow[l/h]", "b", "temp_a", "temp_b", "z", "price_$x^$"])
    frame["state"] = np.where(frame["b"] * frame["z"] > 0, "same", "other")
    frame["kind"] = np.digitize(frame["temp_a"], [-0.4, 0.4])
    frame["load"] = frame["temp_a"] + 0.5 * frame["temp_b"]
    return frame


def save(frame: pd.DataFrame, folder: Path, name: str = "table.parquet") -> Path:
    path = folder / name
    if name.endswith(".csv"):
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return path


def learned(data: Path, target: str, **changes: Any) -> Run:
    """A completed run on `target`, the other targets left out."""
    others = [name for name in TARGETS if name != target]
    given = PRESETS["paper"] if changes.get("preset") == "paper" else {}
    quick = {key: value for key, value in QUICK.items() if key not in given}
    settings = from_values(quick | {"exclude": others} | changes)
    result = learn(data, target, settings, data.parent / "rfconv-runs", silent, silent)
    return open_run(Path(result["run"]["path"]))


def fields_of(run: Run) -> ReceptiveFields:
    return fields_from_document(run.json("fields.json"))


def by_name(run: Run) -> list[dict[str, list[str]]]:
    fields = fields_of(run)
    return [fields.by_name(layer) for layer in range(fields.depth)]


def held_out_rows(run: Run) -> list[int]:
    splits = run.table("splits.parquet").to_pandas()
    return splits["row"][splits["part"] == "test"].tolist()


def strip(metrics: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metrics.items() if key != "run"}


# --- nothing is fitted on test rows


def with_parts() -> pd.DataFrame:
    parts = np.random.default_rng(9).permutation(["train"] * 130 + ["valid"] * 30 + ["test"] * 40)
    return sensors().assign(part=parts)


def noise(frame: pd.DataFrame) -> np.ndarray:
    return np.random.default_rng(1).normal(size=frame.shape)


SPOILED = {
    "noise": noise,
    "huge values": lambda frame: 1e12 * noise(frame),
    "constants": lambda frame: np.full(frame.shape, 7.5),
    "missing cells": lambda frame: np.where(noise(frame) > 0, np.nan, 1.0),
}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("untouched")
    data = save(with_parts(), folder)
    return {target: learned(data, target, split_column="part") for target in TARGETS}


def spoiled(features: str, target: str, folder: Path, **changes: Any) -> Run:
    """A run on the same table with other test rows: other features, and their targets shuffled or out of all bounds."""
    frame = with_parts()
    test = frame["part"] == "test"
    columns = frame.columns[:6]
    frame.loc[test, columns] = SPOILED[features](frame.loc[test, columns])
    rng = np.random.default_rng(2)
    frame.loc[test, target] = 1e6 * rng.random(40) if target == "load" else rng.permutation(frame.loc[test, target])
    return learned(save(frame, folder), target, split_column="part", **changes)


def fitted(run: Run) -> dict[str, Any]:
    """All that was fitted, as it is kept."""
    files = {
        name: run.bytes(name) for name in ("model.safetensors", "preprocess.json", "schema.json", "splits.parquet")
    }
    return files | {"fields": fields_of(run), "network": run.json("metrics.json")["network"]}


@pytest.mark.parametrize("features", SPOILED)
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_fitted_on_test_rows(untouched, tmp_path, target, features):
    assert fitted(spoiled(features, target, tmp_path)) == fitted(untouched[target])


def test_the_papers_method_fits_nothing_on_test_rows(tmp_path):
    folder = tmp_path / "untouched"
    folder.mkdir()
    untouched = learned(save(with_parts(), folder), "state", split_column="part", preset="paper")
    assert fitted(spoiled("huge values", "state", tmp_path, preset="paper")) == fitted(untouched)


def test_shared_scaling_is_not_fitted_on_test_rows(tmp_path):
    folder = tmp_path / "untouched"
    folder.mkdir()
    untouched = learned(save(with_parts(), folder), "state", split_column="part", scaling="shared")
    assert fitted(spoiled("huge values", "state", tmp_path, scaling="shared")) == fitted(untouched)


def test_other_test_rows_do_give_another_score(untouched, tmp_path):
    """The comparison above would see a difference."""
    found = spoiled("noise", "state", tmp_path).json("metrics.json")
    assert found["test"] != untouched["state"].json("metrics.json")["test"]


def test_other_training_rows_do_give_another_model(untouched, tmp_path):
    frame = with_parts()
    row = frame.index[frame["part"] == "train"][0]
    frame.loc[row, "z"] += 1
    changed = fitted(learned(save(frame, tmp_path), "state", split_column="part"))
    assert changed["model.safetensors"] != fitted(untouched["state"])["model.safetensors"]


def test_validation_rows_do_not_move_the_scaling(untouched, tmp_path):
    frame = with_parts()
    valid = frame["part"] == "valid"
    frame.loc[valid, frame.columns[:6]] *= 100
    changed = learned(save(frame, tmp_path), "load", split_column="part")
    assert changed.bytes("preprocess.json") == untouched["load"].bytes("preprocess.json")


# --- the same again


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("preset", PRESETS)
def test_permuted_columns_give_the_same_fields_and_metrics_to_the_last_digit(tmp_path, target, preset):
    frame = sensors()
    permuted = frame[list(np.random.default_rng(3).permutation(frame.columns))]
    runs = [learned(save(one, tmp_path, f"{i}.csv"), target, preset=preset) for i, one in enumerate((frame, permuted))]
    assert by_name(runs[0]) == by_name(runs[1])
    assert strip(runs[0].json("metrics.json")) == strip(runs[1].json("metrics.json"))


def test_one_seed_gives_one_run_and_another_seed_another(tmp_path):
    data = save(sensors(), tmp_path)
    first, again, other = (fitted(learned(data, "state", seed=seed)) for seed in (0, 0, 1))
    assert first == again
    assert first["model.safetensors"] != other["model.safetensors"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("parts", [{}, {"split_by": "day"}, {"time": "time"}], ids=["random", "days", "time"])
def test_evaluate_reproduces_the_stored_score_exactly(tmp_path, target, parts):
    run = learned(save(hourly(), tmp_path, "table.csv"), target, **parts)
    found, stored = evaluate_stored(run), json.loads((run.path / "metrics.json").read_text())
    assert found["test"] == stored["test"]
    assert strip(found) == strip(stored)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("parts", [{}, {"split_by": "day"}], ids=["random", "days"])
def test_the_table_learned_from_is_scored_on_its_test_rows_to_the_stored_score(tmp_path, target, parts):
    data = save(hourly(), tmp_path, "table.csv")
    run = learned(data, target, **parts)
    found, notices = evaluate_table(run, data)
    assert found["test"] == run.json("metrics.json")["test"]
    assert any("test rows only" in notice for notice in notices)


def test_a_renamed_copy_is_known_as_the_table_learned_from(tmp_path):
    data = save(sensors(), tmp_path)
    run = learned(data, "state")
    found, _ = evaluate_table(run, data.rename(tmp_path / "other-name.parquet"))
    assert found["test"] == run.json("metrics.json")["test"]


# --- what comes out

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "binary": ("state", {}),
    "multiclass": ("kind", {}),
    "regression": ("load", {}),
    "whole numbers as a quantity": ("kind", {"task": "regression"}),
    "paper, binary": ("state", {"preset": "paper"}),
    "paper, multiclass": ("kind", {"preset": "paper"}),
    "paper, regression": ("load", {"preset": "paper"}),
    "paper by finite differences": ("state", {"preset": "paper", "hyper_gradient": "finite-difference"}),
    "first order": ("state", {"level": "first-order"}),
    "two layers, own fields": ("state", {"layers": 2, "share_fields": False}),
    "two layers, one set of fields": ("state", {"layers": 2}),
    "linear head": ("kind", {"hidden": 0}),
    "a kernel for each centre": ("kind", {"kernel": "own", "layers": 2}),
    "more slots than columns": ("state", {"kernel_size": 20}),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(sensors(), tmp_path_factory.mktemp("table"))


@pytest.mark.parametrize(("target", "changes"), CASES.values(), ids=CASES)
def test_every_kind_of_task_and_network_ends_in_a_run_that_can_be_evaluated(table, target, changes):
    run = learned(table, target, **changes)
    result = evaluate_stored(run)
    measure = "r2" if run.schema.target.task == "regression" else "accuracy"
    low, high = result["test"]["interval"]
    assert low <= result["test"][measure] <= high
    assert result["test"]["rows"] == len(held_out_rows(run)) == 40
    assert set(result["controls"]) == {"random_fields", "correlation_fields", "mlp"}
    assert all(measure in control and control["difference"] for control in result["controls"].values())
    assert result["verdict"]["sentence"]


@pytest.mark.parametrize(("target", "changes"), CASES.values(), ids=CASES)
def test_every_score_is_that_of_the_predictions_beside_it(table, target, changes):
    run = learned(table, target, **changes)
    predictions = run.table("predictions-test.parquet").to_pandas()
    found = run.json("metrics.json")["test"]
    if run.schema.target.task == "regression":
        assert found["r2"] == pytest.approx(r2_score(predictions["target"], predictions["prediction"]))
    else:
        assert found["accuracy"] == accuracy_score(predictions["target"], predictions["prediction"])


@pytest.mark.parametrize(
    ("changes", "sets", "layers"),
    [({}, 1, [0]), ({"layers": 2}, 1, [0, 0]), ({"layers": 2, "share_fields": False}, 2, [0, 1])],
)
def test_the_fields_of_each_layer_are_said(table, changes, sets, layers):
    run = learned(table, "state", **changes)
    assert fields_of(run).depth == sets
    assert [layer["fields_from"] for layer in run.json("fields.json")["layers"]] == layers


def test_layers_with_their_own_fields_may_differ(table):
    first, second = by_name(learned(table, "state", layers=2, share_fields=False, source="searched"))
    assert first != second


def test_the_paper_preset_is_saved_as_it_was_used(table):
    settings = learned(table, "state", preset="paper").settings
    assert {key: getattr(settings, key) for key in PRESETS["paper"]} == PRESETS["paper"]


def test_the_result_is_what_was_saved_and_how_long_it_took(table):
    settings = from_values(QUICK)
    result = learn(table, "state", settings, table.parent / "rfconv-runs", silent, silent)
    run = open_run(Path(result["run"]["path"]))
    assert strip(run.json("metrics.json")).items() <= result.items()
    assert set(result["seconds"]) == {"read", "prepare", "search", "train", "stability", "judge", "save"}
    assert result["peak_memory_bytes"] > 1e6


@pytest.mark.parametrize("source", ["searched", "correlation", "interaction"])
def test_fields_say_where_they_come_from(table, source):
    assert learned(table, "state", source=source).json("fields.json")["source"] == source


def test_the_contest_is_stored_and_its_winner_is_the_source(table):
    run = learned(table, "state")
    (winner,) = [row["entry"] for row in run.json("metrics.json")["contest"] if row["chosen"]]
    assert run.json("fields.json")["source"] == winner


def test_stages_are_told_in_their_order(table):
    told: list[str] = []
    learn(table, "state", from_values(QUICK), table.parent / "rfconv-runs", silent, lambda stage, _: told.append(stage))
    assert list(dict.fromkeys(told)) == ["search", "contest", "train", "stability"]


PAIRS = ((0, 5), (1, 4), (2, 7), (3, 6))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The one run here that is long enough to learn something: the class depends on products of columns in pairs."""
    x = np.random.default_rng(5).normal(size=(1000, 8))
    frame = pd.DataFrame(x, columns=[f"c{i}" for i in range(8)])
    frame["state"] = sum(x[:, a] * x[:, b] for a, b in PAIRS) > 0
    long = {"kernel_size": 2, "channels": 8, "hidden": 0, "search_steps": 400, "epochs": 20, "lr": 0.02, "dropout": 0.0}
    return learned(save(frame, tmp_path_factory.mktemp("planted")), "state", exclude=[], **long)


def test_planted_partners_are_found_from_one_side_or_the_other(planted):
    fields = by_name(planted)[0]
    assert [(a, b) for a, b in PAIRS if f"c{b}" not in fields[f"c{a}"] and f"c{a}" not in fields[f"c{b}"]] == []


def test_fields_that_matter_are_said_to_beat_random_ones(planted):
    found = planted.json("metrics.json")
    assert found["verdict"]["code"] == "structure_found"
    assert found["controls"]["random_fields"]["difference"]["interval"][0] > 0.05


# --- rows that belong together


def hourly(days: int = 40) -> pd.DataFrame:
    hours = [dt.datetime(2020, 1, 1) + dt.timedelta(hours=6 * i) for i in range(4 * days)]
    return sensors(4 * days).assign(time=np.random.default_rng(4).permutation(hours))


def days_of(run: Run, frame: pd.DataFrame) -> pd.DataFrame:
    """splits.parquet with the day of each row."""
    splits = run.table("splits.parquet").to_pandas()
    return splits.assign(day=pd.to_datetime(frame["time"]).dt.date.iloc[splits["row"]].to_numpy())


def test_hours_of_one_day_lie_in_one_part(tmp_path):
    frame = hourly()
    splits = days_of(learned(save(frame, tmp_path), "state"), frame)
    assert set(splits["part"]) == {"train", "valid", "test"}
    assert (splits.groupby("day")["part"].nunique() == 1).all()


@pytest.mark.parametrize("target", ["state", "load"])
def test_the_interval_is_over_days(tmp_path, target):
    frame = hourly()
    run = learned(save(frame, tmp_path), target)
    splits = days_of(run, frame)
    days = splits["day"][splits["part"] == "test"]
    predictions = run.table("predictions-test.parquet").to_pandas()
    if target == "state":
        truth = (predictions["target"] == "same").to_numpy(int)
        predicted = predictions[["probability_other", "probability_same"]].to_numpy()
    else:
        truth, predicted = predictions["target"].to_numpy(), predictions["prediction"].to_numpy()
    # the order in which groups are drawn is that of their first rows in the table
    groups = np.array([list(dict.fromkeys(sorted(days))).index(day) for day in days])
    by_day, by_row = (Resamples(len(truth), QUICK["bootstrap"], 0, codes) for codes in (groups, None))
    found = run.json("metrics.json")["test"]["interval"]
    assert found == pytest.approx(score(truth, predicted, by_day)["interval"], rel=1e-12)
    assert found != pytest.approx(score(truth, predicted, by_row)["interval"], rel=1e-12)


def test_split_by_none_tears_days_apart(tmp_path):
    frame = hourly()
    splits = days_of(learned(save(frame, tmp_path), "state", split_by="none"), frame)
    assert (splits.groupby("day")["part"].nunique() > 1).any()
    assert "group" not in splits


def test_a_group_column_is_no_feature_and_keeps_its_rows_together(tmp_path):
    frame = sensors().assign(machine=np.arange(ROWS) % 20)
    run = learned(save(frame, tmp_path), "state", group="machine")
    splits = run.table("splits.parquet").to_pandas()
    assert (splits.groupby(splits["row"] % 20)["part"].nunique() == 1).all()
    assert ("machine", "group") in run.schema.left_out


@pytest.mark.parametrize("target", ["load", "state"])
def test_by_time_the_test_rows_are_the_last_ones(tmp_path, target):
    frame = hourly()
    run = learned(save(frame, tmp_path), target, time="time")
    last = frame["time"].sort_values().index[-len(held_out_rows(run)) :]
    assert set(held_out_rows(run)) == set(last)
    assert len(last) == len(frame) // 5
    assert "time" not in run.schema.names


# --- other tables


@pytest.mark.parametrize("target", TARGETS)
def test_another_table_is_scored_on_all_its_rows(tmp_path, target):
    run = learned(save(sensors(), tmp_path), target)
    other = sensors(90, seed=7)
    data = save(other, tmp_path, "other.csv")
    found, _ = evaluate_table(run, data)
    predictions, _ = predict_table(run, data)
    predicted = predictions["prediction"].to_pylist()
    truth = other[target].tolist()
    assert found["test"]["rows"] == 90
    if target == "load":
        assert found["test"]["r2"] == pytest.approx(r2_score(truth, predicted))
    else:
        assert found["test"]["accuracy"] == accuracy_score(truth, predicted)


def test_a_table_in_another_order_of_columns_gets_the_same_predictions(tmp_path):
    run = learned(save(sensors(), tmp_path), "kind")
    other = sensors(50, seed=7)
    straight, _ = predict_table(run, save(other, tmp_path, "a.csv"))
    turned, _ = predict_table(run, save(other.iloc[:, ::-1], tmp_path, "b.parquet"))
    assert straight["probability_0"].to_pylist() == turned["probability_0"].to_pylist()


def test_a_row_is_predicted_alike_in_any_company(tmp_path):
    run = learned(save(sensors(), tmp_path), "load")
    other = sensors(50, seed=7)
    together = predict_table(run, save(other, tmp_path, "all.csv"))[0]["prediction"].to_pylist()
    alone = [
        predict_table(run, save(other[i : i + 1], tmp_path, "one.csv"))[0]["prediction"][0].as_py() for i in (0, 49)
    ]
    assert alone == [together[0], together[49]]


def test_rows_to_predict_need_no_target(tmp_path):
    run = learned(save(sensors(), tmp_path), "state")
    predictions, _ = predict_table(run, save(sensors(20).drop(columns=["state", "kind", "load"]), tmp_path, "new.csv"))
    assert predictions["row"].to_pylist() == list(range(20))
    assert predictions.column_names == ["row", "prediction", "probability_other", "probability_same"]


def test_rows_without_a_target_are_left_out_of_the_score(tmp_path):
    run = learned(save(sensors(), tmp_path), "state")
    other = sensors(60, seed=7)
    holes = other.assign(state=other["state"].where(np.arange(60) % 3 > 0))
    found, notices = evaluate_table(run, save(holes, tmp_path, "holes.csv"))
    kept, _ = evaluate_table(run, save(other[np.arange(60) % 3 > 0], tmp_path, "kept.csv"))
    assert found["test"] == kept["test"]
    assert any("20 rows without a value of state" in notice for notice in notices)


def test_rows_without_a_target_are_not_learned_from_and_rows_keep_their_numbers(tmp_path):
    frame = sensors()
    frame.loc[frame.index % 4 == 1, "state"] = None
    run = learned(save(frame, tmp_path), "state")
    splits = run.table("splits.parquet").to_pandas()
    assert sorted(splits["row"]) == [i for i in range(ROWS) if i % 4 != 1]
    stored = run.table("predictions-test.parquet").to_pandas()
    assert stored["target"].tolist() == frame["state"].iloc[stored["row"]].tolist()


def test_columns_the_run_does_not_know_are_named_and_ignored(tmp_path):
    run = learned(save(sensors(), tmp_path), "state")
    other = sensors(30, seed=7)
    found, notices = evaluate_table(run, save(other.assign(new=1.0), tmp_path, "wider.csv"))
    assert found["test"] == evaluate_table(run, save(other, tmp_path, "other.csv"))[0]["test"]
    assert [notice for notice in notices if "new" in notice]


@pytest.mark.parametrize("task", ["state", "load"])
def test_a_table_of_one_row_can_be_scored(tmp_path, task):
    run = learned(save(sensors(), tmp_path), task)
    found, _ = evaluate_table(run, save(sensors(1, seed=7), tmp_path, "one.csv"))
    assert found["test"]["rows"] == 1
    assert np.isfinite(found["test"]["interval"]).all()


# --- labels and cells

LABELS: dict[str, tuple[list[Any], pa.DataType]] = {
    "whole numbers": ([3, -7], pa.int64()),
    "text": (["yes", "no, thanks"], pa.string()),
    "text of digits": (["01", "1"], pa.string()),
    "booleans": ([True, False], pa.bool_()),
    "fractions": ([0.5, 2.25], pa.float64()),
}


@pytest.mark.parametrize(("labels", "kind"), LABELS.values(), ids=LABELS)
def test_predicted_labels_are_of_the_kind_they_had_in_the_table(tmp_path, labels, kind):
    frame = sensors(80)
    target = pa.array([labels[state == "same"] for state in frame["state"]], kind)
    data = tmp_path / "labelled.parquet"
    pq.write_table(
        pa.Table.from_pandas(frame[["b", "z", "temp_a"]], preserve_index=False).append_column("y", target), data
    )
    run = learned(data, "y", exclude=[], task="classification")
    predictions, _ = predict_table(run, data)
    back = pq.read_table(pa.BufferReader(table_bytes(predictions, ".parquet")))
    assert back["prediction"].type == kind
    assert set(back["prediction"].to_pylist()) <= set(labels)
    assert run.table("predictions-test.parquet")["target"].type == kind


@pytest.mark.parametrize("target", ["state", "load"])
def test_missing_cells_are_learned_with_and_predicted(tmp_path, target):
    frame = sensors()
    features = frame.columns[:6]
    frame[features] = frame[features].mask(np.random.default_rng(0).random((ROWS, 6)) < 0.15)
    data = save(frame, tmp_path, "holes.csv")
    run = learned(data, target)
    empty = save(sensors(3).assign(**dict.fromkeys(features, np.nan)), tmp_path, "empty.csv")
    for table_path in (data, empty):
        predicted = predict_table(run, table_path)[0].to_pandas()
        assert predicted.notna().all(axis=None)


def test_a_missing_cell_is_said_and_counted(tmp_path):
    frame = sensors()
    frame.loc[:9, "b"] = np.nan
    told: list[str] = []
    learn(save(frame, tmp_path), "state", from_values(QUICK), tmp_path / "runs", told.append, silent)
    assert any("10 missing cells in 1 column filled" in notice for notice in told)


@pytest.mark.parametrize(("unit", "zero"), [(1e7, 0.0), (1.0, 1.6e9)], ids=["large", "epoch seconds"])
def test_the_unit_of_a_regression_target_does_not_change_its_score(tmp_path, unit, zero):
    frame = sensors()
    plain = learned(save(frame, tmp_path, "plain.parquet"), "load").json("metrics.json")["test"]
    frame["load"] = frame["load"] * unit + zero
    scaled = learned(save(frame, tmp_path, "scaled.parquet"), "load").json("metrics.json")["test"]
    assert scaled["r2"] == pytest.approx(plain["r2"], abs=0.01)
    assert scaled["rmse"] == pytest.approx(plain["rmse"] * unit, rel=0.02)


@pytest.mark.parametrize("parameterisation", ["dense", "candidates", "factored"])
def test_a_run_tells_how_its_search_went(tmp_path, parameterisation):
    run = learned(save(sensors(), tmp_path), "state", parameterisation=parameterisation, estimator="gumbel")
    told = run.json("metrics.json")["search"]
    assert (told["parameterisation"], told["estimator"], told["level"]) == (parameterisation, "gumbel", "one-level")
    assert told["gap"] == pytest.approx(told["relaxed"] - told["discrete"])


def test_what_a_search_will_cost_is_said_beforehand(tmp_path):
    told: list[str] = []
    settings = from_values(QUICK)
    learn(
        save(sensors(), tmp_path),
        "state",
        settings,
        tmp_path / "runs",
        told.append,
        lambda stage, _: told.append(stage),
    )
    (line,) = [i for i, text in enumerate(told) if text.startswith("about ") and " GB" in text]
    assert line < told.index("search")


# --- failing


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [({"lr": 1e30, "epochs": 5}, TrainingError, "diverged"), ({"features": ["b"]}, DataError, "no_features")],
)
def test_a_learn_that_fails_leaves_nothing(tmp_path, changes, error, code):
    data = save(sensors(), tmp_path)
    with pytest.raises(error) as caught:
        learned(data, "state", **changes)
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == [data]
