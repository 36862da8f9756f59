"""Who may see which row."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfconv_cli.errors import DataError, RfconvError
from rfconv_cli.table.split import assign_parts, plan_split, split_rows

NONE = {"group": None, "time": None, "split_by": None, "split_column": None}
HOURS = [dt.datetime(2020, 1, 1) + dt.timedelta(hours=6 * i) for i in range(400)]
DAYS = [dt.date(2020, 1, 1) + dt.timedelta(days=i) for i in range(400)]


def plan(table: pa.Table, **flags: str):
    return plan_split(table, **{**NONE, **flags})


def parts_of(table: pa.Table, y=None, *, stratify=False, test=0.2, valid=0.1, seed=0, **flags: str):
    y = np.arange(table.num_rows) if y is None else y
    chosen = plan(table, **flags)
    return assign_parts(table, chosen, y, stratify=stratify, test_size=test, valid_size=valid, seed=seed)


def assert_together(parts, groups) -> None:
    for group in set(groups):
        assert len({part for part, other in zip(parts, groups, strict=True) if other == group}) == 1


def shares(parts) -> dict[str, float]:
    return {part: float((parts == part).mean()) for part in ("train", "valid", "test")}


@pytest.mark.parametrize(
    ("columns", "flags", "kind", "column", "unit"),
    [
        ({}, {}, "random", None, None),
        ({"t": HOURS}, {}, "calendar", "t", "day"),
        ({"t": DAYS}, {}, "calendar", "t", "week"),
        ({"t": DAYS[:1] * 400}, {}, "random", None, None),
        ({"t": [None, *DAYS[1:]], "u": DAYS}, {}, "calendar", "u", "week"),
        ({"t": HOURS}, {"split_by": "none"}, "random", None, None),
        ({"t": HOURS}, {"split_by": "month"}, "calendar", "t", "month"),
        ({"t": HOURS, "u": DAYS}, {"split_by": "year", "time": "u"}, "calendar", "u", "year"),
        ({"t": HOURS}, {"time": "t"}, "time", "t", None),
        ({"t": HOURS}, {"group": "g"}, "group", "g", None),
        ({"t": HOURS}, {"split_column": "g"}, "column", "g", None),
    ],
)
def test_the_plan_follows_the_flags_then_the_dates(columns, flags, kind, column, unit):
    found = plan(pa.table({"g": list(range(400)), **columns}), **flags)
    assert (found.kind, found.column, found.unit) == (kind, column, unit)
    assert found.sentence
    assert "\n" not in found.sentence


def test_the_default_by_dates_says_the_flags_that_change_it():
    sentence = plan(pa.table({"time": HOURS})).sentence
    assert "--split-by day" in sentence
    assert "--split-by none" in sentence
    assert "'time'" in sentence


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ({"group": "g", "split_by": "day"}, "split_conflict"),
        ({"group": "g", "time": "t"}, "split_conflict"),
        ({"split_column": "g", "time": "t"}, "split_conflict"),
        ({"split_column": "g", "group": "g"}, "split_conflict"),
        ({"split_by": "none", "time": "t"}, "split_conflict"),
        ({"split_by": "hour"}, "bad_split"),
        ({"group": "grp"}, "column_not_found"),
        ({"time": "tt"}, "column_not_found"),
        ({"split_column": "part"}, "column_not_found"),
        ({"split_by": "day"}, "no_time_column"),  # two date columns: which?
        ({"split_by": "day", "time": "g"}, "no_time_column"),
        ({"split_by": "day", "time": "s"}, "no_time_column"),
        ({"time": "s"}, "no_time_column"),
        ({"split_by": "day", "time": "gap"}, "missing_group"),
        ({"time": "gap"}, "missing_group"),
    ],
)
def test_flags_that_cannot_be_followed_are_refused(flags, code):
    gaps = [None, *DAYS[1:]]
    with pytest.raises(RfconvError) as caught:
        plan(pa.table({"g": list(range(400)), "t": HOURS, "gap": gaps, "s": ["x"] * 400}), **flags)
    assert caught.value.code == code
    assert caught.value.hint


def test_split_by_without_any_date_is_refused():
    with pytest.raises(DataError) as caught:
        plan(pa.table({"a": [1, 2]}), split_by="day")
    assert caught.value.code == "no_time_column"


def test_whole_numbers_yyyymmdd_are_dates_where_named():
    table = pa.table({"DATE": [int(day.strftime("%Y%m%d")) for day in DAYS]})
    assert_together(parts_of(table, split_by="month", time="DATE"), [(day.year, day.month) for day in DAYS])


@pytest.mark.parametrize("number", [20200230, 20201301, 20200100, 7, -20200101])
def test_whole_numbers_that_are_no_dates_are_refused(number):
    with pytest.raises(DataError) as caught:
        plan(pa.table({"DATE": [20200101, number]}), split_by="day", time="DATE")
    assert caught.value.code == "no_time_column"


KEYS = {
    "day": lambda day: day,
    "week": lambda day: day.isocalendar()[:2],
    "month": lambda day: (day.year, day.month),
    "year": lambda day: day.year,
}


@pytest.mark.parametrize("unit", KEYS)
@pytest.mark.parametrize("first", [dt.date(2019, 6, 1), dt.date(1969, 6, 1)])
def test_calendar_blocks_never_cross_parts(unit, first):
    days = [first + dt.timedelta(days=i) for i in range(1200)]
    parts = parts_of(pa.table({"t": days}), split_by=unit, test=0.3, valid=0.2)
    assert set(parts) == {"train", "valid", "test"}
    assert_together(parts, [KEYS[unit](day) for day in days])


def test_a_day_is_local_to_the_time_zone():
    stamps = pa.array([dt.datetime(2020, 1, 1, 15, tzinfo=dt.UTC) + dt.timedelta(hours=i) for i in range(24 * 30)])
    table = pa.table({"t": stamps.cast(pa.timestamp("us", "Asia/Tokyo"))})
    assert_together(parts_of(table, split_by="day"), [i // 24 for i in range(24 * 30)])


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.integers(0, 25), min_size=40, max_size=150),
    classes=st.integers(1, 4),
    seed=st.integers(0, 2**32),
    size=st.floats(0.05, 0.6),
)
def test_groups_never_cross_and_never_take_all(groups, classes, seed, size):
    y = np.random.default_rng(seed).integers(0, classes, len(groups))
    rng = np.random.default_rng(seed)
    held = split_rows(y, np.array(groups), size=size, stratify=True, rng=rng)
    assert not set(np.array(groups)[held]) & set(np.array(groups)[~held])
    if len(set(groups)) > 1:
        assert 0 < held.sum() < len(held)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(2, 60), min_size=2, max_size=6),
    size=st.floats(0.05, 0.7),
    seed=st.integers(0, 2**32),
)
def test_stratified_rows_keep_every_class_share_within_one_row(counts, size, seed):
    y = np.repeat(np.arange(len(counts)), counts)
    held = split_rows(y, None, size=size, stratify=True, rng=np.random.default_rng(seed))
    assert 0 < held.sum() < len(y)
    for code, count in enumerate(counts):
        taken = held[y == code].sum()
        assert taken < count
        assert abs(taken - size * count) <= 1


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("stratify", [False, True])
def test_group_parts_have_about_the_asked_sizes(text, stratify):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 200, 3000)
    table = pa.table({"g": [f"g{i}" for i in ids] if text else ids})
    parts = parts_of(table, rng.integers(0, 3, 3000), stratify=stratify, group="g")
    assert_together(parts, ids.tolist())
    assert shares(parts) == pytest.approx({"train": 0.7, "valid": 0.1, "test": 0.2}, abs=0.02)


def test_random_parts_have_the_asked_sizes_and_class_shares():
    y = np.repeat([0, 1, 2], [700, 200, 100])
    parts = parts_of(pa.table({"a": range(1000)}), y, stratify=True)
    assert shares(parts) == pytest.approx({"train": 0.7, "valid": 0.1, "test": 0.2})
    assert [int(((parts == "test") & (y == code)).sum()) for code in range(3)] == [140, 40, 20]


def test_the_seed_decides_and_the_column_order_does_not():
    table = pa.table({"t": DAYS, "a": range(400), "b": range(400)})
    turned = table.select(["b", "t", "a"])
    np.testing.assert_array_equal(parts_of(table, seed=1), parts_of(table, seed=1))
    np.testing.assert_array_equal(parts_of(table, seed=1), parts_of(turned, seed=1))
    assert (parts_of(table, seed=1) != parts_of(table, seed=2)).any()


@pytest.mark.parametrize("kind", ["datetime", "date", "integer", "float"])
def test_by_time_the_last_rows_are_test_and_those_before_valid(kind):
    order = np.random.default_rng(0).permutation(400)
    values = {"datetime": HOURS, "date": DAYS, "integer": list(range(400)), "float": list(np.arange(400) / 3)}[kind]
    parts = parts_of(pa.table({"t": [values[i] for i in order]}), time="t")
    assert {part: (order[parts == part].min(), order[parts == part].max()) for part in ("train", "valid", "test")} == {
        "train": (0, 279),
        "valid": (280, 319),
        "test": (320, 399),
    }


def test_by_time_rows_of_one_moment_stay_together():
    moments = np.repeat(np.arange(50), 13)
    parts = parts_of(pa.table({"t": moments}), time="t")
    assert_together(parts, moments.tolist())
    assert shares(parts) == pytest.approx({"train": 0.7, "valid": 0.1, "test": 0.2}, abs=0.03)


def test_a_column_says_the_parts_in_any_case():
    said = ["Train", "train", "VALID", "Test "] * 5
    parts = parts_of(pa.table({"p": said}), split_column="p")
    assert parts.tolist() == ["train", "train", "valid", "test"] * 5


def test_without_valid_rows_in_the_column_some_train_rows_are_drawn():
    said = np.array(["train"] * 80 + ["test"] * 20)
    parts = parts_of(pa.table({"p": said}), np.arange(100) % 2, stratify=True, split_column="p")
    assert shares(parts) == pytest.approx({"train": 0.7, "valid": 0.1, "test": 0.2})
    assert (parts[80:] == "test").all()


TWO = [0, 1] * 10
IMPOSSIBLE = [
    ("two rows", {"a": [1, 2]}, {}, "too_few_rows"),
    ("two groups", {"g": TWO}, {"group": "g"}, "too_few_rows"),
    ("one group", {"g": [1] * 20}, {"group": "g"}, "too_few_rows"),
    ("one moment", {"t": [1] * 20}, {"time": "t"}, "too_few_rows"),
    ("one month", {"t": DAYS[:20]}, {"split_by": "month"}, "too_few_rows"),
    ("no test", {"p": ["train", "valid"] * 10}, {"split_column": "p"}, "too_few_rows"),
    ("no train", {"p": ["test"] * 20}, {"split_column": "p"}, "too_few_rows"),
    ("odd part", {"p": ["train", "holdout"] * 10}, {"split_column": "p"}, "split_values"),
    ("group gap", {"g": [None, *range(19)]}, {"group": "g"}, "missing_group"),
    ("part gap", {"p": [None, *["train"] * 19]}, {"split_column": "p"}, "missing_group"),
]


@pytest.mark.parametrize(("columns", "flags", "code"), [c[1:] for c in IMPOSSIBLE], ids=[c[0] for c in IMPOSSIBLE])
def test_a_split_that_cannot_be_is_refused(columns, flags, code):
    with pytest.raises(DataError) as caught:
        parts_of(pa.table(columns), **flags)
    assert caught.value.code == code
    assert caught.value.hint


@pytest.mark.parametrize(
    ("columns", "flags"),
    [
        ({"g": [0, 1, 2, 3] * 5}, {"group": "g"}),
        ({"t": list(range(20))}, {"time": "t"}),
        ({"p": ["train"] * 10 + ["test"] * 10}, {"split_column": "p"}),
    ],
)
def test_a_class_absent_from_train_is_named(columns, flags):
    table = pa.table(columns)
    y = (np.arange(20) >= 10).astype(int) if "g" not in columns else np.array(columns["g"])
    chosen = plan(table, **flags)
    names = ["low", "high", "c", "d"]
    with pytest.raises(DataError, match=r"the train part has no row of the classes '(low|high|c|d)'") as caught:
        assign_parts(table, chosen, y, stratify=True, test_size=0.5, valid_size=0.2, seed=0, labels=names)
    assert caught.value.code == "class_missing_in_part"


def test_a_class_in_two_groups_always_reaches_train():
    groups = np.repeat(np.arange(20), 5)
    y = np.where(groups < 2, 1, 0)
    for seed in range(30):
        parts = parts_of(pa.table({"g": groups}), y, stratify=True, seed=seed, group="g")
        assert (y[parts == "train"] == 1).any()


def test_sizes_that_leave_nothing_to_train_on_are_refused():
    with pytest.raises(RfconvError) as caught:
        parts_of(pa.table({"a": range(100)}), test=0.6, valid=0.5)
    assert caught.value.code == "split_sizes"


@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_is_held_out_of_a_single_row(rows):
    y = np.zeros(rows)
    assert split_rows(y, None, size=0.2, stratify=False, rng=np.random.default_rng(0)).tolist() == [False] * rows
