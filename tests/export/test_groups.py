"""Groups: the graph that the fields span, and its communities."""

import numpy as np
import pytest
from export_examples import cluster_names, clustered, learned, plain_names, shuffled
from hypothesis import given, settings
from hypothesis import strategies as st

from rfconv_cli.export.groups import check_groups, communities, field_graph
from rfconv_cli.fields.value import ReceptiveFields


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("stray", [0.0, 0.01, 0.1])
@pytest.mark.parametrize("sizes", [(8, 8), (9, 6), (5, 7, 9)])
def test_planted_clusters_are_the_groups(sizes, stray, seed):
    assert communities(clustered(sizes, size=5, stray=stray, seed=seed)) == cluster_names(sizes)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_columns_changes_no_group(seed):
    fields = learned(plain_names(30), seed=seed)
    assert communities(shuffled(fields, seed)) == communities(fields)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 3), st.integers(0, 1000))
def test_every_column_is_in_one_group(columns, size, depth, seed):
    rng = np.random.default_rng(seed)
    members = rng.integers(0, columns, (depth, columns, size))
    members[:, :, 0] = np.arange(columns)
    fields = ReceptiveFields.unweighted(plain_names(columns), members)
    check_groups(communities(fields), fields.names)


def test_groups_come_largest_first_and_sorted_within():
    groups = communities(clustered((5, 9, 5)))
    assert [len(group) for group in groups] == [9, 5, 5]
    assert all(group == sorted(group) for group in groups)


def test_a_column_in_nobodys_field_is_a_group_of_its_own():
    members = np.array([[[0, 1], [1, 0], [2, 2]]])
    assert communities(ReceptiveFields.unweighted(("a", "b", "alone"), members)) == [["a", "b"], ["alone"]]


def test_fields_without_members_leave_every_column_alone():
    fields = ReceptiveFields.unweighted(("b", "a"), np.array([[[0], [1]]]))
    assert communities(fields) == [["a"], ["b"]]


@pytest.mark.parametrize("depth", [1, 3])
def test_a_link_weighs_the_slots_of_both_directions_and_all_layers(depth):
    fields = learned(plain_names(12), depth=depth)
    expected: dict[frozenset[str], float] = {}
    for d in range(depth):
        for m in range(12):
            for k in range(1, fields.kernel_size):
                pair = frozenset((fields.names[m], fields.names[fields.members[d, m, k]]))
                expected[pair] = expected.get(pair, 0) + float(fields.weights[d, m, k])
    links = {frozenset((a, b)): weight for a, b, weight in field_graph(fields).edges(data="weight")}
    assert links == pytest.approx(expected)


@pytest.mark.parametrize(("member", "weight"), [(0, 1.0), (1, 0.0)], ids=["the centre again", "a weight of 0"])
def test_a_slot_that_joins_nothing(member, weight):
    members = np.array([[[0, member], [1, 1]]])
    weights = np.array([[[1, weight], [1, 1]]], np.float32)
    fields = ReceptiveFields(("a", "b"), members, weights, np.full_like(members, -1), np.zeros_like(weights))
    assert field_graph(fields).number_of_edges() == 0


@pytest.mark.parametrize("groups", [[["a"]], [["a", "b"], ["b"]], [["a", "b", "c"]], [["a"], ["a"]], []])
def test_groups_that_do_not_hold_each_column_once_are_refused(groups):
    with pytest.raises(ValueError, match="each of the 2 columns once"):
        check_groups(groups, ("a", "b"))
