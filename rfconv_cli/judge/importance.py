"""What each field is worth to the trained network: its columns shuffled together among held-out rows."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rfconv_cli.fields.search import Rows
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.train import predict, row_losses

MOST_ROWS = 256  # one block of predictions
_MOST_FIELDS = 1000


def field_importance(
    network: nn.Module, fields: ReceptiveFields, rows: Rows, rng: np.random.Generator
) -> NDArray[np.float64] | None:
    """(D, N) how much the mean loss grows when a field's columns take the values of other rows, all of one other row.

    The columns of a field stay together, so that what they say jointly goes as well (Breiman 2001, of groups of
    columns). rows: held-out ones, columns in the order of `fields.names`; of more than 256, as many are drawn. None
    where there are more than 1,000 fields, or fewer than two rows. Cost: one prediction for each field.
    """
    depth, columns, _ = fields.members.shape
    if depth * columns > _MOST_FIELDS or len(rows) < 2:
        return None
    if len(rows) > MOST_ROWS:
        rows = rows.take(torch.from_numpy(np.sort(rng.choice(len(rows), MOST_ROWS, replace=False))))
    whole = _mean_loss(network, rows, rows.x)
    found = np.empty((depth, columns))
    for layer, centre in np.ndindex(depth, columns):
        members = torch.from_numpy(np.unique(fields.members[layer, centre]))
        shuffled = rows.x.clone()
        shuffled[:, members] = rows.x[torch.from_numpy(rng.permutation(len(rows)))][:, members]
        found[layer, centre] = _mean_loss(network, rows, shuffled) - whole
    return found


def _mean_loss(network: nn.Module, rows: Rows, x: torch.Tensor) -> float:
    return float(row_losses(predict(network, x), rows).double().mean())
