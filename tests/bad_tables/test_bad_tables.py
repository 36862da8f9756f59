"""Every bad table ends with the documented exit code and one message with a way out; every odd one is learned from."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rfconv_cli.program import run_app
from tests.bad_tables.cases import BAD, ODD, Bad, Odd
from tests.conftest import FAST


def entries(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("command", ["check", "learn"])
@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_a_bad_table_is_refused_in_one_line_and_leaves_nothing(case: Bad, command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table = case.make()
    before = entries(tmp_path)
    target = () if "--target" in case.flags else ("--target", "y")
    assert run_app([command, table, *target, *case.flags, *(FAST if command == "learn" else ())]) == case.code
    said = capsys.readouterr()
    told = [line for line in said.err.splitlines() if line.startswith("rfconv: ")]
    assert len(told) == 1, said.err
    message = said.err[said.err.index(told[0]) :]
    assert [word for word in case.says if word not in message] == []
    assert len(message.splitlines()[1].strip()) > len("rfconv")
    assert "Traceback" not in said.err
    assert str(tmp_path) not in message
    assert entries(tmp_path) == before


@pytest.mark.parametrize("case", ODD, ids=lambda case: case.name)
def test_an_odd_table_is_read_for_what_it_is(case: Odd, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    target = () if "--target" in case.flags else ("--target", "y")
    assert run_app(["check", case.make(), *target, *case.flags, "--json", "-q"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["table"]["rows"] == 60
    assert [left["name"] for left in document["left_out"]] == list(case.left)


@pytest.mark.parametrize(
    "case", [case for case in ODD if case.name.startswith(("names", "half", "numbers"))], ids=lambda case: case.name
)
def test_an_odd_table_is_learned_from_and_predicted(case: Odd, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table = case.make()
    assert run_app(["learn", table, "--target", "y", *case.flags, "-q", *FAST]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert run_app(["predict", table, "-q"]) == 0
    assert capsys.readouterr().out.count("\n") == 61


def test_a_zip_bomb_is_refused_within_a_bound_of_memory(tmp_path):
    """Five hundred megabytes of one row in half a megabyte of gzip, with 2.5 GB of address space."""
    script = (
        "import resource, gzip, sys; from types import SimpleNamespace; import psutil\n"
        "from rfconv_cli.program import run_app\n"
        "with gzip.open('t.csv.gz', 'wb', 9) as f:\n"
        "    f.write(b'a,b,y\\n')\n"
        "    for _ in range(500): f.write(b'1.5,2.5,on\\n' * 95_000)\n"
        "psutil.virtual_memory = lambda: SimpleNamespace(available=1_000_000_000)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2_500_000_000, 2_500_000_000))\n"
        "sys.exit(run_app(['check', 't.csv.gz', '--target', 'y']))\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 3, done.stderr
    assert "t.csv.gz holds more than 0.2 GB of text" in done.stderr


def test_at_least_sixty_bad_tables_were_tried(capsys):
    names = [case.name for case in (*BAD, *ODD)]
    assert len(set(names)) == len(names)
    with capsys.disabled():
        print(f" {len(BAD)} bad tables refused, {len(ODD)} odd ones read", end=" ")
    assert len(BAD) >= 60
