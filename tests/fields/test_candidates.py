"""Products over a table of candidates against eq. 1 written densely, their derivatives, and the memory they take."""

import pytest
import torch
from torch import Tensor

from rfconv_cli.fields import candidates as module
from rfconv_cli.fields.candidates import over_all_columns, straight_through_candidates, weighted_candidates
from rfconv_cli.fields.conv import RelaxedConv, continuous_field, straight_through_slots, weighted_slots
from rfconv_cli.fields.logits import CandidateLogits

BATCH, N, C, SLOTS, SIZE = 3, 7, 2, 2, 4
each_order = pytest.mark.parametrize("create_graph", [False, True], ids=["first", "second"])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def table(columns: int = N, size: int = SIZE) -> Tensor:
    """Distinct candidates of each centre, without it, in no order."""
    rows = []
    for centre in range(columns):
        others = [n for n in range(columns) if n != centre]
        rows.append([others[i] for i in torch.randperm(columns - 1, generator=generator(centre))[:size]])
    return torch.tensor(rows)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """So few gathered numbers at a time that several blocks are needed, the last one smaller."""
    monkeypatch.setattr(module, "_BLOCK_NUMBERS", 3 * SIZE * BATCH * C)


def soft(x: Tensor, logits: Tensor, candidates: Tensor) -> Tensor:
    return weighted_candidates(x, continuous_field(logits, 0.7), candidates)


def soft_densely(x: Tensor, logits: Tensor, candidates: Tensor) -> Tensor:
    """Eq. 1 as one sum, L_c (M, S, N) built whole."""
    field = torch.softmax(over_all_columns(logits, candidates, x.shape[1]) / 0.7, -1)
    return torch.einsum("bnc,mkn->bmkc", x, field)


def hard(x: Tensor, logits: Tensor, candidates: Tensor) -> Tensor:
    return straight_through_candidates(x, logits, candidates, 0.7)


def hard_densely(x: Tensor, logits: Tensor, candidates: Tensor) -> Tensor:
    """The definition: L = one-hot(argmax R) + L_c − L_c.detach(), multiplied densely."""
    field = torch.softmax(over_all_columns(logits, candidates, x.shape[1]) / 0.7, -1)
    one_hot = torch.nn.functional.one_hot(field.argmax(-1), x.shape[1]).to(field)
    return torch.einsum("bnc,mkn->bmkc", x, one_hot + field - field.detach())


each_estimator = pytest.mark.parametrize(
    ("slots", "densely"), [(soft, soft_densely), (hard, hard_densely)], ids=["softmax", "straight-through"]
)


def inputs() -> tuple[Tensor, Tensor]:
    return randn(BATCH, N, C, seed=1).requires_grad_(), randn(N, SLOTS, SIZE, seed=2).requires_grad_()


@each_estimator
def test_slot_values_are_those_of_equation_1_over_all_columns(slots, densely):
    x, logits = inputs()
    torch.testing.assert_close(slots(x, logits, table()), densely(x, logits, table()), rtol=1e-12, atol=1e-12)


@each_estimator
@pytest.mark.parametrize("of", [0, 1], ids=["x", "logits"])
def test_gradients_are_those_of_equation_1_over_all_columns(slots, densely, of):
    ours, theirs = (
        torch.autograd.grad((function(*given, table()) ** 3).sum(), given[of])[0]
        for function, given in ((slots, inputs()), (densely, inputs()))
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@each_estimator
@pytest.mark.parametrize("first", [0, 1], ids=["x", "logits"])
@pytest.mark.parametrize("second", [0, 1], ids=["x", "logits"])
def test_second_derivatives_are_those_of_equation_1_over_all_columns(slots, densely, first, second):
    found = []
    for function in (slots, densely):
        given = inputs()
        grads = torch.autograd.grad((function(*given, table()) ** 3).sum(), given, create_graph=True)
        found.append(torch.autograd.grad(grads[first].pow(3).sum(), given[second])[0])
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("check", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])
def test_softmax_slots_have_the_numerical_derivative(check):
    assert check(lambda x, logits: soft(x, logits, table()), inputs())


@pytest.mark.parametrize("blocks_of", [1, 2, 100])
def test_the_size_of_a_block_changes_nothing(blocks_of, monkeypatch):
    x, logits = inputs()
    before = soft(x, logits, table())
    monkeypatch.setattr(module, "_BLOCK_NUMBERS", blocks_of * SIZE * BATCH * C)
    torch.testing.assert_close(soft(x, logits, table()), before, rtol=1e-14, atol=0)


def all_others() -> Tensor:
    return torch.tensor([[n for n in range(N) if n != centre] for centre in range(N)])


def test_all_other_columns_as_candidates_are_the_dense_r_with_its_centre_masked():
    x, logits = randn(BATCH, N, C), randn(N, SLOTS, N - 1, seed=3)
    dense = over_all_columns(logits, all_others(), N)
    assert torch.isinf(dense.diagonal(dim1=0, dim2=2)).all()
    field = continuous_field(logits, 0.7)
    torch.testing.assert_close(
        weighted_candidates(x, field, all_others()), weighted_slots(x, continuous_field(dense, 0.7)), rtol=1e-12, atol=0
    )
    torch.testing.assert_close(
        straight_through_candidates(x, logits, all_others(), 0.7),
        straight_through_slots(x, dense, None, 0.7),
        rtol=0,
        atol=0,
    )


@pytest.mark.parametrize("estimator", ["softmax", "straight-through"])
@pytest.mark.parametrize("columns", [10, 40], ids=["one dense product", "gathers"])
def test_both_ways_to_run_a_convolution_over_candidates_agree(estimator, columns, monkeypatch):
    logits = CandidateLogits(table(columns), SLOTS, generator(), temperature=0.7)
    conv = RelaxedConv(logits, C, 3, generator(1), estimator=estimator).double()
    found = []
    for threshold in (0, 1000):  # never dense, always dense
        monkeypatch.setattr(module, "_NEARLY_ALL", threshold)
        x = randn(BATCH, columns, C, seed=4).requires_grad_()
        out = conv(x)
        found.append((out, *torch.autograd.grad(out.pow(2).sum(), [x, logits.values])))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@each_order
@pytest.mark.parametrize("estimator", ["softmax", "straight-through"])
def test_nothing_as_large_as_the_square_of_the_columns_is_ever_made(estimator, create_graph, monkeypatch):
    from tests.fields.test_conv import LargestTensor

    monkeypatch.setattr(module, "_BLOCK_NUMBERS", 1 << 10)
    columns, batch = 200, 4
    logits = CandidateLogits(table(columns), SLOTS, generator())
    conv = RelaxedConv(logits, 1, 3, generator(), estimator=estimator)
    x = torch.randn(batch, columns, 1, generator=generator()).requires_grad_()
    with LargestTensor() as largest:
        wanted = [x, *conv.parameters()]
        grads = torch.autograd.grad(conv(x).pow(3).sum(), wanted, create_graph=create_graph)
        if create_graph:
            torch.autograd.grad(sum(g.pow(2).sum() for g in grads), wanted)
    assert 0 < largest.numel < columns**2 // 4
