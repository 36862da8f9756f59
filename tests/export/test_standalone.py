"""The module that leaves with a model, against rfconv's own network, which shares no line with it."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from rfconv_cli.export import standalone
from rfconv_cli.export.model import model_document, model_tensors
from rfconv_cli.export.standalone import FieldModel
from rfconv_cli.network.fitted import FittedModel
from tests.export.model_examples import BUILDS, NAMES, example_model, example_rows, example_schema, settings_of


def standing_alone(model: FittedModel, build: str, outputs: int) -> FieldModel:
    document = model_document(model, example_schema(outputs), settings_of(build), {"id": "r"}, "torch")
    return FieldModel(document, model_tensors(model))


@pytest.mark.parametrize("outputs", [1, 2, 4])
@pytest.mark.parametrize("build", BUILDS)
def test_it_predicts_what_rfconv_predicts(build, outputs):
    model, x = example_model(build, outputs), example_rows()
    own = model.predict(x)
    found = standing_alone(model, build, outputs)(torch.from_numpy(x)).numpy()
    assert (found.shape, found.dtype) == (own.shape, own.dtype)
    assert np.ptp(own, axis=0).max() > 0.1  # it does say something
    assert np.abs(found - own).max() < (1e-5 * 7 if outputs == 1 else 1e-6)


@pytest.mark.parametrize("value", [1.7e308, -1.7e308, 1e20])
def test_numbers_at_the_end_of_float64_are_encoded_as_rfconv_does(value):
    model = example_model("plain numbers", 2)
    model.encoding.scaling.mean[0] = -1.7e308
    model.encoding.scaling.scale[:] = 1.5e308
    x = np.array([[value] * len(NAMES)])
    encoding = standing_alone(model, "plain numbers", 2).encoding
    assert torch.equal(encoding(torch.from_numpy(x)), model.encoding.encode_x(x))


@pytest.mark.parametrize("rows", [0, 1])
def test_any_number_of_rows_will_do(rows):
    found = standing_alone(example_model("one layer", 3), "one layer", 3)(torch.from_numpy(example_rows()[:rows]))
    assert found.shape == (rows, 3)


def test_rows_of_another_width_are_refused():
    alone = standing_alone(example_model("one layer", 3), "one layer", 3)
    with pytest.raises(ValueError, match=r"\(2, 5\), expected \(rows, 6\)"):
        alone(torch.zeros(2, 5))


@pytest.mark.parametrize("change", [{"format": "rfconv.fields"}, {"format_version": 2}])
def test_a_folder_of_something_else_is_refused(change, tmp_path):
    model = example_model("one layer", 3)
    document = model_document(model, example_schema(3), settings_of("one layer"), {"id": "r"}, "torch")
    (tmp_path / "model.safetensors").write_bytes(save(model_tensors(model)))
    (tmp_path / "model.json").write_text(json.dumps(document))
    assert FieldModel.load(tmp_path).columns == NAMES
    (tmp_path / "model.json").write_text(json.dumps({**document, **change}))
    with pytest.raises(ValueError, match=r"not an rfconv\.model"):
        FieldModel.load(tmp_path)


def test_it_imports_torch_and_safetensors_alone():
    tree = ast.parse(Path(standalone.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    packages = {name.partition(".")[0] for name in imported}
    assert packages == {"json", "collections", "pathlib", "typing", "torch", "safetensors"}
