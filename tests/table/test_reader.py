"""Reading files: what comes out right, and what is refused with which code."""

import gzip
import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rfconv_cli.errors import DataError
from rfconv_cli.table.reader import read_table, read_with_fingerprint


def write(folder: Path, content: bytes | str, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def arrow_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def zstd_bytes(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


CODED = pa.table({"a": [1, 2], "b": pa.array(["x", "y"]).dictionary_encode()})
SMALL = pa.table({"a": [1, 2], "b": [0.5, None]})


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("comma.csv", b"a,b\n1,x\n", [{"a": 1, "b": "x"}]),
        ("text.txt", b"a,b\n1,x\n", [{"a": 1, "b": "x"}]),
        ("upper.CSV", b"a,b\n1,x\n", [{"a": 1, "b": "x"}]),
        ("tab.tsv", b"a\tb,c\n1\tx\n", [{"a": 1, "b,c": "x"}]),
        ("semicolon.csv", b"a;b\n1;2.5\n", [{"a": 1, "b": 2.5}]),
        ("decimal-comma.csv", b"a;b\n1;2,5\n", [{"a": 1, "b": 2.5}]),
        ("bom.csv", b"\xef\xbb\xbfa,b\n1,2\n", [{"a": 1, "b": 2}]),
        ("crlf.csv", b"a,b\r\n1,2\r\n", [{"a": 1, "b": 2}]),
        ("zipped.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0), [{"a": 1, "b": 2}]),
        ("zipped.tsv.gz", gzip.compress(b"a\tb\n1\t2\n", mtime=0), [{"a": 1, "b": 2}]),
        ("lost-gz.csv", gzip.compress(b"a,b\n1,2\n", mtime=0), [{"a": 1, "b": 2}]),
        ("index.csv", b",b\n0,2\n", [{"Unnamed: 0": 0, "b": 2}]),
        ("trailing.csv", b"a,b,\n1,2,\n", [{"a": 1, "b": 2, "Unnamed: 2": None}]),
        ("brackets.csv", b"temp[degC],flow[/h]\n1,2\n", [{"temp[degC]": 1, "flow[/h]": 2}]),
        ("cp932.csv", "気温,天気\n1.5,晴れ\n".encode("cp932"), [{"気温": 1.5, "天気": "晴れ"}]),
        ("utf8.csv", "気温,天気\n1.5,晴れ\n".encode(), [{"気温": 1.5, "天気": "晴れ"}]),
        ("quoted.csv", b'"a\nb",c\n"x\ny",2\n', [{"a\nb": "x\ny", "c": 2}]),
        ("zipped.csv.zst", zstd_bytes(b"a,b\n1,2\n"), [{"a": 1, "b": 2}]),
        ("lost-zst.csv", zstd_bytes(b"a,b\n1,2\n"), [{"a": 1, "b": 2}]),
        ("plain.feather", arrow_bytes(SMALL), SMALL.to_pylist()),
        ("plain.arrow", arrow_bytes(SMALL), SMALL.to_pylist()),
        ("coded.arrow", arrow_bytes(CODED), [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        ("plain.parquet", parquet_bytes(SMALL), SMALL.to_pylist()),
        ("plain.pq", parquet_bytes(SMALL), SMALL.to_pylist()),
    ],
)
def test_a_table_is_read_as_it_was_written(tmp_path, name, content, rows):
    assert read_table(write(tmp_path, content, name)).to_pylist() == rows


@pytest.mark.parametrize("token", ["", "NA", "NaN", "nan", "null", "NULL", "N/A"])
def test_missing_tokens_are_null_in_numbers_and_text(tmp_path, token):
    table = read_table(write(tmp_path, f"n,t\n1.5,x\n{token},{token}\n"))
    assert table.to_pylist()[1] == {"n": None, "t": None}
    assert table.schema.types == [pa.float64(), pa.string()]


@pytest.mark.parametrize("written", ["2020-01-31", "2020-01-31T10:00", "2020/1/31", "2020/01/31 10:00"])
def test_dates_in_csv_become_dates(tmp_path, written):
    value = read_table(write(tmp_path, f"t,x\n{written},1\n"))["t"][0].as_py()
    assert (value.year, value.month, value.day) == (2020, 1, 31)


@pytest.mark.parametrize("written", ["2020-01-31", "2020-01-31 10:00:00", "2020/01/31", "2020-01-31T10:00:00Z"])
def test_iso_dates_kept_as_text_in_parquet_become_dates(tmp_path, written):
    content = parquet_bytes(pa.table({"t": pa.array([written, None], pa.large_string())}))
    value = read_table(write(tmp_path, content, "d.parquet"))["t"][0].as_py()
    assert (value.year, value.month, value.day) == (2020, 1, 31)


def test_categories_of_parquet_are_decoded(tmp_path):
    content = parquet_bytes(pa.table({"c": pa.array(["x", "y", "x"]).dictionary_encode()}))
    assert read_table(write(tmp_path, content, "d.parquet"))["c"].type == pa.string()


def test_a_hive_like_folder_adds_no_column(tmp_path):
    (tmp_path / "year=2020").mkdir()
    assert read_table(write(tmp_path / "year=2020", parquet_bytes(SMALL), "d.parquet")).column_names == ["a", "b"]


def test_a_fraction_far_beyond_the_first_block_is_not_rounded(tmp_path):
    rows = 400_000
    path = write(tmp_path, "i,j\n" + "1,2\n" * rows + "3.7,2\n")
    table = read_table(path)
    assert path.stat().st_size > 1 << 20
    assert table["i"][rows].as_py() == 3.7
    assert table["j"].type == pa.int64()


def test_text_far_beyond_the_first_block_makes_the_column_text(tmp_path):
    table = read_table(write(tmp_path, "i,j\n" + "1,2\n" * 400_000 + "off,2\n"))
    assert table["i"][400_000].as_py() == "off"
    assert table["i"][0].as_py() == "1"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["9007199254740993", "2"], [9007199254740993, 2]),  # fits int64
        (["9007199254740993", "0.5"], ["9007199254740993", "0.5"]),
        (["99999999999999999999", "1"], ["99999999999999999999", "1"]),
        (["9007199254740992", "0.5"], [9007199254740992.0, 0.5]),  # exact as float64
        (["1e300", "0.5"], [1e300, 0.5]),
    ],
)
def test_a_whole_number_is_never_rounded(tmp_path, cells, expected):
    table = read_table(write(tmp_path, "id,x\n" + "".join(f"{cell},1\n" for cell in cells)))
    assert table["id"].to_pylist() == expected


@pytest.mark.parametrize("columns", [3, 11_000])
def test_a_header_of_any_length_is_read(tmp_path, columns):
    header = ",".join(f"column{i:0>120}" for i in range(columns))
    rows = (",".join(["0.12345678901234567"] * columns) + "\n") * 2
    path = write(tmp_path, f"{header}\n{rows}")
    assert columns == 3 or len(header) > 1_300_000
    assert read_table(path).shape == (2, columns)


def test_rows_longer_than_many_headers_are_read(tmp_path):
    long = "x" * 3_000_000
    assert read_table(write(tmp_path, f"a,b\n1,{long}\n2,{long}\n")).num_rows == 2


NULS = b"a,b\n1,\x00\n"
REFUSED = [
    ("empty.csv", b"", "empty_file"),
    ("blank.csv", b"\n\n  \n", "empty_file"),
    ("empty.parquet", b"", "empty_file"),
    ("header.csv", b"a,b\n", "no_rows"),
    ("no-newline.csv", b"a,b", "no_rows"),
    ("norows.parquet", parquet_bytes(SMALL.slice(0, 0)), "no_rows"),
    ("nul.csv", NULS, "not_text"),
    ("png.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "not_text"),
    ("control.csv", b"a,b\n\x01,\x02\n", "not_text"),
    ("parquet.csv", parquet_bytes(SMALL), "not_text"),
    ("utf16.csv", "a,b\n1,2\n".encode("utf-16"), "not_text"),
    ("garbage.parquet", b"this is no parquet at all", "damaged_parquet"),
    ("cut.parquet", parquet_bytes(SMALL)[:-20], "damaged_parquet"),
    ("head.parquet", parquet_bytes(SMALL)[:40], "damaged_parquet"),
    ("cut.csv.gz", gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:-20], "damaged_gzip"),
    ("notes.xlsx", b"PK", "unknown_format"),
    ("notes", b"a,b\n1,2\n", "unknown_format"),
    ("notes.gz", b"a,b\n1,2\n", "unknown_format"),
    ("twice.csv", b"a,b,a\n1,2,3\n", "duplicate_columns"),
    ("short.csv", b"a,b\n1,2\n3\n", "ragged_rows"),
    ("long.csv", b"a,b\n1,2\n3,4,5\n", "ragged_rows"),
    ("quote.csv", b'a,b\n1,"2\n3,4\n5,6\n', "open_quote"),
    ("latin.csv", "größe,x\n1,2\n".encode("latin-1"), "encoding"),
    ("unassigned.csv", b"temp,\xff\xfe\xfd\n1,2\n", "encoding"),
]


@pytest.mark.parametrize(("name", "content", "code"), REFUSED, ids=[case[0] for case in REFUSED])
def test_a_broken_file_is_refused_by_name_with_a_hint(tmp_path, name, content, code):
    with pytest.raises(DataError) as caught:
        read_table(write(tmp_path, content, name))
    assert caught.value.code == code
    assert caught.value.message.startswith(name)
    assert str(tmp_path) not in caught.value.message
    assert caught.value.hint


def test_parquet_cut_anywhere_is_refused_or_whole(tmp_path):
    whole = parquet_bytes(pa.table({"a": list(range(100)), "b": ["x"] * 100}))
    for end in range(1, len(whole), 7):
        with pytest.raises(DataError):
            read_table(write(tmp_path, whole[:end], "cut.parquet"))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a,b\n1,2\n3\n4,5\n", 3),
        ("\n\na,b\n1,2\n3\n", 5),
        ('a,b\n"x\ny",2\n1,2,3\n', 4),
        ("stamp\na,b\n1,2\n", 2),
    ],
)
def test_a_ragged_row_is_named_by_its_line(tmp_path, content, line):
    with pytest.raises(DataError, match=rf"line {line} ") as caught:
        read_table(write(tmp_path, content))
    assert caught.value.code == "ragged_rows"


def test_an_open_quote_is_named_by_its_line(tmp_path):
    with pytest.raises(DataError, match="near line 3") as caught:
        read_table(write(tmp_path, 'a,b\n1,2\n1,"2\n3,4\n5,6\n'))
    assert caught.value.code == "open_quote"


def test_an_inch_mark_inside_a_cell_is_no_open_quote(tmp_path):
    assert read_table(write(tmp_path, 'a,b\n1,5" pipe\n2,x\n'))["b"].to_pylist() == ['5" pipe', "x"]


def test_duplicates_are_all_named(tmp_path):
    with pytest.raises(DataError, match="'a', 'b'"):
        read_table(write(tmp_path, "a,b,a,b,c\n1,2,3,4,5\n"))


def test_a_missing_file_names_its_neighbours(tmp_path):
    write(tmp_path, "a\n1\n", "weather.csv")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "wether.csv")
    assert caught.value.code == "file_not_found"
    assert "weather.csv" in caught.value.hint


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "nowhere" / "data.csv")
    assert "no folder" in caught.value.hint


def test_a_folder_is_refused(tmp_path):
    write(tmp_path, "a\n1\n", "inside.csv")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path)
    assert caught.value.code == "is_directory"
    assert "inside.csv" in caught.value.hint


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path, "a\n1\n")
    path.chmod(0)
    if os.access(path, os.R_OK):  # root reads everything

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"^data\.csv cannot be read") as caught:
        read_table(path)
    assert caught.value.code == "unreadable"


def test_the_fingerprint_is_the_sha256_of_the_bytes(tmp_path):
    content = gzip.compress(b"a,b\n" + b"1,2\n" * 1000)
    assert read_with_fingerprint(write(tmp_path, content))[1] == hashlib.sha256(content).hexdigest()


def parts_of_years(folder: Path) -> Path:
    for year, name in ((2021, "b"), (2020, "a"), (2020, "b")):
        (folder / f"year={year}").mkdir(exist_ok=True, parents=True)
        pq.write_table(pa.table({"x": [year / 2, 1.0]}), folder / f"year={year}" / f"{name}.parquet")
    (folder / "_SUCCESS").touch()
    (folder / "notes.txt").write_text("no table")
    (folder / "_old").mkdir()
    pq.write_table(pa.table({"y": [1]}), folder / "_old" / "c.parquet")
    return folder


def test_a_folder_of_parquet_is_one_table_with_its_partitions_as_columns(tmp_path):
    table = read_table(parts_of_years(tmp_path / "run=1"))
    assert table.to_pydict() == {
        "x": [1010.0, 1.0, 1010.0, 1.0, 1010.5, 1.0],
        "year": [2020, 2020, 2020, 2020, 2021, 2021],
    }


def test_a_folders_fingerprint_is_that_of_its_files(tmp_path):
    folder = parts_of_years(tmp_path / "t")
    before = read_with_fingerprint(folder)[1]
    (folder / "more.txt").write_text("no table either")
    assert read_with_fingerprint(folder)[1] == before
    (folder / "year=2020" / "a.parquet").unlink()
    assert read_with_fingerprint(folder)[1] != before


def test_files_of_one_folder_must_agree(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": ["one"]}), tmp_path / "b.parquet")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path)
    assert caught.value.code == "damaged_parquet"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("cut.csv.zst", zstd_bytes(b"a,b\n" + b"1,2\n" * 5000)[:-9], "damaged_zstd"),
        ("cut.arrow", arrow_bytes(SMALL)[:200], "damaged_arrow"),
        ("text.feather", b"a,b\n1,2\n", "damaged_arrow"),
    ],
)
def test_damaged_files_are_named_by_their_kind(tmp_path, name, content, code):
    with pytest.raises(DataError) as caught:
        read_table(write(tmp_path, content, name))
    assert (caught.value.code, caught.value.exit_code) == (code, 3)


def test_a_zip_bomb_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    bomb = write(tmp_path, gzip.compress(b"a,b\n" + b"1,2\n" * 30_000_000, 9), "bomb.csv.gz")
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=200_000_000))
    with pytest.raises(DataError) as caught:
        read_table(bomb)
    assert caught.value.code == "too_large"
    assert "more than 0.1 GB of text" in str(caught.value)
