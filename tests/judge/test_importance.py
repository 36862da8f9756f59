"""The importance of a field: what the network loses when its columns say nothing any more."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rfconv_cli.fields.search import Rows
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.judge import importance as module
from rfconv_cli.judge.importance import field_importance

N, ROWS = 6, 200
NAMES = tuple("abcdef")


class Product(nn.Module):
    """A network that knows one thing: the product of columns 0 and 1."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return (self.scale * x[:, 0] * x[:, 1]).view(-1, 1, 1)


def pairs() -> ReceptiveFields:
    members = [[0, 1], [1, 0], [2, 3], [3, 2], [4, 0], [5, 4]]
    return ReceptiveFields.unweighted(NAMES, np.array(members)[None])


def rows(count: int = ROWS) -> Rows:
    x = torch.randn(count, N, generator=torch.Generator().manual_seed(0))
    return Rows(x, x[:, 0] * x[:, 1])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_fields_that_the_network_needs_matter_and_no_others():
    found = field_importance(Product(), pairs(), rows(), rng())
    assert found.shape == (1, N)
    assert (found[0, [0, 1, 4]] > 0.3).all()  # the field of e holds a
    np.testing.assert_allclose(found[0, [2, 3, 5]], 0.0, atol=1e-6)


def test_columns_of_a_field_stay_together():
    """Shuffled together, a product is another row's: its variance stays. Each by itself would lose as much, so the loss
    is that of two independent products: twice the variance."""
    given = rows(250)
    found = field_importance(Product(), pairs(), given, rng())
    assert found[0, 0] == pytest.approx(2 * float(given.y.var()), rel=0.35)


def test_the_loss_is_the_one_that_was_trained_with():
    given = rows()
    weighted = Rows(given.x, given.y, torch.zeros(len(given)))
    np.testing.assert_allclose(field_importance(Product(), pairs(), weighted, rng()), 0.0)


def test_the_same_generator_gives_the_same_numbers_and_leaves_the_rows():
    given = rows()
    before = given.x.clone()
    first, again = (field_importance(Product(), pairs(), given, rng()) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert torch.equal(given.x, before)


def test_many_rows_are_drawn_from(monkeypatch):
    seen = []
    monkeypatch.setattr(module, "predict", lambda network, x: seen.append(len(x)) or network(x)[:, 0].detach())
    field_importance(Product(), pairs(), rows(1000), rng())
    assert set(seen) == {module.MOST_ROWS}


def test_of_too_many_fields_or_too_few_rows_nothing_is_said(monkeypatch):
    assert field_importance(Product(), pairs(), rows(1), rng()) is None
    monkeypatch.setattr(module, "_MOST_FIELDS", N - 1)
    assert field_importance(Product(), pairs(), rows(), rng()) is None
