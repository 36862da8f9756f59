"""What the user says of a text table: delimiter, decimal sign, encoding, lines above the header, stacked headers."""

import io
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rfconv_cli.config import from_values
from rfconv_cli.errors import DataError, UsageError
from rfconv_cli.table.dialect import Dialect, dialect_of
from rfconv_cli.table.reader import read_table
from rfconv_cli.table.source import STANDARD_INPUT

TWO_HEADERS = "station,,,other\n,temp,wind,temp\n1,2,3,4\n"


@pytest.mark.parametrize(
    ("content", "dialect", "rows"),
    [
        (b"a|b\n1|2\n", Dialect(delimiter="|"), [{"a": 1, "b": 2}]),
        (b"a b\n1 2\n", Dialect(delimiter=" "), [{"a": 1, "b": 2}]),
        (b'a|b\n"1,5"|x\n', Dialect(delimiter="|", decimal=","), [{"a": 1.5, "b": "x"}]),
        (b"a;b\n1,5;2\n", Dialect(decimal="."), [{"a": "1,5", "b": 2}]),
        ("größe,b\n1,2\n".encode("latin-1"), Dialect(encoding="latin-1"), [{"größe": 1, "b": 2}]),
        ("a,b\n1,ü\n".encode("utf-16"), Dialect(encoding="utf-16"), [{"a": 1, "b": "ü"}]),
        (b"logger 7\nserial;9\na,b\n1,2\n", Dialect(skip_lines=2), [{"a": 1, "b": 2}]),
        (b"logger, 7, x\r\na\tb\r\n1\t2\r\n", Dialect(skip_lines=1), [{"a": 1, "b": 2}]),
        (b"logger\ra,b\r1,2\r", Dialect(skip_lines=1), [{"a": 1, "b": 2}]),
        (
            TWO_HEADERS.encode(),
            Dialect(header_rows=2),
            [{"station": 1, "station_temp": 2, "station_wind": 3, "other_temp": 4}],
        ),
        (
            ("made in 2020\n" + TWO_HEADERS).encode(),
            Dialect(skip_lines=1, header_rows=2),
            [{"station": 1, "station_temp": 2, "station_wind": 3, "other_temp": 4}],
        ),
        (b'a,b\n"x, y",\n1,2\n', Dialect(header_rows=2), [{"a_x, y": 1, "b": 2}]),
    ],
)
def test_what_is_said_of_the_text_is_how_it_is_read(tmp_path, content, dialect, rows):
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    assert read_table(path, dialect).to_pylist() == rows


@pytest.mark.parametrize(
    ("content", "dialect", "code", "said"),
    [
        (b"a,b\n1,2\n", Dialect(skip_lines=9), "damaged_csv", "3 lines, too few for --skip-lines 9"),
        (b"a,b\n1,\xff\n", Dialect(encoding="utf-8"), "encoding", "is not utf-8 text"),
        (b"a,b\n1,2\n", Dialect(encoding="base64"), "encoding", "is not base64 text"),
        (b"a,b\n1,\0\n", Dialect(encoding="latin-1"), "encoding", "is not latin-1 text"),
        (b"x\nx\na,b\n1,2\n3\n", Dialect(skip_lines=2), "ragged_rows", "line 5 has 1 cells"),
        (b"a,b\nx,y\n1,2\n3\n", Dialect(header_rows=2), "ragged_rows", "line 4 has 1 cells"),
    ],
)
def test_text_that_is_not_as_said_is_refused_with_the_files_own_lines(tmp_path, content, dialect, code, said):
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_table(path, dialect)
    assert caught.value.code == code
    assert said in caught.value.message


@pytest.mark.parametrize(("given", "meant"), [("tab", "\t"), ("\\t", "\t"), (";", ";"), ("pipe", "|"), (None, None)])
def test_a_delimiter_may_be_spelled_out(given, meant):
    assert dialect_of(from_values({"delimiter": given})).delimiter == meant


@pytest.mark.parametrize(
    "setting", [{"delimiter": ";;"}, {"delimiter": "→"}, {"delimiter": '"'}, {"encoding": "utf8000"}]
)
def test_what_cannot_be_is_a_usage_error(setting):
    with pytest.raises(UsageError) as caught:
        dialect_of(from_values(setting))
    assert caught.value.hint


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [1], "b": [2]}), sink)
    return sink.getvalue()


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"a\tb\n1\t2\n", parquet()], ids=["csv", "tsv", "parquet"])
def test_standard_input_is_read_by_what_it_holds(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    assert read_table(STANDARD_INPUT).to_pylist() == [{"a": 1, "b": 2}]


def test_an_empty_standard_input_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    with pytest.raises(DataError, match=r"^standard input is empty"):
        read_table(STANDARD_INPUT)


def test_a_closed_standard_input_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(DataError) as caught:
        read_table(STANDARD_INPUT)
    assert caught.value.code == "unreadable"


def test_a_header_of_the_wrong_delimiter_is_refused(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(",".join(f"sensor {i} of many" for i in range(9000)) + "\nx\n1\n")
    with pytest.raises(DataError) as caught:
        read_table(path, Dialect(delimiter="\t", header_rows=2))
    assert caught.value.code == "damaged_csv"


def test_a_pipe_with_a_name_needs_no_ending(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"a,b\n1,2\n",))
    writer.start()
    try:
        assert read_table(pipe).to_pylist() == [{"a": 1, "b": 2}]
    finally:
        writer.join()


def test_lines_above_the_header_that_end_in_carriage_returns_are_skipped(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b"a logger, of ours\ra;b\r1;2\r3;4\r")
    assert read_table(path, Dialect(skip_lines=1)).to_pydict() == {"a": [1, 3], "b": [2, 4]}
