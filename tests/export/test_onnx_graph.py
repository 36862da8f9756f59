"""The ONNX graph, as onnxruntime computes it, against rfconv's own predictions."""

import json
from pathlib import Path

import numpy as np
import pytest

from rfconv_cli.errors import UsageError
from rfconv_cli.export.model import model_document, model_tensors
from rfconv_cli.export.onnx_graph import METADATA, onnx_bytes, require_onnx, run_onnx
from rfconv_cli.export.standalone import FieldModel
from tests.export.model_examples import BUILDS, NAMES, example_model, example_rows, example_schema, settings_of

onnx = pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")
pytest.importorskip("onnxscript", reason="the extra [onnx] is not installed")


def exported(build: str, outputs: int) -> tuple[bytes, dict]:
    model = example_model(build, outputs)
    document = model_document(model, example_schema(outputs), settings_of(build), {"id": "r"}, "onnx")
    return onnx_bytes(FieldModel(document, model_tensors(model)), document), document


@pytest.mark.parametrize(("build", "outputs"), [*((build, 3) for build in BUILDS), ("one layer", 1), ("gelu", 2)])
def test_the_graph_predicts_what_rfconv_predicts(build, outputs):
    own, found = (
        example_model(build, outputs).predict(example_rows()),
        run_onnx(exported(build, outputs)[0], example_rows()),
    )
    assert (found.shape, found.dtype) == (own.shape, own.dtype)
    assert np.abs(found - own).max() < (1e-5 * 7 if outputs == 1 else 1e-6)


def test_the_graph_takes_any_number_of_rows_and_holds_no_block_of_them():
    data, _ = exported("one layer", 3)
    whole = run_onnx(data, example_rows(600))
    assert run_onnx(data, example_rows(600)[:0]).shape == (0, 3)
    assert np.abs(run_onnx(data, example_rows(600)[599:]) - whole[599:]).max() < 1e-6
    sizes = {dim for node in onnx.load_from_string(data).graph.initializer for dim in node.dims}
    assert 256 not in sizes


def test_one_input_and_one_output_are_called_as_the_document_says():
    for outputs in (1, 3):
        data, document = exported("one layer", outputs)
        graph = onnx.load_from_string(data).graph
        assert [value.name for value in graph.input] == [document["input"]["name"]] == ["x"]
        assert [value.name for value in graph.output] == [document["output"]["name"]]
        shape = graph.input[0].type.tensor_type.shape.dim
        assert (shape[0].dim_param, shape[1].dim_value) == ("rows", len(NAMES))
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)


def test_the_document_stands_in_the_graph_whatever_the_names():
    data, document = exported("one layer", 3)
    stored = {entry.key: entry.value for entry in onnx.load_from_string(data).metadata_props}
    assert json.loads(stored[METADATA]) == document
    assert [column["name"] for column in document["columns"]] == list(NAMES)


def test_nothing_of_this_machine_stands_in_the_graph():
    data, _ = exported("own kernels", 3)
    places = [b"stack_trace", b".py", str(Path.home()).encode(), str(Path(__file__).parents[2]).encode()]
    assert [place for place in places if place in data] == []


def test_the_same_model_gives_the_same_bytes():
    assert exported("three layers", 2)[0] == exported("three layers", 2)[0]


def test_a_network_that_no_onnx_file_can_hold_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr("rfconv_cli.export.onnx_graph._MOST_BYTES", 100)
    with pytest.raises(UsageError, match="2 GB") as refused:
        exported("one layer", 3)
    assert "--format torch" in refused.value.hint


def test_packages_that_are_absent_are_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(UsageError, match="needs onnxscript, which") as refused:
        require_onnx()
    assert (refused.value.code, "'.[onnx]'" in refused.value.hint) == ("onnx_missing", True)
