"""Tables and lines of the result, by what they hold at which width."""

import pytest

from rfconv_cli.config import from_values
from rfconv_cli.render import Screen

TEST = {"rows": 9, "accuracy": 0.5, "interval": [0.4, 0.6]}
SCORED = {"test": TEST, "run": {"path": "r"}}
CONTROLS = {"mlp": {"accuracy": 0.4, "interval": [0.3, 0.5], "draws": [0.4], "difference": {"mean": 0.1}}}
WIDE = "観測所" * 20


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("COLUMNS", "40")
    return Screen(quiet=True)


@pytest.mark.parametrize(
    ("group", "line"),
    [
        (["a", "b"], "group 0  a, b"),
        ([f"column_{i}" for i in range(9)], "group 0  column_0, column_1 and 7 more"),
        (["a_name_that_is_longer_than_the_whole_line_is"], "group 0  a_name_that_is_longer_than_the…"),
        (["x" * 31], "group 0  " + "x" * 31),
        (["気温", "湿度", "風速", "降水量", "日照時間", "雲量"], "group 0  気温, 湿度, 風速 and 3 more"),
        ([WIDE], "group 0  観測所観測所観測所観測所観測所…"),
        (["a\x1b[31m", "[bold]b[/]"], "group 0  a\N{REPLACEMENT CHARACTER}[31m, [bold]b[/]"),
    ],
)
def test_a_group_shows_the_names_that_a_line_holds(screen, capsys, group, line):
    screen.groups([group])
    assert capsys.readouterr().out == line + "\n"


def test_without_controls_there_is_nothing_to_compare_with(screen, capsys):
    screen.result(SCORED, as_json=False)
    alone = capsys.readouterr().out
    screen.result({**SCORED, "controls": CONTROLS}, as_json=False)
    beside = capsys.readouterr().out
    assert "learned −" in beside
    assert "learned −" not in alone
    assert "0.400 – 0.600" in alone


def entry(name: str, latest: bool) -> dict[str, object]:
    return {"path": f"rfconv-runs/{name}", "target": "a long name of it", "test": TEST, "verdict": "no_evidence"} | {
        "latest": latest
    }


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_names_of_runs_stay_whole_before_other_cells_do(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    Screen(quiet=True).runs([entry("20260101T000000Z-a", False), entry("20260101T000001Z-b", True)], as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    assert [line.split()[0] for line in lines if line.startswith("2026")] == [
        "20260101T000000Z-a",
        "20260101T000001Z-b",
    ]
    if columns == 80:
        assert lines[-1].split()[-1] == "latest"


def test_a_name_that_fills_the_line_is_folded_not_cut(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    name = "20260101T000000Z-" + "abcdefghij" * 5
    Screen(quiet=True).runs([entry(name, True)], as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert name in "".join(line.split(" ")[0] for line in lines)


def test_no_runs_are_a_list_of_none(screen, capsys):
    screen.runs([], as_json=False)
    assert capsys.readouterr().out.split() == ["run", "target", "test", "score", "verdict"]


def test_settings_as_json_name_those_that_are_unset_too(screen, capfdbinary):
    import json

    screen.settings(from_values({"kernel_size": 7}), as_json=True)
    document = json.loads(capfdbinary.readouterr().out)
    assert (document["format"], document["format_version"]) == ("rfconv.settings", 1)
    assert document["settings"]["kernel_size"] == 7
    assert document["settings"]["group"] is None


def test_a_contest_of_long_names_fits_80_columns(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    row = {"entry": "aligned interaction", "geometry": "plane", "brief_loss": 1.3012, "valid_loss": 0.2827}
    row |= {"behind_best": 0.1109, "standard_error": 0.0122, "chosen": True}
    Screen(quiet=True).contest([row])
    _, _, only, _ = capsys.readouterr().out.splitlines()
    assert only.startswith("aligned interaction (plane)")
    assert only.endswith("chosen")
    assert len(only) <= 80
