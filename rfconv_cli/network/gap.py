"""What discretisation costs: the searched network's validation score, before and after its fields are made discrete."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rfconv_cli.config import Settings
from rfconv_cli.fields.search import Rows, Searched
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.model import FieldNetwork
from rfconv_cli.network.relaxed import discretised
from rfconv_cli.network.train import predict


@dataclass(frozen=True)
class SearchRecord:
    """How a search was done and how it went.

    losses: the training loss at every tenth of the way. relaxed, discrete: accuracy (R² for values) on the validation
    rows of the searched weights, with the fields as the estimator sees them without noise, and with the projected ones.
    """

    parameterisation: str
    estimator: str
    level: str
    steps: int
    losses: tuple[float, ...]
    relaxed: float
    discrete: float

    @property
    def gap(self) -> float:
        """What the projection cost; near 0 when R had hardened into distinct slots."""
        return self.relaxed - self.discrete

    def to_json(self) -> dict[str, Any]:
        """The record as plain values, with its gap."""
        return {
            "parameterisation": self.parameterisation,
            "estimator": self.estimator,
            "level": self.level,
            "steps": self.steps,
            "losses": list(self.losses),
            "relaxed": self.relaxed,
            "discrete": self.discrete,
            "gap": self.gap,
        }


def record(
    found: Searched, network: FieldNetwork, fields: ReceptiveFields, valid: Rows, settings: Settings
) -> SearchRecord:
    """The record of a search: `network` with its weights and R as they ended, `fields` projected from it.

    settings: `resolved` ones.
    """
    return SearchRecord(
        str(settings.parameterisation),
        settings.estimator,
        settings.level,
        settings.search_steps or 0,
        found.losses,
        score(predict(network, valid.x), valid.y),
        score(predict(discretised(network, fields), valid.x), valid.y),
    )


def score(outputs: Tensor, y: Tensor) -> float:
    """Accuracy for int64 class codes, R² for float32 values (0 where y does not vary). outputs (rows, outputs)."""
    if not y.is_floating_point():
        return float((outputs.argmax(1) == y).float().mean())
    total = (y - y.mean()).square().sum()
    left = (y - outputs[:, 0]).square().sum()
    return float(torch.where(total > 0, 1 - left / total.clamp_min(torch.finfo(total.dtype).tiny), 0.0))
