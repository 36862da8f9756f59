"""The piecewise-linear embedding: its edges, its straight start, and what it can and cannot say."""

import numpy as np
import pytest
import torch

from rfconv_cli.network.embed import PiecewiseLinear, bin_edges

ROWS, N, SIZE = 200, 5, 4


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def table(rows: int = ROWS) -> torch.Tensor:
    return torch.randn(rows, N, generator=generator())


@pytest.mark.parametrize("bins", [1, 2, 7, 300])
def test_edges_are_quantiles(bins):
    expected = np.quantile(table().numpy(), np.linspace(0, 1, bins + 1), axis=0).T
    assert bin_edges(table(), bins).numpy() == pytest.approx(expected, abs=1e-5)


def test_edges_of_more_cells_than_one_block_are_those_of_each_column_alone(monkeypatch):
    whole = bin_edges(table(), 8)
    monkeypatch.setattr("rfconv_cli.network.embed._CELLS", 2 * ROWS)
    assert torch.equal(bin_edges(table(), 8), whole)


def test_a_single_row_has_edges():
    assert torch.equal(bin_edges(table(1), 3), table(1).T.expand(N, 4))


def test_it_starts_as_one_straight_line_for_all_columns():
    x = table()
    embedded = PiecewiseLinear(bin_edges(x, 8), SIZE, generator(1))(x).detach()
    line = embedded[0, 0] / x[0, 0]
    torch.testing.assert_close(embedded, x.unsqueeze(2) * line, atol=1e-5, rtol=1e-4)


def test_it_is_constant_beyond_the_outermost_edges_and_continuous_at_the_inner_ones():
    edges = bin_edges(table(), 6)
    embedding = PiecewiseLinear(edges, SIZE, generator(1))
    with torch.no_grad():
        embedding.rises.normal_(generator=generator(2))
    inner = edges[:, 3]
    beside = [embedding((inner + step).unsqueeze(0)) for step in (-1e-6, 0.0, 1e-6)]
    torch.testing.assert_close(beside[0], beside[1], atol=1e-3, rtol=0)
    torch.testing.assert_close(beside[2], beside[1], atol=1e-3, rtol=0)
    assert torch.equal(embedding((edges[:, -1] + 9).unsqueeze(0)), embedding((edges[:, -1]).unsqueeze(0)))
    assert torch.equal(embedding((edges[:, 0] - 9).unsqueeze(0)), embedding((edges[:, 0]).unsqueeze(0)))


def test_a_column_of_few_values_gives_finite_numbers_and_gradients():
    x = torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
    embedding = PiecewiseLinear(bin_edges(x, 16), SIZE, generator(1))
    out = embedding(torch.tensor([[-3.0, 1.0], [0.5, 8.0]]))
    out.square().sum().backward()
    assert torch.isfinite(out).all()
    assert all(torch.isfinite(p.grad).all() for p in embedding.parameters())


def test_a_column_can_learn_what_no_line_says():
    x = table()
    embedding = PiecewiseLinear(bin_edges(x, 16), 1, generator(1))
    optimiser = torch.optim.Adam(embedding.parameters(), lr=0.1)
    for _ in range(200):
        loss = (embedding(x).squeeze(2) - x.abs()).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05


def test_its_edges_are_saved_with_its_weights():
    assert set(PiecewiseLinear(bin_edges(table(), 2), SIZE, generator()).state_dict()) == {"edges", "start", "rises"}
