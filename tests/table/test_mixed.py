"""Cells that are not what their column is: a word among numbers, a number that means missing."""

import pyarrow as pa
import pytest

from rfconv_cli.config import from_values
from rfconv_cli.errors import DataError
from rfconv_cli.jobs.prepare import prepare
from rfconv_cli.table.dialect import Dialect, dialect_of
from rfconv_cli.table.mixed import refuse_mixed, without_values
from rfconv_cli.table.reader import read_table


def written(folder, cells, name="data.csv"):
    path = folder / name
    rows = (f"{cell},{i % 7},{'ab'[i % 2]}" for i, cell in enumerate(cells))
    path.write_text("flow,level,kind\n" + "\n".join(rows) + "\n")
    return path


def prepared(path, **settings):
    settings = from_values(settings)
    return prepare(read_table(path, dialect_of(settings)), "kind", settings, lambda _: None)


def test_one_word_among_numbers_is_refused_with_its_column_and_row(tmp_path):
    cells = [str(i / 4) for i in range(5000)]
    cells[4321] = "ERR"
    with pytest.raises(DataError) as caught:
        prepared(written(tmp_path, cells))
    assert (caught.value.code, caught.value.exit_code) == ("mixed_column", 3)
    assert str(caught.value) == "column 'flow' holds numbers, but 'ERR' in row 4,322"
    assert caught.value.hint == (
        "--na ERR reads these as missing; --exclude flow leaves the column out, --category flow takes its values for "
        "categories"
    )


@pytest.mark.parametrize("settings", [{"na": ("ERR", "--")}, {"exclude": ("flow",), "features": ()}])
def test_both_ways_out_lead_out(tmp_path, settings):
    path = written(tmp_path, [*(str(i / 4) for i in range(98)), "ERR", "--"])
    path.write_text(path.read_text().replace("kind", "spare,kind").replace(",a", ",1,a").replace(",b", ",2,b"))
    schema = prepared(path, **settings).schema
    assert ("flow" in schema.names) == ("na" in settings)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["12", "13", "A4", "B7"] * 15, "text"),
        (["x"] * 60, "text"),
        (["1", "2", "3"] * 20, "text (numbers written as text, or too long to keep exactly)"),
        ([None] * 60, "no value in any training row"),
    ],
    ids=["codes", "words", "numbers as text", "nothing"],
)
def test_text_that_is_text_is_left_out_and_not_refused(cells, reason):
    numbers = {name: pa.array(range(60)) for name in ("b", "c")}
    table = pa.table({"a": pa.array(cells, pa.string()), **numbers, "kind": ["x", "y"] * 30})
    assert prepare(table, "kind", from_values({}), lambda _: None).schema.left_out == (("a", reason),)


def test_the_other_words_are_counted_and_named():
    cells = [*(str(i) for i in range(100)), "n.d.", None, "it's off", "n.d."]
    with pytest.raises(DataError, match=r"'n.d.' in row 101 and 2 more such cells \('n.d.', \"it's off\"\)") as caught:
        refuse_mixed(pa.table({"a": cells}), ["a"])
    assert str(caught.value.hint).startswith("--na n.d. --na 'it'\\''s off' reads")


@pytest.mark.parametrize(
    ("kind", "before", "na", "after"),
    [
        (pa.int64(), [-999, 3], ["-999"], [None, 3]),
        (pa.int64(), [-999, 3], ["-999.0"], [None, 3]),
        (pa.float64(), [-999.0, 3.5], ["-999"], [None, 3.5]),
        (pa.float32(), [0.1, None], ["0.1"], [None, None]),
        (pa.uint8(), [255, 3], ["-999", "255"], [None, 3]),
        (pa.string(), ["ERR", "ok"], ["ERR", "-999"], [None, "ok"]),
        (pa.bool_(), [True, False], ["1"], [True, False]),
        (pa.int64(), [1, 3], ["ERR", "0.5", "nan"], [1, 3]),
    ],
)
def test_cells_of_such_a_value_are_missing(kind, before, na, after):
    found = without_values(pa.table({"a": pa.array(before, kind)}), na).column("a")
    assert found.type == kind
    assert found.to_pylist() == after


@pytest.mark.parametrize("cell", ["-999", "-999.0", "-9.99e2"])
def test_a_sentinel_is_missing_however_it_is_written(tmp_path, cell):
    table = read_table(written(tmp_path, ["1.5", cell, "2.5"]), Dialect(na=("-999",)))
    assert table.column("flow").to_pylist() == [1.5, None, 2.5]


def test_without_na_nothing_is_touched(tmp_path):
    assert read_table(written(tmp_path, ["-999", "3"])).column("flow").to_pylist() == [-999, 3]
