"""Tables of predictions: columns of their table beside them, and text that a spreadsheet leaves alone."""

import pyarrow as pa
import pytest

from rfconv_cli.errors import RfconvError
from rfconv_cli.jobs.result import safe_for_sheets, table_bytes, with_ids

PREDICTIONS = pa.table({"row": [0, 1], "prediction": ["=1+1", "1月"], "probability_=1+1": [0.9, -0.2]})
TABLE = pa.table({"station": ["酒田", "@cmd"], "n": [-7, 8], "row": [5, 6]})


def test_ids_stand_after_the_row_in_the_order_asked_for():
    found = with_ids(PREDICTIONS, TABLE, ["n", "station"])
    assert found.column_names == ["row", "n", "station", "prediction", "probability_=1+1"]
    assert found.column("station").to_pylist() == ["酒田", "@cmd"]


@pytest.mark.parametrize(
    ("ids", "code", "exit_code"),
    [(["row"], "id_taken", 2), (["n", "n"], "id_taken", 2), (["statoin"], "column_not_found", 3)],
)
def test_an_id_that_cannot_be_given_is_refused(ids, code, exit_code):
    with pytest.raises(RfconvError) as caught:
        with_ids(PREDICTIONS, TABLE, ids)
    assert (caught.value.code, caught.value.exit_code) == (code, exit_code)


def test_formulas_are_disarmed_in_text_and_names_and_numbers_stay():
    found = safe_for_sheets(with_ids(PREDICTIONS, TABLE, ["station"]).rename_columns(["row", "-x", "p", "=q"]))
    assert found.column_names == ["row", "'-x", "p", "'=q"]
    assert found.column("'-x").to_pylist() == ["酒田", "'@cmd"]
    assert found.column("p").to_pylist() == ["'=1+1", "1月"]
    assert found.column("'=q").to_pylist() == [0.9, -0.2]
    assert b"'=1+1" in table_bytes(found, ".csv")
