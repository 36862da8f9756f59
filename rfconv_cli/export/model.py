"""A trained model as data that explains itself: the document `model.json`, and the tensors that `standalone` needs.

Format "rfconv.model". Writes no file, and knows no ONNX.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rfconv_cli.config import Settings
from rfconv_cli.network.fitted import FittedModel
from rfconv_cli.network.model import Ensemble
from rfconv_cli.table.schema import Feature, Schema

MODEL_FORMAT = "rfconv.model"
MODEL_VERSION = 1
INPUT = "x"
_MADE = {
    "number": "the number in column `from`; true is 1, false 0; NaN where it is missing",
    "category": "1 where column `from` is `value`, else 0, also where it is missing",
    "missing": "1 where column `from` is missing, else 0",
}
_MEANING = {
    **{f"made: {kind}": text for kind, text in _MADE.items()},
    "lag": "taken from so many rows before the predicted one, in the order that `window` says",
    "median": "what the model itself puts in place of NaN",
    "minimum, maximum": "over the training rows; what the model says beyond them, it never learned",
    "reading": "missing beside empty cells: what says `na`; a value whose flag is there but not in `flag_good`, if any",
    "check": "the largest difference of this model's output from rfconv's own; values are divided by target_scale",
}
_ROWS, _CELLS, _FEWEST = 1000, 1 << 20, 16  # drawn for the comparison with rfconv's own predictions
_SHARE_MISSING = 0.1


def model_document(
    model: FittedModel, schema: Schema, settings: Settings, run: Mapping[str, Any], form: str
) -> dict[str, Any]:
    """`rfconv.model` but for its check: what goes in, how it is made of a table's columns, and what comes out.

    run: id, created, rfconv_version. form: "onnx" or "torch".
    """
    target = schema.target
    medians = model.encoding.scaling.median.tolist()
    columns = [_column(i, *pair) for i, pair in enumerate(zip(schema.features, medians, strict=True))]
    window = {"rows": schema.window, "order": schema.order, "group": settings.group} if schema.window > 1 else None
    return {
        "format": MODEL_FORMAT,
        "format_version": MODEL_VERSION,
        "form": form,
        "run": dict(run),
        "task": {"target": target.name, "type": target.task, "classes": list(target.classes)},
        "input": {"name": INPUT, "shape": ["rows", len(columns)], "dtype": "float64", "missing": "NaN"},
        "output": _output(model, schema),
        "columns": columns,
        "window": window,
        "reading": {
            "na": list(settings.na),
            "flag_suffix": settings.flag_suffix,
            "flag_good": list(settings.flag_good),
        },
        "network": {"activation": settings.activation},
        "meaning": dict(_MEANING),
    }


def model_tensors(model: FittedModel) -> dict[str, Tensor]:
    """What `standalone.FieldModel` is built of: encoding.*, and networks.0.*, networks.1.* … of an ensemble."""
    encoding = model.encoding
    names = encoding.names
    tensors = {
        "encoding.median": torch.from_numpy(encoding.scaling.median),
        "encoding.mean": torch.from_numpy(encoding.scaling.mean),
        "encoding.scale": torch.from_numpy(encoding.scaling.scale),
        "encoding.order": torch.tensor(sorted(range(len(names)), key=names.__getitem__)),
        "encoding.target_mean": torch.tensor(encoding.target_mean, dtype=torch.float64),
        "encoding.target_scale": torch.tensor(encoding.target_scale, dtype=torch.float64),
    }
    several = isinstance(model.network, Ensemble)
    state = model.network.state_dict()
    tensors |= {name if several else f"networks.0.{name}": value for name, value in state.items()}
    # the state of a network is without its fields, which a run keeps in fields.json
    members = {
        name: value for name, value in model.network.named_buffers(remove_duplicate=False) if name.endswith("members")
    }
    tensors |= {name if several else f"networks.0.{name}": value for name, value in members.items()}
    # cloned, since safetensors takes no two tensors that share memory, as edges in an ensemble do
    return {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}


def drawn_rows(model: FittedModel, schema: Schema, seed: int) -> NDArray[np.float64]:
    """(rows, N) float64 to compare predictions on: about each column's mean, inside its range, some cells missing.

    The last row is missing altogether. A run keeps no rows of its table.
    """
    rng = np.random.default_rng(seed)
    features, scaling = schema.features, model.encoding.scaling
    rows = max(_FEWEST, min(_ROWS, _CELLS // len(features)))
    low, high = (np.array([getattr(each, end) for each in features]) for end in ("minimum", "maximum"))
    with np.errstate(over="ignore"):
        drawn = scaling.mean + scaling.scale * rng.standard_normal((rows, len(features)))
    drawn = np.clip(drawn, low, high)
    whole = np.array([each.dtype != "float" for each in features])
    drawn = np.where(whole, np.round(drawn), drawn)
    gaps = rng.random(drawn.shape) < _SHARE_MISSING
    gaps[-1] = True
    return np.where(gaps & np.array([_made(each) == "number" for each in features]), np.nan, drawn)


def largest_difference(model: FittedModel, output: NDArray[Any], own: NDArray[Any]) -> float:
    """Largest absolute difference of an exported model's output from rfconv's own, values as shares of the scale.

    NaN where a number is none, or where the shapes differ.
    """
    if output.shape != own.shape:
        return float("nan")
    gap = np.abs(output.astype(np.float64) - own.astype(np.float64))
    return float(gap.max() / model.encoding.target_scale)


def _column(position: int, feature: Feature, median: float) -> dict[str, Any]:
    kind = _made(feature)
    return {
        "id": position,
        "name": feature.name,
        "made": kind,
        "from": feature.column,
        **({"value": feature.value} if kind == "category" else {}),
        "lag": feature.lag,
        "dtype": feature.dtype,
        "unit": feature.unit,
        "minimum": feature.minimum,
        "maximum": feature.maximum,
        "median": median,
    }


def _made(feature: Feature) -> str:
    return feature.dtype if feature.dtype in ("category", "missing") else "number"


def _output(model: FittedModel, schema: Schema) -> dict[str, Any]:
    classes = schema.target.classes
    if classes:
        return {"name": "probabilities", "shape": ["rows", len(classes)], "dtype": "float32"}
    return {
        "name": "value",
        "shape": ["rows"],
        "dtype": "float64",
        "target_scale": model.encoding.target_scale,
    }
