"""From columns to numbers and back, and the scaling."""

import datetime as dt
import json
import math
import warnings

import numpy as np
import pyarrow as pa
import pytest

from rfconv_cli.errors import DataError
from rfconv_cli.table.encode import Scaling, decode_labels, encode_features, encode_target, extra_columns
from rfconv_cli.table.schema import Feature, Schema, Target


def schema(classes: tuple = (), task: str | None = None, names: tuple[str, ...] = ("a", "b")) -> Schema:
    task = task or ("regression" if not classes else "binary" if len(classes) == 2 else "multiclass")
    return Schema(Target("y", task, classes), tuple(Feature(n, "float", 0.0, 1.0, 0.0) for n in names), ())


def test_columns_are_matched_by_name_and_extra_ones_ignored():
    table = pa.table({"z": ["x", "y"], "b": [3, 4], "y": [0, 1], "a": [1.5, None]})
    np.testing.assert_array_equal(encode_features(table, schema()), [[1.5, 3.0], [np.nan, 4.0]])
    assert extra_columns(table, schema()) == ["z"]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, None], pa.int8()), [1, np.nan]),
        (pa.array([2**63, 1], pa.uint64()), [2.0**63, 1]),
        (pa.array([1.5, math.nan], pa.float32()), [1.5, np.nan]),
        (pa.array([True, None]), [1, np.nan]),
        (pa.array([1, 2]).cast(pa.decimal128(21, 1)), [1, 2]),
        (pa.nulls(2), [np.nan, np.nan]),
        (pa.nulls(2, pa.string()), [np.nan, np.nan]),
    ],
)
def test_numbers_of_every_kind_become_float64(column, expected):
    encoded = encode_features(pa.table({"a": column, "b": [0, 1]}), schema())
    assert encoded.dtype == np.float64
    np.testing.assert_array_equal(encoded[:, 0], expected)


def test_missing_columns_are_named_at_once_with_near_names():
    with pytest.raises(DataError, match=r"2 columns .* missing: 'pressure', 'wind'") as caught:
        encode_features(pa.table({"presure": [1], "a": [1]}), schema(names=("a", "pressure", "wind")))
    assert caught.value.code == "columns_missing"
    assert "'presure'" in caught.value.hint


@pytest.mark.parametrize(
    ("column", "row", "value"),
    [
        (["1", "2", "off"], 3, "'off'"),
        (["x", None, "y"], 1, "'x'"),
        ([None, "2", "3"], 2, "'2'"),  # numbers written as text are refused as well
        ([dt.date(2020, 1, 1)] * 3, 1, "datetime.date"),
    ],
)
def test_text_where_numbers_were_learned_is_refused_by_row(column, row, value):
    with pytest.raises(DataError, match=rf"column 'a' .* row {row} holds {value}") as caught:
        encode_features(pa.table({"a": column, "b": [1, 2, 3]}), schema())
    assert caught.value.code == "text_in_numeric"


def test_infinite_features_are_refused_by_row():
    with pytest.raises(DataError, match="'a' is infinite in row 2") as caught:
        encode_features(pa.table({"a": [1.0, -math.inf], "b": [1, 2]}), schema())
    assert caught.value.code == "infinite_values"


@pytest.mark.parametrize(
    ("classes", "values", "codes"),
    [
        (("x", "y"), ["y", "x", "y"], [1, 0, 1]),
        ((1, 2, 10), [10, 1], [2, 0]),
        ((1, 2), [2.0, 1.0], [1, 0]),
        ((1.0, 2.0), [2, 1], [1, 0]),
        ((False, True), [True, False], [1, 0]),
        ((1, 2), ["2", "1"], [1, 0]),
        (("1", "2"), [2, 1], [1, 0]),
    ],
)
def test_labels_become_codes_by_value(classes, values, codes):
    encoded = encode_target(pa.table({"y": values}), schema(classes).target)
    assert encoded.dtype == np.int64
    assert encoded.tolist() == codes


@pytest.mark.parametrize("classes", [("x", "y"), (1, 2, 10), (False, True), (1.5, 2.5)])
def test_decoding_gives_the_original_labels_and_types(classes):
    labels = list(classes)[::-1]
    decoded = decode_labels(encode_target(pa.table({"y": labels}), schema(classes).target), schema(classes).target)
    assert decoded == labels
    assert [type(label) for label in decoded] == [type(label) for label in labels]


def test_a_target_in_many_chunks_is_encoded_as_one():
    column = pa.chunked_array([["y"], ["x", "y"], []], pa.string())
    assert encode_target(pa.table({"y": column}), schema(("x", "y")).target).tolist() == [1, 0, 1]


def test_regression_targets_are_float64():
    encoded = encode_target(pa.table({"y": [1, 2]}), schema().target)
    assert encoded.dtype == np.float64
    assert encoded.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("classes", "table", "code"),
    [
        (("x", "y"), {"Y": ["x"]}, "target_not_found"),
        (("x", "y"), {"y": ["x", "new"]}, "unknown_label"),
        ((1, 2), {"y": [1, 3]}, "unknown_label"),
        (("x", "y"), {"y": ["x", None]}, "target_missing"),
        ((), {"y": [1.0, math.nan]}, "target_missing"),
        ((), {"y": [1.0, math.inf]}, "infinite_values"),
        ((), {"y": ["1", "high"]}, "text_in_numeric"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(classes, table, code):
    with pytest.raises(DataError) as caught:
        encode_target(pa.table(table), schema(classes).target)
    assert caught.value.code == code


def test_unknown_labels_are_named():
    with pytest.raises(DataError, match="'new', 'newer'"):
        encode_target(pa.table({"y": ["new", "x", "newer"]}), schema(("x", "y")).target)


def test_scaling_fills_with_medians_and_standardises():
    rng = np.random.default_rng(0)
    x = rng.normal(5, 3, (500, 4))
    x[rng.random(x.shape) < 0.1] = np.nan
    scaling = Scaling.fit(x)
    filled = np.where(np.isnan(x), np.nanmedian(x, axis=0), x)
    applied = scaling.apply(x)
    assert applied.dtype == np.float32
    np.testing.assert_allclose(applied, (filled - filled.mean(0)) / filled.std(0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("column", "median", "mean", "scale"),
    [
        ([np.nan] * 3, 0, 0, 1),
        ([0.1] * 3, 0.1, 0.1, 1),
        ([0.1, np.nan, 0.1], 0.1, 0.1, 1),
        ([0.0] * 3, 0, 0, 1),
        ([-1e308, 0.0, 1e308], 0, 0, 1e308 * math.sqrt(2 / 3)),
    ],
)
def test_odd_columns_scale_to_finite_numbers_without_warnings(column, median, mean, scale):
    x = np.array(column)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaling = Scaling.fit(x)
        assert np.isfinite(scaling.apply(x)).all()
    assert (scaling.median[0], scaling.mean[0]) == (median, mean)
    assert scaling.scale[0] == pytest.approx(scale)


def test_epoch_seconds_one_apart_stay_apart():
    x = 1.7e9 + np.arange(100.0)[:, None]
    assert len(np.unique(Scaling.fit(x).apply(x))) == 100


def test_a_value_far_beyond_the_training_rows_stays_finite():
    scaling = Scaling.fit(np.array([[0.0], [1e-300]]))
    assert np.isfinite(scaling.apply(np.array([[1e300], [-1e300]]))).all()


def test_pooled_scaling_has_one_mean_and_scale():
    x = np.array([[0.0, 10.0], [2.0, np.nan], [4.0, 30.0]])
    pooled = Scaling.fit(x).pooled(x)
    filled = np.array([0.0, 10, 2, 20, 4, 30])
    np.testing.assert_allclose(pooled.mean, [filled.mean()] * 2)
    np.testing.assert_allclose(pooled.scale, [filled.std()] * 2)
    np.testing.assert_array_equal(pooled.median, [2, 20])


def test_scaling_json_gives_the_same_numbers_back():
    scaling = Scaling.fit(np.random.default_rng(0).normal(size=(20, 5)))
    again = Scaling.from_json(json.loads(json.dumps(scaling.to_json())))
    for name in ("median", "mean", "scale"):
        np.testing.assert_array_equal(getattr(again, name), getattr(scaling, name))


@pytest.mark.parametrize(
    "change",
    [
        {"median": None},
        {"median": "1"},
        {"mean": [0.0, 1.0]},
        {"mean": ["0"]},
        {"mean": [True]},
        {"mean": [math.nan]},
        {"mean": [10**400]},
        {"scale": [0.0]},
        {"scale": [-1.0]},
        {"scale": [math.inf]},
        {"scale": [[1.0]]},
    ],
)
def test_malformed_scaling_is_a_value_error(change):
    with pytest.raises(ValueError, match="scaling"):
        Scaling.from_json({"median": [0.0], "mean": [0.0], "scale": [1.0], **change})


def test_pooled_scaling_does_not_depend_on_the_column_order():
    x = np.random.default_rng(0).normal(size=(500, 40)) * np.geomspace(1e-3, 1e3, 40)
    order = np.random.default_rng(1).permutation(40)
    moved = np.ascontiguousarray(x[:, order])
    assert Scaling.fit(x).pooled(x).scale[0] == Scaling.fit(moved).pooled(moved).scale[0]
    assert Scaling.fit(x).pooled(x).mean[0] == Scaling.fit(moved).pooled(moved).mean[0]
