"""Runs from strangers: nothing of them runs, nothing is written but where told, and each ends as a documented code."""

import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rfconv_cli.errors import DataError, RunError
from rfconv_cli.jobs.given import load_fields
from rfconv_cli.packed import read_parquet, size_of_pages
from rfconv_cli.program import run_app
from rfconv_cli.run import find_run
from rfconv_cli.thrift import I32, LIST, STRUCT, Struct
from rfconv_cli.untrusted import file_sum, is_inner, parse_json, parse_settings, read_file
from tests.faults.forgeries import DAMAGED, FORMULA, ODD, ODDITIES, marker_of, odd_words, renamed, write_run_json
from tests.faults.fuzz import changed_bytes, fuzz, real_files
from tests.test_run import quick_learn

DOCUMENTED = (0, 2, 3, 4, 6)
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
READS: dict[str, tuple[str, ...]] = {  # the files that each command reads, beside run.json, config.toml, schema.json
    "evaluate": ("splits.parquet", "metrics.json", "predictions-test.parquet"),
    "evaluate DATA": ("splits.parquet", "metrics.json", "fields.json", "model.safetensors", "preprocess.json"),
    "predict": ("fields.json", "model.safetensors", "preprocess.json"),
    "md": ("fields.json",),
    "graphml": ("fields.json",),
    "plot": ("fields.json", "metrics.json", "predictions-test.parquet"),
    "report": ("fields.json", "metrics.json", "predictions-test.parquet"),
    "model": ("fields.json", "model.safetensors", "preprocess.json"),
    "runs": ("metrics.json",),
}
EVERY_COMMAND_READS = ("run.json", "config.toml", "schema.json")
WITH_DATA = ("evaluate DATA", "predict")  # a forged run may fit no table
QUICKEST = ("evaluate", "evaluate DATA", "predict", "md", "graphml", "runs")


@pytest.fixture(scope="module")
def real(sensor_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_learn(sensor_csv, tmp_path_factory.mktemp("real") / "rfconv-runs")


@pytest.fixture
def run(real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy to forge, in a folder of its own that holds nothing else but `out`, the current one."""
    path = Path(shutil.copytree(real, tmp_path / "rfconv-runs" / "run"))
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    yield path
    shutil.rmtree(tmp_path)  # thousands of copies would fill the disk


def words(command: str, run: Path, data: Path, out: Path) -> list[str]:
    """The command line of each of `READS`."""
    named = ["--run", str(run)]
    return {
        "evaluate": ["evaluate", "--json", *named],
        "evaluate DATA": ["evaluate", str(data), *named],
        "predict": ["predict", str(data), *named, "--csv-safe"],
        "md": ["export-fields", "--format", "md", *named],
        "graphml": ["export-fields", "--format", "graphml", *named],
        "plot": ["export-fields", "--plot", "--format", "md", "--out", str(out / "fields"), *named],
        "report": ["report", "--out", str(out / "report.html"), *named],
        "model": ["export-model", "--format", "torch", "--out", str(out / "model"), *named],
        "runs": ["runs", "--runs", str(run.parent), "--json"],
    }[command]


def names_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def ends(command: str, run: Path, data: Path, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and stdout of a command that must end well or with one documented error, and write only in out."""
    out = Path.cwd()
    before = names_below(run.parent.parent) - names_below(out)
    code = run_app(words(command, run, data, out))
    told, said = capfd.readouterr()
    assert code in DOCUMENTED, said
    assert "a bug in rfconv" not in said
    assert "Traceback" not in said
    assert not STEERING.search(said)
    if command not in ("predict", "graphml"):  # what other programs read holds names as they are
        assert not STEERING.search(told)
    inside = {f"out/{name}" for name in names_below(out)} | {"out"}
    assert names_below(run.parent.parent) - inside == before - inside
    assert not marker_of(run).exists()
    if code:
        assert code == 4 or (code == 3 and command in WITH_DATA), said
        assert len(said.strip().splitlines()) <= 4
        assert len(said) < 2000
    return code, told


# --- forgeries that must be seen


@pytest.mark.parametrize("forgery", DAMAGED)
def test_a_forgery_is_refused_by_what_reads_it(run, sensor_csv, capfd, forgery):
    name, forge = DAMAGED[forgery]
    forge(run)
    for command in QUICKEST:
        code, told = ends(command, run, sensor_csv, capfd)
        is_no_file = re.match(r"a (link|pipe|device|folder) |.* of 1 [GT]B$", forgery)  # evaluate sums up every file
        reads = name in (*EVERY_COMMAND_READS, *READS[command]) or (command == "evaluate" and is_no_file)
        if command == "runs":
            assert code == 0
            shown = json.loads(told)["runs"]
            assert not shown if name in EVERY_COMMAND_READS else len(shown) == 1
        elif reads:
            assert code == 4, command
        else:
            assert code == 0, command


SLOW = {name: DAMAGED[name] for i, name in enumerate(DAMAGED) if i % 11 == 0}


@pytest.mark.parametrize("forgery", SLOW)
@pytest.mark.parametrize("command", ["plot", "report", "model"])
def test_a_forgery_is_refused_by_the_slower_commands_too(run, sensor_csv, capfd, forgery, command):
    name, forge = SLOW[forgery]
    forge(run)
    if name in (*EVERY_COMMAND_READS, *READS[command]):
        assert ends(command, run, sensor_csv, capfd)[0] == 4


@pytest.mark.parametrize("forgery", ODDITIES)
def test_an_oddity_ends_as_documented(run, sensor_csv, capfd, forgery):
    name, forge = ODDITIES[forgery]
    forge(run)
    for command in QUICKEST:
        if name in (*EVERY_COMMAND_READS, *READS[command]):
            ends(command, run, sensor_csv, capfd)


# --- what is shown and written


def test_odd_text_stays_text_in_pages_and_pictures(run, sensor_csv, capfd):
    odd_words(run)
    renamed("column " + ODD)(run)
    assert ends("plot", run, sensor_csv, capfd)[0] == 0
    assert ends("report", run, sensor_csv, capfd)[0] == 0
    pictures = list(Path("fields").glob("*.svg"))
    assert pictures
    for picture in pictures:
        text = picture.read_text()
        root = ElementTree.fromstring(text)
        assert not STEERING.search(text)
        assert [node for node in root.iter() if node.tag.endswith("script")] == []
    page, markdown = Path("report.html").read_text(), Path("fields/fields.md").read_text()
    for text in (page, markdown):
        assert "<script>alert" not in text
        assert not STEERING.search(text)


def test_json_on_stdout_escapes_what_steers_and_keeps_what_is_read(run, sensor_csv, capfd):
    odd_words(run)
    code, told = ends("evaluate", run, sensor_csv, capfd)
    assert code == 0
    assert json.loads(told)["verdict"]["sentence"] == ODD
    assert "酒田" in told


def test_a_formula_is_disarmed_where_that_is_asked_for(run, sensor_csv, capfd):
    renamed(FORMULA)(run)
    assert run_app(["export-fields", "--format", "csv", "--csv-safe", "--run", str(run)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert any("'=HYPER" in line for line in lines)
    assert not any(cell.strip('"').startswith("=") for line in lines for cell in line.split(","))


def test_a_terminal_is_given_no_names_that_steer_it(run, capfd, monkeypatch):
    renamed(ODD)(run)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert run_app(["export-fields", "--format", "graphml", "--run", str(run)]) == 0
    told = capfd.readouterr().out
    assert "酒田" in told
    assert not STEERING.search(told)


@pytest.mark.parametrize("command", [["export-fields", "--plot"], ["export-model", "--format", "torch"], ["report"]])
def test_a_run_is_written_out_under_its_folders_name_not_its_own(run, command):
    document = json.loads((run / "run.json").read_bytes())
    write_run_json(run, document | {"id": "../../../escaped"})
    before = names_below(run.parent.parent.parent)
    assert run_app([*command, "-q", "--run", str(run)]) == 0
    new = names_below(run.parent.parent.parent) - before
    assert new
    assert all(name.startswith(f"{run.parent.parent.name}/out/") and "escaped" not in name for name in new)


# --- memory

MEASURED = """
import resource, sys
from pathlib import Path
from rfconv_cli.program import run_app
data, runs = sys.argv[1], sorted(Path(sys.argv[2]).iterdir())
def use(run):
    lines = ["evaluate"], ["evaluate", data], ["predict", data], ["export-fields", "--format", "md"]
    return [run_app([*line, "-q", "--run", str(run)]) for line in lines]
for run in runs:
    codes = use(run)
    print("FOUND", run.name, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, *codes)
"""
SIZES = (
    *(
        name
        for name in DAMAGED
        if re.search(r" of (1 [GT]B|nothing|a billion)|large as|header|more layers|long text", name)
    ),
    *(
        "a tensor of 2^62 numbers",
        "bootstrap = 1000000000000",
        "settings that are nested",
        "a setting of a long dotted key",
    ),
)


def test_memory_is_bounded_by_the_files(real, sensor_csv, tmp_path):
    """One process takes every attack on its memory, one after the other; its peak may hardly grow."""
    runs = tmp_path / "rfconv-runs"
    names = {"000": "none", **{f"{i:03}": name for i, name in enumerate(SIZES, start=1)}}
    for number, name in names.items():
        shutil.copytree(real, runs / number)
        if name != "none":
            DAMAGED[name][1](runs / number)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(sensor_csv), str(runs)], capture_output=True, text=True, check=True
    )
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("FOUND")]
    peaks = {names[number]: int(peak) / 1024 for _, number, peak, *_ in lines}
    assert len(peaks) == len(names)
    assert max(peaks.values()) - peaks["none"] < 250, peaks
    assert {code for _, _, _, *codes in lines for code in codes} == {"0", "4"}
    shutil.rmtree(runs)


# --- the readers by themselves


@pytest.mark.parametrize("name", ["a", "a.json", "plots/a.png", "気温.json"])
def test_a_name_inside_is_one(name):
    assert is_inner(name)


OUTSIDE = [
    "",
    ".",
    "..",
    "/a",
    "../a",
    "a/../b",
    "a/b/c",
    "./a",
    "a/",
    "a//b",
    "a\0",
    "a\n",
    "a\\b",
    "c:a",
    "\u202ea",
    "//a",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_out_or_has_two_spellings_is_none(tmp_path, name):
    assert not is_inner(name)
    with pytest.raises(ValueError, match="no name of a file"):
        read_file(tmp_path, name, 10)


def test_a_file_is_read_up_to_its_bound(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a").write_bytes(b"12345")
    assert read_file(tmp_path / "link", "a", 5) == b"12345"  # the folder is the user's own word
    assert len(file_sum(tmp_path, "a", 5)) == 64
    for read in (read_file, file_sum):
        with pytest.raises(ValueError, match="more than 4"):
            read(tmp_path, "a", 4)
        with pytest.raises(ValueError, match="is a link"):
            read(tmp_path, "link/a", 5)
        with pytest.raises(ValueError, match="regular"):
            read(tmp_path.parent, tmp_path.name, 5)


def test_a_pipe_that_takes_a_files_place_while_it_is_opened_does_not_hang(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"1")
    real_open = os.open

    def swapped(path, flags, *given, **named):
        if Path(path).name == "a":
            (tmp_path / "a").unlink()
            os.mkfifo(tmp_path / "a")
        return real_open(path, flags, *given, **named)

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(ValueError, match="not a regular file"):
        read_file(tmp_path, "a", 5)


@pytest.mark.parametrize("text", ["[" * 100_000, '"\\ud800"', '{"a": NaN}', "-Infinity", "\ufeff{}", "", "9" * 5000])
def test_text_that_is_no_json_of_ours_is_a_value_error(text):
    with pytest.raises(ValueError, match=r".*"):
        parse_json(text.encode())


@pytest.mark.parametrize(
    "text", ["a.b = 1", "[a]", "a = {b = 1}", "a = [[1]]", 'a = """x"""', "a = 'x'", "a = 1 # b", "= 1"]
)
def test_toml_that_rfconv_does_not_write_is_a_value_error(text):
    with pytest.raises(ValueError, match=r".*"):
        parse_settings(text.encode())


def test_a_link_in_place_of_latest_is_not_followed(tmp_path):
    runs = tmp_path / "rfconv-runs"
    (runs / "a").mkdir(parents=True)
    (tmp_path / "secret").write_text("a\n")
    (runs / "LATEST").symlink_to(tmp_path / "secret")
    with pytest.raises(RunError, match="link"):
        find_run(None, {}, tmp_path)


def test_fields_are_not_read_through_a_link_in_a_strangers_folder(real, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "fields.json").symlink_to(real / "fields.json")
    with pytest.raises(DataError, match="is a link"):
        load_fields(tmp_path / "mine")
    assert load_fields(tmp_path / "mine" / "fields.json") == load_fields(real)  # but the user may name one


def test_a_parquet_file_of_random_bytes_is_a_value_error():
    with pytest.raises(ValueError, match=r".*"):
        read_parquet(b"PAR1" + bytes(1000) + b"PAR1")


def test_settings_in_this_folder_that_are_nested_are_one_error(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("rfconv.toml").write_text("a = " + "[" * 100_000)
    assert run_app(["config", "show"]) == 2
    assert "a bug" not in capfd.readouterr().err


def test_a_setting_that_steers_a_terminal_is_shown_in_escapes(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("rfconv.toml").write_text('features = ["\u202e\x9b2J𝛑酒田"]\n', encoding="utf-8")
    for words_ in (["config", "show"], ["config", "show", "--json"]):
        assert run_app(words_) == 0
        told = capfd.readouterr().out
        assert not STEERING.search(told)
        assert "酒田" in told


# --- a share of the fuzzing, see `fuzz`


def test_some_thousand_random_inputs_end_as_documented(tmp_path):
    tally = fuzz(4000, 7, real_files(tmp_path))
    assert tally.failures == {}
    assert sum(tally.outcomes.values()) == 4000
    assert sum(count for (_, outcome), count in tally.outcomes.items() if outcome == "read") > 200


def parquet_of(table: pa.Table, **how: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **how)
    return sink.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "a page of zeros": lambda: parquet_of(
        pa.table({"row": np.zeros(1 << 24, np.int64)}), use_dictionary=False, compression="zstd", data_page_size=1 << 30
    ),
    "texts by their differences": lambda: parquet_of(
        pa.table({"part": ["train"] * 9}), use_dictionary=False, column_encoding={"part": "DELTA_BYTE_ARRAY"}
    ),
    "another packing": lambda: parquet_of(pa.table({"row": [1]}), compression="gzip"),
    "lists": lambda: parquet_of(pa.table({"row": [[1]]})),
    "no page where the footer says": lambda: parquet_of(pa.table({"row": [1]})).replace(
        b"\x15\x04\x15", b"\xff\xff\xff"
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_parquet_that_rfconv_would_not_write_is_refused_before_arrow_reads_it(monkeypatch, bomb):
    data = BOMBS[bomb]()
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", lambda *_: pytest.fail("Arrow was to read it"))
    with pytest.raises(ValueError, match=r"more than its size|odd pages|another way|nested"):
        read_parquet(data)


def test_the_pages_headers_say_what_the_footer_says():
    rows = 200_000
    table = pa.table({"row": np.arange(rows), "part": ["train", "test"] * (rows // 2), "x": [None, 0.5] * (rows // 2)})
    for how in (
        {"compression": "zstd"},
        {"use_dictionary": False},
        {"data_page_version": "2.0"},
        {"write_page_index": True},
    ):
        data = parquet_of(table, **how)
        assert read_parquet(data).equals(table)
        group = pq.read_metadata(io.BytesIO(data)).row_group(0)
        (own,) = Struct(data, len(data) - 8 - int.from_bytes(data[-8:-4], "little")).read()[0][4, LIST]
        for place, described in enumerate(own[1, LIST]):
            said = group.column(place).total_uncompressed_size
            assert size_of_pages(data, described[3, STRUCT], 1 << 40) == pytest.approx(said, rel=0.05, abs=500)


def test_random_changes_of_parquet_end_as_a_table_or_a_value_error():
    table = pa.table({"row": np.arange(50), "part": ["train", "test"] * 25, "x": [None, 0.5] * 25})
    data = parquet_of(table, compression="zstd")
    outcomes = Counter()
    for seed in range(3000):
        try:
            read_parquet(changed_bytes(data, random.Random(seed)))
            outcomes["read"] += 1
        except ValueError:
            outcomes["refused"] += 1
    assert min(outcomes["read"], outcomes["refused"]) > 50


def test_a_struct_that_says_a_field_twice_in_whatever_spelling_is_refused():
    once, again, wrapped = b"\x15\x02", b"\x05\x02\x02", b"\x05\x82\x80\x08\x02"  # field 1; field 1; field 65537
    assert Struct(once + b"\0", 0).read() == ({(1, I32): 1}, 3)
    for second in (again, wrapped):
        with pytest.raises(ValueError, match="twice"):
            Struct(once + second + b"\0", 0).read()
