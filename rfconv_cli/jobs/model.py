"""`export-model`: a run's network for use without rfconv, compared with rfconv's own predictions before it counts."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor

from rfconv_cli import __version__
from rfconv_cli.errors import RunError, UsageError
from rfconv_cli.export.model import MODEL_FORMAT, drawn_rows, largest_difference, model_document, model_tensors
from rfconv_cli.export.onnx_graph import onnx_bytes, require_onnx, run_onnx
from rfconv_cli.export.standalone import FieldModel
from rfconv_cli.files import to_json, write_bytes, write_together
from rfconv_cli.network.device import threads_for
from rfconv_cli.run import Run, fitting
from rfconv_cli.table.room import nearest_folder
from rfconv_cli.weights import load_model

LARGEST = 1e-5  # difference that a model may show
_DOCUMENT = "model.json"
_FILES = {"onnx": ("model.onnx",), "torch": ("model.py", "model.safetensors")}
_OTHER_PYTHON = """
import sys
sys.modules["rfconv_cli"] = None
folder = sys.argv[1]
sys.path.insert(0, folder)
from model import FieldModel
from safetensors.torch import load_file, save_file
save_file({"y": FieldModel.load(folder)(load_file(folder + "/x")["x"])}, folder + "/y")
"""

Files = dict[str, bytes]
Floats = NDArray[np.float64]


def export_model(run: Run, folder: Path, form: str) -> tuple[dict[str, Any], list[Path]]:
    """Write the run's network into `folder` as "onnx" or "torch"; its document, with its path, and the files' paths.

    An earlier export there is replaced, other files beside it stay; all files are written or none. Raises UsageError:
    folder_taken, onnx_missing, too_large; RunError: model_differs, and what `load_model` and the disk raise.
    """
    _require_free(folder)
    if form == "onnx":
        require_onnx()
    torch.set_num_threads(threads_for(run.settings, len(run.schema.names)))
    model = load_model(run)
    origin = {"id": run.id, "created": run.document.get("created"), "rfconv_version": __version__}
    document = model_document(model, run.schema, run.settings, origin, form)
    tensors = model_tensors(model)
    files, apply = _onnx(document, tensors) if form == "onnx" else _torch(document, tensors, nearest_folder(folder))
    with fitting(run, "schema.json or preprocess.json"):
        x = drawn_rows(model, run.schema, run.settings.seed)
    difference = largest_difference(model, apply(x), model.predict(x))
    if not difference <= LARGEST:
        raise RunError(
            f"the exported model differs from rfconv's own predictions by {difference:.2g}, more than {LARGEST:g}",
            hint="rfconv predict applies the run itself; please report this",
            code="model_differs",
        )
    check = {"rows": len(x), "drawn": True, "largest_difference": difference, "limit": LARGEST}
    document = {**document, "check": check, "files": [*files, _DOCUMENT]}
    files[_DOCUMENT] = to_json(document).encode()
    write_together(folder, files, replaced=[name for names in _FILES.values() for name in names])
    return {**document, "path": str(folder)}, [folder / name for name in files]


def said_of_check(document: Mapping[str, Any]) -> str:
    """What the comparison found, in words."""
    check = document["check"]
    what = "probabilities" if document["task"]["classes"] else "values, as a share of the target's scale"
    return (
        f"largest difference from rfconv's own {what}: {check['largest_difference']:.1e} "
        f"on {check['rows']:,} drawn rows (at most {check['limit']:g})"
    )


def _require_free(folder: Path) -> None:
    """Raises UsageError folder_taken for a folder that holds something, but no earlier export."""
    try:
        taken = folder.is_dir() and any(folder.iterdir())
        if not taken:
            return
        document = json.loads((folder / _DOCUMENT).read_bytes())
    except (OSError, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("format") != MODEL_FORMAT:
        raise UsageError(
            f"the folder {folder} is not empty, and what it holds is no earlier export",
            hint="name a new folder with --out, or empty this one",
            code="folder_taken",
        )


def _onnx(document: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> tuple[Files, Callable[[Floats], NDArray[Any]]]:
    """The files of this format but model.json, and what applies them to rows."""
    data = onnx_bytes(FieldModel(document, tensors).eval(), document)
    return {"model.onnx": data}, lambda x: run_onnx(data, x)


def _torch(
    document: Mapping[str, Any], tensors: Mapping[str, Tensor], beside: Path
) -> tuple[Files, Callable[[Floats], NDArray[Any]]]:
    """As `_onnx`; applied by another Python that knows no rfconv, from a folder in `beside` that is gone afterwards."""
    code = resources.files("rfconv_cli.export").joinpath("standalone.py").read_bytes()
    files = {"model.py": code, "model.safetensors": save(dict(tensors))}
    return files, lambda x: _run_elsewhere({**files, _DOCUMENT: to_json(document).encode()}, x, beside)


def _run_elsewhere(files: Files, x: Floats, beside: Path) -> NDArray[Any]:
    """What the exported folder computes of x (rows, N) in a fresh Python. Raises RunError where it cannot."""
    with tempfile.TemporaryDirectory(prefix=".rfconv-", dir=beside) as folder:
        for name, data in {**files, "x": save({"x": torch.from_numpy(x)})}.items():
            write_bytes(Path(folder) / name, data)
        command = [sys.executable, "-P", "-B", "-c", _OTHER_PYTHON, folder]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise RunError(
                f"the exported model does not run by itself: {last}",
                hint="rfconv predict applies the run itself; please report this",
                code="model_differs",
            )
        output: NDArray[Any] = load((Path(folder) / "y").read_bytes())["y"].numpy()
        return output
