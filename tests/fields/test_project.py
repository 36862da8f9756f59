"""From R to discrete fields: eq. 3 against its definition, the assignment against brute force, random fields."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from rfconv_cli.fields import project as project_module
from rfconv_cli.fields.conv import centre_mask
from rfconv_cli.fields.project import project, random_fields
from rfconv_cli.fields.value import ReceptiveFields

seeds = st.integers(0, 2**32 - 1)
masked = pytest.mark.parametrize("mask_centre", [False, True], ids=["free", "centre masked"])


def names(columns: int) -> list[str]:
    return [f"c{i}" for i in range(columns)]


def draw_logits(columns: int, slots: int, seed: int = 0, spread: float = 2.0) -> torch.Tensor:
    return torch.randn(columns, slots, columns, generator=torch.Generator().manual_seed(seed)) * spread


def projected(
    logits: torch.Tensor, *, distinct: bool = False, mask_centre: bool = True, temperature: float = 1.0
) -> ReceptiveFields:
    mask = centre_mask(len(logits)) if mask_centre else None
    return project([logits], names(len(logits)), mask=mask, distinct=distinct, temperature=temperature)


def log_weights(logits: torch.Tensor, mask_centre: bool, temperature: float = 1.0) -> np.ndarray:
    """log L_c (N, S, N) in float64, −inf at a masked centre."""
    scaled = logits.double().numpy() / temperature
    if mask_centre:
        scaled = np.where(np.eye(len(logits), dtype=bool)[:, None, :], -np.inf, scaled)
    peak = scaled.max(-1, keepdims=True)
    return scaled - peak - np.log(np.exp(scaled - peak).sum(-1, keepdims=True))


@masked
@given(seeds, st.integers(2, 7), st.integers(1, 4))
@settings(max_examples=30)
def test_each_slot_takes_its_largest_logit(mask_centre, seed, columns, slots):
    logits = draw_logits(columns, slots, seed)
    members = projected(logits, mask_centre=mask_centre).members[0]
    for m, s in itertools.product(range(columns), range(slots)):
        allowed = [n for n in range(columns) if not (mask_centre and n == m)]
        assert members[m, s + 1] == max(allowed, key=lambda n, m=m, s=s: float(logits[m, s, n]))


def test_logits_too_close_for_the_softmax_to_part_still_decide():
    logits = torch.full((3, 1, 3), 0.01)
    logits[:, :, 2] = torch.nextafter(torch.tensor(0.01), torch.tensor(1.0))
    assert projected(logits, mask_centre=False).members[0, :, 1].tolist() == [2, 2, 2]


@pytest.mark.parametrize("distinct", [False, True])
@given(seeds, st.sampled_from([0.1, 1.0, 1e6]))
@settings(max_examples=20)
def test_the_temperature_does_not_move_the_choice(distinct, seed, temperature):
    logits = draw_logits(6, 3, seed)
    warm = projected(logits, distinct=distinct, temperature=temperature)
    np.testing.assert_array_equal(warm.members, projected(logits, distinct=distinct).members)


@masked
@given(seeds, st.integers(2, 7), st.data())
@settings(max_examples=40)
def test_a_distinct_field_has_no_column_twice_its_centre_included(mask_centre, seed, columns, data):
    logits = draw_logits(columns, data.draw(st.integers(1, columns - 1)), seed)
    members = projected(logits, distinct=True, mask_centre=mask_centre).members[0]
    assert all(len(set(field)) == len(field) for field in members.tolist())


def test_a_distinct_field_leaves_out_a_centre_that_every_slot_wants():
    logits = draw_logits(5, 2) + 50 * torch.eye(5).unsqueeze(1)
    members = projected(logits, distinct=True, mask_centre=False).members[0]
    assert not (members[:, 1:] == np.arange(5)[:, None]).any()


@given(seeds, st.integers(1, 3), st.sampled_from([0.5, 5.0, 400.0]))
@settings(max_examples=40)
def test_the_distinct_assignment_is_the_best_of_all(seed, slots, spread):
    columns = 4
    logits = draw_logits(columns, slots, seed, spread)  # at 400 most weights are below what float32 can hold
    members = projected(logits, distinct=True).members[0]
    logs = log_weights(logits, mask_centre=True)
    for m in range(columns):
        others = [n for n in range(columns) if n != m]
        totals = [sum(logs[m, s, n] for s, n in enumerate(p)) for p in itertools.permutations(others, slots)]
        found = sum(logs[m, s, n] for s, n in enumerate(members[m, 1:]))
        assert found == pytest.approx(max(totals), rel=1e-12)


@given(seeds, st.integers(2, 6))
@settings(max_examples=20)
def test_with_as_many_slots_as_columns_a_distinct_field_holds_every_column(seed, columns):
    members = projected(draw_logits(columns, columns - 1, seed), distinct=True).members[0]
    assert (np.sort(members, axis=1) == np.arange(columns)).all()


@pytest.mark.parametrize("distinct", [False, True])
@masked
@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_the_weight_of_a_member_is_its_share_of_the_continuous_field(distinct, mask_centre, temperature):
    logits = draw_logits(6, 3)
    fields = projected(logits, distinct=distinct, mask_centre=mask_centre, temperature=temperature)
    shares = np.exp(log_weights(logits, mask_centre, temperature))
    expected = np.take_along_axis(shares, fields.members[0, :, 1:, None], 2)[..., 0]
    np.testing.assert_allclose(fields.weights[0, :, 1:], expected, rtol=1e-5)


@pytest.mark.parametrize("distinct", [False, True])
@masked
@given(seeds, st.integers(3, 7))
@settings(max_examples=20)
def test_the_runner_up_is_the_heaviest_column_not_chosen(distinct, mask_centre, seed, columns):
    logits = draw_logits(columns, 2, seed)
    fields = projected(logits, distinct=distinct, mask_centre=mask_centre)
    logs = log_weights(logits, mask_centre)
    for m, s in itertools.product(range(columns), range(2)):
        rest = [n for n in range(columns) if n != fields.members[0, m, s + 1]]
        best = max(rest, key=lambda n, m=m, s=s: logs[m, s, n])
        assert fields.runners_up[0, m, s + 1] == best
        assert fields.runner_up_weights[0, m, s + 1] == pytest.approx(math.exp(logs[m, s, best]), rel=1e-5)


def test_a_hardened_slot_has_no_runner_up():
    logits = torch.zeros(4, 1, 4)
    logits[:, 0, 2] = 500.0  # the others weigh e⁻⁵⁰⁰: nothing in float32
    fields = projected(logits, mask_centre=False)
    assert (fields.runners_up[0, :, 1] == -1).all()
    assert (fields.runner_up_weights[0, :, 1] == 0).all()


def test_two_columns_leave_no_runner_up_beside_a_masked_centre():
    fields = projected(draw_logits(2, 1))
    assert fields.by_name() == {"c0": ["c0", "c1"], "c1": ["c1", "c0"]}
    assert (fields.runners_up == -1).all()


@pytest.mark.parametrize("distinct", [False, True])
def test_slot_0_is_the_centre_with_weight_one_and_no_runner_up(distinct):
    fields = projected(draw_logits(5, 2), distinct=distinct)
    slot_0 = (fields.members, fields.weights, fields.runners_up, fields.runner_up_weights)
    assert [array[0, :, 0].tolist() for array in slot_0] == [[0, 1, 2, 3, 4], [1] * 5, [-1] * 5, [0] * 5]


@pytest.mark.parametrize("distinct", [False, True])
def test_a_single_column_has_a_field_of_its_centre_alone(distinct):
    assert projected(torch.zeros(1, 0, 1), distinct=distinct).by_name() == {"c0": ["c0"]}


def test_each_layer_is_projected_by_itself():
    layers = [draw_logits(5, 2, seed) for seed in (1, 2, 3)]
    together = project(layers, names(5), mask=centre_mask(5), distinct=True, temperature=1.0)
    for layer, logits in enumerate(layers):
        assert together.by_name(layer) == projected(logits, distinct=True).by_name()


@pytest.mark.parametrize("distinct", [False, True])
def test_projection_leaves_r_as_it_was(distinct):
    logits = draw_logits(5, 2)
    before = logits.clone()
    projected(logits, distinct=distinct)
    assert torch.equal(logits, before)


@given(seeds, st.integers(2, 8), st.data())
@settings(max_examples=40)
def test_random_fields_have_no_column_twice_their_centre_included(seed, columns, data):
    kernel_size = data.draw(st.integers(2, columns))
    fields = random_fields(names(columns), kernel_size, 2, np.random.default_rng(seed))
    assert fields.members.shape == (2, columns, kernel_size)
    assert all(len(set(field)) == kernel_size for field in fields.members.reshape(-1, kernel_size).tolist())


def test_random_fields_draw_every_other_column_equally_often_in_every_slot():
    columns, draws = 5, 2000
    members = random_fields(names(columns), 4, draws, np.random.default_rng(0)).members
    for centre, slot in itertools.product(range(columns), (1, 2, 3)):
        counts = np.bincount(members[:, centre, slot], minlength=columns)
        assert counts[centre] == 0
        assert chisquare(np.delete(counts, centre)).pvalue > 1e-4


def test_random_fields_of_two_layers_differ():
    fields = random_fields(names(20), 5, 2, np.random.default_rng(0))
    assert fields.by_name(0) != fields.by_name(1)


def test_random_fields_depend_on_the_generator_alone():
    first, again, other = (random_fields(names(9), 4, 1, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def tabled(size: int, columns: int = 7, slots: int = 2, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """R over `size` candidates of each centre, and their table."""
    draw = torch.Generator().manual_seed(seed)
    rows = [torch.randperm(columns - 1, generator=draw)[:size] for _ in range(columns)]
    table = torch.stack([row + (row >= centre) for centre, row in enumerate(rows)])
    return torch.randn(columns, slots, size, generator=draw) * 2, table


@pytest.mark.parametrize("distinct", [False, True])
@given(seeds, st.integers(2, 6))
@settings(max_examples=30)
def test_r_over_candidates_is_projected_as_r_with_all_others_ruled_out(distinct, seed, size):
    logits, table = tabled(size, seed=seed)
    dense = torch.full((7, 2, 7), -torch.inf).scatter(2, table.unsqueeze(1).expand_as(logits), logits)
    given = {"distinct": distinct, "temperature": 0.7, "mask": None}
    ours = project([logits], names(7), candidates=table, **given)
    theirs = project([dense], names(7), **given)
    for array in ("members", "runners_up"):
        np.testing.assert_array_equal(getattr(ours, array), getattr(theirs, array))
    for array in ("weights", "runner_up_weights"):
        np.testing.assert_allclose(getattr(ours, array), getattr(theirs, array), rtol=1e-5)


def test_distinct_slots_over_candidates_are_distinct_and_leave_the_centre_out():
    logits, table = tabled(size=3, slots=3)
    members = project([logits], names(7), mask=None, distinct=True, temperature=1.0, candidates=table).members[0]
    assert all(len(set(field)) == 4 for field in members.tolist())
    np.testing.assert_array_equal(np.sort(members[:, 1:], axis=1), np.sort(table.numpy(), axis=1))


def test_a_single_candidate_has_no_runner_up():
    logits, table = tabled(size=1, slots=1)
    fields = project([logits], names(7), mask=None, distinct=True, temperature=1.0, candidates=table)
    assert fields.members[0, :, 1].tolist() == table[:, 0].tolist()
    assert (fields.runners_up == -1).all()


def test_more_distinct_slots_than_candidates_are_refused():
    logits, table = tabled(size=2, slots=3)
    with pytest.raises(ValueError, match="3 distinct slots need as many candidates, got 2"):
        project([logits], names(7), mask=None, distinct=True, temperature=1.0, candidates=table)


def test_random_fields_do_not_depend_on_how_many_are_drawn_at_a_time(monkeypatch):
    names = tuple(f"c{i:02}" for i in range(17))
    at_once = project_module.random_fields(names, 4, 2, np.random.default_rng(5))
    monkeypatch.setattr(project_module, "_DRAWN", 40)
    assert project_module.random_fields(names, 4, 2, np.random.default_rng(5)) == at_once
