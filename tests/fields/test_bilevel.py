"""The gradients of eq. 4 against numerical differentiation, on a real relaxed network small enough to differentiate."""

from dataclasses import dataclass
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from rfconv_cli.fields.bilevel import (
    Batch,
    Params,
    exact_gradients,
    finite_difference_gradients,
    first_order_gradients,
    one_level_gradients,
)
from rfconv_cli.fields.conv import RelaxedConv, centre_mask
from rfconv_cli.fields.logits import DenseLogits

N, K, CHANNELS, CLASSES, ROWS = 4, 3, 2, 3, 8
TOLERANCE = 1e-4
UNROLLED = {"exact": exact_gradients, "finite difference": finite_difference_gradients}


class TinyNetwork(nn.Module):
    """Relaxed convolutions with one R between them, GELU (smooth, so that numerical derivatives mean something)."""

    def __init__(self, estimator: str, depth: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        logits = DenseLogits(N, K - 1, draw, mask=centre_mask(N))
        with torch.no_grad():
            logits.values.mul_(100)  # from hardly anything to numbers of size 1
        self.convs = nn.ModuleList(
            RelaxedConv(logits, CHANNELS if i else 1, CHANNELS, draw, estimator=estimator) for i in range(depth)
        )
        self.head = nn.Parameter(torch.randn(N * CHANNELS, CLASSES, generator=draw) * 0.5)

    def forward(self, x: Tensor) -> Tensor:
        h = x.unsqueeze(2)
        for conv in self.convs:
            h = F.gelu(conv(h))
        return h.flatten(1) @ self.head


@dataclass(frozen=True)
class Case:
    """One bilevel problem: `loss(weights, logits, batch)`, where it stands, and its two batches."""

    network: nn.Module
    weights: Params
    logits: Params
    train: Batch
    held_out: Batch

    def loss(self, weights: Params, logits: Params, batch: Batch) -> Tensor:
        x, y = batch
        return F.cross_entropy(functional_call(self.network, {**weights, **logits}, (x,)), y)


def case(estimator: str = "softmax", depth: int = 1, dtype: torch.dtype = torch.float64) -> Case:
    network = TinyNetwork(estimator, depth).to(dtype)
    parameters = dict(network.named_parameters())
    logits = {name: p for name, p in parameters.items() if ".logits." in name}
    weights = {name: p for name, p in parameters.items() if name not in logits}
    draw = torch.Generator().manual_seed(1)

    def batch() -> Batch:
        return torch.randn(ROWS, N, generator=draw).to(dtype), torch.randint(CLASSES, (ROWS,), generator=draw)

    return Case(network, weights, logits, batch(), batch())


def flat(values: Params) -> Tensor:
    return torch.cat([v.detach().flatten() for v in values.values()])


def relative_error(found: Tensor, truth: Tensor) -> float:
    return float((found - truth).norm() / truth.norm())


def hyper_gradient(function, problem: Case, gamma: float) -> Tensor:
    return flat(function(problem.loss, problem.weights, problem.logits, problem.train, problem.held_out, gamma)[2])


def numerical_hyper_gradient(problem: Case, gamma: float) -> Tensor:
    """R ↦ L_val(W − γ ∇_W L_train(W, R), R), differentiated by central differences, one entry of R at a time."""

    def unrolled_loss(logits: Params) -> float:
        loss = problem.loss(problem.weights, logits, problem.train)
        grads = torch.autograd.grad(loss, list(problem.weights.values()))
        moved = {n: w - gamma * g for (n, w), g in zip(problem.weights.items(), grads, strict=True)}
        return float(problem.loss(moved, logits, problem.held_out).detach())

    step, found = 1e-5, []
    for name, r in problem.logits.items():
        for i in range(r.numel()):
            sides = []
            for sign in (1, -1):
                shifted = r.detach().clone()
                shifted.view(-1)[i] += sign * step
                sides.append(unrolled_loss({**problem.logits, name: shifted}))
            found.append((sides[0] - sides[1]) / (2 * step))
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize("function", UNROLLED.values(), ids=UNROLLED)
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("gamma", [0.05, 1.0])
def test_hyper_gradient_is_the_numerical_derivative_of_the_unrolled_loss(function, depth, gamma):
    problem = case(depth=depth)
    assert (
        relative_error(hyper_gradient(function, problem, gamma), numerical_hyper_gradient(problem, gamma)) <= TOLERANCE
    )


def finite_difference_with(divide, problem: Case, gamma: float) -> Tensor:
    """DARTS, eq. 8, with the division left open, as public copies write it."""
    weights, logits = list(problem.weights.values()), list(problem.logits.values())
    down = torch.autograd.grad(problem.loss(problem.weights, problem.logits, problem.train), weights)
    moved = [(w - gamma * g).detach().requires_grad_() for w, g in zip(weights, down, strict=True)]

    def gradients(at: list[Tensor], batch: Batch, wanted: list[Tensor]) -> tuple[Tensor, ...]:
        value = problem.loss(dict(zip(problem.weights, at, strict=True)), problem.logits, batch)
        return torch.autograd.grad(value, wanted)

    v = gradients(moved, problem.held_out, moved)
    direct = gradients(moved, problem.held_out, logits)
    eps = 1e-4 / torch.cat([g.flatten() for g in v]).norm()
    p = gradients([w + eps * g for w, g in zip(weights, v, strict=True)], problem.train, logits)
    n = gradients([w - eps * g for w, g in zip(weights, v, strict=True)], problem.train, logits)
    return torch.cat([(d - gamma * divide(a, b, eps)).flatten() for d, a, b in zip(direct, p, n, strict=True)])


@pytest.mark.parametrize(
    ("divide", "passes"),
    [
        pytest.param(lambda p, n, eps: (p - n) / (2.0 * eps), True, id="right"),
        pytest.param(lambda p, n, eps: (p - n) / 2.0 * eps, False, id="precedence slip"),
    ],
)
def test_the_numerical_check_tells_a_precedence_slip_from_the_right_division(divide, passes):
    problem = case()
    error = relative_error(finite_difference_with(divide, problem, 0.05), numerical_hyper_gradient(problem, 0.05))
    assert (error <= TOLERANCE) == passes


@pytest.mark.parametrize("estimator", ["softmax", "straight-through"])
@pytest.mark.parametrize("depth", [1, 2])
def test_exact_and_finite_difference_agree(estimator, depth):
    problem = case(estimator, depth)
    exact, difference = (hyper_gradient(function, problem, 0.5) for function in UNROLLED.values())
    assert relative_error(difference, exact) <= TOLERANCE


def test_in_float32_the_finite_difference_is_within_one_percent_of_the_exact_one():
    problem = case(dtype=torch.float32)
    exact, difference = (hyper_gradient(function, problem, 0.5) for function in UNROLLED.values())
    assert relative_error(difference, exact) <= 0.01


@pytest.mark.parametrize("function", UNROLLED.values(), ids=UNROLLED)
def test_without_an_unrolled_step_it_is_first_order(function):
    problem = case()
    first = first_order_gradients(problem.loss, problem.weights, problem.logits, problem.train, problem.held_out)[2]
    torch.testing.assert_close(hyper_gradient(function, problem, 0.0), flat(first), rtol=1e-12, atol=0)


@pytest.mark.parametrize("function", UNROLLED.values(), ids=UNROLLED)
def test_a_flat_held_out_loss_gives_no_hyper_gradient(function):
    problem = case()

    def loss(weights: Params, logits: Params, batch: Batch) -> Tensor:
        silent = 0.0 if batch is problem.held_out else 1.0  # v = 0: the finite difference has no direction to go
        return silent * problem.loss(weights, logits, batch)

    up = function(loss, problem.weights, problem.logits, problem.train, problem.held_out, 0.5)[2]
    assert not flat(up).any()


ALL = {
    "one-level": lambda loss, w, r, train, held_out: one_level_gradients(loss, w, r, train),
    "first-order": first_order_gradients,
    "exact": partial(exact_gradients, gamma=0.5),
    "finite difference": partial(finite_difference_gradients, gamma=0.5),
}
each_function = pytest.mark.parametrize("function", ALL.values(), ids=ALL)


def call(function, problem: Case):
    return function(problem.loss, problem.weights, problem.logits, problem.train, problem.held_out)


@each_function
def test_weights_follow_autograds_gradient_of_the_training_loss(function):
    problem, twin = case(), case()
    twin.loss(twin.weights, twin.logits, twin.train).backward()
    truth = {name: w.grad for name, w in twin.weights.items()}
    torch.testing.assert_close(call(function, problem)[1], truth, rtol=1e-12, atol=1e-14)


@each_function
def test_the_value_is_the_training_loss(function):
    problem = case()
    x, y = problem.train
    truth = F.cross_entropy(problem.network(x), y).detach()
    assert float(call(function, problem)[0]) == pytest.approx(float(truth), rel=1e-12)


@pytest.mark.parametrize(("name", "batch"), [("one-level", "train"), ("first-order", "held_out")])
def test_without_unrolling_r_follows_the_gradient_of_one_loss(name, batch):
    problem, twin = case(), case()
    twin.loss(twin.weights, twin.logits, getattr(twin, batch)).backward()
    truth = {name: r.grad for name, r in twin.logits.items()}
    torch.testing.assert_close(call(ALL[name], problem)[2], truth, rtol=1e-12, atol=1e-14)


@each_function
def test_nothing_is_changed_in_place(function):
    problem, twin = case(), case()
    call(function, problem)
    for part in ("weights", "logits"):
        torch.testing.assert_close(getattr(problem, part), getattr(twin, part), rtol=0, atol=0)
    for part in ("train", "held_out"):
        assert all(torch.equal(a, b) for a, b in zip(getattr(problem, part), getattr(twin, part), strict=True))


@each_function
def test_no_gradient_is_left_behind(function):
    problem = case()
    call(function, problem)
    assert all(p.grad is None for p in problem.network.parameters())


@each_function
def test_results_carry_no_graph(function):
    value, down, up = call(function, case())
    assert not any(t.requires_grad for t in (value, *down.values(), *up.values()))


@each_function
def test_gradients_are_named_and_shaped_as_what_they_move(function):
    problem = case()
    _, down, up = call(function, problem)
    for grads, moved in ((down, problem.weights), (up, problem.logits)):
        assert {n: g.shape for n, g in grads.items()} == {n: p.shape for n, p in moved.items()}
