"""The fields as a document: what it holds, that it fits its schema, and the way back."""

import copy
import json
import math
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from export_examples import (
    AWKWARD_NAMES,
    JAPANESE_NAMES,
    given,
    learned,
    plain_names,
    shuffled,
    support_for,
    surroundings,
)
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from rfconv_cli.export.document import fields_document, fields_from_document, load_schema
from rfconv_cli.export.meaning import MEANING
from rfconv_cli.fields.value import ReceptiveFields

VALIDATOR = Draft202012Validator(load_schema())


def shared_by_three_layers(fields: ReceptiveFields) -> dict[str, Any]:
    layer = {"fields_from": 0, "kernel_size": fields.kernel_size, "channels": 8}
    return {"layers": [{"id": i, **layer} for i in range(3)]}


CASES: dict[str, tuple[ReceptiveFields, Callable[[ReceptiveFields], dict[str, Any]]]] = {
    "learned": (learned(plain_names(9)), lambda _: {}),
    "three field sets": (learned(plain_names(9), depth=3), lambda _: {}),
    "one field set, three layers": (learned(plain_names(9)), shared_by_three_layers),
    "given": (given(plain_names(9)), lambda _: {}),
    "centres only": (given(plain_names(4), size=1), lambda _: {}),
    "one column": (given(["alone"], size=1), lambda _: {}),
    "awkward names": (learned(AWKWARD_NAMES), lambda _: {}),
    "Japanese names": (learned(JAPANESE_NAMES, size=3), lambda _: {}),
    "regression": (
        learned(plain_names(9)),
        lambda _: {"task": {"target": "ridership", "type": "regression", "classes": []}},
    ),
    "classes of text": (
        learned(plain_names(9)),
        lambda _: {"task": {"target": "状態", "type": "binary", "classes": ["正常", "故障"]}},
    ),
    "with support": (learned(plain_names(9), depth=2), lambda _: {"support": support_for(2, 9, 4)}),
    "with stability": (learned(plain_names(9)), lambda _: {"stability": {"jaccard": np.float32(0.5)}}),
    "groups given": (learned(plain_names(4), size=2), lambda f: {"groups": [f.names[:3], f.names[3:]]}),
    "sources and lags": (
        learned(plain_names(9)),
        lambda f: {"columns": [{"name": n, "source": "s", "lag": i, "dtype": "int64"} for i, n in enumerate(f.names)]},
    ),
    "numpy scalars": (
        learned(plain_names(9)),
        lambda _: {"task": {"target": "month", "type": "multiclass", "classes": np.arange(3)}},
    ),
}
each_case = pytest.mark.parametrize("case", list(CASES))


def document_of(case: str) -> dict[str, Any]:
    fields, changes = CASES[case]
    return fields_document(fields, **surroundings(fields, **changes(fields)))


def simple(**changes: Any) -> dict[str, Any]:
    fields = learned(plain_names(6))
    return fields_document(fields, **surroundings(fields, **changes))


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is neither an object nor an array, with its dotted path; places in arrays are left out."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value, path)
    else:
        yield path, node


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def without_references(schema: Any) -> Any:
    """The schema with every `$ref` replaced by what it names."""
    definitions = load_schema()["$defs"]
    if isinstance(schema, list):
        return [without_references(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return without_references(definitions[schema["$ref"].removeprefix("#/$defs/")])
    return {key: without_references(value) for key, value in schema.items() if key != "$defs"}


def schema_paths(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for key, value in schema.get("properties", {}).items():
        yield from schema_paths(value, f"{path}.{key}".lstrip("."))
    for choice in [schema.get("items"), *schema.get("anyOf", ())]:
        if choice is not None:
            yield from schema_paths(choice, path)


# The document as a whole


def test_the_schema_is_a_json_schema():
    Draft202012Validator.check_schema(load_schema())


@each_case
def test_a_document_fits_the_schema(case):
    assert [error.message for error in VALIDATOR.iter_errors(document_of(case))] == []


@each_case
def test_a_document_survives_json_without_a_nan(case):
    document = document_of(case)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


@each_case
def test_fields_come_back_to_six_digits(case):
    fields, _ = CASES[case]
    back = fields_from_document(document_of(case))
    assert back.names == fields.names
    np.testing.assert_array_equal(back.members, fields.members)
    np.testing.assert_array_equal(back.runners_up, fields.runners_up)
    np.testing.assert_allclose(back.weights, fields.weights, rtol=6e-6)
    np.testing.assert_allclose(back.runner_up_weights, fields.runner_up_weights, rtol=6e-6)


@each_case
def test_a_document_made_from_its_own_fields_is_the_same(case):
    document = document_of(case)
    _, changes = CASES[case]
    back = fields_from_document(document)
    assert fields_document(back, **surroundings(back, **changes(back)))["fields"] == document["fields"]


@each_case
def test_floats_have_at_most_six_digits(case):
    floats = [value for _, value in leaves(document_of(case)) if isinstance(value, float)]
    assert all(float(f"{value:.6g}") == value for value in floats)


def test_the_same_document_in_every_process():
    script = (
        "import hashlib, json; from export_examples import *; from rfconv_cli.export.document import fields_document;"
        "fields = learned(plain_names(40), 5); text = json.dumps(fields_document(fields, **surroundings(fields)));"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**environment, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), "rfconv.run"),
        (("format_version",), 2),
        (("surprise",), 1),
        (("run", "surprise"), 1),
        (("columns", 0, "lag"), -1),
        (("layers", 0, "kernel_size"), 0),
        (("fields", 0, "centre"), None),
        (("fields", 0, "members", 0, "weight"), 1.5),
        (("fields", 0, "members", 0, "fixed"), "yes"),
        (("groups", 0, "columns"), []),
        (("edges", 0, "slots"), [0]),
        (("verdict", "code"), "maybe"),
        (("verdict", "against_random"), {"mean": 0.1}),
        (("meaning",), {}),
    ],
)
def test_the_schema_refuses_what_is_wrong(path, value):
    document = simple()
    put(document, path, value)
    assert not VALIDATOR.is_valid(document)


# What the numbers are


def test_every_meaning_is_of_a_path_in_the_schema():
    known = {path for path, _ in schema_paths(without_references(load_schema()))}
    assert set(MEANING) <= known


def test_every_number_the_schema_allows_has_a_meaning():
    numeric = {
        path
        for path, node in schema_paths(without_references(load_schema()))
        if {"integer", "number"} & set(np.atleast_1d(node.get("type", [])).tolist())
    }
    assert numeric <= set(MEANING)


@pytest.mark.parametrize("case", [case for case in CASES if case != "with stability"])  # its keys are not fixed yet
def test_every_number_in_a_document_has_a_meaning(case):
    document = document_of(case)
    numbers = {path for path, value in leaves(document) if is_number(value)}
    assert numbers <= set(document["meaning"])


@pytest.mark.parametrize("case", ["learned", "three field sets", "with support", "awkward names"])
def test_edges_are_the_sums_over_slots_and_layers(case):
    fields, changes = CASES[case]
    support = changes(fields).get("support")
    expected: dict[tuple[int, int], dict[str, Any]] = {}
    for d in range(fields.depth):
        for m in range(len(fields.names)):
            for k in range(1, fields.kernel_size):
                edge = expected.setdefault((m, int(fields.members[d, m, k])), {"slots": set(), "weight": 0, "s": []})
                edge["slots"].add(k)
                edge["weight"] += float(fields.weights[d, m, k])
                if support is not None and not np.isnan(support[d, m, k]):
                    edge["s"].append(support[d, m, k])
    edges = document_of(case)["edges"]
    assert [(edge["from"], edge["to"]) for edge in edges] == sorted(expected)
    for edge in edges:
        truth = expected[edge["from"], edge["to"]]
        assert edge["slots"] == sorted(truth["slots"])
        assert edge["weight"] == pytest.approx(truth["weight"], rel=1e-5)
        assert edge["support"] == (pytest.approx(max(truth["s"]), rel=1e-5) if truth["s"] else None)


def test_a_centre_in_its_own_slots_is_no_edge():
    fields = ReceptiveFields.unweighted(("a", "b"), np.array([[[0, 0], [1, 0]]]))
    edges = fields_document(fields, **surroundings(fields))["edges"]
    assert [(edge["from"], edge["to"]) for edge in edges] == [(1, 0)]


@each_case
def test_every_column_is_in_one_group(case):
    document = document_of(case)
    ids = sorted(column for group in document["groups"] for column in group["columns"])
    assert ids == [column["id"] for column in document["columns"]]


@each_case
def test_ids_count_from_zero(case):
    document = document_of(case)
    for block in ("columns", "fields", "groups"):
        assert [entry["id"] for entry in document[block]] == list(range(len(document[block])))


def test_only_the_centre_is_fixed():
    members = [member for field in simple()["fields"] for member in field["members"]]
    assert all(member["fixed"] == (member["slot"] == 0) for member in members)


def test_support_that_was_not_estimated_is_null():
    document = document_of("with support")
    support = support_for(2, 9, 4)
    for field in document["fields"]:
        d, m = field["layer"], field["centre"]
        for k, member in enumerate(field["members"]):
            known = k > 0 and not np.isnan(support[d, m, k])
            assert member["support"] == (pytest.approx(support[d, m, k], rel=1e-5) if known else None)


def test_numbers_that_are_not_finite_become_null():
    document = simple(verdict={"code": "no_evidence", "sentence": "", "p": math.nan, "q": [np.float32("inf")]})
    assert document["verdict"] == {"code": "no_evidence", "sentence": "", "p": None, "q": [None]}


def test_layers_that_share_fields_list_them_once():
    document = document_of("one field set, three layers")
    assert {field["layer"] for field in document["fields"]} == {0}


# The order of the columns


def by_name(document: dict[str, Any]) -> dict[str, Any]:
    """What the document says, with names in place of ids and nothing in the order of the columns."""
    name = {column["id"]: column["name"] for column in document["columns"]}
    fields = {
        (field["layer"], name[field["centre"]]): [
            {**member, "column": name[member["column"]], "runner_up": name.get(member["runner_up"])}
            for member in field["members"]
        ]
        for field in document["fields"]
    }
    edges = {(name[edge["from"]], name[edge["to"]]): (edge["slots"], edge["weight"]) for edge in document["edges"]}
    groups = [[name[column] for column in group["columns"]] for group in document["groups"]]
    return {"fields": fields, "edges": edges, "groups": groups}


@each_case
def test_fields_in_another_order_give_the_same_document(case):
    fields, changes = CASES[case]
    other = shuffled(fields)
    told = surroundings(fields, **changes(fields))
    if "support" in told:
        order = [fields.names.index(name) for name in other.names]
        told["support"] = told["support"][:, order]
    assert fields_document(other, **told) == document_of(case)


@each_case
def test_permuted_columns_give_the_same_document_by_name(case):
    fields, changes = CASES[case]
    other = shuffled(fields)
    told = surroundings(other, **{**changes(fields), "columns": surroundings(other)["columns"], "support": None})
    plain = surroundings(fields, **{**changes(fields), "columns": surroundings(fields)["columns"], "support": None})
    assert by_name(fields_document(other, **told)) == by_name(fields_document(fields, **plain))


# What does not fit together


LAYER = {"id": 0, "fields_from": 0, "kernel_size": 4, "channels": 16}
NAMED = [{"name": name, "dtype": "float64"} for name in plain_names(6)]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"columns": NAMED[:5]}, "5 and 6"),
        ({"columns": [*NAMED, {"name": "more", "dtype": "float64"}]}, "more"),
        ({"columns": [*NAMED[:5], {"name": "else", "dtype": "float64"}]}, "else"),
        ({"columns": [*NAMED[:5], NAMED[0]]}, "sensor_005"),
        ({"columns": [*NAMED[:5], {"name": "sensor_005"}]}, r"columns\[5\] lacks dtype"),
        ({"columns": [*NAMED[:5], {"dtype": "float64"}]}, r"columns\[5\] lacks name"),
        ({"columns": [*NAMED[:5], {**NAMED[5], "id": 7}]}, "id 7"),
        ({"layers": [{**LAYER, "kernel_size": 3}]}, "kernel sizes"),
        ({"layers": [{"id": 0}]}, r"layers\[0\] lacks fields_from"),
        ({"layers": [LAYER, {**LAYER, "id": 1, "fields_from": 1}]}, "2 field sets"),
        ({"layers": [{**LAYER, "fields_from": 3}]}, "not all of which exist"),
        ({"layers": []}, "0 field sets"),
        ({"groups": [plain_names(5)]}, "each of the 6 columns once"),
        ({"groups": [plain_names(6), ["sensor_000"]]}, "each of the 6 columns once"),
        ({"groups": [[*plain_names(5), "else"]]}, "each of the 6 columns once"),
        ({"support": np.zeros((1, 6, 3))}, "shape"),
        ({"support": np.full((1, 6, 4), 1.5)}, r"\[0, 1\]"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        simple(**changes)


def test_fields_with_one_name_twice_are_refused():
    fields = given(["a", "a", "b"], size=2)
    with pytest.raises(ValueError, match="same name"):
        fields_document(fields, **surroundings(fields))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_weight_that_is_not_finite_is_refused(value):
    fields = given(plain_names(3))
    weights = np.full(fields.members.shape, value, np.float32)
    broken = ReceptiveFields(fields.names, fields.members, weights, fields.runners_up, fields.runner_up_weights)
    with pytest.raises(ValueError, match="a slot weight is"):
        fields_document(broken, **surroundings(broken))


# Malformed documents

GONE = object()


def put(document: Any, path: tuple[str | int, ...], value: Any) -> None:
    """Replaces, or for GONE removes, what stands at the path."""
    for step in path[:-1]:
        document = document[step]
    if value is GONE:
        del document[path[-1]]
    else:
        document[path[-1]] = value


MEMBER = ("fields", 1, "members", 2)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), GONE),
        (("format",), "rfconv.run"),
        (("format",), ["rfconv.fields"]),
        (("format_version",), GONE),
        (("format_version",), None),
        (("format_version",), "1"),
        (("format_version",), 2),
        (("format_version",), [[[]]] * 1000),
        (("columns",), GONE),
        (("columns",), None),
        (("columns",), 3),
        (("columns",), "columns"),
        (("columns",), []),
        (("columns",), {}),
        (("columns", 0), "sensor_000"),
        (("columns", 0), GONE),
        (("columns", 0, "name"), GONE),
        (("columns", 0, "name"), None),
        (("columns", 0, "name"), 7),
        (("columns", 0, "name"), ["sensor_000"]),
        (("columns", 0, "name"), "sensor_001"),
        (("columns", 0, "id"), GONE),
        (("columns", 0, "id"), 1),
        (("columns", 1, "id"), True),
        (("columns", 1, "id"), 1.0),
        (("fields",), GONE),
        (("fields",), None),
        (("fields",), []),
        (("fields",), {}),
        (("fields",), 0.5),
        (("fields", 5), GONE),
        (("fields", 0), []),
        (("fields", 0, "layer"), None),
        (("fields", 0, "layer"), "0"),
        (("fields", 0, "layer"), 1),
        (("fields", 0, "layer"), -1),
        (("fields", 0, "layer"), [0]),
        (("fields", 0, "centre"), GONE),
        (("fields", 0, "centre"), 1),
        (("fields", 0, "centre"), False),
        (("fields", 0, "centre"), "sensor_000"),
        (("fields", 1, "members"), GONE),
        (("fields", 1, "members"), None),
        (("fields", 1, "members"), []),
        (("fields", 1, "members"), {"slot": 0}),
        (("fields", 1, "members", 3), GONE),
        (("fields", 1, "members", 0), GONE),
        (("fields", 1, "members", 0, "column"), 0),  # slot 0 is the centre
        (MEMBER, None),
        (MEMBER, "member"),
        ((*MEMBER, "slot"), GONE),
        ((*MEMBER, "slot"), 1),
        ((*MEMBER, "slot"), "2"),
        ((*MEMBER, "slot"), 2.0),
        ((*MEMBER, "slot"), math.inf),
        ((*MEMBER, "column"), GONE),
        ((*MEMBER, "column"), None),
        ((*MEMBER, "column"), -1),
        ((*MEMBER, "column"), 6),
        ((*MEMBER, "column"), 2.5),
        ((*MEMBER, "column"), "2"),
        ((*MEMBER, "column"), True),
        ((*MEMBER, "column"), 10**400),
        ((*MEMBER, "weight"), GONE),
        ((*MEMBER, "weight"), None),
        ((*MEMBER, "weight"), "0.5"),
        ((*MEMBER, "weight"), True),
        ((*MEMBER, "weight"), [0.5]),
        ((*MEMBER, "weight"), -0.1),
        ((*MEMBER, "weight"), 1.1),
        ((*MEMBER, "weight"), math.nan),
        ((*MEMBER, "weight"), math.inf),
        ((*MEMBER, "weight"), 10**400),
        ((*MEMBER, "runner_up"), GONE),
        ((*MEMBER, "runner_up"), None),  # its weight is still there
        ((*MEMBER, "runner_up"), -1),
        ((*MEMBER, "runner_up"), 6),
        ((*MEMBER, "runner_up"), -0.5),
        ((*MEMBER, "runner_up"), "2"),
        ((*MEMBER, "runner_up_weight"), GONE),
        ((*MEMBER, "runner_up_weight"), None),
        ((*MEMBER, "runner_up_weight"), 2),
        ((*MEMBER, "runner_up_weight"), math.nan),
    ],
)
def test_a_malformed_document_is_a_value_error(path, value):
    document = simple()
    put(document, path, value)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the point is that nothing else comes out
        fields_from_document(document)
    assert caught.type is ValueError


@pytest.mark.parametrize("document", [None, [], "rfconv.fields", 3, {}, [{"format": "rfconv.fields"}]])
def test_what_is_no_document_is_a_value_error(document):
    with pytest.raises(ValueError, match=r"not an rfconv\.fields document"):
        fields_from_document(document)


@pytest.mark.parametrize("value", ["x" * 100_000, list(range(100_000)), 10**4000])
def test_a_huge_wrong_value_does_not_fill_the_message(value):
    document = simple()
    put(document, (*MEMBER, "weight"), value)
    with pytest.raises(ValueError, match="weight") as caught:
        fields_from_document(document)
    assert len(str(caught.value)) < 300


def places(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, value in steps:
        yield (*path, step)
        yield from places(value, (*path, step))


VALID = simple()
PLACES = list(places({key: value for key, value in VALID.items() if key not in ("meaning", "edges")}))
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 7)
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "0", "nan", "1e999", "sensor_000", 10**400, GONE]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["slot", "column", "id"]), inner),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@hypothesis_given(st.lists(st.tuples(st.sampled_from(PLACES), JSON_VALUES), min_size=1, max_size=3))
def test_no_mutation_raises_anything_but_a_value_error(mutations):
    document = copy.deepcopy(VALID)
    for path, value in mutations:
        try:
            put(document, path, value)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier mutation took the place away
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            back = fields_from_document(document)
        except ValueError:
            return
    assert isinstance(back, ReceptiveFields)
