"""`--window`: columns × lags, of rows that lie in one series and one part."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfconv_cli.config import from_values
from rfconv_cli.errors import DataError
from rfconv_cli.jobs.apply import evaluate_stored, evaluate_table, predict_table
from rfconv_cli.jobs.learn import learn
from rfconv_cli.jobs.prepare import prepare
from rfconv_cli.jobs.prepared import Prepared
from rfconv_cli.run import Run, open_run
from rfconv_cli.table.windows import windows_of

QUICK = {"epochs": 2, "source": "correlation", "random_draws": 1, "stability": 0, "plots": False, "bootstrap": 100}


def hourly(rows: int = 240, seed: int = 0) -> pd.DataFrame:
    """Two sensors, of which y needs one as it was two hours before. Rows are not in order."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 2)).round(3)
    frame = pd.DataFrame(x, columns=["flow", "heat"])
    frame["y"] = np.where(np.r_[0, 0, x[:-2, 0]] * x[:, 1] > 0, "up", "down")
    frame["hour"] = pd.date_range("2024-01-01", periods=rows, freq="h")
    return frame.sample(frac=1, random_state=seed).reset_index(drop=True)


def prepared(frame: pd.DataFrame, **settings) -> Prepared:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return prepare(table, "y", from_values({"time": "hour", **settings}), lambda _: None)


def learned(folder: Path, frame: pd.DataFrame, **settings) -> Run:
    frame.to_csv(folder / "t.csv", index=False)
    chosen = from_values({**QUICK, "time": "hour", **settings})
    result = learn(folder / "t.csv", "y", chosen, folder / "runs", lambda _: None, lambda *_: None)
    return open_run(Path(result["run"]["path"]))


@given(
    st.lists(st.integers(0, 2), max_size=30), st.integers(1, 4), st.integers(1, 3), st.randoms(use_true_random=False)
)
def test_windows_are_all_and_only_the_rows_side_by_side(apart, size, stride, random):
    """Against a plain loop."""
    rows = len(apart)
    ordered = random.sample(range(rows), rows)
    ends = [random.random() < 0.7 for _ in range(rows)]
    wanted, since = [], 0
    for place in range(rows):
        if place == 0 or apart[place] != apart[place - 1]:
            begin, since = place, 0
        if place - begin >= size - 1 and ends[ordered[place]]:
            if since % stride == 0:
                wanted.append(ordered[place - size + 1 : place + 1])
            since += 1
    given_ends = np.array(ends, np.bool_)
    found = windows_of(np.array(ordered, np.int64), np.array(apart, np.int64), given_ends, size, stride)
    assert found.shape == (len(wanted), size)
    assert found.tolist() == sorted(wanted, key=lambda window: window[-1])


def test_each_lag_is_what_the_column_was_so_many_rows_before():
    frame = hourly()
    found = prepared(frame, window=3)
    assert found.schema.names == ("flow", "flow@-1", "flow@-2", "heat", "heat@-1", "heat@-2")
    assert [(feature.of, feature.lag) for feature in found.schema.features[:3]] == [(None, 0), ("flow", 1), ("flow", 2)]
    at = frame.set_index("hour")
    for x, row, y in zip(found.x, found.rows, found.y, strict=True):
        hour = frame["hour"][row]
        steps = [hour - pd.Timedelta(hours=lag) for lag in range(3)]
        assert x.tolist() == [*at.loc[steps, "flow"], *at.loc[steps, "heat"]]
        assert found.schema.target.classes[y] == frame["y"][row]


def test_no_window_crosses_the_border_of_a_part_or_a_series():
    frame = hourly().assign(machine=np.arange(240) % 10)
    by_time = prepared(frame, window=5, exclude=("machine",))
    rows = {part: int(by_time.is_in(part).sum()) for part in ("train", "valid", "test")}
    assert rows == {"train": 168 - 4, "valid": 24 - 4, "test": 48 - 4}
    by_machine = prepared(frame, window=5, time=None, group="machine")
    assert len(by_machine.x) == 10 * (24 - 4)
    assert all(len(set(by_machine.parts[by_machine.groups == group])) == 1 for group in set(by_machine.groups))
    machines = frame["machine"].to_numpy()[by_machine.rows]
    ordered = frame.sort_values(["machine", "hour"])
    for x, row, machine in zip(by_machine.x, by_machine.rows, machines, strict=True):
        own = ordered[ordered["machine"] == machine]
        place = own.index.get_loc(row)
        assert x[:5].tolist() == own["flow"].iloc[place - 4 : place + 1].tolist()[::-1]


def test_rows_without_a_target_are_history_but_no_rows_to_learn_from():
    frame = hourly()
    hour = frame["hour"].dt.hour
    sparse = frame.assign(y=frame["y"].where(hour % 3 == 0))
    found = prepared(sparse, window=4)
    assert (hour[found.rows] % 3 == 0).all()
    assert len(found.x) == 80 - 3  # in each part, the first with a target would need rows of the part before
    at = frame.set_index("hour")["flow"]
    assert found.x[0, 1] == at[frame["hour"][found.rows[0]] - pd.Timedelta(hours=1)]


def test_every_so_many_th_window_is_learned_from():
    whole, third = (prepared(hourly(), window=4, stride=stride) for stride in (1, 3))
    ordered = whole.rows[np.argsort(whole.rows)]
    assert set(third.rows) < set(ordered)
    assert len(third.x) == 55 + 7 + 15


def test_windows_that_fit_into_no_part_are_refused():
    with pytest.raises(DataError, match="no window of 4 rows fits into the") as caught:
        prepared(hourly(40), window=4, time=None, split_by="none")
    assert caught.value.code == "too_few_rows"
    assert "--time" in caught.value.hint


def test_a_run_of_windows_scores_and_predicts_as_it_learned(tmp_path):
    frame = hourly(600)
    run = learned(tmp_path, frame, window=3, epochs=25)
    stored = evaluate_stored(run)["test"]
    assert stored["accuracy"] > 0.85
    again, _ = evaluate_table(run, tmp_path / "t.csv")
    assert again["test"] == stored
    columns = run.json("fields.json")["columns"]
    assert {"name": "heat@-2", "source": "heat", "lag": 2, "dtype": "float"}.items() <= columns[5].items()
    predictions, notices = predict_table(run, tmp_path / "t.csv", ["hour"])
    assert notices == ["2 rows have fewer than 2 rows before them and get no prediction"]
    assert predictions["row"].to_pylist() == sorted(set(range(600)) - set(frame["hour"].nsmallest(2).index))
    assert predictions["hour"].to_pylist() == frame["hour"][predictions["row"].to_pylist()].tolist()


def test_windows_of_a_test_table_are_its_own(tmp_path):
    train, test = (pa.Table.from_pandas(hourly(200, seed), preserve_index=False) for seed in (0, 1))
    found = prepare(train, "y", from_values({"time": "hour", "window": 3}), lambda _: None, test)
    assert found.is_in("test").sum() == 198
    assert (~found.is_in("test")).sum() == 200 - 2 - 2


def test_a_run_orders_rows_by_the_column_it_learned_by(tmp_path):
    frame = hourly(200).assign(later=pd.Timestamp("2030-01-01"))
    frame["later"] = frame["hour"].iloc[::-1].to_numpy()
    frame["part"] = frame["hour"].rank().astype(int) // 20
    run = learned(tmp_path, frame, window=3, time=None, group="part")
    assert run.schema.order == "hour"
    turned = frame[["later", "y", "heat", "hour", "flow", "part"]]
    turned.to_csv(tmp_path / "turned.csv", index=False)
    assert predict_table(run, tmp_path / "turned.csv")[0] == predict_table(run, tmp_path / "t.csv")[0]
    turned.drop(columns="hour").to_csv(tmp_path / "none.csv", index=False)
    with pytest.raises(DataError, match="no column 'hour'"):
        predict_table(run, tmp_path / "none.csv")


def test_a_number_may_order_the_rows_of_each_series():
    frame = hourly().assign(unit=np.arange(240) % 10, cycle=hourly()["hour"].astype("int64") // 3_600_000_000_000)
    found = prepared(frame.drop(columns="hour"), window=2, time="cycle", group="unit")
    assert found.schema.order == "cycle"
    assert all(len(set(found.parts[found.groups == group])) == 1 for group in set(found.groups))


def test_windows_beyond_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=1000))
    with pytest.raises(DataError) as caught:
        prepared(hourly(), window=4)
    assert caught.value.code == "too_large"
