"""What reaches a terminal, and what a pipe: colours, bars, width, silence. Each in a process of its own."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.conftest import FAST

LEARN = ("learn", "sensors.csv", "-t", "state", "--no-plots", *FAST)
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")
COMMANDS = {
    "learn": LEARN,
    "check": ("check", "sensors.csv", "-t", "state"),
    "evaluate": ("evaluate",),
    "evaluate a table": ("evaluate", "sensors.csv"),
    "predict": ("predict", "sensors.csv"),
    "export-fields": ("export-fields",),
    "export-fields --plot": ("export-fields", "--plot"),
    "runs": ("runs",),
    "config show": ("config", "show"),
    "config schema": ("config", "schema", "fields"),
    "an error": ("learn", "sensors.csv", "-t", "nothing"),
    "a usage error": ("learn", "--nothing"),
    "help": ("learn", "--help"),
    "no command": (),
}
QUIET = [name for name in COMMANDS if name.split()[0] in ("learn", "check", "evaluate", "predict", "export-fields")]
REPORTS = ["learn", "check", "evaluate", "evaluate a table", "runs", "config show"]


@pytest.fixture
def folder(learned: Path, sensor_csv: Path) -> Path:
    """The current folder: it holds a run and the table."""
    Path("sensors.csv").write_bytes(sensor_csv.read_bytes())
    return Path.cwd()


def environ(**more: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    return {**ours, "TERM": "xterm-256color", **more}


def piped(*command: str, **more: str) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "rfconv_cli", *command]
    return subprocess.run(whole, env=environ(**more), capture_output=True, text=True, check=False)


def on_terminal(*command: str, columns: int = 80, **more: str) -> str:
    """All that a command writes where stdout and stderr are a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "rfconv_cli", *command], env=environ(**more), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    process.wait(timeout=60)
    return written.decode()


def lines_of(written: str) -> list[str]:
    """The lines as they stand in the end, what was written over left out."""
    return [SEQUENCE.sub("", line).rpartition("\r")[2] for line in written.replace("\r\n", "\n").split("\n")]


@pytest.mark.parametrize("name", COMMANDS)
def test_no_escape_sequence_goes_into_a_pipe(folder, name):
    done = piped(*COMMANDS[name])
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stdout + done.stderr


@pytest.mark.parametrize("name", QUIET)
def test_quiet_commands_say_nothing_beside_their_result(folder, name):
    done = piped(*COMMANDS[name], "-q")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout


@pytest.mark.parametrize("name", REPORTS)
def test_json_is_one_document_on_stdout_and_nothing_else(folder, name):
    done = piped(*COMMANDS[name], "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["format"].startswith("rfconv.")
    assert document["format_version"] == 1


@pytest.mark.parametrize("name", ["an error", "a usage error"])
def test_json_errors_are_one_document_too(folder, name):
    done = piped(*COMMANDS[name], "--json")
    assert json.loads(done.stdout)["format"] == "rfconv.error"
    assert done.stderr.startswith("rfconv: ")


def test_a_terminal_gets_colours_bars_that_end_and_lines_that_fit(folder):
    written = on_terminal(*LEARN)
    assert COLOUR.search(written)
    lines = lines_of(written)
    assert max(map(len, lines)) <= 80
    bars = {line.split()[0]: line for line in lines if "━" in line}
    assert {"search", "contest", "train"} <= set(bars)
    assert all("100 %" in bar and "left" not in bar for bar in bars.values())


def test_no_color_leaves_bars_without_colours(folder):
    written = on_terminal(*LEARN, NO_COLOR="1")
    assert "━" in written
    assert not COLOUR.search(written)


def test_a_dumb_terminal_gets_lines_without_any_sequence(folder):
    written = on_terminal(*LEARN, TERM="dumb")
    assert "\x1b" not in written
    assert "search …" in written


def test_a_terminal_of_a_quiet_learn_gets_the_result_alone(folder):
    written = on_terminal(*LEARN, "-q")
    assert "━" not in written
    assert lines_of(written)[0].startswith("contest")


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_list_of_runs_keeps_their_names_and_verdicts_whole(folder, columns):
    (name,) = (path.name for path in Path("rfconv-runs").iterdir() if path.is_dir())
    lines = lines_of(on_terminal("runs", columns=columns))
    assert max(map(len, lines)) <= columns
    assert any(line.startswith(name) for line in lines)
    assert "evidence" in " ".join(lines) or "found" in " ".join(lines)


def test_what_is_to_be_typed_next_is_not_broken_into_lines(folder):
    written = on_terminal("check", "sensors.csv", "-t", "state", "--exclude", "temp_*", "--epochs", "33", columns=40)
    assert "rfconv learn sensors.csv --target state --exclude 'temp_*' --epochs 33" in SEQUENCE.sub("", written)


def test_notices_are_wrapped_between_words(folder):
    lines = lines_of(on_terminal("check", "sensors.csv", "-t", "state", columns=40))
    assert max(len(line) for line in lines if not line.startswith("next:")) <= 40
    assert {"train", "valid", "test"} <= set(" ".join(lines).split())
