"""`--test-data`: the test rows lie in a table of their own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rfconv_cli.config import from_values
from rfconv_cli.errors import DataError, RfconvError, UsageError
from rfconv_cli.jobs.apply import evaluate_stored, evaluate_table
from rfconv_cli.jobs.check import check
from rfconv_cli.jobs.learn import learn
from rfconv_cli.run import Run, open_run
from tests.conftest import sensor_frame

QUICK = {"epochs": 2, "source": "correlation", "random_draws": 1, "stability": 0, "plots": False, "bootstrap": 100}


def saved(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False)
    return path


def learned(folder: Path, train: pd.DataFrame, test: pd.DataFrame, target: str = "state", **settings) -> Run:
    data, other = saved(train, folder / "train.csv"), saved(test, folder / "test.csv")
    chosen = from_values({**QUICK, **settings})
    result = learn(data, target, chosen, folder / "runs", lambda _: None, lambda *_: None, test_data=other)
    return open_run(Path(result["run"]["path"]))


@pytest.mark.parametrize("target", ["state", "load"])
def test_the_rows_of_the_test_table_and_no_others_are_the_test_part(tmp_path, target):
    train, test = sensor_frame(), sensor_frame(70, seed=5)
    run = learned(tmp_path, train, test, target)
    splits = run.table("splits.parquet").to_pandas()
    assert splits["part"].value_counts()["test"] == 70
    assert (splits["part"] != "test").sum() == len(train)
    predictions = run.table("predictions-test.parquet").to_pandas()
    assert predictions["row"].tolist() == list(range(70))
    assert predictions["target"].tolist() == test[target].tolist()


@pytest.mark.parametrize("networks", [1, 2])
def test_the_test_table_is_scored_as_learn_did_and_the_own_one_with_a_warning(tmp_path, networks):
    run = learned(tmp_path, sensor_frame(), sensor_frame(70, seed=5), ensemble=networks)
    again, notices = evaluate_table(run, tmp_path / "test.csv")
    assert again["test"]["accuracy"] == evaluate_stored(run)["test"]["accuracy"]
    assert notices == []
    own, notices = evaluate_table(run, tmp_path / "train.csv")
    assert own["test"]["rows"] == 240
    assert notices == ["train.csv is the table this run learned from, every row of it: these scores flatter"]


@pytest.mark.parametrize("time", [True, False])
def test_the_other_parts_are_split_as_asked(tmp_path, time):
    train = sensor_frame().assign(hour=np.arange(240), machine=np.arange(240) % 12)
    test = sensor_frame(60, seed=5).assign(hour=0, machine=np.arange(60) % 3)
    run = learned(tmp_path, train, test, **({"time": "hour"} if time else {"group": "machine"}))
    splits = run.table("splits.parquet").to_pandas()
    seen = splits[splits["part"] != "test"]
    if time:
        assert seen.index[seen["part"] == "valid"].tolist() == list(range(216, 240))
    else:
        assert (seen.groupby(seen["row"] % 12)["part"].nunique() == 1).all()
        held = splits[splits["part"] == "test"]
        assert held["group"].nunique() == 3
        assert not set(held["group"]) & set(seen["group"])


@pytest.mark.parametrize(
    ("change", "settings", "kind", "code"),
    [
        (lambda f: f.drop(columns="temp_a"), {}, DataError, "columns_missing"),
        (lambda f: f.drop(columns="state"), {}, DataError, "target_not_found"),
        (lambda f: f.assign(state="neither"), {}, DataError, "unknown_label"),
        (lambda f: f.assign(state=None), {}, DataError, "no_rows"),
        (lambda f: f.assign(temp_a="warm"), {}, DataError, "text_in_numeric"),
        (lambda f: f, {"split_column": "part"}, UsageError, "split_conflict"),
        (lambda f: f, {"group": "machine"}, DataError, "column_not_found"),
    ],
)
def test_a_test_table_that_does_not_fit_is_refused_and_leaves_nothing(tmp_path, change, settings, kind, code):
    train = sensor_frame().assign(part="train", machine=np.arange(240) % 12)
    with pytest.raises(RfconvError) as caught:
        learned(tmp_path, train, change(sensor_frame(60, seed=5)), exclude=("machine", "part"), **settings)
    assert isinstance(caught.value, kind)
    assert caught.value.code == code
    assert caught.value.hint
    assert not list((tmp_path / "runs").glob("*")) if (tmp_path / "runs").exists() else True


def test_check_counts_the_rows_of_both_tables_and_finds_the_repeated(tmp_path):
    train = sensor_frame().drop(columns="load")
    data, other = saved(train, tmp_path / "train.csv"), saved(train[:50], tmp_path / "test.csv")
    said: list[str] = []
    document = check(data, "state", from_values({}), said.append, other)
    assert {part: found["rows"] for part, found in document["parts"].items()} == {"train": 216, "valid": 24, "test": 50}
    assert [finding["code"] for finding in document["findings"]] == ["repeated_rows"]
    assert said[-2].startswith("the rows of --test-data are the test part; of the others, ")
    assert said[-1].startswith("train 216 rows, ")


def test_rows_of_the_test_table_without_a_target_are_told_of(tmp_path):
    test = sensor_frame(50, seed=5).drop(columns="load")
    test.loc[:3, "state"] = None
    data = saved(sensor_frame().drop(columns="load"), tmp_path / "train.csv")
    said: list[str] = []
    document = check(data, "state", from_values({}), said.append, saved(test, tmp_path / "test.csv"))
    assert document["parts"]["test"]["rows"] == 46
    assert "4 rows without a value of state left out" in said
