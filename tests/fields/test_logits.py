"""R's parameterisations: what they compute, how few numbers they need; Gumbel noise against its distribution."""

import math

import pytest
import torch
import torch.nn.functional as F

from rfconv_cli.fields.conv import RelaxedConv, centre_mask, continuous_field, straight_through_slots
from rfconv_cli.fields.logits import CandidateLogits, DenseLogits, FactoredLogits

N, SLOTS, RANK = 6, 2, 3
TABLE = torch.tensor([[1, 2, 5], [0, 3, 4], [0, 1, 3], [1, 2, 4], [0, 3, 5], [0, 2, 4]])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def factored(seed: int = 0) -> FactoredLogits:
    return FactoredLogits(
        torch.randn(N, RANK, generator=generator(seed)), SLOTS, generator(seed + 1), mask=centre_mask(N)
    )


EACH = {
    "dense": lambda: DenseLogits(N, SLOTS, generator(), mask=centre_mask(N)),
    "candidates": lambda: CandidateLogits(TABLE, SLOTS, generator()),
    "factored": factored,
}
each = pytest.mark.parametrize("build", EACH.values(), ids=EACH)


def test_factored_logits_are_scaled_cosines_of_mapped_embeddings():
    logits = factored()
    r, e, maps, scale = (t.detach() for t in (logits.raw(), logits.embedding, logits.maps, logits.log_scale.exp()))
    for m in range(N):
        for k in range(SLOTS):
            for n in range(N):
                cosine = float(F.cosine_similarity(maps[k] @ e[m], e[n], dim=0))
                assert float(r[m, k, n]) == pytest.approx(float(scale) * cosine, abs=1e-5)


@pytest.mark.parametrize("estimator", ["softmax", "straight-through"])
def test_a_factored_convolution_is_the_dense_one_on_the_same_r(estimator):
    logits = factored()
    dense = DenseLogits(N, SLOTS, generator(), mask=centre_mask(N))
    with torch.no_grad():
        dense.values.copy_(logits.raw())
    x = torch.randn(4, N, 1, generator=generator(5))
    convs = [RelaxedConv(each, 1, 3, generator(6), estimator=estimator) for each in (logits, dense)]
    torch.testing.assert_close(convs[0](x), convs[1](x), rtol=1e-5, atol=1e-5)


def test_the_gradient_of_the_factors_is_that_through_r():
    logits = factored()
    x = torch.randn(4, N, 1, generator=generator(5))
    conv = RelaxedConv(logits, 1, 3, generator(6), estimator="straight-through")
    factors = [logits.embedding, logits.maps, logits.log_scale]
    found = torch.autograd.grad(conv(x).pow(2).sum(), factors)
    r = logits.raw().detach().requires_grad_()
    slots = torch.cat([x.unsqueeze(2), straight_through_slots(x, r, centre_mask(N), 1.0)], 2)
    (of_r,) = torch.autograd.grad(conv.kernel(slots).pow(2).sum(), r)
    for ours, theirs in zip(found, torch.autograd.grad(logits.raw(), factors, of_r), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_rotation_of_a_ring_is_found_in_a_factored_r_of_rank_two():
    angle = torch.arange(12) * (2 * math.pi / 12)
    logits = FactoredLogits(torch.stack([angle.cos(), angle.sin()], 1), 2, generator(), mask=None)
    optimiser = torch.optim.Adam(logits.parameters(), lr=0.03)
    following = torch.stack([(torch.arange(12) + 1) % 12, (torch.arange(12) - 2) % 12], 1)  # (M, S)
    for _ in range(200):
        optimiser.zero_grad()
        F.cross_entropy(logits().flatten(0, 1), following.flatten()).backward()
        optimiser.step()
    assert torch.equal(logits().argmax(-1), following)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (EACH["dense"], N * SLOTS * N),
        (EACH["candidates"], N * SLOTS * 3),
        (EACH["factored"], N * RANK + SLOTS * RANK**2 + 1),
    ],
    ids=EACH,
)
def test_the_numbers_that_are_learned_are_as_many_as_it_says(build, expected):
    assert sum(p.numel() for p in build().parameters()) == expected


@each
def test_one_generator_draws_one_noise(build):
    first, again, other = build(), build(), build()
    for logits, seed in ((first, 1), (again, 1), (other, 2)):
        logits.draw_noise(generator(seed))
    assert torch.equal(first(), again())
    assert not torch.equal(first(), other())


@each
def test_noise_is_added_to_r_and_leaves_it_as_it_was(build):
    logits = build()
    before = logits.raw().detach().clone()
    logits.draw_noise(generator())
    assert torch.equal(logits.raw(), before)
    torch.testing.assert_close(logits().detach(), before + logits.noise)


def test_the_hard_choice_under_noise_is_a_draw_from_the_continuous_field():
    logits = DenseLogits(N, SLOTS, generator(), mask=None)
    with torch.no_grad():
        logits.values.copy_(torch.randn(N, SLOTS, N, generator=generator(3)))
    draw, draws = generator(4), 4000
    counts = torch.zeros(N, SLOTS, N)
    for _ in range(draws):
        logits.draw_noise(draw)
        counts += F.one_hot(logits().argmax(-1), N)
    torch.testing.assert_close(counts / draws, continuous_field(logits.raw()), rtol=0, atol=0.04)


def test_noise_is_independent_from_slot_to_slot_and_from_step_to_step():
    logits, draw = DenseLogits(60, 2, generator(), mask=None), generator(1)
    logits.draw_noise(draw)
    first = logits.noise.flatten(0, 1)
    logits.draw_noise(draw)
    series = torch.stack([first[::2].flatten(), first[1::2].flatten(), logits.noise[:, 0].flatten()])
    off = torch.corrcoef(series) - torch.eye(3)
    assert float(off.abs().max()) < 0.06  # 3,600 pairs: standard error 0.017


def test_without_noise_gumbel_is_straight_through():
    x = torch.randn(4, N, 1, generator=generator(5))
    logits = EACH["dense"]()
    hard, drawn = (
        RelaxedConv(logits, 1, 3, generator(6), estimator=estimator) for estimator in ("straight-through", "gumbel")
    )
    assert torch.equal(hard(x), drawn(x))


def test_with_noise_gumbel_is_straight_through_on_the_noisy_r():
    x = torch.randn(4, N, 1, generator=generator(5))
    logits, plain = EACH["dense"](), EACH["dense"]()
    logits.draw_noise(generator(7))
    with torch.no_grad():
        plain.values.add_(logits.noise)
    drawn = RelaxedConv(logits, 1, 3, generator(6), estimator="gumbel")
    hard = RelaxedConv(plain, 1, 3, generator(6), estimator="straight-through")
    assert torch.equal(drawn(x), hard(x))
    grads = [torch.autograd.grad(c(x).pow(2).sum(), c.logits.values)[0] for c in (drawn, hard)]
    assert torch.equal(*grads)
