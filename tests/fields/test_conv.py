"""Relaxed and fixed convolutions against eq. 1 written as loops; straight-through against its definition."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rfconv_cli.fields.blocks import MOST_FILLING, in_blocks, readers_of
from rfconv_cli.fields.conv import (
    FixedConv,
    OwnKernels,
    RelaxedConv,
    SharedKernel,
    centre_mask,
    continuous_field,
    gather_slots,
    straight_through_slots,
    weighted_slots,
)
from rfconv_cli.fields.logits import DenseLogits

N, SLOTS, C_IN, C_OUT, BATCH = 5, 2, 3, 2, 4  # SLOTS are the free ones: K − 1
MASKS = [pytest.param(None, id="free"), pytest.param(centre_mask(N), id="centre masked")]
TEMPERATURES = [0.3, 1.0, 4.0]
ESTIMATORS = ["softmax", "straight-through"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def relaxed(estimator: str, temperature: float = 1.0, mask: torch.Tensor | None = None) -> RelaxedConv:
    logits = DenseLogits(N, SLOTS, generator(1), temperature=temperature, mask=mask)
    conv = RelaxedConv(logits, C_IN, C_OUT, generator(2), estimator=estimator).double()
    with torch.no_grad():
        logits.values.copy_(randn(N, SLOTS, N, seed=1) * 2)
        conv.kernel.bias.copy_(randn(C_OUT, seed=3))
    return conv


def softmax_by_hand(logits: torch.Tensor, temperature: float, mask: torch.Tensor | None) -> np.ndarray:
    """L_c (M, S, N), one exponential after the other."""
    field = np.zeros(logits.shape)
    for m in range(logits.shape[0]):
        for s in range(logits.shape[1]):
            allowed = [n for n in range(logits.shape[2]) if mask is None or n != m]
            powers = {n: math.exp(float(logits[m, s, n]) / temperature) for n in allowed}
            for n, power in powers.items():
                field[m, s, n] = power / sum(powers.values())
    return field


def one_hot(members: torch.Tensor) -> np.ndarray:
    """L_d (M, K, N)."""
    return F.one_hot(members, N).double().numpy()


def with_identity(field: np.ndarray) -> np.ndarray:
    """L with slot 0 fixed to the centre. (M, S, N) → (M, S + 1, N)."""
    return np.concatenate([np.eye(N)[:, None, :], field], axis=1)


def triple_sum(x: torch.Tensor, field: np.ndarray, shared: SharedKernel) -> np.ndarray:
    """Eq. 1: O[b, m, o] = Σ_k Σ_n Σ_c I[b, n, c] L[m, k, n] W[k, c, o] + bias[o]."""
    positions, slots, columns = field.shape
    batch, _, channels = x.shape
    image = x.numpy()
    kernel = shared.weight.detach().numpy().reshape(slots, channels, -1)
    bias = shared.bias.detach().numpy()
    out = np.zeros((batch, positions, len(bias)))
    for b, m, o in np.ndindex(*out.shape):
        out[b, m, o] = bias[o]
        for k, n, c in np.ndindex(slots, columns, channels):
            out[b, m, o] += image[b, n, c] * field[m, k, n] * kernel[k, c, o]
    return out


class LargestTensor(TorchDispatchMode):
    """Remembers how many numbers the largest tensor made by any operation has; backward passes included."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        made = [leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        self.numel = max([self.numel, *made])
        return out


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_continuous_field_is_the_softmax_of_r_along_the_columns(mask, temperature):
    logits = randn(N, SLOTS, N) * 3
    field = continuous_field(logits, temperature, mask=mask)
    np.testing.assert_allclose(field, softmax_by_hand(logits, temperature, mask), rtol=1e-12, atol=0)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_relaxed_convolution_is_the_triple_sum_of_equation_1(mask, temperature):
    conv, x = relaxed("softmax", temperature, mask), randn(BATCH, N, C_IN, seed=4)
    field = with_identity(softmax_by_hand(conv.logits().detach(), temperature, mask))
    np.testing.assert_allclose(conv(x).detach(), triple_sum(x, field, conv.kernel), rtol=1e-11)


@pytest.mark.parametrize("mask", MASKS)
def test_straight_through_convolution_is_the_triple_sum_over_the_argmax(mask):
    conv, x = relaxed("straight-through", 0.7, mask), randn(BATCH, N, C_IN, seed=4)
    members = torch.from_numpy(softmax_by_hand(conv.logits().detach(), 0.7, mask)).argmax(-1)
    np.testing.assert_allclose(
        conv(x).detach(), triple_sum(x, with_identity(one_hot(members)), conv.kernel), rtol=1e-11
    )


def test_fixed_convolution_is_the_triple_sum_over_one_hot_fields():
    members = torch.tensor([[0, 1, 4], [1, 1, 0], [2, 0, 3], [3, 3, 3], [4, 2, 0]])  # duplicates are legal
    conv, x = (
        FixedConv(members, SharedKernel(members.shape[1], C_IN, C_OUT, generator())).double(),
        randn(BATCH, N, C_IN, seed=4),
    )
    np.testing.assert_allclose(conv(x).detach(), triple_sum(x, one_hot(members), conv.kernel), rtol=1e-11)


def test_gather_is_the_one_hot_product():
    members = torch.randint(N, (N, SLOTS), generator=generator())
    x = randn(BATCH, N, C_IN)
    product = np.einsum("bnc,mkn->bmkc", x.numpy(), one_hot(members))
    np.testing.assert_array_equal(gather_slots(x, members), product)


def test_gather_sends_back_the_gradient_of_the_one_hot_product():
    members = torch.randint(N, (N, SLOTS), generator=generator())
    x, upstream = randn(BATCH, N, C_IN).requires_grad_(), randn(BATCH, N, SLOTS, C_IN, seed=1)
    (grad,) = torch.autograd.grad(gather_slots(x, members), x, upstream)
    np.testing.assert_allclose(grad, np.einsum("bmkc,mkn->bnc", upstream.numpy(), one_hot(members)), rtol=1e-12)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_slot_0_is_the_centre_itself(estimator):
    conv, x = relaxed(estimator), randn(BATCH, N, C_IN, seed=4)
    with torch.no_grad():
        conv.kernel.weight[C_IN:] = 0  # only slot 0 is heard
    centre_only = x @ conv.kernel.weight[:C_IN] + conv.kernel.bias
    np.testing.assert_allclose(conv(x).detach(), centre_only.detach(), rtol=1e-12)


def test_the_kernel_is_shared_by_all_positions():
    conv = FixedConv(torch.arange(N).unsqueeze(1), SharedKernel(1, C_IN, C_OUT, generator())).double()
    everywhere = randn(BATCH, 1, C_IN).expand(BATCH, N, C_IN)
    assert (conv(everywhere) == conv(everywhere)[:, :1]).all()


def test_own_kernels_start_as_the_shared_one_and_part_at_the_first_step():
    members, x = torch.randint(N, (N, SLOTS), generator=generator()), randn(BATCH, N, C_IN).float()
    shared = FixedConv(members, SharedKernel(SLOTS, C_IN, C_OUT, generator(3)))
    own = FixedConv(members, OwnKernels(N, SLOTS, C_IN, C_OUT, generator(3)))
    torch.testing.assert_close(own(x), shared(x))
    own(x).pow(2).sum().backward()
    grad = own.kernel.weight.grad
    assert grad is not None
    assert not torch.allclose(grad[0], grad[1])


def test_a_position_with_its_own_kernel_is_the_sum_over_its_slots():
    members, x = torch.randint(N, (N, SLOTS), generator=generator()), randn(BATCH, N, C_IN)
    conv = FixedConv(members, OwnKernels(N, SLOTS, C_IN, C_OUT, generator())).double()
    with torch.no_grad():
        conv.kernel.weight.copy_(randn(N, SLOTS * C_IN, C_OUT, seed=8))
        conv.kernel.bias.copy_(randn(N, 1, C_OUT, seed=9))
    by_slot = conv.kernel.weight.detach().view(N, SLOTS, C_IN, C_OUT)
    expected = np.einsum("bmkc,mkco->bmo", x[:, members], by_slot) + conv.kernel.bias.detach().squeeze(1).numpy()
    np.testing.assert_allclose(conv(x).detach(), expected, rtol=1e-11)


def loud_centre() -> torch.Tensor:
    """Logits that shout for the centre in every slot."""
    return randn(N, SLOTS, N) + 50 * torch.eye(N, dtype=torch.float64).unsqueeze(1)


def test_a_masked_centre_has_no_weight_in_the_continuous_field():
    field = continuous_field(loud_centre(), mask=centre_mask(N))
    assert (field.diagonal(dim1=0, dim2=2) == 0).all()


def test_a_masked_centre_is_never_the_hard_choice():
    x = torch.eye(N, dtype=torch.float64).unsqueeze(2)  # row b holds 1 in column b alone
    slots = straight_through_slots(x, loud_centre(), centre_mask(N), 1.0)  # (b, M, S, 1)
    assert (slots.diagonal(dim1=0, dim2=1) == 0).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_masked_centre_gets_no_gradient(estimator):
    conv = relaxed(estimator, mask=centre_mask(N))
    conv(randn(BATCH, N, C_IN)).square().sum().backward()
    assert (conv.logits.values.grad.diagonal(dim1=0, dim2=2) == 0).all()


def explicit_straight_through(x, logits, mask, temperature):
    """The definition: L = one-hot(argmax R) + L_c − L_c.detach(), multiplied densely."""
    scaled = (logits if mask is None else logits + mask) / temperature
    soft = torch.softmax(scaled, -1)
    hard = F.one_hot(scaled.argmax(-1), logits.shape[-1]).to(soft)
    return torch.einsum("bnc,mkn->bmkc", x, hard + (soft - soft.detach()))


def straight_through_inputs() -> tuple[torch.Tensor, torch.Tensor]:
    return randn(BATCH, N, C_IN, seed=5).requires_grad_(), randn(N, SLOTS, N, seed=6).requires_grad_()


def test_straight_through_forward_is_the_hard_field_bit_for_bit():
    x, logits = straight_through_inputs()
    assert torch.equal(straight_through_slots(x, logits, None, 1.0), gather_slots(x, logits.argmax(-1)))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("of", ["x", "logits"])
def test_straight_through_backward_is_that_of_the_detach_formula(mask, temperature, of):
    x, logits = straight_through_inputs()
    wanted = {"x": x, "logits": logits}[of]
    ours, theirs = (
        torch.autograd.grad((slots(x, logits, mask, temperature) ** 3).sum(), wanted)[0]
        for slots in (straight_through_slots, explicit_straight_through)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("first", ["x", "logits"])
@pytest.mark.parametrize("second", ["x", "logits"])
def test_straight_through_second_derivatives_are_those_of_the_detach_formula(mask, first, second):
    found = []
    for slots in (straight_through_slots, explicit_straight_through):
        x, logits = straight_through_inputs()
        named = {"x": x, "logits": logits}
        value = (slots(x, logits, mask, 0.7) ** 3).sum()
        grads = dict(zip(named, torch.autograd.grad(value, [x, logits], create_graph=True), strict=True))
        found.append(torch.autograd.grad(grads[first].pow(3).sum(), named[second])[0])
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("check", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])
def test_softmax_slots_have_the_numerical_derivative(mask, check):
    def slots(x, logits):
        return weighted_slots(x, continuous_field(logits, 0.7, mask=mask))

    assert check(slots, (randn(2, N, 2).requires_grad_(), randn(N, SLOTS, N, seed=1).requires_grad_()))


@pytest.mark.parametrize("check", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])
def test_straight_through_slots_have_the_numerical_derivative_in_x(check):
    logits = randn(N, SLOTS, N, seed=1)  # in R the forward is flat between jumps: only x has one
    assert check(lambda x: straight_through_slots(x, logits, None, 0.7), (randn(2, N, 2).requires_grad_(),))


@pytest.mark.parametrize("mask", MASKS)
def test_the_straight_through_gradient_of_r_is_smooth_and_has_the_numerical_derivative(mask):
    def gradient_of_r(x, logits, upstream):
        slots = straight_through_slots(x, logits, mask, 0.7)
        return torch.autograd.grad(slots, logits, upstream, create_graph=True)[0]

    inputs = (randn(2, N, 2), randn(N, SLOTS, N, seed=1), randn(2, N, SLOTS, 2, seed=2))
    assert torch.autograd.gradcheck(gradient_of_r, tuple(t.requires_grad_() for t in inputs))


WIDE = {"batch": 16, "columns": 24, "slots": 3, "channels": 4}


def wide_conv(estimator: str) -> tuple[nn.Module, torch.Tensor]:
    """A convolution and a batch for which batch·M·K·N, M·K·N and batch·M·K·C are far apart."""
    columns, slots, channels = WIDE["columns"], WIDE["slots"], WIDE["channels"]
    x = torch.randn(WIDE["batch"], columns, channels, generator=generator()).requires_grad_()
    if estimator == "fixed":
        members = torch.randint(columns, (columns, slots + 1), generator=generator())
        return FixedConv(members, SharedKernel(slots + 1, channels, channels, generator())), x
    logits = DenseLogits(columns, slots, generator(), mask=centre_mask(columns))
    return RelaxedConv(logits, channels, channels, generator(), estimator=estimator), x


@pytest.mark.parametrize("estimator", [*ESTIMATORS, "fixed"])
@pytest.mark.parametrize("create_graph", [False, True], ids=["first order", "double backward"])
def test_no_tensor_is_larger_than_r_or_the_slot_values(estimator, create_graph):
    conv, x = wide_conv(estimator)
    with LargestTensor() as largest:
        inputs = [x, *conv.parameters()]
        grads = torch.autograd.grad(conv(x).pow(3).sum(), inputs, create_graph=create_graph)
        if create_graph:
            torch.autograd.grad(sum(g.pow(2).sum() for g in grads), inputs)
    filling = MOST_FILLING if estimator == "fixed" else 1  # of the readers of a block
    slot_values = filling * WIDE["batch"] * WIDE["columns"] * (WIDE["slots"] + 1) * WIDE["channels"]
    r = WIDE["columns"] * WIDE["slots"] * WIDE["columns"]
    assert 0 < largest.numel <= max(slot_values, r) < slot_values * WIDE["columns"] // WIDE["channels"]


def test_the_fixed_convolution_never_builds_the_one_hot_tensor():
    columns, slots = 200, 3
    members = torch.randint(columns, (columns, slots), generator=generator())
    conv = FixedConv(members, SharedKernel(slots, 1, 2, generator()))
    x = torch.randn(2, columns, 1, generator=generator()).requires_grad_()
    with LargestTensor() as largest:
        conv(x).square().sum().backward()
    assert largest.numel <= MOST_FILLING * 2 * columns * slots < columns * slots * columns


def test_the_size_recorder_sees_the_naive_product():
    x, field = torch.ones(3, 5, 2, requires_grad=True), torch.ones(5, 4, 5)
    with LargestTensor() as largest:
        (x[:, None, None] * field[None, ..., None]).sum(3)
    assert largest.numel == 3 * 5 * 4 * 5 * 2


def test_the_kernel_starts_from_its_generator_alone():
    first, again = (SharedKernel(3, 2, 4, generator(7)).weight for _ in range(2))
    assert torch.equal(first, again)


def test_the_kernel_starts_with_he_variance():
    kernel = SharedKernel(9, 50, 200, generator()).weight.detach()  # 90,000 draws
    assert float(kernel.var()) == pytest.approx(2 / (9 * 50), rel=0.05)


@pytest.mark.parametrize(("columns", "slots", "channels", "batch"), [(9, 3, 2, 5), (784, 9, 16, 9), (60, 5, 300, 70)])
def test_blocks_of_rows_give_what_a_gather_and_a_product_do(columns, slots, channels, batch):
    draw = generator()
    members = torch.stack([torch.randperm(columns, generator=draw) for _ in range(slots)], dim=1)
    kernel = SharedKernel(slots, channels, 4, draw)
    x = torch.randn(batch, columns, channels, generator=draw).requires_grad_()
    readers = readers_of(members, columns)
    assert readers is not None
    found = in_blocks(x, members, readers, kernel.weight, kernel.bias)
    wanted = kernel(gather_slots(x, members))
    assert torch.allclose(found, wanted, atol=1e-4)
    inputs, onto = [x, *kernel.parameters()], torch.randn(wanted.shape, generator=draw)
    for one, other in zip(
        torch.autograd.grad(found, inputs, onto), torch.autograd.grad(wanted, inputs, onto), strict=True
    ):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-3)


def test_a_column_in_nearly_all_fields_is_added_onto_as_before():
    members = torch.tensor([[i, 0] for i in range(40)])
    assert readers_of(members, 40) is None
    conv = FixedConv(members, SharedKernel(2, 1, 2, generator()))
    x = torch.randn(3, 40, 1).requires_grad_()
    conv(x).sum().backward()
    assert x.grad is not None
    assert x.grad[:, 0].abs().min() > x.grad[:, 1].abs().max() * 5
