"""`ReceptiveFields` is a value: checked when made, never changed, the same whatever the order of its columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfconv_cli.fields.value import ReceptiveFields

NAMES = ("a", "b", "c", "d")
ARRAYS = ("members", "weights", "runners_up", "runner_up_weights")


def arrays(depth: int = 2, kernel_size: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (depth, len(NAMES), kernel_size)
    members = rng.integers(len(NAMES), size=shape)
    members[:, :, 0] = np.arange(len(NAMES))
    runners_up = rng.integers(-1, len(NAMES), size=shape)  # −1: none
    return {
        "members": members,
        "weights": rng.random(shape, np.float32),
        "runners_up": runners_up,
        "runner_up_weights": rng.random(shape, np.float32),
    }


def fields(seed: int = 0, **changes) -> ReceptiveFields:
    return ReceptiveFields(NAMES, **(arrays(seed=seed) | changes))


def moved_centre() -> np.ndarray:
    members = arrays()["members"]
    members[1, 0, 0] = 2
    return members


def with_member(value: int) -> np.ndarray:
    members = arrays()["members"]
    members[1, 3, 2] = value
    return members


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": arrays()["members"][:, :3]}, "3 positions for 4 names"),
        ({"members": with_member(4)}, r"members must lie in \[0, 4\)"),
        ({"members": with_member(-1)}, r"members must lie in \[0, 4\)"),
        ({"members": moved_centre()}, "slot 0 must hold the centre"),
        ({"weights": np.ones((2, 4, 2), np.float32)}, r"expected shape \(2, 4, 3\), got \(2, 4, 2\)"),
        ({"runners_up": np.zeros((1, 4, 3), np.int64)}, r"expected shape \(2, 4, 3\), got \(1, 4, 3\)"),
        ({"runner_up_weights": np.zeros((2, 3, 3), np.float32)}, r"expected shape \(2, 4, 3\), got \(2, 3, 3\)"),
    ],
)
def test_arrays_that_are_no_fields_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        fields(**changes)


@pytest.mark.parametrize("name", ARRAYS)
def test_the_arrays_are_read_only(name):
    with pytest.raises(ValueError, match="read-only"):
        getattr(fields(), name)[0, 0, 0] = 0


@pytest.mark.parametrize("name", ARRAYS)
def test_the_arrays_it_was_made_from_stay_the_callers(name):
    given_arrays = arrays()
    made = ReceptiveFields(NAMES, **given_arrays)
    given_arrays[name][0, 0, 1] += 1  # neither refused nor seen
    assert made == fields()


def test_depth_and_kernel_size_are_those_of_the_members():
    assert (fields().depth, fields().kernel_size) == (2, 3)


def test_by_name_lists_the_members_of_each_centre_in_slot_order():
    members = np.array([[[0, 3], [1, 0], [2, 2], [3, 1]]])
    made = ReceptiveFields.unweighted(NAMES, members)
    assert made.by_name() == {"a": ["a", "d"], "b": ["b", "a"], "c": ["c", "c"], "d": ["d", "b"]}


def test_fields_that_were_given_have_full_weights_and_no_runners_up():
    made = ReceptiveFields.unweighted(NAMES, arrays()["members"])
    assert (made.weights == 1).all()
    assert (made.runners_up == -1).all()
    assert (made.runner_up_weights == 0).all()


def test_equal_fields_are_equal_and_hash_alike():
    assert fields() == fields()
    assert hash(fields()) == hash(fields())


@pytest.mark.parametrize("name", ARRAYS)
def test_fields_that_differ_in_one_array_are_unequal(name):
    changed = arrays()[name]
    changed[1, 2, 1] = (changed[1, 2, 1] + 1) % len(NAMES)
    assert fields() != fields(**{name: changed})


def test_fields_of_other_columns_are_unequal():
    assert fields() != ReceptiveFields(("a", "b", "c", "e"), **arrays())


def test_fields_equal_nothing_else():
    assert fields() != "fields"


orders = st.permutations(NAMES)


@given(orders, st.integers(0, 5))
def test_reordering_back_restores_the_fields(order, seed):
    made = fields(seed)
    assert made.reordered(order).reordered(NAMES) == made


@given(orders, orders)
def test_two_reorderings_are_the_last_one(first, last):
    assert fields().reordered(first).reordered(last) == fields().reordered(last)


@given(orders)
def test_by_name_does_not_depend_on_the_order_of_the_columns(order):
    made = fields()
    assert [made.reordered(order).by_name(layer) for layer in (0, 1)] == [made.by_name(layer) for layer in (0, 1)]


def facts(made: ReceptiveFields) -> dict[tuple[int, str, int], tuple[str, float, str | None, float]]:
    """Everything the fields say, by layer, name of the centre, and slot."""
    found = {}
    for d, m, k in np.ndindex(made.members.shape):
        runner = int(made.runners_up[d, m, k])
        found[d, made.names[m], k] = (
            made.names[made.members[d, m, k]],
            float(made.weights[d, m, k]),
            made.names[runner] if runner >= 0 else None,
            float(made.runner_up_weights[d, m, k]),
        )
    return found


@given(orders)
def test_weights_and_runners_up_move_with_their_columns(order):
    assert facts(fields().reordered(order)) == facts(fields())


@given(orders)
def test_reordering_gives_the_names_in_the_order_asked_for(order):
    assert fields().reordered(order).names == tuple(order)


@pytest.mark.parametrize("order", [("a", "b", "c"), ("a", "b", "c", "x"), ("a", "b", "c", "c"), (*NAMES, "e")])
def test_reordering_to_other_names_is_refused(order):
    with pytest.raises(ValueError, match="same names"):
        fields().reordered(order)
