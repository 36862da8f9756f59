"""What is suspicious in columns: each kind is found, and ordinary sensors are left in peace."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from rfconv_cli.table.leak import given_away, gives_away
from rfconv_cli.table.suspect import suspicious, time_gaps

ROWS = 300


def sensor(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(20, 3, ROWS).round(2)


def found(name: str, values: object, *, whole: bool = True) -> list[str]:
    x = np.column_stack([np.asarray(values, float), sensor(1)])
    return [
        finding.code
        for finding in suspicious(dict(zip((name, "other"), x.T, strict=True)), {name: whole, "other": False})
    ]


COUNTED = np.arange(ROWS)
DAYS = [int(f"{dt.date(2000, 1, 1) + dt.timedelta(days=7 * i):%Y%m%d}") for i in range(ROWS)]
SCATTERED = np.random.default_rng(3).permutation(10 * ROWS)[:ROWS]


@pytest.mark.parametrize(
    ("name", "values", "code"),
    [
        ("n", COUNTED, "id_like"),
        ("sensor_id", SCATTERED, "id_like"),
        ("t", 1_600_000_000 + 60 * COUNTED, "epoch"),
        ("t", 1_600_000_000_000 + 60_000 * COUNTED, "epoch"),
        ("day", DAYS, "date_as_number"),
        ("level", np.where(COUNTED % 50 == 0, -999, sensor()), "sentinel"),
        ("level", np.where(COUNTED % 50 == 0, np.nan, sensor(1)), None),
        ("level", np.where(COUNTED % 3 == 0, 20.0, np.nan), "mostly_missing"),
        ("copy", sensor(1), "duplicate_columns"),
    ],
)
def test_each_kind_is_found(name, values, code):
    assert found(name, values) == ([] if code is None else [code])


@pytest.mark.parametrize(
    ("name", "values", "whole"),
    [
        ("level", sensor(), False),
        ("valid", SCATTERED, True),
        ("pressure", 100_000 + SCATTERED, True),
        ("counts", COUNTED % 7, True),
        ("ramp", np.arange(ROWS) / 10, False),
        ("altitude", np.where(COUNTED % 50 == 0, 999, 700 + COUNTED), True),
        ("once", np.where(COUNTED == 5, -999, sensor()), False),
    ],
)
def test_ordinary_columns_are_left_in_peace(name, values, whole):
    assert found(name, values, whole=whole) == []


def test_a_finding_says_what_to_do():
    x = np.column_stack([np.where(COUNTED % 50 == 0, -999, sensor()), sensor(1)])
    only = suspicious({"my level": x[:, 0], "other": x[:, 1]}, {"my level": False, "other": False})[0]
    assert only.message == "'my level' is -999 in 6 rows, far from all its other values"
    assert only.hint == "--na -999, if that means missing"
    assert only.columns == ("my level",)


def test_a_gap_in_time_is_found_with_its_place():
    hours = [dt.datetime(2020, 1, 1) + dt.timedelta(hours=i) for i in range(48) if i not in (10, 11, 30)]
    table = pa.table({"x": range(45), "at": pa.array(hours, pa.timestamp("us"))})
    assert [finding.message for finding in time_gaps(table)] == [
        "'at' has 2 gaps in time; the longest, 3 hours, follows 2020-01-01T09:00:00 (the usual step is 1 hour)"
    ]


@pytest.mark.parametrize(
    "moments",
    [
        [dt.date(2020, 1, 1) + dt.timedelta(days=i // 2) for i in range(60)],
        [dt.date(2020, month, 1) for month in range(1, 13)],
        [dt.date(2020, 1, 1)] * 9,
        [None] * 9,
    ],
    ids=["two rows a day", "months", "one day", "none"],
)
def test_an_even_step_is_no_gap(moments):
    assert time_gaps(pa.table({"at": pa.array(moments, pa.date32())})) == []


@pytest.mark.parametrize("classes", [True, False])
def test_a_column_that_gives_the_target_away_is_told_from_one_that_helps(classes):
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=1000) if classes else rng.normal(size=1000)
    x = np.column_stack([10 - 2.0 * y, y + rng.normal(0, 1.0, 1000), rng.normal(size=1000)])
    told = given_away(x, y, classes=classes)
    assert [gives_away(share) for share in told] == [True, False, False]
    assert told[1] > 0.1 > told[2]


def test_missing_cells_may_give_away_too():
    y = np.arange(400) % 2
    x = np.where(y == 1, np.nan, sensor_like(400))[:, None]
    assert gives_away(given_away(x, y, classes=True)[0])


def sensor_like(rows: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=rows)


def test_a_target_of_one_kind_in_a_half_tells_nothing():
    assert given_away(np.zeros((1, 3)), np.zeros(1, np.int64), classes=True).tolist() == [0, 0, 0]
    assert given_away(np.ones((9, 1)), np.zeros(9, np.int64), classes=True).tolist() == [0]


@pytest.mark.parametrize("classes", [True, False])
def test_of_many_columns_those_that_tell_all_are_found_too(classes):
    """Beyond 500 columns only those that a cheap look leaves get a tree."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 520))
    y = rng.integers(0, 5, 600) if classes else rng.normal(size=600)
    x[:, 17] = y * 2.0 + 0.001 * rng.normal(size=600)
    x[:, 300] = -np.exp(y)
    x[::9, 300] = np.nan
    x[:, 411] = y + rng.normal(size=600)
    told = given_away(x, y, classes=classes)
    assert gives_away(told[17])
    assert told[300] > 0.8
    assert not [column for column in range(520) if column not in (17, 300) and gives_away(told[column])]


def test_a_wide_table_of_few_rows_is_looked_at_too():
    assert given_away(np.random.default_rng(0).normal(size=(9, 600)), np.arange(9) % 2, classes=True).shape == (600,)
