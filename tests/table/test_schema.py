"""Freezing a schema: what is learned from, what is left out and why, what is refused; and its JSON."""

import copy
import datetime as dt
import json
import math

import numpy as np
import pyarrow as pa
import pytest

from rfconv_cli.errors import RfconvError, UsageError
from rfconv_cli.table.schema import Feature, Schema, Target, drop_missing_target, freeze

ROWS = 8
DAYS = [dt.date(2020, 1, 1 + i) for i in range(ROWS)]


def table(**columns: object) -> pa.Table:
    base: dict[str, object] = {
        "temp[degC]": [0.5, 1.5, None, 3.0, 4.0, 5.0, 6.0, 7.5],
        "pressure": list(range(ROWS)),
        "open": [True, False] * 4,
        "month": [1, 2] * 4,
    }
    return pa.table({**base, **columns})


def test_features_keep_order_kind_range_and_gaps():
    schema = freeze(table(), "month")
    assert schema.features == (
        Feature("temp[degC]", "float", 0.5, 7.5, 0.125),
        Feature("pressure", "integer", 0.0, 7.0, 0.0),
        Feature("open", "boolean", 0.0, 1.0, 0.0),
    )
    assert schema.names == ("temp[degC]", "pressure", "open")
    assert schema.left_out == ()


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("when", DAYS, "date or time"),
        ("stamp", [dt.datetime(2020, 1, 1, i) for i in range(ROWS)], "date or time"),
        ("clock", [dt.time(i) for i in range(ROWS)], "date or time"),
        ("station", list("abcdefgh"), "text"),
        ("same", [3] * ROWS, "constant"),
        ("same", [3.5, None] * 4, "constant"),
        ("same", [True] * ROWS, "constant"),
        ("Unnamed: 0", list(range(ROWS)), "row counter"),
        ("__index_level_0__", list(range(ROWS)), "row counter"),
        ("__index_level_0__", DAYS, "date or time"),
    ],
)
def test_a_column_that_cannot_serve_is_left_out_with_the_reason(name, values, reason):
    assert freeze(table(**{name: values}), "month").left_out == ((name, reason),)


def test_long_numbers_kept_as_text_are_called_so():
    schema = freeze(table(id=["99999999999999999999"] * 4 + ["1"] * 4), "month")
    assert schema.left_out[0][1].startswith("text (numbers")


def test_nested_columns_are_left_out_with_their_type():
    assert freeze(table(spectrum=[[1, 2]] * ROWS), "month").left_out[0][1].startswith("not a number")


def test_left_out_columns_stay_in_table_order():
    left = freeze(table(z=[1] * ROWS, a=["x"] * ROWS, m=DAYS), "month").left_out
    assert left == (("z", "constant"), ("a", "text"), ("m", "date or time"))


def test_roles_are_left_out_under_their_name():
    schema = freeze(table(day=[1, 1, 2, 2, 3, 3, 4, 4]), "month", roles={"day": "group"})
    assert ("day", "group") in schema.left_out
    assert "day" not in schema.names


def test_a_row_counter_the_user_names_is_taken():
    picked = freeze(table(**{"Unnamed: 0": list(range(ROWS))}), "month", features=["Unnamed: 0", "open"])
    assert picked.names == ("open", "Unnamed: 0")


@pytest.mark.parametrize(
    ("features", "exclude", "names"),
    [
        (["temp[degC]", "open"], [], ("temp[degC]", "open")),
        (["temp*", "p*"], [], ("temp[degC]", "pressure")),
        ([], ["temp[degC]"], ("pressure", "open")),
        ([], ["*ess*"], ("temp[degC]", "open")),
        (["*"], ["open"], ("temp[degC]", "pressure")),
        (["[po]*"], [], ("pressure", "open")),
    ],
)
def test_patterns_choose_columns_literally_first(features, exclude, names):
    schema = freeze(table(), "month", features=features, exclude=exclude)
    assert schema.names == names
    assert {name for name, _ in schema.left_out} == {"temp[degC]", "pressure", "open"} - set(names)


@pytest.mark.parametrize("flag", ["features", "exclude"])
def test_a_pattern_that_matches_nothing_is_refused_with_near_names(flag):
    with pytest.raises(UsageError, match=f"--{flag} 'presure'.*'pressure'") as caught:
        freeze(table(), "month", **{flag: ["presure"]})
    assert caught.value.code == "pattern_matches_nothing"
    assert caught.value.hint == f"--{flag} pressure"


@pytest.mark.parametrize(
    ("values", "task", "expected"),
    [
        (["x", "y"] * 4, None, ("binary", ("x", "y"))),
        ([True, False] * 4, None, ("binary", (False, True))),
        (
            ["class10", "class2", "class1", "Class3"] * 2,
            None,
            ("multiclass", ("Class3", "class1", "class2", "class10")),
        ),
        ([10, 9, 2, 1] * 2, None, ("multiclass", (1, 2, 9, 10))),
        ([1.0, 2.0] * 4, None, ("binary", (1.0, 2.0))),
        ([1.5, 2.5] * 4, None, ("regression", ())),
        ([1.5, 2.5] * 4, "classification", ("binary", (1.5, 2.5))),
        ([1, 2] * 4, "regression", ("regression", ())),
        ([1, 2] * 4, "auto", ("binary", (1, 2))),
        ([True, False] * 4, "regression", ("regression", ())),
        (["x", "x", "y", "y", None, None, "x", None], None, ("binary", ("x", "y"))),
    ],
)
def test_the_task_follows_from_the_target(values, task, expected):
    target = freeze(table(y=values), "y", task=task).target
    assert (target.task, target.classes) == expected
    assert [type(label) for label in target.classes] == [type(label) for label in expected[1]]


@pytest.mark.parametrize(("distinct", "task"), [(50, "multiclass"), (51, "regression")])
def test_whole_numbers_are_classes_up_to_fifty(distinct, task):
    y = list(range(distinct)) * 2
    features = {"a": range(len(y)), "b": range(len(y))}
    columns = {"y": y, **{name: list(values) for name, values in features.items()}}
    assert freeze(pa.table(columns), "y").target.task == task


INFINITE = [math.inf, *range(1, ROWS)]
REFUSED = [
    ("near name", {}, "mnth", None, "target_not_found"),
    ("all null", {"y": pa.nulls(ROWS, pa.int64())}, "y", None, "target_missing"),
    ("all NaN", {"y": [math.nan] * ROWS}, "y", None, "target_missing"),
    ("one class", {"y": ["x"] * ROWS}, "y", None, "one_class"),
    ("one number", {"y": [1] * ROWS}, "y", None, "one_class"),
    ("one value", {"y": [1.5] * ROWS}, "y", None, "constant_target"),
    ("rare", {"y": ["x"] * 7 + ["y"]}, "y", None, "rare_class"),
    ("text regression", {"y": ["x", "y"] * 4}, "y", "regression", "task_mismatch"),
    ("date", {"y": DAYS}, "y", None, "task_mismatch"),
    ("nested", {"y": [[1]] * ROWS}, "y", None, "task_mismatch"),
    ("three for binary", {"y": [1, 1, 2, 2, 3, 3, 1, 1]}, "y", "binary", "task_mismatch"),
    ("infinite target", {"y": [x + 0.5 for x in INFINITE]}, "y", None, "infinite_values"),
    ("bad task", {}, "month", "ranking", "bad_task"),
    ("infinite", {"x": [float(x) for x in INFINITE]}, "month", None, "infinite_values"),
]


@pytest.mark.parametrize(("columns", "target", "task", "code"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_an_unusable_table_is_refused_with_a_code_and_a_hint(columns, target, task, code):
    with pytest.raises(RfconvError) as caught:
        freeze(table(**columns), target, task=task)
    assert caught.value.code == code
    assert caught.value.hint


def test_too_many_fractional_classes_are_refused():
    y = [i + 0.5 for i in range(101)] * 2
    with pytest.raises(RfconvError, match="101 distinct") as caught:
        freeze(pa.table({"y": y, "a": range(202), "b": range(202)}), "y", task="classification")
    assert caught.value.code == "task_mismatch"


@pytest.mark.parametrize(
    ("target", "features", "says"),
    [("month", ["open"], "1 usable"), ("month", ["open", "same"], "'same' \\(constant\\)")],
)
def test_fewer_than_two_columns_are_no_features(target, features, says):
    with pytest.raises(RfconvError, match=says) as caught:
        freeze(table(same=[1] * ROWS), target, features=features)
    assert caught.value.code == "no_features"


def test_a_missing_target_is_answered_with_near_names():
    with pytest.raises(RfconvError, match="there is no column 'mnth'; the nearest names are 'month'") as caught:
        freeze(table(), "mnth")
    assert caught.value.hint == "--target month"


@pytest.mark.parametrize(
    "values",
    [pa.nulls(ROWS), pa.nulls(ROWS, pa.string()), pa.nulls(ROWS, pa.float32()), [math.nan] * ROWS],
    ids=["null", "text", "numbers", "NaN"],
)
def test_a_column_without_any_value_is_left_out(values):
    assert freeze(table(gap=values), "month").left_out == (("gap", "no value in any training row"),)


def test_an_excluded_column_may_be_empty_or_infinite():
    broken = table(gap=pa.nulls(ROWS), inf=[float(x) for x in INFINITE])
    assert len(freeze(broken, "month", exclude=["gap", "inf"]).features) == 3


@pytest.mark.parametrize(
    ("roles", "code"), [({"dy": "group"}, "column_not_found"), ({"month": "group"}, "role_is_target")]
)
def test_a_role_needs_a_column_of_its_own(roles, code):
    with pytest.raises(RfconvError) as caught:
        freeze(table(), "month", roles=roles)
    assert caught.value.code == code


def test_rows_without_target_are_dropped_and_counted():
    kept, rows = drop_missing_target(pa.table({"y": [1.0, None, math.nan, 4.0], "x": [1, 2, 3, 4]}), "y")
    assert rows.tolist() == [0, 3]
    assert kept["x"].to_pylist() == [1, 4]


def test_dropping_rows_by_an_absent_target_is_refused():
    with pytest.raises(RfconvError) as caught:
        drop_missing_target(table(), "mnth")
    assert caught.value.code == "target_not_found"


@pytest.mark.parametrize("target", ["month", "pressure", "open"])
def test_json_gives_the_same_schema_back(target):
    schema = freeze(table(station=["x"] * ROWS), target, task="regression" if target == "pressure" else None)
    assert Schema.from_json(json.loads(json.dumps(schema.to_json(), allow_nan=False))) == schema


GOOD = Schema(Target("y", "binary", (0, 1)), (Feature("a", "float", 0.0, 1.0, 0.0),), (("t", "text"),)).to_json()


def damaged(*path: object, value: object) -> object:
    document = copy.deepcopy(GOOD)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        damaged("format", value="other"),
        damaged("format_version", value=2),
        damaged("target", value="y"),
        damaged("target", "name", value=3),
        damaged("target", "name", value="a"),
        damaged("target", "task", value="ranking"),
        damaged("target", "task", value=["binary"]),
        damaged("target", "task", value="multiclass"),
        damaged("target", "task", value="regression"),
        damaged("target", "classes", value="01"),
        damaged("target", "classes", value=[0, 0]),
        damaged("target", "classes", value=[0, "1"]),
        damaged("target", "classes", value=[[0], [1]]),
        damaged("target", "classes", value=[0.0, math.nan]),
        damaged("features", value=[]),
        damaged("features", value={}),
        damaged("features", value=[None]),
        damaged("features", value=GOOD["features"] * 2),
        damaged("features", 0, "name", value=None),
        damaged("features", 0, "dtype", value="text"),
        damaged("features", 0, "dtype", value=[]),
        damaged("features", 0, "minimum", value="0"),
        damaged("features", 0, "minimum", value=True),
        damaged("features", 0, "minimum", value=2.0),
        damaged("features", 0, "maximum", value=math.inf),
        damaged("features", 0, "maximum", value=10**400),
        damaged("features", 0, "missing", value=1.5),
        damaged("left_out", value=None),
        damaged("left_out", value=[["t", "text"]]),
        damaged("left_out", 0, "name", value="a"),
    ],
)
def test_malformed_json_is_a_value_error(document):
    assert Schema.from_json(GOOD)
    with pytest.raises(ValueError, match="schema"):
        Schema.from_json(document)


def test_permuting_columns_permutes_features():
    base = table(t=DAYS, s=["x"] * ROWS)
    order = np.random.default_rng(0).permutation(base.num_columns)
    shuffled = base.select([base.column_names[i] for i in order])
    assert set(freeze(shuffled, "month").features) == set(freeze(base, "month").features)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("temp[degC]", "degC"),
        ("flow (l/h) ", "l/h"),
        ("酒田_平均気温(℃)", "℃"),
        ("圧力［hPa］", "hPa"),
        ("a(b)c", None),
    ],
)
def test_a_unit_is_what_stands_in_brackets_behind_the_name(name, unit):
    feature = freeze(table(**{name: [0.5 + i for i in range(ROWS)]}), "month").features[-1 if unit != "degC" else 0]
    assert (feature.name, feature.unit) == (name, unit)


def test_the_unit_stands_in_the_document():
    document = freeze(table(), "month").to_json()
    assert [feature.get("unit") for feature in document["features"]] == ["degC", None, None]
