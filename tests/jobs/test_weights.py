"""What rows and classes count in the training loss: `--weight` and `--class-weight`."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rfconv_cli.config import from_values
from rfconv_cli.errors import DataError
from rfconv_cli.jobs.check import check
from rfconv_cli.jobs.learn import learn
from rfconv_cli.network.fitted import row_weights
from rfconv_cli.run import Run, open_run

QUICK = {"epochs": 12, "source": "correlation", "random_draws": 1, "stability": 0, "plots": False, "bootstrap": 100}


def rare(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    """Every tenth row is of a class that overlaps with the others."""
    rng = np.random.default_rng(seed)
    is_rare = np.arange(rows) % 10 == 0
    x = rng.normal(size=(rows, 4)) + is_rare[:, None]
    return pd.DataFrame(x, columns=list("abcd")).assign(y=np.where(is_rare, "rare", "usual"))


def learned(folder: Path, frame: pd.DataFrame, **settings) -> Run:
    frame.to_csv(folder / "t.csv", index=False)
    chosen = from_values({**QUICK, **settings})
    result = learn(folder / "t.csv", "y", chosen, folder / "runs", lambda _: None, lambda *_: None)
    return open_run(Path(result["run"]["path"]))


def said_rare(run: Run) -> float:
    predictions = run.table("predictions-test.parquet").to_pandas()
    return float((predictions["prediction"] == "rare")[predictions["target"] == "rare"].mean())


def test_balanced_classes_count_alike_and_the_training_rows_one_on_average():
    y, train = np.array([0, 0, 0, 1, 1, 0]), np.array([True, True, True, True, False, False])
    weight = row_weights(y, train, None, from_values({"class_weight": "balanced"}))
    assert weight == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2, 2, 2 / 3])
    assert row_weights(y, train, None, from_values({})) is None


def test_given_weights_are_balanced_too():
    y, train, given = np.array([0, 0, 1]), np.ones(3, np.bool_), np.array([1.0, 3.0, 2.0])
    assert row_weights(y, train, given, from_values({})) == pytest.approx([0.5, 1.5, 1.0])
    weight = row_weights(y, train, given, from_values({"class_weight": "balanced"}))
    assert weight == pytest.approx([0.375, 1.125, 1.5])


def test_values_have_no_classes_to_balance():
    assert (
        row_weights(np.array([0.5, 1.5]), np.ones(2, np.bool_), None, from_values({"class_weight": "balanced"})) is None
    )


def test_balanced_classes_find_more_of_the_rare_one(tmp_path):
    plain, balanced = (said_rare(learned(tmp_path, rare(), class_weight=kind)) for kind in ("none", "balanced"))
    assert balanced > plain + 0.2


def test_rows_that_count_nothing_teach_nothing(tmp_path):
    frame = rare()
    wrong = frame.assign(y=np.where(frame["y"] == "rare", "usual", "rare"), count=0.0)
    run = learned(tmp_path, pd.concat([frame.assign(count=2.5), wrong[::2]]), weight="count", class_weight="balanced")
    assert ("count", "weight") in run.schema.left_out
    predictions = run.table("predictions-test.parquet").to_pandas()
    counted = pd.concat([frame.assign(count=2.5), wrong[::2]])["count"].to_numpy()[predictions["row"]] > 0
    right = predictions["prediction"] == predictions["target"]
    assert right[counted].mean() > 0.7
    assert right[~counted].mean() < 0.3


@pytest.mark.parametrize("weights", [-1.0, None, "much", 0.0, np.inf])
def test_weights_that_are_none_are_refused(tmp_path, weights):
    with pytest.raises(DataError) as caught:
        learned(tmp_path, rare(60).assign(w=weights), weight="w")
    assert caught.value.code in ("bad_weight", "missing_group")
    assert "'w'" in caught.value.message


def test_a_target_of_numbers_has_no_classes_to_balance_and_that_is_said(tmp_path):
    rare().assign(y=np.arange(600) * 0.5).to_csv(tmp_path / "t.csv", index=False)
    said: list[str] = []
    check(tmp_path / "t.csv", "y", from_values({"class_weight": "balanced"}), said.append)
    assert "--class-weight balanced changes nothing: the target is a number" in said
