"""The tables, made when they are needed; nothing here is stored as a file."""

import gzip
import io
import os
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 60


@dataclass(frozen=True)
class Bad:
    """make: writes the table into the current folder and says how it is called; says: words of the message."""

    name: str
    make: Callable[[], str]
    says: tuple[str, ...]
    flags: tuple[str, ...] = ()
    code: int = 3


@dataclass(frozen=True)
class Odd:
    """A table that is strange but right, and is learned from. left: columns that are left out."""

    name: str
    make: Callable[[], str]
    left: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


def columns(**more: object) -> dict[str, list[object]]:
    """Two sensors and a target of two classes, with columns in place of these or beside them."""
    rng = random.Random(0)
    plain: dict[str, list[object]] = {
        "a": [round(rng.gauss(0, 1), 3) for _ in range(ROWS)],
        "b": [round(rng.gauss(0, 1), 3) for _ in range(ROWS)],
        "y": ["on", "off"] * (ROWS // 2),
    }
    return plain | {name: value if isinstance(value, list) else [value] * ROWS for name, value in more.items()}


def lines(given: dict[str, list[object]], delimiter: str = ",") -> str:
    rows = zip(*given.values(), strict=True)
    cells = [given.keys(), *(["" if value is None else str(value) for value in row] for row in rows)]
    return "".join(delimiter.join(row) + "\n" for row in cells)


def raw(content: bytes | str, name: str = "t.csv") -> Callable[[], str]:
    def make() -> str:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    return make


def csv(**more: object) -> Callable[[], str]:
    return raw(lines(columns(**more)))


def parquet(**more: object) -> Callable[[], str]:
    def make() -> str:
        pq.write_table(pa.table(columns(**more)), "t.parquet")
        return "t.parquet"

    return make


def first(value: object, rest: object) -> list[object]:
    return [value, *[rest] * (ROWS - 1)]


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def parquet_bytes() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns()), sink)
    return sink.getvalue()


def loop() -> str:
    Path("t.csv").symlink_to("t.csv")
    return "t.csv"


def dangling() -> str:
    Path("t.csv").symlink_to("nowhere.csv")
    return "t.csv"


def folder() -> str:
    Path("t.csv").mkdir()
    return "t.csv"


def pipe(content: bytes) -> Callable[[], str]:
    """A writer that goes away after `content`."""

    def make() -> str:
        os.mkfifo("pipe")
        threading.Thread(target=Path("pipe").write_bytes, args=(content,), daemon=True).start()
        return "pipe"

    return make


def folder_of_parquet(second: dict[str, list[object]] | bytes) -> Callable[[], str]:
    def make() -> str:
        Path("t").mkdir()
        pq.write_table(pa.table(columns()), "t/a.parquet")
        if isinstance(second, bytes):
            Path("t/b.parquet").write_bytes(second)
        else:
            pq.write_table(pa.table(second), "t/b.parquet")
        return "t"

    return make


PLAIN = lines(columns())
HEADER, *BODY = PLAIN.splitlines(keepends=True)
LONG = "n" * 10_000
DAYS = [f"2024-{1 + i // 28:02d}-{1 + i % 28:02d}" for i in range(ROWS)]

BAD = [
    Bad("no file", lambda: "t.csv", ("t.csv", "no such file")),
    Bad("a folder", folder, ("t.csv", "folder")),
    Bad("a symlink loop", loop, ("t.csv",)),
    Bad("a symlink to nothing", dangling, ("t.csv", "no such file")),
    Bad("empty", raw(""), ("t.csv is empty",)),
    Bad("blank lines only", raw("\n\n \n"), ("t.csv is empty",)),
    Bad("a mark and nothing", raw(b"\xef\xbb\xbf"), ("t.csv",)),
    Bad("only a header", raw(HEADER), ("no rows",)),
    Bad("a header without a line end", raw(HEADER.strip()), ("no rows",)),
    Bad("NUL bytes", raw(PLAIN.replace("on", "o\0n").encode()), ("t.csv", "not text")),
    Bad("control characters", raw(HEADER.encode() + b"\x01\x02,\x03,on\n"), ("t.csv", "not text")),
    Bad("UTF-16", raw(PLAIN.encode("utf-16")), ("t.csv", "--encoding utf-16")),
    Bad("UTF-16 without a mark", raw(PLAIN.encode("utf-16-le")), ("t.csv", "not text")),
    Bad("Latin-1", raw(PLAIN.replace("a,", "größe,", 1).encode("latin-1")), ("t.csv", "line 1", "--encoding latin-1")),
    Bad("bytes of no encoding", raw(HEADER.encode() + b"1,2,\xff\xfe\xfd\n"), ("t.csv", "line 2")),
    Bad("said to be UTF-8", raw(HEADER.encode() + b"1,2,\xff\n"), ("t.csv", "utf-8"), ("--encoding", "utf-8")),
    Bad("a row too short", raw(HEADER + BODY[0] + "1,2\n"), ("line 3", "2 cells", "header has 3")),
    Bad("a row too long", raw(HEADER + BODY[0] + "1,2,on,4\n"), ("line 3", "4 cells")),
    Bad("a short row far down", raw(PLAIN * 1 + "1\n"), (f"line {ROWS + 2}",)),
    Bad("lines above the header", raw("logger 7\n" + PLAIN), ("line 2", "--skip-lines")),
    Bad("more lines to skip than there are", csv(), ("t.csv", "--skip-lines 99"), ("--skip-lines", "99")),
    Bad("an unclosed quote", raw(HEADER + '1,2,"on\n' + "".join(BODY)), ("line 2", "quote")),
    Bad("an unclosed quote at the end", raw(PLAIN + '1,2,"on\n3,4,off\n'), (f"line {ROWS + 2}", "quote")),
    Bad("duplicate names", raw(PLAIN.replace("a,b", "a,a", 1)), ("'a'", "more than once")),
    Bad("names in brackets twice", raw(PLAIN.replace("a,b", "[/h],[/h]", 1)), ("'[/h]'", "more than once")),
    Bad("a Parquet file called CSV", raw(parquet_bytes()), ("t.csv", ".parquet")),
    Bad("a spreadsheet called CSV", raw(b"PK\x03\x04" + bytes(100)), ("t.csv", "spreadsheet")),
    Bad("a picture called CSV", raw(b"\x89PNG\r\n\x1a\n" + bytes(100)), ("t.csv", "not text")),
    Bad("a format of others", raw("x", "t.xlsx"), ("t.xlsx", ".xlsx")),
    Bad("no ending", raw(PLAIN, "table"), ("table", "without an ending")),
    Bad("text called Parquet", raw(PLAIN, "t.parquet"), ("t.parquet", "Parquet")),
    Bad("a truncated Parquet", raw(parquet_bytes()[:-30], "t.parquet"), ("t.parquet", "damaged")),
    Bad("a Parquet of its first bytes", raw(parquet_bytes()[:50], "t.parquet"), ("t.parquet", "damaged")),
    Bad(
        "a Parquet with a flipped byte",
        raw(parquet_bytes().replace(b"ARROW:schema", b"ARROW;schemb")[:-9] + b"\xff" * 9, "t.parquet"),
        ("t.parquet", "damaged"),
    ),
    Bad("text called Arrow", raw(PLAIN, "t.feather"), ("t.feather", "Arrow")),
    Bad("a truncated gzip", raw(packed(PLAIN.encode())[:-20], "t.csv.gz"), ("t.csv.gz", "gzip")),
    Bad("a gzip of noise", raw(b"\x1f\x8b\x08" + random.Random(0).randbytes(300), "t.csv.gz"), ("t.csv.gz", "gzip")),
    Bad("a truncated zstd", raw(b"\x28\xb5\x2f\xfd" + bytes(5), "t.csv.zst"), ("t.csv.zst", "zstd")),
    Bad("a gzip of nothing", raw(packed(b""), "t.csv.gz"), ("t.csv.gz is empty",)),
    Bad("files of a folder that differ", folder_of_parquet(columns(a="warm")), ("t is not Parquet", "damaged")),
    Bad("a damaged file in a folder", folder_of_parquet(b"PAR1 no more"), ("t is not Parquet",)),
    Bad("a pipe that ends before it began", pipe(b""), ("pipe is empty",)),
    Bad("a pipe that ends early", pipe((HEADER + BODY[0] + "1.5,2").encode()), ("pipe", "line 3")),
    Bad("one row", raw(HEADER + BODY[0]), ("'y'", "nothing to tell apart")),
    Bad("two rows", raw(HEADER + "".join(BODY[:2])), ("'y'", "one row only")),
    Bad("one class", csv(y="on"), ("'y'", "every row")),
    Bad("a class of one row", csv(y=first("odd", "on")), ("'odd'",)),
    Bad("a target that is all missing", csv(y=None), ("'y'", "no value in any row")),
    Bad("a target of dates", csv(y=DAYS), ("'y'", "date")),
    Bad("a target that is not there", csv(), ("'z'",), ("--target", "z")),
    Bad("all columns missing", csv(a=None, b=None), ("0 usable columns", "no value in any training row")),
    Bad("nothing but text", csv(a=[f"u{i}" for i in range(ROWS)], b="x"), ("usable columns", "text")),
    Bad("one column", raw(lines({k: v for k, v in columns().items() if k != "b"})), ("1 usable columns",)),
    Bad("infinities", csv(a=first("inf", 1.5)), ("'a'", "infinite")),
    Bad("minus infinity", csv(b=first("-inf", 1.5)), ("'b'", "infinite")),
    Bad("numbers beyond float64", csv(a=first("1e999", 1.5)), ("'a'", "infinite")),
    Bad("a word among numbers", csv(a=first("ERR", 1.5)), ("'a'", "'ERR'", "row 1", "--na ERR")),
    Bad("a number in Japanese digits", csv(a=first("１２", 1.5)), ("'a'", "'１２'", "row 1")),
    Bad("thousands points", csv(a=first("1.234.567", 1.5)), ("'a'", "'1.234.567'")),
    Bad("a unit behind a number", csv(a=[*[1.5] * 40, "7 kPa", *[2.5] * (ROWS - 41)]), ("'a'", "'7 kPa'", "row 41")),
    Bad("days without an order", csv(day="monday"), ("'day'", "order in time"), ("--time", "day")),
    Bad("dates with a gap", csv(day=["", *DAYS[1:]]), ("'day'", "no value"), ("--split-by", "day", "--time", "day")),
    Bad("one group", csv(g=1), ("too few to split", "'g'"), ("--group", "g")),
    Bad("parts of other names", csv(part=first("dev", "train")), ("'dev'",), ("--split-column", "part")),
    Bad("no test rows in the split column", csv(part="train"), ("test part",), ("--split-column", "part")),
    Bad("weights below zero", csv(w=first(-1, 1)), ("'w'",), ("--weight", "w")),
    Bad("columns chosen that are not there", csv(), ("'temp*'",), ("--features", "temp*"), code=2),
]
ODD = [
    Odd("names of 10,000 characters", raw(PLAIN.replace("a,", LONG + ",", 1))),
    Odd("names of markup", raw(PLAIN.replace("a,b", "[/h],[bold]b[/]", 1))),
    Odd("names of formulas", raw(PLAIN.replace("a,b", "=cmd(),$x^$", 1))),
    Odd("names that are HTML", raw(PLAIN.replace("a,b", "<script>alert(1)</script>,b&amp;", 1))),
    Odd("names with right-to-left marks", raw(PLAIN.replace("a,b", "\u202ea,\u200fb", 1))),
    Odd("names with an escape sequence", raw(PLAIN.replace("a,b", "\x1b[31ma,b", 1))),
    Odd(
        "names that are globs", raw(PLAIN.replace("a,b", "a*,[b]", 1)), flags=("--features", "a*", "--features", "[b]")
    ),
    Odd("names with line breaks", raw(PLAIN.replace("a,b", '"a\nb","c\r\nd"', 1))),
    Odd("names with spaces around", raw(PLAIN.replace("a,b", " a , b ", 1))),
    Odd("names that differ in case", raw(PLAIN.replace("a,b", "T,t", 1))),
    Odd("a column without a name", raw(PLAIN.replace("a,b", ",b", 1).replace("\n", ",\n")), ("Unnamed: 3",)),
    Odd("CR line ends", raw(PLAIN.replace("\n", "\r"))),
    Odd("CRLF line ends", raw(PLAIN.replace("\n", "\r\n"))),
    Odd("blank lines between rows", raw(PLAIN.replace("\n", "\n\n"))),
    Odd("a trailing delimiter", raw(PLAIN.replace("\n", ",\n")), ("Unnamed: 3",)),
    Odd("a mark in front", raw(b"\xef\xbb\xbf" + PLAIN.encode())),
    Odd("Shift_JIS", raw(PLAIN.replace("a,b", "気温,湿度", 1).encode("cp932"))),
    Odd("UTF-16, as said", raw(PLAIN.encode("utf-16")), flags=("--encoding", "utf-16")),
    Odd("semicolons and decimal commas", raw(lines(columns(), ";").replace(".", ","))),
    Odd("a header of two rows", raw("s,s,y\n1,2,\n" + "".join(BODY)), flags=("--header-rows", "2", "--target", "y")),
    Odd("a gzip that lost its ending", raw(packed(PLAIN.encode()))),
    Odd("numbers near the end of float64", csv(a=first("1e308", "-1e308"))),
    Odd("numbers near zero", csv(a=first("1e-308", "2e-308"))),
    Odd("negative zero", csv(c=["-0.0", "0.0"] * (ROWS // 2)), ("c",)),
    Odd("a constant", csv(c=7), ("c",)),
    Odd("a constant with gaps", csv(c=[7, None] * (ROWS // 2)), ("c",)),
    Odd("an empty column", csv(c=None), ("c",)),
    Odd("half of the cells missing", csv(a=[1.5, None, 2.5, None] * (ROWS // 4))),
    Odd("ids of 20 digits", csv(c=[str(10**19 + i) for i in range(ROWS)]), ("c",)),
    Odd("dates written in two ways", csv(c=first("2024-01-01", "01/02/2024")), ("c",)),
    Odd("times of day", csv(c="12:30:00"), ("c",)),
    Odd("a row counter", csv(**{"Unnamed: 0": list(range(ROWS))}), ("Unnamed: 0",)),
    Odd("booleans", csv(c=["true", "false", "true"] * (ROWS // 3))),
    Odd("text of few values", csv(c=["pump", "fan", "pump"] * (ROWS // 3))),
    Odd("nested columns", parquet(c=[[1, 2]] * ROWS, d=[{"x": 1}] * ROWS), ("c", "d")),
    Odd("columns of nothing but null", parquet(c=None), ("c",)),
    Odd("half floats and small integers", parquet(c=list(np.arange(ROWS, dtype=np.float16)), d=[1, 2] * (ROWS // 2))),
    Odd("bytes", parquet(c=[b"\xff\x00"] * ROWS), ("c",)),
    Odd("a pipe", pipe(PLAIN.encode())),
]
