"""A network that rfconv trained, for use without rfconv: needs torch, safetensors and the two files beside this one.

    from model import FieldModel
    model = FieldModel.load("folder of this file")
    model(x)

x: (rows, columns) float64, a column for each entry of `columns` in model.json, in that order, NaN where a value is
missing; model.json says how each is made of a table's column. Nothing is executed but what stands here. MIT licence.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

Tensors = Mapping[str, Tensor]


class FieldModel(nn.Module):
    """x (rows, N) float64 → (rows, classes) float32 probabilities, or (rows,) float64 values in the target's unit.

    classes: the labels in the order of the probabilities, none where a number is predicted. columns: the names of the N
    columns. Many rows at once need rows·N·K·channels numbers of memory (K slots of a field): give them in pieces.
    """

    def __init__(self, document: Mapping[str, Any], tensors: Tensors) -> None:
        """document: model.json. tensors: model.safetensors; their names and shapes say how the network is built."""
        super().__init__()
        self.classes: tuple[Any, ...] = tuple(document["task"]["classes"])
        self.columns: tuple[str, ...] = tuple(column["name"] for column in document["columns"])
        self.encoding = Encoding(_below(tensors, "encoding."))
        self.networks = nn.ModuleList(
            Network(part, document["network"]["activation"]) for part in _numbered(tensors, "networks.")
        )

    @classmethod
    def load(cls, folder: str | Path) -> "FieldModel":
        """The model in a folder that `rfconv export-model --format torch` wrote. Raises ValueError for another one."""
        document = json.loads(Path(folder, "model.json").read_text(encoding="utf-8"))
        if (document.get("format"), document.get("format_version")) != ("rfconv.model", 1):
            raise ValueError("model.json is not an rfconv.model of version 1")
        return cls(document, load_file(Path(folder, "model.safetensors"))).eval()

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != len(self.columns):
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (rows, {len(self.columns)})")
        numbers = self.encoding(x)  # (rows, N) float32
        said = torch.cat([network(numbers) for network in self.networks], dim=1).double()  # (rows, heads, outputs)
        if self.classes:
            return torch.softmax(said, dim=2).mean(dim=1).float()
        value: Tensor = said.mean(dim=1)[:, 0] * self.encoding.target_scale + self.encoding.target_mean
        return value


class Encoding(nn.Module):
    """(rows, N) float64 → (rows, N) float32: gaps filled with medians, columns standardised, then sorted by name.

    Standardised in float64, since large numbers that lie close together do not fit float32.
    """

    median: Tensor  # (N,) float64, as are mean and scale
    mean: Tensor
    scale: Tensor
    order: Tensor  # (N,) int64: which column comes first, second …
    target_mean: Tensor  # () float64, as is target_scale; 0 and 1 for classes
    target_scale: Tensor

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        _keep(self, tensors)

    def forward(self, x: Tensor) -> Tensor:
        x = x.double()
        filled = torch.where(torch.isnan(x), self.median, x)
        standard = (filled - self.mean) / self.scale
        # the difference of two numbers near the end of float64 is infinite, that of their shares is not
        standard = torch.where(torch.isinf(standard), filled / self.scale - self.mean / self.scale, standard)
        limit = torch.finfo(torch.float32).max
        return standard.clamp(-limit, limit).float().index_select(1, self.order)


class Network(nn.Module):
    """(rows, N) → (rows, heads, outputs): an embedding where there is one, convolutions over fields, heads."""

    def __init__(self, tensors: Tensors, activation: str) -> None:
        super().__init__()
        self.activation = {"relu": nn.ReLU(), "gelu": nn.GELU()}[activation]
        embedding = _below(tensors, "embedding.")
        self.embedding = Embedding(embedding) if embedding else None
        self.convs = nn.ModuleList(FieldConv(part) for part in _numbered(tensors, "convs."))
        self.hidden = nn.ModuleList(Dense(part) for part in _numbered(tensors, "head.hidden."))
        self.heads = Heads({name: tensors[f"head.{name}"] for name in ("kernel", "bias")})

    def forward(self, x: Tensor) -> Tensor:
        h = x.unsqueeze(2) if self.embedding is None else self.embedding(x)  # (rows, N, C_in)
        for conv in self.convs:
            h = self.activation(conv(h))  # (rows, N, channels)
        h = h.flatten(1)
        for layer in self.hidden:
            h = self.activation(layer(h))  # (rows, units)
        out: Tensor = self.heads(h)
        return out


class Embedding(nn.Module):
    """(rows, N) → (rows, N, size): each column's number as a vector that moves on a straight line inside each bin."""

    edges: Tensor  # (N, bins + 1), ascending
    start: Tensor  # (N, 1, size): the vector at the first edge
    rises: Tensor  # (N, bins, size): what a whole bin adds

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        _keep(self, tensors)

    def forward(self, x: Tensor) -> Tensor:
        width = self.edges.diff()
        share = (x.unsqueeze(2) - self.edges[:, :-1]) / torch.where(width > 0, width, torch.inf)  # (rows, N, bins)
        return (share.clamp(0, 1).transpose(0, 1) @ self.rises + self.start).transpose(0, 1)


class FieldConv(nn.Module):
    """(rows, N, C_in) → (rows, N, C_out): each column's field is gathered, then met by a kernel.

    The kernel is one for all columns, (K·C_in, C_out), or one for each, (N, K·C_in, C_out).
    """

    members: Tensor  # (N, K) int64: the columns of each field, the centre first
    weight: Tensor
    bias: Tensor

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        _keep(self, {name.removeprefix("kernel."): value for name, value in tensors.items()})

    def forward(self, x: Tensor) -> Tensor:
        slots = x.index_select(1, self.members.flatten())  # (rows, N·K, C_in)
        flat: Tensor = slots.unflatten(1, self.members.shape).flatten(2)  # (rows, N, K·C_in)
        if self.weight.ndim == 2:
            return flat @ self.weight + self.bias
        return (flat.transpose(0, 1) @ self.weight + self.bias).transpose(0, 1)


class Dense(nn.Module):
    """(rows, inputs) → (rows, units)."""

    weight: Tensor  # (units, inputs)
    bias: Tensor

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        _keep(self, tensors)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class Heads(nn.Module):
    """(rows, heads·units) → (rows, heads, outputs): each head predicts for itself, from its own units."""

    kernel: Tensor  # (heads, units, outputs)
    bias: Tensor  # (heads, 1, outputs)

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        _keep(self, tensors)

    def forward(self, x: Tensor) -> Tensor:
        apart: Tensor = x.unflatten(1, self.kernel.shape[:2]).transpose(0, 1)  # (heads, rows, units)
        return (apart @ self.kernel + self.bias).transpose(0, 1)


def _keep(module: nn.Module, tensors: Tensors) -> None:
    for name, value in tensors.items():
        module.register_buffer(name, value)


def _below(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _numbered(tensors: Tensors, prefix: str) -> list[dict[str, Tensor]]:
    """The tensors below `prefix`0., `prefix`1. and so on."""
    numbers = {int(name.partition(".")[0]) for name in _below(tensors, prefix)}
    return [_below(tensors, f"{prefix}{number}.") for number in sorted(numbers)]
