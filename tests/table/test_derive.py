"""Categories and gaps as columns of zeros and ones: which are made, what they are called, how tables meet them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rfconv_cli.config import from_values
from rfconv_cli.errors import DataError, UsageError
from rfconv_cli.jobs.apply import predict_table
from rfconv_cli.jobs.learn import learn
from rfconv_cli.run import open_run
from rfconv_cli.table.derive import Derivation
from rfconv_cli.table.encode import encode_features
from rfconv_cli.table.schema import Schema, freeze
from rfconv_cli.table.windows import with_lags

ROWS = 200
QUICK = {"epochs": 2, "source": "correlation", "random_draws": 1, "stability": 0, "plots": False, "split_by": "none"}


def table(**columns: object) -> pa.Table:
    rng = np.random.default_rng(0)
    base = {"a": rng.normal(size=ROWS), "b": rng.normal(size=ROWS), "y": [0, 1] * (ROWS // 2)}
    return pa.table({**base, **columns})


def frozen(given: pa.Table, **derivation: object) -> Schema:
    schema = freeze(given, "y", derivation=Derivation(**derivation))
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    return schema


def made(schema: Schema) -> dict[str, object]:
    return {feature.name: feature.value for feature in schema.features if feature.of}


def words(**times: int) -> list[str | None]:
    """Each word so many times; `gap` is a missing value."""
    return [None if word == "gap" else word for word, count in times.items() for _ in range(count)]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (words(pump10=60, pump2=60, valve=80), ["kind=pump2", "kind=pump10", "kind=valve"]),
        (words(off=120, on=80), ["kind=on"]),
        (words(off=100, on=80, gap=20), ["kind=off", "kind=on"]),
        (words(off=100, on=91, rare=9), ["kind=off", "kind=on"]),
        ([f"serial {i}" for i in range(ROWS)], []),
        (words(a=50, b=50) + [f"note {i}" for i in range(100)], []),
    ],
)
def test_frequent_values_of_text_become_columns_in_natural_order(values, names):
    schema = frozen(table(kind=values))
    assert list(made(schema)) == names
    assert schema.left_out == (() if names else (("kind", "text"),))
    assert schema.columns == (("a", "b", "kind") if names else ("a", "b"))


def test_of_many_values_the_most_frequent_become_columns():
    values = words(a=80, b=60, c=40, d=20)
    assert list(made(frozen(table(kind=values), most=3))) == ["kind=a", "kind=b", "kind=c"]
    assert frozen(table(kind=values), most=0).left_out == (("kind", "text"),)


@pytest.mark.parametrize(
    ("values", "found"),
    [([47401, 47402] * 100, {"kind=47402": 47402}), ([True, False] * 100, {"kind=true": True})],
)
def test_numbers_are_categories_where_the_user_says_so(values, found):
    assert made(frozen(table(kind=values))) == {}
    assert made(frozen(table(kind=values), category=("ki*",))) == found


def test_what_cannot_be_categories_is_refused_or_left_out():
    with pytest.raises(UsageError) as caught:
        frozen(table(), category=("a",))
    assert caught.value.code == "bad_category"
    assert frozen(table(kind=list(range(ROWS))), category=("kind",)).left_out[0][0] == "kind"


def test_a_new_column_never_takes_the_name_of_another():
    schema = frozen(table(**{"kind": words(off=120, on=80), "kind=on": np.arange(ROWS) * 0.5}))
    assert schema.names == ("a", "b", "kind=on'", "kind=on")


def test_names_that_are_made_differ_from_one_another():
    schema = frozen(table(**{"k": words(**{"b=c": 120, "d": 80}), "k=b": words(c=120, d=80)}), most=5)
    assert len(set(schema.names)) == len(schema.names)
    lagged = with_lags(frozen(table(k=words(**{"pump": 60, "pump@-1": 60, "fan": 80}))), 2, ["k"], None)
    assert Schema.from_json(lagged.to_json()) == lagged


def test_bytes_are_no_categories():
    assert frozen(table(kind=pa.array([b"pump", b"valve"] * 100, pa.binary()))).left_out == (("kind", "text"),)


def test_a_glob_of_categories_passes_over_what_cannot_be_any():
    assert made(frozen(table(kind=[1, 2] * 100), category=("*",))) == {"kind=2": 2}


def test_gaps_become_columns_once_for_each_pattern():
    gone = [None, *[1.5, 2.5, 3.5] * 3] * 20
    other = [*[1.5, 2.5, 3.5] * 3, None] * 20
    few = [None] * 5 + [float(i) for i in range(195)]
    given = table(first=gone, second=gone, third=other, few=few)
    schema = frozen(given)
    assert schema.names == ("a", "b", "first", "first@missing", "second", "third", "third@missing", "few")
    assert made(frozen(given, missing="median")) == {}
    x = encode_features(given, schema)
    assert x[:, 3].tolist() == [float(value is None) for value in gone]


@pytest.mark.parametrize(
    ("values", "ones"),
    [
        (["on", "off", None, "new"], [1, 0, 0, 0]),
        (pa.array([None] * 4, pa.null()), [0, 0, 0, 0]),
        ([1, 2, 3, 4], [0, 0, 0, 0]),
        (pa.array(["on", "off", "on", "off"]).cast(pa.large_string()), [1, 0, 1, 0]),
    ],
)
def test_what_was_not_seen_in_training_is_none_of_the_categories(values, ones):
    schema = frozen(table(kind=words(off=120, on=80)))
    new = pa.table({"kind": values, "a": [0.0] * 4, "b": [0.0] * 4})
    assert encode_features(new, schema)[:, schema.names.index("kind=on")].tolist() == ones


@pytest.mark.parametrize(
    ("learned", "met", "ones"),
    [
        ([1, 2] * 100, [1.0, 2.0, None], [0, 1, 0]),
        ([1, 2] * 100, ["1", "2", "x"], [0, 1, 0]),
        (["1", "2"] * 100, [1, 2, None], [0, 1, 0]),
        ([True, False] * 100, [True, False, None], [1, 0, 0]),
        ([True, False] * 100, ["True", "FALSE", "x"], [1, 0, 0]),
    ],
)
def test_a_category_is_met_whatever_the_type_it_is_written_in(learned, met, ones):
    schema = frozen(table(kind=learned), category=("kind",))
    new = pa.table({"kind": met, "a": [0.0] * 3, "b": [0.0] * 3})
    assert encode_features(new, schema)[:, 2].tolist() == ones


def test_a_missing_column_of_categories_is_named_once():
    schema = frozen(table(kind=words(a=60, b=60, c=80)))
    with pytest.raises(DataError, match=r"1 columns .* 'kind'"):
        encode_features(table(), schema)


@pytest.mark.parametrize("change", [{"of": None}, {"value": None}, {"value": [1]}, {"dtype": "float"}])
def test_a_feature_that_is_made_of_nothing_is_refused(change):
    document = frozen(table(kind=words(off=120, on=80))).to_json()
    document["features"][2] |= change
    with pytest.raises(ValueError, match="feature 'kind=on'"):
        Schema.from_json(document)


def test_a_run_learns_from_categories_and_meets_new_ones(tmp_path: Path):
    rng = np.random.default_rng(1)
    kind = rng.choice(["pump", "valve", "fan"], 400)
    frame = pd.DataFrame(rng.normal(size=(400, 3)), columns=["a", "b", "c"]).assign(kind=kind)
    frame["y"] = np.where(kind == "pump", "high", "low")
    frame.to_csv(tmp_path / "t.csv", index=False)
    said: list[str] = []
    settings = from_values({**QUICK, "epochs": 15})
    result = learn(tmp_path / "t.csv", "y", settings, tmp_path / "runs", said.append, lambda *_: None)
    assert result["test"]["accuracy"] > 0.95
    assert "kind as categories: kind=fan, kind=pump, kind=valve" in said
    run = open_run(Path(result["run"]["path"]))
    sources = {column["name"]: column["source"] for column in run.json("fields.json")["columns"]}
    assert sources["kind=pump"] == "kind"
    new = pd.DataFrame({"kind": ["pump", "press", None], "a": 0.0, "b": 0.0, "c": 0.0})
    new.to_csv(tmp_path / "new.csv", index=False)
    assert predict_table(run, tmp_path / "new.csv")[0]["prediction"].to_pylist() == ["high", "low", "low"]


@pytest.mark.parametrize(("learned", "met"), [(["True", "False", "maybe"], "True"), (["01", "02", "A1"], "01")])
def test_text_stays_text_in_a_file_where_it_looks_like_something_else(tmp_path, learned, met):
    rng = np.random.default_rng(1)
    kind = rng.choice(learned, 400)
    frame = pd.DataFrame(rng.normal(size=(400, 2)), columns=["a", "b"]).assign(kind=kind)
    frame["y"] = np.where(kind == met, "high", "low")
    frame.to_csv(tmp_path / "t.csv", index=False)
    settings = from_values({**QUICK, "epochs": 15, "category": ("kind",)})
    result = learn(tmp_path / "t.csv", "y", settings, tmp_path / "runs", lambda _: None, lambda *_: None)
    pd.DataFrame({"a": [0.0] * 3, "b": 0.0, "kind": met}).to_csv(tmp_path / "new.csv", index=False)
    run = open_run(Path(result["run"]["path"]))
    assert predict_table(run, tmp_path / "new.csv")[0]["prediction"].to_pylist() == ["high"] * 3
