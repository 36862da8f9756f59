"""A trained model as one ONNX graph, and what onnxruntime makes of it. Needs the extra `onnx`."""

import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rfconv_cli.errors import UsageError
from rfconv_cli.export.model import INPUT
from rfconv_cli.export.standalone import FieldModel
from rfconv_cli.files import to_json

METADATA = "rfconv.model"  # key of the graph's metadata_props
_NEEDS = ("onnx", "onnxscript", "onnxruntime")
_OPSET = 18
_MOST_BYTES = 2**31 - 2**20  # protobuf holds no more than 2 GB


def require_onnx() -> None:
    """Raises UsageError onnx_missing where a package of the extra is not installed."""
    absent = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if absent:
        raise UsageError(
            f"--format onnx needs {' and '.join(absent)}, which this Python does not have",
            hint="pip install -c constraints.txt -e '.[onnx]' in rfconv's folder; --format torch needs nothing more",
            code="onnx_missing",
        )


def onnx_bytes(model: FieldModel, document: Mapping[str, Any]) -> bytes:
    """The file model.onnx: `x` (rows, N) float64 with NaN → the document's output; any number of rows.

    The document stands in its metadata_props. Raises UsageError too_large.
    """
    if sum(tensor.nbytes for tensor in model.state_dict().values()) > _MOST_BYTES:
        raise UsageError(
            "the network is larger than the 2 GB that one ONNX file holds",
            hint="rfconv export-model --format torch has no such limit",
            code="too_large",
        )
    rows = torch.zeros(3, len(model.columns), dtype=torch.float64)
    with _silence():
        program: Any = torch.onnx.export(
            model,
            (rows,),
            dynamo=True,
            verbose=False,
            dynamic_shapes=({0: torch.export.Dim("rows")},),
            input_names=[INPUT],
            output_names=[document["output"]["name"]],
            opset_version=_OPSET,
        )
        graph = program.model_proto
    _forget_origin(graph)
    graph.metadata_props.add(key=METADATA, value=to_json(document))
    data: bytes = graph.SerializeToString(deterministic=True)
    return data


def run_onnx(data: bytes, x: NDArray[np.float64]) -> NDArray[Any]:
    """What onnxruntime computes of a graph of `onnx_bytes`, on the CPU. x: (rows, N)."""
    with _silence():
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    output: NDArray[Any] = session.run(None, {INPUT: x})[0]
    return output


def _forget_origin(graph: Any) -> None:
    """Without what torch notes at each node: lines of source, with the paths of the machine that exported."""
    body = graph.graph
    for entries in (body.node, body.input, body.output, body.value_info, body.initializer, [body]):
        for entry in entries:
            del entry.metadata_props[:]


@contextmanager
def _silence() -> Iterator[None]:
    """The exporter speaks of packages and deprecations that concern nobody here; its errors are raised."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
