"""A trained model to and from a run: preprocess.json, fields.json, model.safetensors. Shapes checked, nothing runs."""

from collections.abc import Mapping
from sys import float_info
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from rfconv_cli.errors import RunError
from rfconv_cli.network.fitted import Encoding, FittedModel, empty_model, network_shapes
from rfconv_cli.network.learn import fit_settings
from rfconv_cli.run import Run, damaged
from rfconv_cli.stored import stored_fields
from rfconv_cli.table.encode import Scaling

PREPROCESS_FORMAT = "rfconv.preprocess"
_HEADER = 1024  # bytes of a file for each tensor, beside its numbers
_MISFITS = (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError, SafetensorError)


def encoding_document(encoding: Encoding) -> dict[str, Any]:
    """preprocess.json: medians that fill gaps, means and scales that standardise, in table order."""
    return {
        "format": PREPROCESS_FORMAT,
        "format_version": 1,
        "columns": list(encoding.names),
        "scaling": encoding.scaling.to_json(),
        "target": {"mean": encoding.target_mean, "scale": encoding.target_scale},
    }


def network_bytes(network: nn.Module) -> bytes:
    """The network's tensors as a safetensors file; what networks of an ensemble share stands there for each."""
    return save(
        {name: value.clone(memory_format=torch.contiguous_format) for name, value in network.state_dict().items()}
    )


def load_encoding(run: Run) -> Encoding:
    """How the run's numbers were made fit for networks. Raises RunError when it does not fit the run's schema."""
    try:
        document = run.json("preprocess.json")
        target = document["target"]
        encoding = Encoding(
            tuple(document["columns"]),
            Scaling.from_json(document["scaling"]),
            _finite(target["mean"], "target mean"),
            _finite(target["scale"], "target scale"),
        )
        if encoding.target_scale <= 0:
            raise ValueError("preprocess.json: the target scale is not above 0")
        if encoding.names != run.schema.names:
            raise ValueError("preprocess.json and schema.json name different columns")
    except _MISFITS as error:
        raise _misfit(run, error) from None
    return encoding


def load_model(run: Run) -> FittedModel:
    """The run's model, ready to predict. Raises RunError when anything does not fit together."""
    encoding = load_encoding(run)
    fields = stored_fields(run, run.json("fields.json")).reordered(sorted(run.schema.names))
    try:
        outputs = len(run.schema.target.classes) or 1
        settings = fit_settings(run.settings, len(encoding.names))
        # a network is built once its tensors are there: else a forged config.toml could ask for any size
        shapes = network_shapes(fields, outputs, settings)
        tensors = load(run.bytes("model.safetensors", _most(shapes)))
        if {name: (value.shape, value.dtype) for name, value in tensors.items()} != shapes:
            raise ValueError("model.safetensors does not hold the network that config.toml and fields.json describe")
        model = empty_model(encoding, fields, outputs, settings)
        model.network.load_state_dict(tensors)
        if not all(torch.isfinite(value).all() for value in model.network.state_dict().values()):
            raise ValueError("model.safetensors holds numbers that are not finite")
    except _MISFITS as error:
        raise _misfit(run, error) from None
    return model


def _most(shapes: Mapping[str, tuple[torch.Size, torch.dtype]]) -> int:
    """Bytes that a safetensors file of these tensors may have."""
    return sum(_HEADER + shape.numel() * dtype.itemsize for shape, dtype in shapes.values()) + _HEADER


def _finite(value: Any, what: str) -> float:
    if type(value) not in (int, float) or not abs(value) <= float_info.max:
        raise ValueError(f"preprocess.json: the {what} is not a finite number")
    return float(value)


def _misfit(run: Run, error: Exception) -> RunError:
    reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return damaged(run.path, reason.partition("\n")[0])
