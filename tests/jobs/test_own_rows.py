"""A run's rows once more: the very ones its network learned from and was tested on."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rfconv_cli.config import from_values
from rfconv_cli.errors import DataError, UsageError
from rfconv_cli.jobs.learn import learn
from rfconv_cli.jobs.own_rows import OwnRows, own_rows
from rfconv_cli.jobs.prepare import prepare
from rfconv_cli.network.fitted import Encoding, decode_outputs
from rfconv_cli.network.train import predict
from rfconv_cli.run import Run, open_run
from rfconv_cli.table.dialect import dialect_of
from rfconv_cli.table.reader import read_table
from rfconv_cli.weights import load_model
from tests.conftest import sensor_frame

QUICK = {"epochs": 1, "source": "correlation", "random_draws": 1, "stability": 0, "plots": False, "bootstrap": 100}


def frame() -> pd.DataFrame:
    whole = sensor_frame(300)
    whole.loc[::7, "temp_a"] = np.nan
    whole.loc[5, "state"] = None
    return whole.assign(
        hour=pd.date_range("2026-01-01", periods=300, freq="h")[np.random.default_rng(0).permutation(300)],
        machine=np.arange(300) % 20,
        pump=np.where(np.arange(300) % 3, "old", "new"),
        trust=np.arange(300) % 4 + 1,
    )


CASES = {
    "by day": {},
    "random": {"split_by": "none"},
    "groups": {"group": "machine"},
    "time": {"time": "hour"},
    "windows": {"window": 3, "time": "hour"},
    "windows of every second row of a machine": {"window": 2, "stride": 2, "group": "machine", "time": "hour"},
    "weights": {"weight": "trust", "class_weight": "balanced"},
    "one unit": {"scaling": "shared"},
}
each_case = pytest.mark.parametrize("settings", CASES.values(), ids=CASES)


def learned(folder: Path, target: str = "state", test: pd.DataFrame | None = None, **settings) -> Run:
    frame().to_csv(folder / "t.csv", index=False)
    if test is not None:
        test.to_csv(folder / "test.csv", index=False)
    chosen = from_values({**QUICK, **settings})
    other = None if test is None else folder / "test.csv"
    result = learn(folder / "t.csv", target, chosen, folder / "runs", lambda _: None, lambda *_: None, test_data=other)
    return open_run(Path(result["run"]["path"]))


def rows_of(run: Run, folder: Path, most: int = 10_000, test: Path | None = None) -> OwnRows:
    return own_rows(run, folder / "t.csv", test, most, lambda _: None)


def predicted_test(run: Run, rows: OwnRows) -> np.ndarray:
    """What the run's own network says of the rows."""
    import torch

    model = load_model(run)
    return decode_outputs(predict(model.network, torch.from_numpy(rows.test)), model.encoding, model.outputs)


def assert_tested_on(run: Run, rows: OwnRows) -> None:
    stored = run.table("predictions-test.parquet").to_pandas()
    found = predicted_test(run, rows)
    columns = [name for name in stored if name.startswith("probability_")] or ["prediction"]
    np.testing.assert_allclose(found.reshape(len(stored), -1), stored[columns].to_numpy(), rtol=1e-4, atol=1e-5)


@each_case
@pytest.mark.parametrize("target", ["state", "load"])
def test_the_test_rows_are_those_of_the_stored_predictions_in_their_order(tmp_path, settings, target):
    run = learned(tmp_path, target, **settings)
    assert_tested_on(run, rows_of(run, tmp_path))


@each_case
def test_the_other_rows_are_encoded_and_parted_as_they_were_learned_from(tmp_path, settings):
    run = learned(tmp_path, **settings)
    rows = rows_of(run, tmp_path)
    chosen = run.settings
    prepared = prepare(read_table(tmp_path / "t.csv", dialect_of(chosen)), "state", chosen, lambda _: None)
    encoding = Encoding.fit(prepared.schema.names, prepared.x, prepared.y, chosen, prepared.is_in("train"))
    seen = prepared.is_in("train", "valid")
    np.testing.assert_array_equal(rows.x, encoding.encode_x(prepared.x, np.flatnonzero(seen)).numpy())
    np.testing.assert_array_equal(rows.y, prepared.y[seen])
    np.testing.assert_array_equal(rows.train, prepared.is_in("train")[seen])
    if prepared.groups is not None:
        np.testing.assert_array_equal(rows.kept.groups, prepared.groups[seen])
    assert (rows.kept.moments is not None) == (prepared.plan.kind == "time")
    assert (rows.weight is not None) == bool(chosen.weight)
    assert rows.whole == seen.sum()


def test_a_table_of_test_rows_is_asked_for_and_read(tmp_path, monkeypatch):
    run = learned(tmp_path, test=frame().sample(70, random_state=1).dropna(subset="state"), split_by="none")
    assert_tested_on(run, rows_of(run, tmp_path, test=tmp_path / "test.csv"))
    monkeypatch.chdir(tmp_path)
    assert_tested_on(run, own_rows(run, None, None, 10_000, lambda _: None))
    with pytest.raises(DataError) as caught:
        rows_of(run, tmp_path, test=tmp_path / "t.csv")
    assert caught.value.code == "other_table"


def test_a_table_of_test_rows_is_refused_where_the_run_had_none(tmp_path):
    run = learned(tmp_path)
    with pytest.raises(UsageError) as caught:
        rows_of(run, tmp_path, test=tmp_path / "t.csv")
    assert caught.value.code == "no_test_table"


def test_of_more_rows_than_asked_some_are_drawn_with_the_shares_of_the_classes(tmp_path):
    run = learned(tmp_path, split_by="none")
    notices: list[str] = []
    rows = own_rows(run, tmp_path / "t.csv", None, 100, notices.append)
    whole = rows_of(run, tmp_path)
    assert len(rows.x) == len(rows.y) == len(rows.train) == 100
    assert 0 < rows.train.sum() < 100
    assert rows.y.mean() == pytest.approx(whole.y.mean(), abs=0.02)
    assert len(rows.test) == len(whole.test)
    assert rows.whole == len(whole.x)
    assert any("100 of" in notice and "--rows" in notice for notice in notices)
    again = rows_of(run, tmp_path, 100)
    np.testing.assert_array_equal(again.x, rows.x)


def test_a_changed_table_is_refused_with_its_name(tmp_path):
    run = learned(tmp_path)
    frame().iloc[1:].to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"t\.csv is not the table") as caught:
        rows_of(run, tmp_path)
    assert caught.value.code == "other_table"
    assert "rfconv learn" in caught.value.hint


@pytest.mark.parametrize("place", ["here", "here/data", "beside the runs", "beside the runs/data"])
def test_a_table_that_is_not_named_is_found_near_here(tmp_path, monkeypatch, place):
    run = learned(tmp_path)
    home, here = tmp_path / "home", tmp_path / "here"
    shutil.copytree(run.path.parent, home / "rfconv-runs")
    run = open_run(home / "rfconv-runs" / run.path.name)
    folder = tmp_path / place.replace("beside the runs", "home")
    folder.mkdir(parents=True, exist_ok=True)
    (tmp_path / "t.csv").rename(folder / "t.csv")
    here.mkdir(exist_ok=True)
    monkeypatch.chdir(here)
    assert len(own_rows(run, None, None, 10_000, lambda _: None).x)


@pytest.mark.parametrize("name", ["../t.csv", "", "..", "gone.csv"])
def test_a_table_elsewhere_is_not_looked_for(tmp_path, monkeypatch, name):
    run = learned(tmp_path)
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    moved = Run(run.path, {**run.document, "table": {**run.document["table"], "name": name}}, run.settings, run.schema)
    with pytest.raises(DataError) as caught:
        own_rows(moved, None, None, 10_000, lambda _: None)
    assert caught.value.code == "file_not_found"
    assert "rfconv compare" in caught.value.hint
