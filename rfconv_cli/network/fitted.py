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
from rfconv_cli.network.model import fixed_network
from rfconv_cli.network.train import predict
from rfconv_cli.table.encode import Scaling

Floats = NDArray[np.float64]


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
    def fit(cls, names: tuple[str, ...], x: Floats, y: NDArray[Any], settings: Settings) -> "Encoding":
        """x (rows, N) float64 with NaN, y (rows,): int64 class codes or float64 values. Training rows only."""
        x = np.ascontiguousarray(x)  # sums differ in the last digit between memory orders
        scaling = Scaling.fit(x)
        if settings.scaling == "shared":
            scaling = scaling.pooled(x)
        if y.dtype.kind != "f":
            return cls(names, scaling)
        deviation = float(np.std(y))
        return cls(names, scaling, float(np.mean(y)), deviation if deviation > 0 else 1.0)

    def encode_x(self, x: Floats) -> Tensor:
        """(rows, N) float64 in table order → (rows, N) float32, columns sorted by name."""
        order = sorted(range(len(self.names)), key=self.names.__getitem__)
        return torch.from_numpy(np.ascontiguousarray(self.scaling.apply(x)[:, order]))

    def encode_y(self, y: NDArray[Any]) -> Tensor:
        """int64 codes stay; float64 values are standardised in float64, then cast to float32."""
        if y.dtype.kind != "f":
            return torch.from_numpy(np.asarray(y, np.int64))
        return torch.from_numpy(((y - self.target_mean) / self.target_scale).astype(np.float32))

    def problem(self, x: Floats, y: NDArray[Any], valid: NDArray[np.bool_], outputs: int) -> Problem:
        """Training and validation rows as tensors. valid: (rows,) mask of the validation rows."""
        encoded = Rows(self.encode_x(x), self.encode_y(y))
        held_out = torch.from_numpy(valid)
        train = Rows(encoded.x[~held_out], encoded.y[~held_out])
        return Problem(tuple(sorted(self.names)), train, Rows(encoded.x[held_out], encoded.y[held_out]), outputs)


@dataclass(frozen=True)
class FittedModel:
    """Encoding + fields + trained network. `fields.names` are the encoding's names, sorted."""

    encoding: Encoding
    fields: ReceptiveFields
    network: nn.Module
    outputs: int

    def predict(self, x: Floats) -> NDArray[np.float32] | Floats:
        """(rows, N) float64 in table order → (rows, classes) float32 probabilities, or (rows,) float64 values."""
        return decode_outputs(predict(self.network, self.encoding.encode_x(x)), self.encoding, self.outputs)


def decode_outputs(raw: Tensor, encoding: Encoding, outputs: int) -> NDArray[np.float32] | Floats:
    """Raw network outputs → probabilities, or values in the target's unit."""
    if outputs > 1:
        # in float64, so that a row's probabilities sum to one as closely as float32 can say
        return torch.softmax(raw.double(), dim=1).float().numpy()
    return raw[:, 0].double().numpy() * encoding.target_scale + encoding.target_mean


def empty_model(encoding: Encoding, fields: ReceptiveFields, outputs: int, settings: Settings) -> FittedModel:
    """A model of the right shape with untrained weights, to load saved ones into."""
    embedded = settings.embedding == "piecewise-linear"
    edges = torch.zeros(len(fields.names), settings.bins + 1) if embedded else None
    network = fixed_network(torch.tensor(fields.members), outputs, settings, torch.Generator(), edges)
    return FittedModel(encoding, fields, network.eval(), outputs)
