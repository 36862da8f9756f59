"""Runs of former versions load and say the same in this one."""

import json
from pathlib import Path

import numpy as np
import pytest

from rfconv_cli.export.document import fields_from_document
from rfconv_cli.jobs.apply import evaluate_stored, evaluate_table, predict_table
from rfconv_cli.jobs.model import export_model
from rfconv_cli.jobs.report import report
from rfconv_cli.program import run_app
from rfconv_cli.run import list_runs, open_run
from tests.golden import make

GOLDEN = Path(__file__).parent / "golden"
RUNS = sorted(path.parent for path in GOLDEN.glob("*/*/expected.json"))


def expected(folder: Path) -> dict:
    return json.loads((folder / "expected.json").read_text())


def leaves(value) -> list:
    if isinstance(value, dict | list):
        return [leaf for item in (value.values() if isinstance(value, dict) else value) for leaf in leaves(item)]
    return [value]


def assert_same(found, wanted) -> None:
    one, other = leaves(found), leaves(wanted)
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a == (pytest.approx(b, abs=1e-6) if isinstance(b, float) else b)


def test_there_are_runs_of_every_version_and_kind():
    assert {path.name for path in RUNS} == {"classes", "values"}
    assert (GOLDEN / "0.1.0").is_dir()


@pytest.mark.parametrize("folder", RUNS, ids=lambda path: f"{path.parent.name} {path.name}")
class TestARunOf:
    def test_its_files_are_whole(self, folder):
        open_run(folder / "run").verify()
        assert [run.path.name for run in list_runs(folder)] == ["run"]

    def test_its_scores_are_what_they_were(self, folder):
        run = open_run(folder / "run")
        assert_same(evaluate_stored(run)["test"], expected(folder)["test"])
        assert_same(evaluate_table(run, folder / "table.csv")[0]["test"], expected(folder)["table"])

    def test_its_predictions_are_what_they_were(self, folder):
        found = predict_table(open_run(folder / "run"), folder / "table.csv")[0].slice(0, 20).to_pydict()
        assert_same(found, expected(folder)["predicted"])

    def test_its_fields_load_and_are_written_as_they_stand(self, folder, monkeypatch, capsys):
        monkeypatch.chdir(folder)
        assert run_app(["export-fields", "--run", "run", "-q"]) == 0
        document = json.loads(capsys.readouterr().out)
        stored = json.loads((folder / "run" / "fields.json").read_bytes())
        assert np.array_equal(fields_from_document(document).members, fields_from_document(stored).members)
        assert document == stored

    def test_it_can_be_reported_and_exported(self, folder, tmp_path):
        run = open_run(folder / "run")
        assert "<html" in report(run)
        document, paths = export_model(run, tmp_path, "torch")
        assert document["check"]["largest_difference"] <= 1e-5
        assert all(path.exists() for path in paths)


def test_a_version_makes_runs_like_its_own(tmp_path):
    make.make(tmp_path)
    for name in ("classes", "values"):
        made, stored = open_run(tmp_path / name / "run"), open_run(GOLDEN / "0.1.0" / name / "run")
        assert made.schema.names == stored.schema.names
        assert set(stored.document["files"]) <= set(made.document["files"])
