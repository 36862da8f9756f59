"""Completion of column names: what a shell is told, that it is safe there, and that it is told nothing else."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from rfconv_cli.complete import word_for

HEAVY = {"torch", "pandas", "sklearn", "matplotlib"}
COLUMNS = ["flow", "dew point", "気温(℃)", "temp[degC]", "it's", "$(touch ran)", "\\$(touch ran)", "back\\", "state"]
WITH_A_COLUMN = ("--target", "-t", "--group", "--time", "--split-column", "--weight", "--id")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pd.DataFrame([range(len(COLUMNS))] * 3, columns=COLUMNS).to_csv(tmp_path / "t.csv", index=False)
    return tmp_path


def asked(
    folder: Path, line: str, shell: str = "bash", python: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """What the program answers to the script that typer gives this shell; the last word of `line` is completed."""
    words = line.split(" ")
    told = {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1), "_TYPER_COMPLETE_ARGS": line}
    told |= {"_RFCONV_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    command = [sys.executable, *python, "-m", "rfconv_cli"]
    return subprocess.run(command, cwd=folder, env={**os.environ, **told}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("flag", WITH_A_COLUMN)
def test_the_columns_of_data_complete_every_flag_that_takes_one(folder, flag):
    assert asked(folder, f"rfconv learn t.csv {flag} f").stdout.split() == ["flow"]


@pytest.mark.parametrize("line", ["rfconv check t.csv -t st", "rfconv predict t.csv --id st"])
def test_other_commands_complete_theirs(folder, line):
    assert asked(folder, line).stdout.split() == ["state"]


def test_data_may_stand_anywhere_before(folder):
    assert asked(folder, "rfconv check --group flow t.csv --epochs 3 -t st").stdout.split() == ["state"]


def test_how_the_table_is_written_is_heeded(folder):
    (folder / "u.csv").write_text("from a logger\nflow|state\n1|2\n")
    line = "rfconv check u.csv --skip-lines 1 --delimiter | --target st"
    assert asked(folder, line).stdout.split() == ["state"]
    (folder / "rfconv.toml").write_text('skip_lines = 1\ndelimiter = "|"\n')
    assert asked(folder, "rfconv check u.csv --target st").stdout.split() == ["state"]


@pytest.mark.parametrize(
    "line",
    [
        "rfconv learn --target f",
        "rfconv learn none.csv --target f",
        "rfconv learn - --target f",
        "rfconv learn broken.parquet --target f",
        "rfconv learn pipe.csv --target f",
        "rfconv learn t.csv --delimiter long --target f",
        "rfconv learn t.csv --target nothing-like-it",
    ],
)
def test_where_nothing_can_be_told_nothing_is_said(folder, line):
    (folder / "broken.parquet").write_bytes(b"PAR1junk")
    os.mkfifo(folder / "pipe.csv")
    done = asked(folder, line)
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("", "", 0)


def test_a_setting_that_is_wrong_elsewhere_is_no_hindrance(folder):
    assert asked(folder, "rfconv learn t.csv --kernel-size 0 --target st").stdout.split() == ["state"]


@pytest.mark.parametrize(("table", "more"), [("t.csv", {"pyarrow", "numpy"}), ("t.parquet", set())])
def test_completing_imports_nothing_heavy(folder, table, more):
    pd.read_csv(folder / "t.csv").to_parquet(folder / "t.parquet")
    done = asked(folder, f"rfconv learn {table} --target st", python=("-X", "importtime"))
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert done.stdout.split() == ["state"]
    assert not imported & (HEAVY | more)


def in_bash(folder: Path, *words: str) -> list[str]:
    """What bash puts into the line: the program's own script, with the completion variables that bash sets."""
    script = '. <(rfconv --show-completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
    script += '_rfconv_completion rfconv; for reply in "${COMPREPLY[@]}"; do printf "%s\\n" "$reply"; done'
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "--norc", "-c", script, "bash", *words]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_bash_gets_words_that_are_the_names_again_and_run_nothing(folder):
    replies = in_bash(folder, "rfconv", "learn", "t.csv", "--target", "")
    assert [shlex.split(reply) for reply in replies] == [[name] for name in COLUMNS]
    for reply in replies:
        said = subprocess.run(
            ["bash", "-c", f"printf %s {reply}"], cwd=folder, capture_output=True, text=True, check=True
        )
        assert said.stdout in COLUMNS
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    ("begun", "replies"),
    [
        ("'dew p", ["dew point"]),
        ('"dew p', ["dew point"]),
        ("dew\\ p", ["'dew point'"]),
        ("'it", []),
        ('"it', ["it's"]),
        ('"\\$(', []),
        ("気", ["'気温(℃)'"]),
    ],
)
def test_a_word_that_was_begun_with_a_quote_goes_on_in_it(folder, begun, replies):
    assert in_bash(folder, "rfconv", "learn", "t.csv", "--target", begun) == replies


def test_zsh_gets_no_name_that_its_evaluation_would_misread(folder):
    answer = asked(folder, "rfconv learn t.csv --target ", "zsh").stdout
    told = re.findall(r'^(?:_arguments .*\(\()?"(.*?)"(?:\)\)\')?$', answer, re.MULTILINE)
    assert told == ["flow", "dew point", "気温(℃)", "temp[degC]", "\\$(touch ran)", "state"]


def test_fish_gets_the_names(folder):
    assert asked(folder, "rfconv learn t.csv --target ", "fish").stdout.splitlines() == COLUMNS


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\tb", "\u202eb", "a\x00"])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_a_name_that_would_steer_the_terminal_is_not_told(name, shell):
    assert word_for(name, shell) is None


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("flow", "flow"),
        ("dew point", "'dew point'"),
        ("$(x)", "'$(x)'"),
        ("it's", None),
        ("’; x ’", None),
        ("a:::b", None),
    ],
)
def test_powershell_gets_quoted_words_and_none_that_end_the_quote(name, word):
    assert word_for(name, "powershell") == word


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_shown_for_this_program(shell, tmp_path):
    told = {**os.environ, "_RFCONV_COMPLETE": f"source_{shell}"}
    command = [sys.executable, "-m", "rfconv_cli"]
    done = subprocess.run(command, cwd=tmp_path, env=told, capture_output=True, text=True, check=True)
    assert f"_RFCONV_COMPLETE=complete_{shell}" in done.stdout
    assert "rfconv" in done.stdout
