"""The whole suite: fresh files, RESULTS.md's sections, and nothing lost where a benchmark fails."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks import everything
from benchmarks.__main__ import app
from benchmarks.ablation import ONLY_ON, ROWS, TABLES, run
from rfconv_cli.config import from_values
from rfconv_cli.errors import UsageError

REPORT = (
    "# Results\n<!-- marks: begin -->\nold\n<!-- marks: end -->\nkept\n<!-- results: begin -->\n<!-- results: end -->\n"
)
LINE = {"benchmark": "demo", "total": 1.5, "date": "2026-01-01", "machine": {"cores": 2, "torch": "2"}}


def test_a_section_is_replaced_and_the_rest_kept() -> None:
    once = everything.replaced(REPORT, "marks", "new")
    assert once == REPORT.replace("\nold\n", "\n\nnew\n\n")
    assert everything.replaced(once, "marks", "new") == once


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        "<!-- marks: begin -->",
        "<!-- marks: end -->\n<!-- marks: begin -->",
        "<!-- marks: begin -->\n<!-- marks: end -->" * 2,
    ],
)
def test_a_section_without_its_two_lines_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected one line"):
        everything.replaced(text, "marks", "new")


def test_the_report_itself_has_both_sections() -> None:
    text = everything.REPORT.read_text(encoding="utf-8")
    assert everything.replaced(everything.replaced(text, "marks", "x"), "results", "y") != text


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The suite with demo, which works, and speed, which fails; both have earlier results."""
    (tmp_path / "results").mkdir()
    for name in ("demo", "speed"):
        (tmp_path / "results" / f"{name}.jsonl").write_text(
            json.dumps({**LINE, "benchmark": name, "total": 9.5}) + "\n"
        )
    (tmp_path / "RESULTS.md").write_text(REPORT)
    monkeypatch.setattr(everything, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(everything, "REPORT", tmp_path / "RESULTS.md")

    def run_one(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        out = Path(command[command.index("--out") + 1])
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(LINE) + "\n")
        return subprocess.CompletedProcess(command, int("speed" in command))

    monkeypatch.setattr("subprocess.run", run_one)
    return tmp_path


def test_a_failed_benchmark_keeps_its_earlier_results(suite: Path) -> None:
    failed = everything.run(suite, suite / "cache", (), {"demo", "speed"}, lambda _: None)
    assert failed == ["speed"]
    text = (suite / "RESULTS.md").read_text()
    assert "### demo\n\n| total |\n|---|\n| 1.5 |" in text
    assert "### speed\n\n| total |\n|---|\n| 9.5 |" in text
    assert "\nkept\n" in text
    assert "\nold\n" not in text


def test_only_what_is_asked_for_is_run(suite: Path) -> None:
    assert everything.run(suite, suite / "cache", ("demo",), {"demo", "speed"}, lambda _: None) == []


def test_an_unknown_benchmark_is_refused_before_anything_runs(suite: Path) -> None:
    with pytest.raises(UsageError, match="nearest are demo"):
        everything.run(suite, suite / "cache", ("demoo",), {"demo", "speed"}, lambda _: None)
    assert (suite / "RESULTS.md").read_text() == REPORT


def test_every_command_of_the_suite_but_the_plants_exists() -> None:
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert set(everything.SUITE) - {"plants", "null"} <= known


def test_rows_of_the_ablation_are_settings_and_change_something() -> None:
    default = from_values({})
    assert [row for row, settings in ROWS.items() if from_values(settings) == default] == ["everything"]
    assert set(ONLY_ON) <= set(ROWS)
    assert {table for tables in ONLY_ON.values() for table in tables} <= set(TABLES)


@pytest.mark.parametrize(("rows", "tables"), [(["papre"], []), ([], ["rings"])])
def test_an_unknown_row_or_table_is_named_with_the_nearest(rows: list[str], tables: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nearest are '(paper|ring)'"):
        run(tmp_path, 1, rows, tables, {}, tmp_path, None)
