"""The network around the convolutions: its shapes, what its layers share, how it starts, and its plain rival."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from rfconv_cli.config import Settings
from rfconv_cli.network.embed import bin_edges
from rfconv_cli.network.model import (
    Head,
    activate,
    count_parameters,
    fixed_network,
    linear,
    moved_along,
    plain_mlp,
)
from rfconv_cli.network.relaxed import relaxed_network

N, OUTPUTS, ROWS = 6, 3, 5
depths = pytest.mark.parametrize("layers", [1, 2, 3])
sharing = pytest.mark.parametrize("share", [True, False], ids=["one L", "own L"])


def settings(**changes) -> Settings:
    return Settings(**{"kernel_size": 3, "channels": 4, "hidden": 17, "heads": 2} | changes)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def members(depth: int = 1, columns: int = N, kernel_size: int = 3) -> torch.Tensor:
    drawn = torch.randint(columns, (depth, columns, kernel_size), generator=generator(1))
    drawn[:, :, 0] = torch.arange(columns)
    return drawn


def rows(columns: int = N) -> torch.Tensor:
    return torch.randn(ROWS, columns, generator=generator(2))


@depths
@sharing
@pytest.mark.parametrize("hidden", [0, 17])
def test_the_fixed_network_gives_the_outputs_of_every_head(layers, share, hidden):
    fields = members(1 if share else layers)
    network = fixed_network(fields, OUTPUTS, settings(layers=layers, hidden=hidden), generator())
    assert network(rows()).shape == (ROWS, 2 if hidden else 1, OUTPUTS)


def test_an_ensemble_is_networks_that_differ_and_speak_for_themselves():
    network = fixed_network(members(), OUTPUTS, settings(ensemble=3), generator()).eval()
    assert network(rows()).shape == (ROWS, 3 * 2, OUTPUTS)
    alone = fixed_network(members(), OUTPUTS, settings(), generator()).eval()
    torch.testing.assert_close(network(rows())[:, :2], alone(rows()))
    apart = network(rows()).unflatten(1, (3, 2))
    assert not torch.allclose(apart[:, 0], apart[:, 1])
    assert count_parameters(network) == 3 * count_parameters(alone)
    mlp = plain_mlp(N, OUTPUTS, 3000, settings(ensemble=3), generator())
    assert mlp(rows()).shape == (ROWS, 3 * 2, OUTPUTS)
    assert count_parameters(mlp) == pytest.approx(3000, rel=0.1)


@depths
def test_each_centre_has_its_own_kernel_on_request(layers):
    network = fixed_network(members(), OUTPUTS, settings(layers=layers, kernel="own"), generator())
    assert {conv.kernel.weight.shape[0] for conv in network.convs} == {N}
    assert network(rows()).shape == (ROWS, 2, OUTPUTS)


def test_each_layer_of_a_fixed_network_has_its_own_fields():
    fields = members(3)
    network = fixed_network(fields, OUTPUTS, settings(layers=3), generator())
    assert all(torch.equal(conv.members, own) for conv, own in zip(network.convs, fields, strict=True))


def test_fields_do_not_change_how_the_network_starts():
    learned, drawn = (
        fixed_network(fields, OUTPUTS, settings(), generator()) for fields in (members(), members().roll(1, 2))
    )
    for (_, a), (_, b) in zip(learned.named_parameters(), drawn.named_parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("layers", "hidden", "expected"),
    [
        (1, 0, (3 * 1 * 4 + 4) + (6 * 4 * 3 + 3)),
        (1, 17, (3 * 1 * 4 + 4) + (6 * 4 * 16 + 16) + (16 * 3 + 2 * 3)),
        (2, 17, (3 * 1 * 4 + 4) + (3 * 4 * 4 + 4) + (6 * 4 * 16 + 16) + (16 * 3 + 2 * 3)),
    ],
)
def test_the_network_has_one_kernel_per_layer_and_a_head(layers, hidden, expected):
    network = fixed_network(members(), OUTPUTS, settings(layers=layers, hidden=hidden), generator())
    assert count_parameters(network) == expected


def test_an_embedding_widens_what_enters_the_first_layer_alone():
    chosen = settings(layers=2, embedding_size=5)
    network = fixed_network(members(), OUTPUTS, chosen, generator(), bin_edges(rows(), 3))
    assert [conv.kernel.weight.shape[0] for conv in network.convs] == [3 * 5, 3 * 4]
    plain = count_parameters(fixed_network(members(), OUTPUTS, chosen, generator()))
    assert count_parameters(network) == plain + 6 * (3 + 1) * 5 + 3 * 4 * 4


def test_the_plain_mlp_on_an_embedding_counts_it_among_its_weights():
    chosen, edges = settings(hidden=16, channels=16), torch.zeros(40, 9).cumsum(1)
    size = count_parameters(fixed_network(members(1, 40), OUTPUTS, chosen, generator(), edges))
    mlp = plain_mlp(40, OUTPUTS, size, chosen, generator(), edges)
    assert count_parameters(mlp) == pytest.approx(size, rel=0.1)
    assert mlp(torch.zeros(2, 40)).shape == (2, 2, OUTPUTS)


def sizes(columns: int, outputs: int, chosen: Settings) -> tuple[int, int]:
    """Parameters of the network on fields, and of the MLP that is to be about as large."""
    size = count_parameters(fixed_network(members(1, columns), outputs, chosen, generator()))
    return size, count_parameters(plain_mlp(columns, outputs, size, chosen, generator()))


@pytest.mark.parametrize("columns", [12, 40, 146, 784])
@pytest.mark.parametrize("outputs", [1, 2, 12])
@pytest.mark.parametrize("hidden", [0, 16, 128])
@pytest.mark.parametrize("layers", [1, 3])
def test_the_plain_mlp_is_as_large_as_the_network_within_ten_percent(columns, outputs, hidden, layers):
    size, plain = sizes(columns, outputs, settings(channels=16, hidden=hidden, layers=layers))
    assert plain == pytest.approx(size, rel=0.1)


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 40), st.integers(1, 16))
def test_the_plain_mlp_is_off_by_half_a_unit_at_most_but_has_at_least_four(columns, outputs, hidden, channels):
    chosen = settings(hidden=hidden, channels=channels, kernel_size=2)
    size, plain = sizes(columns, outputs, chosen)
    unit = columns + 1 + (2 * (hidden // 2) if hidden >= 16 else hidden or outputs)  # what one more hidden unit costs
    smallest = plain_mlp(columns, outputs, 0, chosen, generator())
    assert abs(plain - size) <= unit / 2 or plain == count_parameters(smallest)


def test_dropout_is_silent_outside_training():
    network = fixed_network(members(), OUTPUTS, settings(dropout=0.5), generator()).eval()
    assert torch.equal(network(rows()), network(rows()))


def test_dropout_drops_its_share_and_keeps_the_expectation():
    head = Head(400, [], 1, settings(dropout=0.25), generator())
    with torch.no_grad():
        head.kernel.fill_(1.0)
    total = head.train()(torch.ones(200, 400)).detach()  # each row sums 400 values of 0 or 1/0.75
    kept = total * 0.75 / 400
    assert float(kept.mean()) == pytest.approx(0.75, abs=0.01)


def test_dropout_draws_anew_for_every_batch():
    network = fixed_network(members(), OUTPUTS, settings(dropout=0.5), generator()).train()
    assert not torch.equal(network(rows()), network(rows()))


def test_dropout_falls_on_what_enters_every_dense_layer():
    head = Head(50, [30], 1, settings(dropout=0.5), generator()).train()
    seen = []
    for layer in head.hidden:
        layer.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    head(torch.ones(20, 50))
    assert sorted(set(seen[0].flatten().tolist())) == [0.0, 2.0]


def test_a_head_reads_its_own_hidden_units_only():
    head = Head(10, [24], OUTPUTS, settings(heads=3, dropout=0.0), generator()).eval()
    x = torch.randn(ROWS, 10, generator=generator(5))
    before = head(x)
    with torch.no_grad():
        head.hidden[0].bias[8:16] += 5.0  # the units of the second head
    changed = (head(x) != before).any(dim=2).any(dim=0)
    assert changed.tolist() == [False, True, False]


def test_a_head_has_eight_units_or_is_the_only_one():
    made = [Head(10, [hidden], 1, settings(heads=8), generator()).heads for hidden in (1, 15, 16, 40, 64, 200)]
    assert made == [1, 1, 2, 5, 8, 8]


def test_the_heads_start_unequal():
    outputs = fixed_network(members(), OUTPUTS, settings(), generator())(rows())
    assert not torch.allclose(outputs[:, 0], outputs[:, 1])


@pytest.mark.parametrize(("name", "function"), [("relu", F.relu), ("gelu", F.gelu)])
def test_the_activation_is_found_by_name(name, function):
    assert torch.equal(activate(rows(), name), function(rows()))


def test_a_dense_layer_starts_with_he_variance_and_no_bias():
    layer = linear(300, 300, generator())
    assert float(layer.weight.detach().var()) == pytest.approx(2 / 300, rel=0.05)
    assert not layer.bias.any()


BUILDERS = {
    "relaxed": lambda g: relaxed_network(N, OUTPUTS, settings(layers=2), g),
    "fixed": lambda g: fixed_network(members(), OUTPUTS, settings(layers=2), g),
    "embedded": lambda g: fixed_network(members(), OUTPUTS, settings(layers=2), g, bin_edges(rows(), 3)),
    "mlp": lambda g: plain_mlp(N, OUTPUTS, 200, settings(), g),
}
each_builder = pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)


@each_builder
def test_a_network_starts_from_its_generator_alone(build):
    started = []
    for global_seed in (0, 1):
        torch.manual_seed(global_seed)
        started.append(build(generator(3)).state_dict())
    assert all(torch.equal(started[0][name], started[1][name]) for name in started[0])


@each_builder
def test_building_and_running_a_network_leaves_the_global_random_states_alone(build):
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    build(generator()).train()(rows())
    after = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_rows_are_moved_by_one_slot_each_or_stay():
    fields = members()[0]
    x = torch.randn(40_000, N, generator=generator(3))
    moved = moved_along(fields, x, 0.6, generator(4))
    slots = [float((moved == x[:, fields[:, slot]]).all(dim=1).float().mean()) for slot in range(3)]
    assert sum(slots) == pytest.approx(1.0)
    assert slots[0] == pytest.approx(0.4, abs=0.015)
    assert slots[1] == pytest.approx(slots[2], abs=0.015)


@pytest.mark.parametrize(("share", "stay"), [(0.0, True), (1.0, False)])
def test_none_or_all_rows_are_moved(share, stay):
    x = torch.randn(500, N, generator=generator(3))
    assert bool((moved_along(members()[0], x, share, generator(4)) == x).all(dim=1).any()) is stay


def test_rows_are_moved_in_training_alone():
    x = torch.randn(64, N, generator=generator(3))
    plain, shifted = (
        fixed_network(members(), OUTPUTS, settings(dropout=0.0, shifts=s), generator()) for s in (0.0, 1.0)
    )
    assert torch.equal(plain.eval()(x), shifted.eval()(x))
    assert not torch.equal(plain.train()(x), shifted.train()(x))


def test_the_plain_mlp_moves_no_rows():
    x = torch.randn(8, N, generator=generator(3))
    assert plain_mlp(N, OUTPUTS, 500, settings(shifts=1.0), generator()).train()(x).shape == (8, 2, OUTPUTS)
