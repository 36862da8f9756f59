"""The documents say what the program does: each command in them runs, each flag exists, the references are current."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from rfconv_cli.jobs.learn import learn
from rfconv_cli.program import run_app
from rfconv_cli.resolve import resolve
from tests.conftest import sensor_frame

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    ROOT / "sample_data" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
GENERATED = ("commands.md", "fields.md")
# what the commands are run with: enough to work, and no more
QUICK = {
    "source": "correlation",
    "search_steps": "20",
    "contest_epochs": "1",
    "epochs": "1",
    "stability": "2",
    "random_draws": "1",
    "bootstrap": "100",
    "channels": "2",
    "hidden": "8",
    "refit": "false",
    "plots": "false",
    "most_steps": "20",
}


def commands_of(page: Path) -> list[str]:
    """The lines of a page that are rfconv commands: indented, after a $, or in the first cell of a table."""
    found = []
    for line in page.read_text(encoding="utf-8").splitlines():
        typed = re.match(r"(?:    |\$ )(rfconv .*)", line) or re.match(r"\| `(rfconv [^`]*)` \|", line)
        if typed:
            found.append(typed[1].partition("  #")[0].strip())
    return found


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sample tables, and the tables that stand for the reader's own, in quick settings."""
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    own = sensor_frame(120).drop(columns=["state", "load"])
    own.assign(month=np.arange(120) % 3 + 1).to_csv(tmp_path / "data.csv", index=False)
    own.assign(month=np.arange(120) % 3 + 1).to_csv(tmp_path / "other.csv", index=False)
    own.to_csv(tmp_path / "new.csv", index=False)
    monkeypatch.chdir(tmp_path)
    for key, value in QUICK.items():
        monkeypatch.setenv(f"RFCONV_{key.upper()}", value)
    return tmp_path


def interrupt() -> None:
    """The reader's learn was interrupted when its first training was done."""

    def end(stage: str, share: float) -> None:
        if stage == "train":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(Path("data.csv"), "month", resolve({}), Path("rfconv-runs"), lambda _: None, end)


@pytest.mark.parametrize("page", [p for p in PAGES if p.name not in GENERATED and commands_of(p)], ids=lambda p: p.stem)
def test_every_command_of_a_page_runs_in_its_order(page, clone, capsys):
    assert run_app(["learn", "data.csv", "--target", "month", "-q"]) == 0  # the reader has a run
    assert run_app(["export-fields", "--out", "."]) == 0  # and its fields.json
    failed = []
    for command in commands_of(page):
        words = shlex.split(command)[1:]
        if words[0] in ("--install-completion",):
            continue  # writes into the shell's own files
        if "--resume" in words:
            interrupt()
        if (code := run_app(words)) != 0:
            failed.append((command, code, capsys.readouterr().err[-300:]))
    assert failed == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_flag_of_a_page_exists(page):
    known = set(re.findall(r"--[a-z][a-z0-9-]+", (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")))
    known |= {"--set", "--best", "--preset", "--out"}  # those of python -m benchmarks
    known |= {"--kills", "--inputs", "--disable-socket"}  # of the tests' own programs, and of pytest
    known |= {"--nproc-per-node", "--nnodes", "--node-rank", "--master-addr", "--master-port"}  # of torchrun
    known |= {"--nodes", "--ntasks-per-node"}  # of srun
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", page.read_text(encoding="utf-8")))
    assert named - known == set()


@pytest.mark.parametrize("name", GENERATED)
def test_a_reference_is_what_the_program_says(name, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import reference

    made = {"commands.md": reference.commands, "fields.md": reference.fields}[name]()
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == made, "python docs/reference.py writes it anew"
    sys.modules.pop("reference")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_link_and_picture_of_a_page_is_there(page):
    text = page.read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)\)", text) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_promise_names_tests_that_are_there():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    files = {ROOT / target for target in re.findall(r"\]\((tests/[^)]+\.py)\)", text)}
    there = {name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    named = set(re.findall(r"`(test_\w+)`", text))
    assert len(named) > 15
    assert named - there == set()
