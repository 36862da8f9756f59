"""`check`: the document, its findings, and its exit code; without torch."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from rfconv_cli.config import from_values
from rfconv_cli.jobs.check import check
from rfconv_cli.program import run_app
from tests.conftest import sensor_frame


def checked(frame: pd.DataFrame, folder, target: str = "state", **settings):
    frame.to_csv(folder / "t.csv", index=False)
    return check(folder / "t.csv", target, from_values({"split_by": "none", **settings}), lambda _: None)


def codes(document) -> list[str]:
    return [finding["code"] for finding in document["findings"]]


def test_a_clean_table_has_no_finding_and_every_row_a_part(tmp_path):
    frame = sensor_frame()
    document = checked(frame.drop(columns="load"), tmp_path)
    assert document["findings"] == []
    assert sum(part["rows"] for part in document["parts"].values()) == len(frame)
    counts = np.sum([part["classes"] for part in document["parts"].values()], axis=0)
    assert dict(zip(document["task"]["classes"], counts, strict=True)) == frame["state"].value_counts().to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_a_target_of_values_has_rows_but_no_classes(tmp_path):
    document = checked(sensor_frame().drop(columns="state"), tmp_path, "load")
    assert document["task"]["classes"] == []
    assert all(set(part) == {"rows"} for part in document["parts"].values())


@pytest.mark.parametrize(
    ("add", "code", "columns"),
    [
        (lambda f: {"told": (f["state"] == "same") * 2.5 + 1}, "gives_target_away", ["told"]),
        (lambda f: {"note": f["state"].str.upper()}, "gives_target_away", ["note"]),
        (lambda f: {"note": f["state"] + f.index.astype(str)}, "text_gives_target_away", ["note"]),
        (lambda f: {"again": f["temp_a"]}, "duplicate_columns", ["temp_a", "again"]),
    ],
)
def test_columns_are_judged_by_what_they_tell(tmp_path, add, code, columns):
    frame = sensor_frame().drop(columns="load")
    document = checked(frame.assign(**add(frame)), tmp_path)
    assert [(one["code"], one["columns"]) for one in document["findings"]] == [(code, columns)]


def test_rows_that_stand_in_two_parts_are_counted(tmp_path):
    frame = sensor_frame().drop(columns="load")
    document = checked(pd.concat([frame, frame]), tmp_path)
    assert codes(document) == ["repeated_rows"]


def test_a_class_of_few_rows_is_found(tmp_path):
    frame = sensor_frame().drop(columns="load")
    frame.loc[:4, "state"] = "rare"
    document = checked(frame, tmp_path)
    assert codes(document) == ["rare_class"]
    assert "'rare'" in document["findings"][0]["message"]


@pytest.mark.parametrize(("flags", "expected"), [((), 0), (("--strict",), 6)])
def test_strict_makes_findings_an_exit_code(tmp_path, monkeypatch, capsys, flags, expected):
    monkeypatch.chdir(tmp_path)
    frame = sensor_frame().drop(columns="load")
    frame.assign(again=frame["temp_a"]).to_csv("t.csv", index=False)
    assert run_app(["check", "t.csv", "-t", "state", *flags]) == expected
    said = capsys.readouterr()
    assert "'again' says the same as 'temp_a' in every row" in said.out
    assert ("--strict" in said.err) == bool(expected)


def test_the_next_command_keeps_the_flags(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sensor_frame().to_csv("my table.csv", index=False)
    assert run_app(["check", "my table.csv", "-t", "state", "--exclude", "load", "--na", "-9", "--no-refit"]) == 0
    said = capsys.readouterr().err
    assert "next: rfconv learn 'my table.csv' --target state --exclude load --na -9 --no-refit" in said


def test_as_json_it_is_one_document(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sensor_frame().to_csv("t.csv", index=False)
    assert run_app(["check", "t.csv", "-t", "state", "--json", "-q"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["format"] == "rfconv.check"
    assert said.err == ""


def test_what_learn_refuses_check_refuses(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sensor_frame().to_csv("t.csv", index=False)
    assert run_app(["check", "t.csv", "-t", "stat"]) == 3
    assert "the nearest names are 'state'" in capsys.readouterr().err


def test_it_needs_no_torch(tmp_path):
    sensor_frame().to_csv(tmp_path / "t.csv", index=False)
    code = (
        "import sys; from rfconv_cli.program import run_app\n"
        "code = run_app(['check', 't.csv', '-t', 'state', '-q'])\n"
        "sys.exit(code or ('torch' in sys.modules) * 99)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
