"""A trained model with everything needed to apply it to raw numbers: names, scaling, fields, network."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rfconv_cli.config import Settings
from rfconv_cli.fields.search import Rows
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.learn import Problem
from rfconv_cli.network.model import Ensemble, FieldNetwork, fixed_network
from rfconv_cli.network.train import predict
from rfconv_cli.table.encode import Scaling, row_blocks
from rfconv_cli.table.room import IN_MEMORY, Room

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Encoding:
    """From raw float64 columns (NaN where missing) to what the network eats; fitted on training rows only.

    names: the columns in table order. target_mean, target_scale standardise a regression target (0 and 1 for classes).
    """

    names: tuple[str, ...]
    scaling: Scaling
    target_mean: float = 0.0
    target_scale: float = 1.0

    @classmethod
    def fit(
        cls, names: tuple[str, ...], x: Floats, y: NDArray[Any], settings: Settings, rows: Mask | None = None
    ) -> "Encoding":
        """x (rows, N) float64 with NaN, y (rows,): int64 class codes or float64 values. Training rows only.

        rows: (rows,) which of these they are; None: all.
        """
        scaling = Scaling.fit(x, rows)
        if settings.scaling == "shared":
            scaling = scaling.pooled(x, rows)
        if y.dtype.kind != "f":
            return cls(names, scaling)
        values = y if rows is None else y[rows]
        deviation = float(np.std(values))
        return cls(names, scaling, float(np.mean(values)), deviation if deviation > 0 else 1.0)

    def encode_x(self, x: Floats, rows: NDArray[np.int64] | None = None, room: Room = IN_MEMORY) -> Tensor:
        """(rows, N) float64 in table order → (rows, N) float32, columns sorted by name. rows: which of them; None: all.

        The result lies in `room`; beside it, one block of rows is worked on at a time.
        """
        order = sorted(range(len(self.names)), key=self.names.__getitem__)
        count = len(x) if rows is None else len(rows)
        encoded = room.empty((count, len(order)), np.float32)
        for block in row_blocks(count, len(order)):
            chosen = np.ascontiguousarray(x[block] if rows is None else x[rows[block]])
            encoded[block] = self.scaling.apply(chosen)[:, order]
        return torch.from_numpy(encoded)

    def encode_y(self, y: NDArray[Any]) -> Tensor:
        """int64 codes stay; float64 values are standardised in float64, then cast to float32."""
        if y.dtype.kind != "f":
            return torch.from_numpy(np.asarray(y, np.int64))
        return torch.from_numpy(((y - self.target_mean) / self.target_scale).astype(np.float32))

    def problem(
        self,
        x: Floats,
        y: NDArray[Any],
        train: Mask,
        valid: Mask,
        outputs: int,
        weight: Floats | None = None,
        room: Room = IN_MEMORY,
    ) -> Problem:
        """Training and validation rows as tensors, the ones behind the others in `room`.

        train, valid: (rows,) which rows of x, y and weight (rows,) they are.
        """
        rows = np.concatenate([np.flatnonzero(train), np.flatnonzero(valid)])
        weights = None if weight is None else torch.from_numpy(weight[rows].astype(np.float32))
        both, cut = Rows(self.encode_x(x, rows, room), self.encode_y(y[rows]), weights), int(train.sum())
        return Problem(tuple(sorted(self.names)), both.between(0, cut), both.between(cut, len(both)), outputs)


@dataclass(frozen=True)
class FittedModel:
    """Encoding + fields + trained network. `fields.names` are the encoding's names, sorted."""

    encoding: Encoding
    fields: ReceptiveFields
    network: nn.Module
    outputs: int

    def predict(self, x: Floats) -> NDArray[np.float32] | Floats:
        """(rows, N) float64 in table order → (rows, classes) float32 probabilities, or (rows,) float64 values."""
        blocks = [predict(self.network, self.encoding.encode_x(x[block])) for block in row_blocks(*x.shape)]
        return decode_outputs(torch.cat(blocks or [torch.zeros(0, self.outputs)]), self.encoding, self.outputs)


def row_weights(y: NDArray[Any], train: NDArray[np.bool_], given: Floats | None, settings: Settings) -> Floats | None:
    """(rows,) what each row counts in the loss, on average 1 in the training rows; None: all the same.

    given: as the user weighs them. "balanced": what is given, times what makes all classes count alike.
    """
    if settings.class_weight == "balanced" and y.dtype.kind != "f":
        base = np.ones(len(y)) if given is None else given
        of_class = np.bincount(y[train], base[train], minlength=int(y.max()) + 1)
        given = base / np.where(of_class > 0, of_class, np.inf)[y]
    if given is None:
        return None
    mean = float(given[train].mean())
    return given / mean if mean > 0 else np.ones(len(y))


def decode_outputs(raw: Tensor, encoding: Encoding, outputs: int) -> NDArray[np.float32] | Floats:
    """Raw network outputs → probabilities, or values in the target's unit."""
    if outputs > 1:
        # in float64, so that a row's probabilities sum to one as closely as float32 can say
        return torch.softmax(raw.double(), dim=1).float().numpy()
    return raw[:, 0].double().numpy() * encoding.target_scale + encoding.target_mean


def empty_model(encoding: Encoding, fields: ReceptiveFields, outputs: int, settings: Settings) -> FittedModel:
    """A model of the right shape with untrained weights, to load saved ones into."""
    return FittedModel(encoding, fields, _untrained(fields, outputs, settings).eval(), outputs)


def network_shapes(
    fields: ReceptiveFields, outputs: int, settings: Settings
) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """Shape and type of each tensor that `empty_model`'s network is saved as; no memory is taken for them."""
    with torch.device("meta"):
        state = _untrained(fields, outputs, settings).state_dict()
    return {name: (value.shape, value.dtype) for name, value in state.items()}


def _untrained(fields: ReceptiveFields, outputs: int, settings: Settings) -> FieldNetwork | Ensemble:
    embedded = settings.embedding == "piecewise-linear"
    edges = torch.zeros(len(fields.names), settings.bins + 1) if embedded else None
    return fixed_network(torch.tensor(fields.members), outputs, settings, torch.Generator("cpu"), edges)
