"""What one `learn` has finished so far, on disk, so that another process can go on where this one ended.

A result is found by all that it follows from (rows, settings, fields), so none is ever taken for another. Beside the
results, the state of each search and training under way. Files are tensors and JSON (safetensors), nothing that runs.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from rfconv_cli.errors import RunError
from rfconv_cli.fields.draft import NO_DRAFT, Draft, State
from rfconv_cli.files import write_with
from rfconv_cli.network.peers import ALONE, Peers

_FIRST = 1.0  # seconds that may be lost at least
_PATIENCE = 50  # a state is kept no sooner than after so many times the seconds that keeping it takes
DONE, STATE = ".done", ".state"  # what the files of results end with, and those of what is under way
_TREE = "tree"
_KINDS = {
    torch.float32: "F32",
    torch.float64: "F64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_UNREADABLE = (ValueError, KeyError, IndexError, TypeError, RecursionError, SafetensorError)


@dataclass(frozen=True)
class Memo:
    """A folder of results and states; None keeps nothing. A disk that takes no more of them stops no learning.

    Of processes that learn together the first reads and writes, and tells the others.
    """

    folder: Path | None = None
    peers: Peers = ALONE

    def recall(self, key: str) -> State | None:
        """The result that was stored under `key`; None where there is none, or none that can be read."""
        return None if self.folder is None else _read(self._result(key), self.peers)

    def store(self, key: str, result: State) -> None:
        """Store a result, in place of the state that led to it."""
        if self.folder is None or self.peers.rank:
            return
        with suppress(RunError):
            write_with(self._result(key), lambda file: write_state(file, result))
        with suppress(OSError):
            self._state(key).unlink(missing_ok=True)

    def draft(self, key: str) -> Draft:
        """Where the state of the work on `key` is kept."""
        return NO_DRAFT if self.folder is None else _DraftOnDisk(self._state(key), self.peers)

    def _result(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}{DONE}"

    def _state(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}{STATE}"


NO_MEMO = Memo()


class _DraftOnDisk(Draft):
    """Keeps a state every second, or less often where that would take more than a fiftieth of the time."""

    def __init__(self, path: Path, peers: Peers) -> None:
        self.path, self.peers = path, peers
        self.kept, self.wait = time.monotonic(), _FIRST

    def last(self) -> State | None:
        return _read(self.path, self.peers)

    def keep(self, state: Callable[[], State]) -> None:
        start = time.monotonic()
        if self.peers.rank or start - self.kept < self.wait:
            return
        with suppress(RunError):
            write_with(self.path, lambda file: write_state(file, state()))
        self.kept = time.monotonic()
        self.wait = max(_FIRST, _PATIENCE * (self.kept - start))


def key_of(*parts: Any) -> str:
    """A name for what follows from `parts`: tensors by their bytes, all else by its JSON."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, Tensor):
            digest.update(f"{part.dtype} {tuple(part.shape)};".encode())
            digest.update(part.contiguous().numpy().data)
        else:
            digest.update(json.dumps(part, sort_keys=True).encode() + b";")
    return digest.hexdigest()


def write_state(file: IO[bytes], state: State) -> None:
    """Write a state as one safetensors file: its tensors, and its shape as JSON beside them.

    Tensor by tensor, where safetensors' own writer would hold all of them once more.
    """
    tensors: dict[str, Tensor] = {}
    header: dict[str, Any] = {"__metadata__": {_TREE: json.dumps(_without_tensors(state, tensors))}}
    place = 0
    for name, tensor in tensors.items():
        ends = [place, place + tensor.nbytes]
        header[name] = {"dtype": _KINDS[tensor.dtype], "shape": list(tensor.shape), "data_offsets": ends}
        place = ends[1]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for tensor in tensors.values():
        file.write(tensor.numpy().data.cast("B") if tensor.numel() else b"")


def _read(path: Path, peers: Peers = ALONE) -> State | None:
    data = None
    if not peers.rank:
        with suppress(OSError):
            data = path.read_bytes()
    data = peers.of_first(data)
    try:
        return None if data is None else from_bytes(data)
    except _UNREADABLE:
        return None


def from_bytes(data: bytes) -> State:
    """The state that `write_state` wrote. Raises one of `_UNREADABLE` for anything else."""
    size = int.from_bytes(data[:8], "little")
    tree = json.loads(json.loads(data[8 : 8 + size])["__metadata__"][_TREE])
    state = _with_tensors(tree, load(data).__getitem__)
    if not isinstance(state, dict):
        raise ValueError("no state")
    return state


def _without_tensors(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The value in JSON: what JSON lacks is said by a pair of its kind and its content."""
    if isinstance(value, Tensor):
        tensors[str(len(tensors))] = value.detach().cpu().contiguous()
        return ["tensor", str(len(tensors) - 1)]
    if isinstance(value, dict):
        return ["dict", [[key, _without_tensors(item, tensors)] for key, item in value.items()]]
    if isinstance(value, list | tuple):
        return [type(value).__name__, [_without_tensors(item, tensors) for item in value]]
    return value


def _with_tensors(tree: Any, tensor: Callable[[str], Tensor]) -> Any:
    if not isinstance(tree, list):
        return tree
    kind, content = tree
    if kind == "tensor":
        return tensor(content)
    if kind == "dict":
        return {key: _with_tensors(item, tensor) for key, item in content}
    items: Iterable[Any] = (_with_tensors(item, tensor) for item in content)
    return tuple(items) if kind == "tuple" else list(items)
