"""Tables read piece by piece are the tables that are read at once; and what cannot be read says so alike."""

import csv
import gzip
import io

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rfconv_cli.errors import DataError
from rfconv_cli.table import large, pieces
from rfconv_cli.table.dialect import Dialect
from rfconv_cli.table.large import memory_of, read_into
from rfconv_cli.table.reader import how_read, read_with_fingerprint
from rfconv_cli.table.room import IN_MEMORY, Room

PIECE = 400  # bytes of a piece of text, so that small tables have many


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(pieces, "_BYTES", PIECE)
    monkeypatch.setattr(large, "_ROWS", 16)


def lines(cells, count=300):
    return [cells(i) for i in range(count)]


def text(rows, header="n,x"):
    return "\n".join([header, *rows]) + "\n"


QUOTED = '"first\n1,2\n4,5"'
LATE = {
    "whole numbers": lines(lambda i: f"{i},{i * 2}"),
    "a fraction late": lines(lambda i: f"{i},{3.7 if i == 280 else i}"),
    "a fraction early": lines(lambda i: f"{i},{3.7 if i == 2 else i}"),
    "a word late": lines(lambda i: f"{i},{'ERR' if i == 290 else i}"),
    "empty at first": lines(lambda i: f"{i},{'' if i < 200 else i}"),
    "empty throughout": lines(lambda i: f"{i},"),
    "words, then numbers": lines(lambda i: f"{i},{'on' if i < 100 else i}"),
    "ids beyond float64 and a fraction": lines(lambda i: f"{i},{2**60 + i if i != 150 else 0.5}"),
    "ids of twenty digits": lines(lambda i: f"{i},{10**20 + i}"),
    "booleans, then numbers": lines(lambda i: f"{i},{'true' if i < 100 else i}"),
    "dates": lines(lambda i: f"{i},2020-01-{i % 28 + 1:02d}"),
    "dates, then moments": lines(lambda i: f"{i},2020-01-{i % 28 + 1:02d}{'' if i < 200 else ' 12:30'}"),
    "dates, then words": lines(lambda i: f"{i},{'2020-01-01' if i < 200 else 'never'}"),
    "line breaks in quotes": lines(lambda i: f'{i},"a\nb{i}"'),
    "quotes in quotes": lines(lambda i: f'{i},"a ""b"", c"'),
    "a stray quote": lines(lambda i: f"{i},{'5 inch'}{chr(34) if i == 100 else ''}"),
    "umlauts": lines(lambda i: f"{i},Zürich {i % 3}"),
    "empty lines": lines(lambda i: f"{i},{i}\n" if i % 50 == 0 else f"{i},{i}"),
    "carriage returns": lines(lambda i: f"{i},{i}\r"),
    "one row": ["1,2"],
    "booleans, then zeros and ones": lines(lambda i: f"{i},{'true' if i < 100 else i % 2}"),
    "inch marks beside line breaks": lines(lambda i: f"{i},{'5' + chr(34) + ' pipe' if i % 40 == 1 else QUOTED}"),
    "inch marks at the end of cells": lines(lambda i: f'{5 if i % 2 else 7}" pipe,"{i}\n,2"'),
    "quotes doubled at the ends": lines(lambda i: f'"""{i}""","a\n""b"""'),
}


def same(one: pa.Table, other: pa.Table) -> bool:
    return one.schema.equals(other.schema) and one.to_pylist() == other.to_pylist()


def both(tmp_path, path, dialect=None):
    dialect = dialect or Dialect()
    room = tmp_path / "room"
    room.mkdir(exist_ok=True)
    at_once, identity = read_with_fingerprint(path, dialect)
    in_files, again = read_into(Room(room), path, dialect)
    assert identity == again
    assert list(room.iterdir()) == []
    return at_once, in_files


@pytest.mark.parametrize("case", LATE)
def test_text_in_pieces_is_the_text_at_once(tmp_path, case):
    path = tmp_path / "t.csv"
    path.write_bytes(text(LATE[case]).encode())
    at_once, in_files = both(tmp_path, path)
    assert same(at_once, in_files), (at_once.schema, in_files.schema)
    assert case == "one row" or path.stat().st_size > 3 * PIECE


@pytest.mark.parametrize(
    ("name", "content", "dialect"),
    [
        ("bom.csv", b"\xef\xbb\xbf" + text(LATE["umlauts"]).encode(), Dialect()),
        ("sjis.csv", text(lines(lambda i: f"{i},酒田{i % 3}")).encode("cp932"), Dialect()),
        ("latin.csv", text(LATE["umlauts"]).encode("latin-1"), Dialect(encoding="latin-1")),
        ("comma.csv", text(lines(lambda i: f"{i};{i},5"), "n;x").encode(), Dialect()),
        ("tab.tsv", text(lines(lambda i: f"{i}\t{i}.5"), "n\tx").encode(), Dialect()),
        ("skip.csv", ("# from a logger\n\n" + text(LATE["a fraction late"])).encode(), Dialect(skip_lines=2)),
        ("stack.csv", text(LATE["whole numbers"], "a,\nn,x").encode(), Dialect(header_rows=2)),
        ("quoted.csv", text(LATE["whole numbers"], '"n\nm",x').encode(), Dialect()),
        ("na.csv", text(lines(lambda i: f"{i},{-999 if i % 7 == 0 else i}")).encode(), Dialect(na=("-999",))),
        ("unnamed.csv", text(LATE["whole numbers"], ",x").encode(), Dialect()),
        ("as_text.csv", text(LATE["whole numbers"]).encode(), Dialect(as_text=("x",))),
        ("t.csv.gz", gzip.compress(text(LATE["a word late"]).encode(), mtime=0), Dialect()),
        ("inch.csv", text(LATE["whole numbers"], 'diam 5",x').encode(), Dialect()),
        ("mixed ends.csv", ("n,x\r" + text(LATE["whole numbers"], "0,0")).encode(), Dialect()),
        ("cr.csv", text(LATE["whole numbers"]).replace("\n", "\r").encode(), Dialect()),
        ("gaps.tsv", text([*lines(lambda i: f"{i}\t{i}.5"), *["\t"] * 300], "n\tx").encode(), Dialect()),
        ("names.csv", text(lines(lambda i: f"{i:03d},{i}" if i < 150 else f"w{i},{i}"), ",x").encode(), Dialect()),
        ("sig.csv", b"\xef\xbb\xbf" + text(LATE["umlauts"]).encode(), Dialect(encoding="utf-8-sig")),
        ("pipe.csv", text(lines(lambda i: f"{i}|{i}"), "n|x").encode(), Dialect(delimiter="|")),
    ],
)
def test_text_in_any_dialect_in_pieces_is_the_text_at_once(tmp_path, name, content, dialect):
    (tmp_path / name).write_bytes(content)
    at_once, in_files = both(tmp_path, tmp_path / name, dialect)
    assert same(at_once, in_files), (at_once.schema, in_files.schema)


def test_flags_are_counted_over_all_pieces(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text(lines(lambda i: f"{i},{i},{1 if i % 3 else 9}"), "n,x,x_qc"))
    at_once, in_files = both(tmp_path, path, Dialect(flag_suffix="_qc", flag_good=("1",)))
    assert same(at_once, in_files)
    assert how_read(in_files) == how_read(at_once)
    assert "100 values" in str(how_read(in_files))


def test_flags_are_told_good_as_if_read_at_once(tmp_path):
    path, good = tmp_path / "t.csv", ("1", "g")
    path.write_text(text(lines(lambda i: f"{i},{i},{'01' if i < 150 else 'g'}"), "n,x,x_qc"))
    at_once, in_files = both(tmp_path, path, Dialect(flag_suffix="_qc", flag_good=good))
    assert same(at_once, in_files)
    assert at_once["x"].null_count == 150


@given(
    cells=st.lists(st.tuples(*[st.text('",a1 \n;', max_size=6)] * 2), min_size=1, max_size=40),
    raw=st.lists(st.text('"a1', max_size=4).filter(lambda cell: not cell.startswith('"')), max_size=40),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_cells_in_pieces_are_those_at_once(tmp_path, monkeypatch, cells, raw):
    monkeypatch.setattr(pieces, "_BYTES", 40)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["n", "x", "y"])
    for place, pair in enumerate(cells):
        writer.writerow([place, *pair])
        written.writelines(f"{place},{stray},{stray}\n" for stray in raw[place : place + 1])
    path = tmp_path / "t.csv"
    path.write_text(written.getvalue())
    at_once, in_files = both(tmp_path, path)
    assert same(at_once, in_files)


def sensors(rows=200):
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "x": rng.normal(size=rows),
            "kind": pa.array(["on", "off"] * (rows // 2)).dictionary_encode(),
            "day": [f"2020-01-{i % 28 + 1:02d}" for i in range(rows)],
            "said": ["2020-01-01"] * (rows - 1) + ["never"],
            "late day": [None] * 150 + ["2020-01-01"] * (rows - 150),
            "never": pa.array([None] * rows, pa.string()),
            "long": pa.array(["a", "b"] * (rows // 2), pa.large_string()),
            "half": pa.array(np.arange(rows, dtype=np.float16)),
            "whole": pa.array(range(rows), pa.int32()),
        }
    )


def test_parquet_and_arrow_in_pieces_are_those_at_once(tmp_path):
    table = sensors()
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=64)
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    for year in (2020, 2021):
        folder = tmp_path / "parts" / f"year={year}"
        folder.mkdir(parents=True)
        pq.write_table(table, folder / "t.parquet")
    for name in ("t.parquet", "t.arrow", "parts"):
        at_once, in_files = both(tmp_path, tmp_path / name)
        assert same(at_once, in_files), (at_once.schema, in_files.schema)


BAD = [
    ("ragged.csv", text([*LATE["whole numbers"], "1,2,3"]), "ragged_rows", "line 302"),
    ("open.csv", text([*LATE["whole numbers"], '1,"2', "3,4"]), "open_quote", "line 302"),
    ("twice.csv", text(LATE["whole numbers"], "n,n"), "duplicate_columns", "'n'"),
    ("none.csv", "n,x\n", "no_rows", "2 columns"),
    ("empty.csv", "", "empty_file", "empty"),
]


def refusals(folder, name) -> list[tuple[str, str]]:
    """Code and message of the refusal, read at once and in pieces."""
    found = []
    for room in (IN_MEMORY, Room(folder)):
        with pytest.raises(DataError) as caught:
            read_into(room, folder / name, Dialect())
        found.append((caught.value.code, str(caught.value)))
    return found


@pytest.mark.parametrize(("name", "content", "code", "said"), BAD)
def test_what_is_wrong_far_down_is_told_with_its_line(tmp_path, name, content, code, said):
    (tmp_path / name).write_text(content)
    at_once, in_files = refusals(tmp_path, name)
    assert at_once == in_files
    assert (in_files[0], said in in_files[1]) == (code, True)


def test_a_table_without_rows_is_refused_as_at_once(tmp_path):
    pq.write_table(sensors().slice(0, 0), tmp_path / "t.parquet")
    (tmp_path / "blank.csv").write_text("\n" * 2000)
    for name in ("t.parquet", "blank.csv"):
        at_once, in_files = refusals(tmp_path, name)
        assert at_once == in_files


def test_a_quote_that_stays_open_is_refused_without_reading_on(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "_LONGEST", 4)
    (tmp_path / "t.csv").write_text(text([*LATE["whole numbers"], '1,"2', *LATE["whole numbers"] * 3]))
    with pytest.raises(DataError, match="never closes") as caught:
        read_into(Room(tmp_path), tmp_path / "t.csv", Dialect())
    assert caught.value.code == "open_quote"


@pytest.mark.parametrize("encoding", ["hex", "undefined"])
def test_what_encodes_no_text_is_refused_as_at_once(tmp_path, encoding):
    (tmp_path / "t.csv").write_text(text(LATE["whole numbers"]))
    for room in (IN_MEMORY, Room(tmp_path)):
        with pytest.raises(DataError) as caught:
            read_into(room, tmp_path / "t.csv", Dialect(encoding=encoding))
        assert caught.value.code == "encoding"


def test_text_that_changes_its_encoding_is_refused(tmp_path):
    start, end = text(lines(lambda i: f"{i},酒田")).encode(), text(lines(lambda i: f"{i},酒田"), "9,9").encode("cp932")
    (tmp_path / "t.csv").write_bytes(start + end)
    with pytest.raises(DataError) as caught:
        read_into(Room(tmp_path), tmp_path / "t.csv", Dialect())
    assert caught.value.code == "encoding"


def test_wide_encodings_are_read_at_once_only(tmp_path):
    (tmp_path / "t.csv").write_bytes(text(LATE["umlauts"]).encode("utf-16"))
    with pytest.raises(DataError) as caught:
        read_into(Room(tmp_path), tmp_path / "t.csv", Dialect(encoding="utf-16"))
    assert (caught.value.code, "UTF-8" in caught.value.hint) == ("too_large", True)


def test_a_packed_text_beyond_the_disk_is_refused(tmp_path, monkeypatch):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 9_000_000))
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr(pieces.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match="disk") as caught:
        read_into(Room(tmp_path), tmp_path / "t.csv.gz", Dialect())
    assert caught.value.code == "too_large"


def test_what_a_table_takes_is_known_before_it_is_read(tmp_path):
    table = pa.table({f"c{i}": np.random.default_rng(i).normal(size=5000).round(4) for i in range(4)})
    pq.write_table(table, tmp_path / "t.parquet")
    pa_csv.write_csv(table, tmp_path / "t.csv")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    from_parquet = memory_of(tmp_path / "t.parquet")
    assert from_parquet == 5000 * 4 * 48
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    for name in ("t.csv", "t.csv.gz", "t.arrow", "."):
        assert 0.8 < memory_of(tmp_path / name) / from_parquet < 1.5, name
    (tmp_path / "pixels.csv").write_text("a,b,c\n" + "0,1,0\n" * 9000)
    assert 0.8 < memory_of(tmp_path / "pixels.csv") / (9000 * 3 * 48) < 1.5
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    assert memory_of(tmp_path / "bad.parquet") == 0
