"""The document of a model, its tensors, and the rows that it is compared on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rfconv_cli.config import from_values
from rfconv_cli.export.model import drawn_rows, largest_difference, model_document, model_tensors
from rfconv_cli.export.standalone import FieldModel
from rfconv_cli.table.encode import Scaling
from rfconv_cli.table.schema import Feature
from tests.export.model_examples import example_model, example_schema, settings_of

FEATURES = (
    Feature("heat(℃)", "float", -2.0, 2.0, 0.0),
    Feature("count", "integer", 0.0, 9.0, 0.2),
    Feature("open", "boolean", 0.0, 1.0, 0.0),
    Feature("kind=pump", "category", 0.0, 1.0, 0.0, of="kind", value="pump"),
    Feature("count@missing", "missing", 0.0, 1.0, 0.0, of="count"),
    Feature("heat(℃)@-1", "float", -2.0, 2.0, 0.0, of="heat(℃)", lag=1),
)


def mixed():
    """A model and a schema of every kind of column."""
    model = example_model("one layer", 3)
    encoding = replace(model.encoding, names=tuple(feature.name for feature in FEATURES))
    return replace(model, encoding=encoding), replace(example_schema(3), features=FEATURES)


def test_each_column_says_how_it_is_made_of_the_tables():
    model, schema = mixed()
    document = model_document(model, schema, from_values({"na": ("ERR",), "group": "machine"}), {"id": "r"}, "onnx")
    assert [(each["made"], each["from"], each["lag"]) for each in document["columns"]] == [
        ("number", "heat(℃)", 0),
        ("number", "count", 0),
        ("number", "open", 0),
        ("category", "kind", 0),
        ("missing", "count", 0),
        ("number", "heat(℃)", 1),
    ]
    assert [each.get("value") for each in document["columns"]] == [None, None, None, "pump", None, None]
    assert document["columns"][0]["unit"] == "℃"
    assert document["window"] == {"rows": 2, "order": None, "group": "machine"}
    assert document["reading"]["na"] == ["ERR"]
    assert {f"made: {each['made']}" for each in document["columns"]} < document["meaning"].keys()


def test_drawn_rows_lie_in_the_columns_ranges_and_only_numbers_miss():
    model, schema = mixed()
    x = drawn_rows(model, schema, seed=0)
    low, high = ([getattr(each, end) for each in FEATURES] for end in ("minimum", "maximum"))
    assert (np.nanmin(x, axis=0) >= low).all()
    assert (np.nanmax(x, axis=0) <= high).all()
    assert np.isnan(x).any(axis=0).tolist() == [True, True, True, False, False, True]
    assert np.isnan(x[-1]).tolist() == [True, True, True, False, False, True]
    whole = x[:, 1:5]
    assert (whole[~np.isnan(whole)] % 1 == 0).all()


def test_rows_are_drawn_where_ranges_reach_the_end_of_float64():
    model, schema = example_model("one layer", 2), example_schema(2)
    huge = replace(schema, features=tuple(replace(each, minimum=-1.7e308, maximum=1.7e308) for each in schema.features))
    scaling = Scaling(np.zeros(6), np.full(6, 1.7e308), np.full(6, 1e308))
    x = drawn_rows(replace(model, encoding=replace(model.encoding, scaling=scaling)), huge, seed=0)
    assert not np.isinf(x).any()


def test_a_wide_table_is_compared_on_fewer_rows():
    model, schema = example_model("one layer", 2), example_schema(2)
    features = tuple(Feature(f"c{i}", "float", 0.0, 1.0, 0.0) for i in range(20_000))
    scaling = Scaling(np.zeros(20_000), np.zeros(20_000), np.ones(20_000))
    wide = replace(model, encoding=replace(model.encoding, scaling=scaling))
    assert len(drawn_rows(wide, replace(schema, features=features), seed=0)) == 52


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("encoding.median", lambda value: value + 1),
        ("encoding.mean", lambda value: value * 1.01),
        ("encoding.order", lambda value: value.flip(0)),
        ("networks.0.embedding.rises", lambda value: value * 1.01),
        ("networks.0.convs.0.members", lambda value: (value + 1) % len(value)),
        ("networks.0.convs.0.kernel.bias", lambda value: value * 1.01),
        ("networks.0.head.hidden.0.weight", lambda value: value * 1.01),
        ("networks.0.head.bias", lambda value: value * 1.01),
    ],
)
def test_the_drawn_rows_give_a_wrong_model_away(name, change, outputs):
    model, schema = example_model("one layer", outputs), example_schema(outputs)
    document = model_document(model, schema, settings_of("one layer"), {"id": "r"}, "torch")
    x = drawn_rows(model, schema, seed=0)
    right = model_tensors(model)
    for tensors, least, most in ((right, 0, 1e-5), ({**right, name: change(right[name])}, 1e-4, np.inf)):
        output = FieldModel(document, tensors)(torch.from_numpy(x)).numpy()
        assert least <= largest_difference(model, output, model.predict(x)) < most


def test_no_difference_is_a_number_where_shapes_or_numbers_are_none():
    model = example_model("one layer", 3)
    assert np.isnan(largest_difference(model, np.zeros((4, 2)), np.zeros((4, 3))))
    assert np.isnan(largest_difference(model, np.full((4, 3), np.nan), np.zeros((4, 3))))
