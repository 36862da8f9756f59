"""Quality flags: left out, and what they do not call good is missing, at learn and ever after."""

import pandas as pd
import pyarrow as pa
import pytest

from rfconv_cli.config import from_values
from rfconv_cli.errors import DataError, UsageError
from rfconv_cli.jobs.prepare import prepare
from rfconv_cli.table.dialect import Dialect, dialect_of
from rfconv_cli.table.flagged import said_of_flags, without_flagged
from rfconv_cli.table.reader import how_read, read_table
from tests.conftest import sensor_frame

FLAGS = [
    ([1, 2, None, 9], ["1", "2"], [0.5, 1.5, 2.5, None]),
    ([1.0, 2.0, None, 9.0], ["1"], [0.5, None, 2.5, None]),
    (["ok", "bad", None, "OK"], ["ok"], [0.5, None, 2.5, None]),
    ([True, False, None, True], ["1"], [0.5, None, 2.5, 3.5]),
    ([True, False, None, True], ["True"], [0.5, None, 2.5, 3.5]),
    ([1, 2, None, 9], [], [0.5, 1.5, 2.5, 3.5]),
    ([1, 2, None, 9], ["good"], [None, None, 2.5, None]),
]


@pytest.mark.parametrize(("flags", "good", "values"), FLAGS)
def test_values_whose_flag_is_not_good_are_missing(flags, good, values):
    table = pa.table({"t": [0.5, 1.5, 2.5, 3.5], "n": [1, 2, 3, 4], "t_qc": flags})
    found, gone = without_flagged(table, "_qc", good)
    assert found.to_pydict() == {"t": values, "n": [1, 2, 3, 4]}
    assert gone == values.count(None)
    said = said_of_flags(table.column_names, "_qc", good, gone)
    assert said.startswith("1 columns …_qc are quality flags")
    assert (f"{gone} values" in said) == bool(good)


def test_a_suffix_of_no_column_is_refused():
    with pytest.raises(DataError) as caught:
        without_flagged(pa.table({"t": [1], "t.qc": [1]}), "_qc", [])
    assert (caught.value.code, "--flag-suffix" in str(caught.value.hint)) == ("no_flags", True)


def test_flags_are_told_of_and_no_features(tmp_path):
    frame = sensor_frame().drop(columns="load").assign(temp_a_qc=["1", "3"] * 120)
    frame.to_csv(tmp_path / "t.csv", index=False)
    settings = from_values({"flag_suffix": "_qc", "flag_good": ("1",)})
    table = read_table(tmp_path / "t.csv", dialect_of(settings))
    assert "120 values" in str(how_read(table))
    said: list[str] = []
    schema = prepare(table, "state", settings, said.append).schema
    assert "temp_a_qc" not in (*schema.names, *(name for name, _ in schema.left_out))
    assert "temp_a@missing" in schema.names
    assert said[0] == how_read(table)
    assert read_table(tmp_path / "t.csv", Dialect()).num_columns == table.num_columns + 1


def test_a_frame_without_flags_has_nothing_to_say(tmp_path):
    pd.DataFrame({"a": [1.5], "b": [2]}).to_csv(tmp_path / "t.csv", index=False)
    assert how_read(read_table(tmp_path / "t.csv")) is None


@pytest.mark.parametrize("settings", [{"flag_good": ("1",)}, {"flag_suffix": ""}])
def test_flags_without_a_suffix_are_a_usage_error(settings):
    with pytest.raises(UsageError):
        dialect_of(from_values(settings))


def test_a_table_to_predict_needs_no_flags(tmp_path):
    pd.DataFrame({"a": [1.5], "b": [2]}).to_csv(tmp_path / "t.csv", index=False)
    assert read_table(tmp_path / "t.csv", Dialect(flag_suffix="_qc", needs_flags=False)).num_columns == 2
