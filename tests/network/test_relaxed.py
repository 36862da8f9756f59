"""The searching network: its shapes, what its layers share, its parameterisations, and what a step changes."""

import itertools

import numpy as np
import pytest
import torch
from torch.func import functional_call

from rfconv_cli.fields.conv import centre_mask
from rfconv_cli.fields.search import Rows
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.model import fixed_network
from rfconv_cli.network.relaxed import (
    Screened,
    begin_step,
    discretised,
    logits_of,
    relaxed_network,
    screened,
    settle,
    split_parameters,
)
from tests.network.test_model import OUTPUTS, ROWS, N, depths, generator, rows, settings, sharing

PARAMETERISATIONS = ["dense", "candidates", "factored"]
each_parameterisation = pytest.mark.parametrize("parameterisation", PARAMETERISATIONS)
each_estimator = pytest.mark.parametrize("estimator", ["softmax", "straight-through", "gumbel"])


@depths
@sharing
@each_parameterisation
@pytest.mark.parametrize("hidden", [0, 17])
def test_the_relaxed_network_gives_one_row_of_outputs_for_each_row(layers, share, hidden, parameterisation):
    chosen = settings(layers=layers, share_fields=share, hidden=hidden, parameterisation=parameterisation)
    assert relaxed_network(N, OUTPUTS, chosen, generator())(rows()).shape == (ROWS, 1, OUTPUTS)


@depths
@each_parameterisation
@pytest.mark.parametrize(("share", "expected"), [(True, lambda layers: 1), (False, lambda layers: layers)])
def test_there_is_one_r_for_all_layers_or_one_for_each(layers, share, expected, parameterisation):
    chosen = settings(layers=layers, share_fields=share, parameterisation=parameterisation)
    every = logits_of(relaxed_network(N, OUTPUTS, chosen, generator()))
    width = N - 1 if parameterisation == "candidates" else N
    assert [logits().shape for logits in every] == [(N, 2, width)] * expected(layers)


def test_a_shared_r_put_in_by_name_reaches_every_layer():
    network = relaxed_network(N, OUTPUTS, settings(layers=3), generator()).eval()
    other = torch.randn(N, 2, N, generator=generator(9))
    by_name = functional_call(network, {"convs.0.logits.values": other}, (rows(),))
    with torch.no_grad():
        network.convs[0].logits.values.copy_(other)
    assert torch.equal(by_name, network(rows()))


@depths
@sharing
@each_parameterisation
@each_estimator
def test_every_parameter_of_r_feels_the_loss(layers, share, estimator, parameterisation):
    chosen = settings(
        layers=layers,
        share_fields=share,
        estimator=estimator,
        parameterisation=parameterisation,
        activation="gelu",
    )
    network = relaxed_network(N, OUTPUTS, chosen, generator())
    begin_step(network, 0, chosen, generator(1))
    network(rows()).square().sum().backward()
    assert all(r.grad.any() for r in split_parameters(network)[1].values())


def test_the_parameters_are_split_into_those_of_r_and_the_rest_without_a_remainder():
    network = relaxed_network(N, OUTPUTS, settings(layers=2, share_fields=False), generator())
    weights, logits = split_parameters(network)
    assert set(weights) | set(logits) == {name for name, _ in network.named_parameters()}
    assert set(logits) == {"convs.0.logits.values", "convs.1.logits.values"}


@depths
@sharing
def test_the_hard_search_network_is_the_fixed_network_on_its_argmax(layers, share):
    chosen = settings(layers=layers, share_fields=share, estimator="straight-through", heads=1)
    searching = relaxed_network(N, OUTPUTS, chosen, generator()).eval()
    centres = torch.arange(N).unsqueeze(1)
    members = torch.stack([torch.cat([centres, (r() + centre_mask(N)).argmax(-1)], 1) for r in logits_of(searching)])
    final = fixed_network(members, OUTPUTS, chosen, generator(1)).eval()
    final.load_state_dict(split_parameters(searching)[0])
    torch.testing.assert_close(searching(rows()), final(rows()))
    fields = ReceptiveFields.unweighted([f"c{i}" for i in range(N)], members.numpy())
    torch.testing.assert_close(discretised(searching, fields)(rows()), final(rows()))


def test_the_paper_preset_lets_the_centre_into_free_slots():
    network = relaxed_network(N, OUTPUTS, settings(mask_centre=False), generator())
    assert all(logits.mask is None for logits in logits_of(network))


@each_parameterisation
def test_the_temperature_goes_geometrically_from_the_first_to_the_last(parameterisation):
    chosen = settings(
        parameterisation=parameterisation, temperature=2.0, temperature_end=0.02, search_steps=5, layers=2
    )
    network = relaxed_network(N, OUTPUTS, chosen, generator())
    seen = []
    for step in range(5):
        begin_step(network, step, chosen, generator())
        seen.append([logits.temperature for logits in logits_of(network)])
    assert seen[0][0] == 2.0
    assert seen[-1][0] == pytest.approx(0.02)
    ratios = [b[0] / a[0] for a, b in itertools.pairwise(seen)]
    assert ratios == pytest.approx([0.1**0.5] * 4)


def test_noise_is_drawn_for_gumbel_alone_anew_for_each_step_and_ends_with_the_search():
    networks = {}
    for estimator in ("straight-through", "gumbel"):
        chosen = settings(estimator=estimator)
        networks[estimator] = network = relaxed_network(N, OUTPUTS, chosen, generator())
        draw = generator(1)
        seen = []
        for step in range(2):
            begin_step(network, step, chosen, draw)
            seen.append(logits_of(network)[0].noise)
        if estimator == "gumbel":
            assert not torch.equal(*seen)
        else:
            assert seen == [None, None]
        settle(network)
    assert torch.equal(*(network.eval()(rows()) for network in networks.values()))


def training_rows(columns: int = 20) -> Rows:
    """A chain: each column is the one before it and noise."""
    x = torch.randn(300, columns, generator=generator(3)).cumsum(1)
    return Rows(x, (x[:, 0] > 0).long())


def test_candidates_are_read_off_the_rows_as_many_as_asked_for_but_enough_for_distinct_slots():
    for size, kernel_size, expected in ((6, 3, 6), (2, 9, 8), (500, 3, 19)):
        chosen = settings(parameterisation="candidates", candidates=size, kernel_size=kernel_size)
        found = screened(training_rows(), chosen, np.random.default_rng(0))
        assert found.candidates.shape == (20, expected)
        network = relaxed_network(20, OUTPUTS, chosen, generator(), found)
        assert torch.equal(logits_of(network)[0].candidates, found.candidates)


def test_a_factored_r_starts_from_the_spectral_embedding_and_small_noise_beside_it():
    chosen = settings(parameterisation="factored", rank=12)
    found = screened(training_rows(), chosen, np.random.default_rng(0))
    (logits,) = logits_of(relaxed_network(20, OUTPUTS, chosen, generator(), found))
    assert torch.equal(logits.embedding[:, :8], found.embedding)
    assert 0 < float(logits.embedding[:, 8:].detach().std()) < 0.2


def test_a_rank_below_the_spectral_embeddings_takes_its_first_coordinates():
    chosen = settings(parameterisation="factored", rank=2)
    found = screened(training_rows(), chosen, np.random.default_rng(0))
    (logits,) = logits_of(relaxed_network(20, OUTPUTS, chosen, generator(), found))
    assert torch.equal(logits.embedding, found.embedding[:, :2])


def test_a_dense_r_asks_the_rows_for_nothing():
    found = screened(training_rows(), settings(), np.random.default_rng(0))
    assert (found.candidates, found.embedding) == (None, None)


def test_without_a_table_the_candidates_are_all_other_columns():
    (logits,) = logits_of(relaxed_network(N, OUTPUTS, settings(parameterisation="candidates"), generator(), Screened()))
    for centre, row in enumerate(logits.candidates.tolist()):
        assert row == [n for n in range(N) if n != centre]
