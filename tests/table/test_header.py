"""The names of the columns from the first bytes: always those that reading the whole table gives."""

import gzip
import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from rfconv_cli.errors import DataError
from rfconv_cli.table.dialect import AS_SHOWN, Dialect
from rfconv_cli.table.header import column_names
from rfconv_cli.table.reader import read_table
from rfconv_cli.table.source import STANDARD_INPUT

SAMPLES = Path(__file__).parents[2] / "sample_data"
ROWS = "".join(f"{i},{i},{i}\n" for i in range(9))
TEXTS = {
    "plain": ("a,b,c\n" + ROWS, AS_SHOWN),
    "byte order mark": ("\ufeffa,b,c\n" + ROWS, AS_SHOWN),
    "semicolons": ("a;b;c\n" + ROWS.replace(",", ";"), AS_SHOWN),
    "carriage returns": ("a,b,c\r\n" + ROWS.replace("\n", "\r\n"), AS_SHOWN),
    "old line ends": ("a,b,c\r" + ROWS.replace("\n", "\r"), AS_SHOWN),
    "quotes": ('"a,1","b ""x""",c\n' + ROWS, AS_SHOWN),
    "a line break in a name": ('"a\nb",b,c\n' + ROWS, AS_SHOWN),
    "no name": ("a,,c\n" + ROWS, AS_SHOWN),
    "empty lines above": ("\n\na,b,c\n" + ROWS, AS_SHOWN),
    "lines to skip": ("from a logger\n;;\na|b|c\n" + ROWS.replace(",", "|"), Dialect(skip_lines=2, delimiter="|")),
    "stacked": ("wind,,temp\nu,v,max\n" + ROWS, Dialect(header_rows=2)),
    "Japanese": ("気温,湿度,風速\n" + ROWS, AS_SHOWN),
    "header alone has no line end": ("a,b,c\n1,2,3", AS_SHOWN),
}
STAMP = "ダウンロードした時刻：2024/01/01 00:00:00\n\n"
JMA = STAMP + ",酒田,酒田\n年月日,平均気温(℃),平均気温(℃)\n,,品質情報\n2023/1/1,1.5,8\n"


@pytest.mark.parametrize(("text", "dialect"), TEXTS.values(), ids=TEXTS)
def test_a_text_has_the_names_that_reading_it_gives(tmp_path, text, dialect):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    assert column_names(path, dialect) == read_table(path, dialect).column_names


@pytest.mark.parametrize("encoding", ["cp932", "utf-16", "latin-1"])
def test_encodings_are_those_of_reading(tmp_path, encoding):
    path = tmp_path / "t.csv"
    name = "température" if encoding == "latin-1" else "気温"
    path.write_bytes(f"{name},b,c\n{ROWS}".encode(encoding))
    dialect = AS_SHOWN if encoding == "cp932" else Dialect(encoding=encoding)
    assert column_names(path, dialect) == read_table(path, dialect).column_names == [name, "b", "c"]


def test_a_download_of_the_meteorological_agency_has_its_joined_names(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(JMA.encode("cp932"))
    assert column_names(path) == read_table(path).column_names


@pytest.mark.parametrize("name", ["nyc_weather.csv", "chicago_ridership.csv", "digits_shuffled.parquet", "ring.csv"])
def test_the_sample_tables_have_their_names(name):
    assert column_names(SAMPLES / name) == read_table(SAMPLES / name).column_names


def test_other_formats_and_packed_text_have_theirs(tmp_path):
    table = pa.table({"a": [1], "気温": [2], "": [3]})
    pq.write_table(table, tmp_path / "t.parquet")
    feather.write_feather(table, tmp_path / "t.feather", compression="uncompressed")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress("a\t気温\t\n1\t2\t3\n".encode()))
    (tmp_path / "t.tsv").write_text("a\t気温\t\n1\t2\t3\n")
    for path in tmp_path.iterdir():
        assert column_names(path) == read_table(path).column_names == ["a", "気温", "Unnamed: 2"], path.name


def test_a_folder_of_parquet_has_the_names_of_its_files_and_folders(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0], "year": [2020, 2021]})
    frame.to_parquet(tmp_path / "d", partition_cols=["year"])
    assert column_names(tmp_path / "d") == read_table(tmp_path / "d").column_names == ["a", "year"]


def test_a_character_cut_where_the_first_megabyte_ends_does_no_harm(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n" + ("気" * 30 + ",1\n").encode() * 20_000)
    assert path.stat().st_size > 1 << 20
    assert column_names(path) == ["a", "b"]


def test_what_can_be_read_once_only_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    assert column_names(tmp_path / "pipe.csv") == []
    assert column_names(STANDARD_INPUT) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("none.csv", None),
        ("t.docx", b"x"),
        ("t.csv", bytes(range(256))),
        ("t.csv", b"a,\xff\xfe\xfd\n1,2\n"),
        ("t.csv", b'"' + b"a" * 200_000),
        ("t.parquet", b"PAR1junk"),
        ("t.arrow", b"ARROW1junk"),
    ],
)
def test_what_has_no_names_is_an_error_in_the_data(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError):
        column_names(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [("t.csv", b""), ("t.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:20])],
    ids=["csv", "gz"],
)
def test_nothing_has_no_names(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert column_names(tmp_path / name) == []
