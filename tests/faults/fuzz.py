"""Random changes of a run's files and of text tables, as fast as can be: nothing but RfconvError may come out.

    python -m tests.faults.fuzz --inputs 1000000 --seed 0

A run is held in memory, one of its files is changed (bytes; or values of JSON, TOML, a safetensors header, cells of
Parquet) and every checksum is mended after it, as a stranger would. Then `open_run` and what reads that file go over
it. Tables are changed as bytes and go through header, dialect and parser. The same seed gives the same inputs.
"""

import argparse
import hashlib
import io
import json
import random
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import rfconv_cli.run as run_module
from rfconv_cli.errors import RfconvError
from rfconv_cli.jobs.apply import evaluate_stored
from rfconv_cli.jobs.fields import stored_document, written_as
from rfconv_cli.jobs.memory import peak_memory
from rfconv_cli.jobs.runs import _entry
from rfconv_cli.render import _runs, _scores
from rfconv_cli.run import Run, open_run
from rfconv_cli.stored import groups_in, rows_in
from rfconv_cli.table.dialect import Dialect
from rfconv_cli.table.header import _names_of_text
from rfconv_cli.table.reader import _parsed_bytes, cleaned
from rfconv_cli.untrusted import is_inner
from rfconv_cli.weights import load_encoding, load_model
from tests.faults.forgeries import ODD_VALUES
from tests.test_run import quick_learn

Draw = random.Random
Files = dict[str, bytes]
_FOLDER = Path("fuzzed")
_TOKENS = (
    *(
        b'"',
        b'""',
        b",",
        b";",
        b"\t",
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"NaN",
        b"1e999",
        b"-",
        b"'",
    ),
    *(b"9" * 20, b"9" * 400, b"[", b"]", b"{", b"}", b"[" * 2000, b"null", b"true", b"\\u0000", b"\\ud800", b"=", b"."),
    *(
        "酒田".encode(),
        "年月日".encode(),
        "品質情報".encode(),
        b"\x8e\xf0",
        b"\x1b]0;",
        b"2020-01-01",
        b"1,5",
        b"0x",
        b"#",
    ),
)
_MISSTEPS = 10  # kinds of failure after which it ends
_SLOW = 5.0  # seconds that no input may take


# --- changes


def changed_bytes(data: bytes, draw: Draw) -> bytes:
    """One to four small changes."""
    found = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4))):
        place = draw.randrange(len(found) + 1)
        end = min(len(found), place + draw.choice((1, 1, 2, 8, 64)))
        kind = draw.randrange(6)
        if kind == 0 and place < len(found):
            found[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del found[place:end]
        elif kind == 2:
            found[place:place] = found[place:end]
        elif kind == 3:
            found[place:place] = draw.choice(_TOKENS)
        elif kind == 4:
            found[place:end] = draw.randbytes(end - place)
        else:
            found[place:end] = draw.choice(_TOKENS)
    return bytes(found)


def changed_json(document: Any, draw: Draw) -> Any:
    """The document with one to three of its values another, away, twice, or called otherwise."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        places = list(_places(document))
        if not places:
            return _odd(draw)
        holder, key = draw.choice(places)
        kind = draw.randrange(6)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, list):
            holder.insert(key, holder[key])
        elif kind == 2 and isinstance(holder, dict):
            other = draw.choice(list(holder))
            holder[other] = holder.pop(key)
        elif kind == 3:
            there, place = draw.choice(places)
            if place in (there if isinstance(there, dict) else range(len(there))):
                holder[key] = deepcopy(there[place])  # else it could hold itself
        elif kind == 4 and isinstance(holder[key], int | float):
            holder[key] = draw.choice((-1, 0, 1, 2, 7, 1e-300, 1e300, 2**31, 2**53, 2**63, -0.0, holder[key] + 1))
        else:
            holder[key] = _odd(draw)
    return document


def _odd(draw: Draw) -> Any:
    return deepcopy(draw.choice(ODD_VALUES))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in the document: what holds it, and its key there."""
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def changed_toml(data: bytes, draw: Draw) -> bytes:
    """A line of the settings with another value."""
    lines = data.decode().splitlines()
    place = draw.randrange(len(lines))
    odd = (
        "true",
        "-1",
        "0",
        "1e9",
        "9" * 30,
        '"x"',
        "[]",
        "inf",
        "nan",
        "[[]]",
        "{a=1}",
        '"""',
        "2020-01-01",
        '"\\u0000"',
    )
    lines[place] = f"{lines[place].partition(' = ')[0]} = {draw.choice((*odd, str(draw.randrange(5000))))}"
    return "\n".join(lines).encode()


def changed_tensors(data: bytes, draw: Draw) -> bytes:
    """The header of the safetensors file changed in its values."""
    (size,) = struct.unpack("<Q", data[:8])
    header = changed_json(json.loads(data[8 : 8 + size]), draw)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


def changed_table(data: bytes, draw: Draw) -> bytes:
    """A column away, called otherwise, or of other values."""
    table = pq.read_table(io.BytesIO(data))
    place = draw.randrange(table.num_columns)
    name, rows = table.column_names[place], table.num_rows
    odd: list[Callable[[], Any]] = [
        lambda: pa.nulls(rows),
        lambda: pa.array([draw.choice((None, "", "x", "train", "same")) for _ in range(rows)]),
        lambda: pa.array([draw.choice((0, 1, -1, 2**62)) for _ in range(rows)]),
        lambda: pa.array([draw.choice((0.0, 1.0, float("nan"), float("inf"), 1e300, None)) for _ in range(rows)]),
        lambda: pa.array([draw.random() < 0.5 for _ in range(rows)]),
        lambda: pa.array([b"\xff"] * rows),
        lambda: pa.array([0] * rows, pa.timestamp("ns")),
    ]
    kind = draw.randrange(5)
    if kind == 0:
        table = table.drop_columns([name])
    elif kind == 1:
        table = table.rename_columns(
            [draw.choice(("row", "part", "", "x")) if n == name else n for n in table.column_names]
        )
    elif kind == 2:
        table = table.slice(draw.randrange(rows), draw.randrange(rows))
    else:
        table = table.set_column(place, name, draw.choice(odd)())
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


# --- a run in memory


@contextmanager
def in_memory(files: Files) -> Iterator[None]:
    """Runs are read from `files` instead of a folder."""

    def read(folder: Path, name: str, most: int) -> bytes:
        if not is_inner(name):
            raise ValueError("no name of a file in it")
        if name not in files:
            raise FileNotFoundError(name)
        if len(files[name]) > most:
            raise ValueError("too large")
        return files[name]

    def summed(folder: Path, name: str, most: int) -> str:
        return hashlib.sha256(read(folder, name, most)).hexdigest()

    whole = run_module.read_file, run_module.file_sum
    run_module.read_file, run_module.file_sum = read, summed
    try:
        yield
    finally:
        run_module.read_file, run_module.file_sum = whole


def sealed(files: Files, document: Any) -> bytes:
    """run.json with checksums that fit."""
    if isinstance(document, dict):
        listed = document.get("files")
        if isinstance(listed, dict):
            sums = {name: hashlib.sha256(files[name]).hexdigest() for name in listed if name in files}
            document = {**document, "files": {**listed, **sums}}
        rest = {key: value for key, value in document.items() if key != "sha256"}
        document = {**rest, "sha256": hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()}
    return json.dumps(document).encode()


def use(run: Run, name: str, draw: Draw) -> None:
    """What commands read of a file, the dear parts now and then."""
    often = draw.random()
    if name == "metrics.json":
        metrics = run.document_of(name)
        if often < 0.2:
            _scores(evaluate_stored(run))
        elif often < 0.25:
            _scores(metrics)
            _runs([_entry(run) | {"latest": False}], 80)
    elif name == "fields.json":
        document = stored_document(run)
        if often < 0.2:
            written_as(document, draw.choice(("json", "csv", "graphml", "md")), csv_safe=True)
    elif name in ("splits.parquet", "predictions-test.parquet"):
        groups_in(rows_in(run, "test"))
        evaluate_stored(run)
    elif name == "model.safetensors" or (name in ("schema.json", "config.toml") and often < 0.2):
        load_model(run)
    else:
        load_encoding(run)


def fuzz_run(files: Files, name: str, draw: Draw) -> None:
    """One run with this file changed. Raises what comes out."""
    data, kind = files[name], draw.random()
    by_value: dict[str, Callable[[bytes, Draw], bytes]] = {
        ".json": lambda data, draw: json.dumps(changed_json(json.loads(data), draw)).encode(),
        ".toml": changed_toml,
        ".safetensors": changed_tensors,
        ".parquet": changed_table,
    }
    new = changed_bytes(data, draw) if kind < 0.4 else by_value[Path(name).suffix](data, draw)
    changed = {**files, name: new}
    if name != "run.json":
        changed["run.json"] = sealed(changed, json.loads(files["run.json"]))
    elif kind >= 0.4:
        changed["run.json"] = sealed(changed, json.loads(new))
    with in_memory(changed):
        use(open_run(_FOLDER), name, draw)


# --- tables as text

JMA = (
    "ダウンロードした時刻：2024/01/01 00:00:00\n\n,東京,東京,東京,東京\n"
    "年月日,平均気温(℃),平均気温(℃),平均気温(℃),降水量(mm)\n"
    ",,,,\n,,品質情報,均質番号,\n2023/1/1,5.1,8,1,0.0\n2023/1/2,6.2,8,1,1.5\n2023/1/3,,1,1,\n"
)
TABLES = (
    b"a,b,state\n1,2.5,x\n3,,y\n4,NA,x\n",
    b'time;"wind; speed";x\n2020-01-01 00:00;1,5;1\n2020-01-02 00:00;2,5;0\n',
    b'"a\nb",c\r\n"1\n2",3\r\n"4""5",6\r\n',
    b"id\tvalue\n12345678901234567890\t1e5\n2\t-3\n",
    "気温[°C],湿度,天気\n1.5,30,晴れ\n-2,40,雨\n".encode(),
    "気温,天気\n1.5,晴れ\n-2,雨\n".encode("cp932"),
    b"unit,unit\na,b\n1,2\n3,4\n",
    JMA.encode(),
    JMA.encode("cp932"),
)


def fuzz_table(table: bytes, draw: Draw) -> None:
    """One changed text table, read as the header alone and as a table. Raises what comes out."""
    raw = changed_bytes(table, draw)
    odd = draw.random() < 0.3
    dialect = Dialect(
        na=draw.choice(((), ("ERR", "-999"), ("x",))),
        delimiter=draw.choice((None, ";", " ", "|")) if odd else None,
        decimal=draw.choice((None, ",", ".")) if odd else None,
        encoding=draw.choice((None, None, "latin-1", "utf-8", "cp932", "utf-16")) if odd else None,
        skip_lines=draw.choice((0, 0, 1, 3)) if odd else 0,
        header_rows=draw.choice((1, 1, 2, 3)) if odd else 1,
        flag_suffix=draw.choice((None, "b")) if odd else None,
    )
    with suppress(RfconvError):  # the table may be read where its header alone is not, and the other way round
        _names_of_text(raw, "table.csv", dialect, None)
    cleaned(_parsed_bytes(raw, "table.csv", ".csv", dialect), dialect)


# --- counting


class Tally:
    """What came of the inputs, by target; and the failures, one of each kind."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.failures: dict[str, str] = {}
        self.slowest = 0.0

    def take(self, target: str, work: Callable[[], None], seed: str) -> None:
        """One input."""
        start = time.perf_counter()
        try:
            work()
            outcome = "read"
        except RfconvError as error:
            outcome = error.code
        except Exception as error:
            outcome = f"FAILED {type(error).__name__}"
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} at {place.filename}:{place.lineno}"
            self.failures.setdefault(kind, f"input {seed} of {target}\n{traceback.format_exc()}")
        taken = time.perf_counter() - start
        self.slowest = max(self.slowest, taken)
        if taken > _SLOW:
            self.failures.setdefault(f"slow {target}", f"input {seed} of {target} took {taken:.1f} s")
        self.outcomes[target, outcome] += 1

    def __str__(self) -> str:
        lines = [f"{target:24} {outcome:24} {count:>10,}" for (target, outcome), count in sorted(self.outcomes.items())]
        total = sum(self.outcomes.values())
        return "\n".join([*lines, f"{'all':24} {'':24} {total:>10,}", f"slowest input {self.slowest:.2f} s"])


def real_files(folder: Path) -> Files:
    """The files of a small run, which is made in the folder."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 4)).round(3)
    frame = pd.DataFrame(x, columns=["flow[l/h]", "temp_a", "temp_b", "圧力"])
    frame.assign(state=np.where(x[:, 0] * x[:, 1] > 0, "same", "other")).to_csv(folder / "t.csv", index=False)
    small = {"kernel_size": 3, "bins": 2, "embedding_size": 2, "channels": 2, "source": "correlation", "stability": 2}
    path = quick_learn(folder / "t.csv", folder / "runs", **small)
    return {each.name: each.read_bytes() for each in path.iterdir()}


def fuzz(inputs: int, seed: int, files: Files, told: Callable[[str], None] = lambda text: None) -> Tally:
    """Three runs to two tables, until `inputs` of both or too many failures."""
    tally, known = Tally(), 0
    for number in range(inputs):
        try:
            _one(tally, files, number, f"{seed}-{number}")
        except KeyboardInterrupt:  # what was found so far is told
            break
        if len(tally.failures) >= _MISSTEPS:
            break
        if number % 20_000 == 19_999 or len(tally.failures) > known:
            known = len(tally.failures)
            told(f"{number + 1:,} inputs, {len(tally.failures)} kinds of failure: {list(tally.failures)[-1:]}")
    return tally


def _one(tally: Tally, files: Files, number: int, seed: str) -> None:
    draw = Draw(seed)
    if number % 5 < 3:
        name = draw.choice(sorted(files))
        tally.take(name, partial(fuzz_run, files, name, draw), seed)
    else:
        place = draw.randrange(len(TABLES))
        kind = "a download of JMA" if place >= len(TABLES) - 2 else "a text table"
        tally.take(kind, partial(fuzz_table, TABLES[place], draw), seed)


def main() -> int:
    """Read the command line, fuzz, print the counts; 1 where anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        files = real_files(Path(folder))
    start, before = time.monotonic(), peak_memory()
    tally = fuzz(given.inputs, given.seed, files, lambda text: print(text, file=sys.stderr, flush=True))
    print(tally)
    print(
        f"{time.monotonic() - start:.0f} s; memory grew from {before / 1e6:.0f} to {peak_memory() / 1e6:.0f} MB at most"
    )
    for kind, text in tally.failures.items():
        print(f"\n=== {kind}\n{text}")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
