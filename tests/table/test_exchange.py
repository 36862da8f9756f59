"""Tables and columns of other libraries: what becomes of their types."""

import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rfconv_cli.errors import ArgumentError
from rfconv_cli.table.exchange import as_frame, as_values

NAN = float("nan")


@pytest.mark.parametrize(
    ("column", "numbers"),
    [
        (pa.array([1, None, 3]), [1, NAN, 3]),
        (pa.array([True, False, None]), [1, 0, NAN]),
        (pa.array([1.5, NAN, 2], pa.float32()), [1.5, NAN, 2]),
        (pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("3.50")]), [1.25, NAN, 3.5]),
        (pa.nulls(3), [NAN] * 3),
        (pa.array([None] * 3, pa.string()), [NAN] * 3),
        (pa.chunked_array([[1], [2, 3]]), [1, 2, 3]),
    ],
)
def test_columns_of_a_table_become_float64(column, numbers):
    frame = as_frame(pa.table({"a": column, "b": [1, 2, 3]}))
    assert frame.dtypes.tolist() == [np.float64] * 2
    np.testing.assert_array_equal(frame["a"], numbers)


@pytest.mark.parametrize("column", [["x", "y"], [b"x", b"y"], [[1], [2]], pa.array(["x", "y"]).dictionary_encode()])
def test_a_column_that_is_no_number_is_refused_by_name(column):
    with pytest.raises(ArgumentError, match="column 'odd'"):
        as_frame(pa.table({"a": [1, 2], "odd": column}))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pa.array(["x", "y"]), ["x", "y"]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
        (pa.chunked_array([[1], [2]]), [1, 2]),
        (pa.array([True, False]), [True, False]),
        (pa.array([decimal.Decimal("1.5")]), [1.5]),
        (pa.array([1, None]), [1, NAN]),
    ],
)
def test_a_column_becomes_its_values(column, values):
    np.testing.assert_array_equal(as_values(column), np.array(values, as_values(column).dtype))


@pytest.mark.parametrize("data", [np.ones((2, 2)), [[1, 2]], pd.DataFrame({"a": [1]}), pd.Series([1]), None])
def test_what_scikit_learn_knows_is_left_to_it(data):
    assert as_frame(data) is data
    assert as_values(data) is data


def test_a_table_without_rows_keeps_its_columns():
    assert as_frame(pa.table({"a": pa.array([], pa.int64())})).shape == (0, 1)


def test_a_name_that_stands_twice_is_handed_on():
    frame = as_frame(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]))
    assert (frame.columns.tolist(), frame.to_numpy().tolist()) == (["a", "a"], [[1.0, 2.0]])
