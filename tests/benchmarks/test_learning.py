"""One line of results: what it carries, what can be set, and how fields are held against true neighbours."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.baselines import baseline_lines
from benchmarks.learning import Case, learn_line, mean_line, neighbour_scores, parsed, settings_of
from benchmarks.mnist import SETTINGS
from benchmarks.small import MNIST1D_SETTINGS
from benchmarks.suite import run_cases
from rfconv_cli.config import from_values
from rfconv_cli.errors import UsageError

FAST = {"search_steps": 20, "epochs": 2, "contest_epochs": 1, "random_draws": 1, "bootstrap": 200, "channels": 2}


def case(table: Path, target: str = "state", **more: Any) -> Case:
    left_out = "load" if target == "state" else "state"
    fixed = {"exclude": (left_out,), "task": "classification" if target == "state" else "regression"}
    return Case("sensors", table, target, "random", 3, fixed, {"hidden": 4}, **more)


def test_a_line_carries_what_it_takes_to_believe_it(sensor_csv: Path, tmp_path: Path) -> None:
    line = learn_line(case(sensor_csv), FAST, tmp_path, tmp_path / "out.jsonl")
    assert json.loads((tmp_path / "out.jsonl").read_text()) == line
    wanted = "benchmark seed split measure learned interval random_fields correlation_fields mlp difference_to_random"
    wanted += " source verdict seconds stages peak_memory_mib settings date machine"
    assert set(wanted.split()) == set(line)
    assert line["interval"][0] <= line["learned"] <= line["interval"][1]
    assert line["seconds"] == pytest.approx(sum(line["stages"].values()))
    assert line["settings"]["hidden"] == 4


def test_a_regression_is_scored_by_rmse_beside_r2(sensor_csv: Path, tmp_path: Path) -> None:
    line = learn_line(case(sensor_csv, "load"), FAST, tmp_path, None)
    assert line["measure"] == "rmse"
    assert line["interval"][0] <= line["learned"] <= line["interval"][1]
    assert line["r2_interval"][0] <= line["r2"] <= line["r2_interval"][1]


@pytest.mark.parametrize(("target", "measure"), [("state", "accuracy"), ("load", "rmse")])
def test_baselines_score_the_same_rows(sensor_csv: Path, target: str, measure: str) -> None:
    lines = baseline_lines(case(sensor_csv, target), {"threads": 1}, None)
    assert {line["benchmark"] for line in lines} == {"sensors-baselines"}
    assert {line["measure"] for line in lines} == {measure}
    assert {"random_forest", "rbf_svm"} < {line["baseline"] for line in lines}
    # temp_a + temp_b / 2 is the load: a table a forest can read
    assert all(line["score"] < 0.6 for line in lines) if target == "load" else True


def test_without_lightgbm_another_boosting_stands_in(
    sensor_csv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    lines = baseline_lines(case(sensor_csv), {"threads": 1}, None)
    assert [line["baseline"] for line in lines] == ["hist_gradient_boosting", "random_forest", "rbf_svm"]
    assert "lightgbm is not installed" in capsys.readouterr().err


def test_folds_end_with_their_means(sensor_csv: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run_cases([case(sensor_csv, fold=0), case(sensor_csv, fold=1)], {"threads": 1}, tmp_path, out, "baselines")
    lines = [json.loads(text) for text in out.read_text().splitlines()]
    means = {line["baseline"]: line for line in lines if line["fold"] == "mean"}
    assert len(means) * 3 == len(lines)
    assert means["rbf_svm"]["folds"] == 2


def test_a_mean_leaves_out_what_is_no_figure() -> None:
    lines = [{"benchmark": "b", "fold": i, "learned": score, "source": "x"} for i, score in enumerate((0.5, 1.0))]
    found = mean_line(lines, None)
    assert (found["fold"], found["learned"], found["folds"]) == ("mean", 0.75, 2)
    assert "source" not in found


def test_given_settings_go_over_the_usual_ones_and_never_over_the_fixed(sensor_csv: Path) -> None:
    assert settings_of(case(sensor_csv), {"hidden": 8}).hidden == 8
    assert settings_of(case(sensor_csv), {}).hidden == 4
    with pytest.raises(UsageError, match="exclude belongs to the benchmark"):
        settings_of(case(sensor_csv), {"exclude": []})
    with pytest.raises(UsageError, match="seed belongs to the benchmark"):
        settings_of(case(sensor_csv), {"seed": 1})


def test_settings_are_read_as_json_where_they_are_json() -> None:
    found = parsed(["epochs=3", "source=aligned", "distinct=false", "embedding=none"], "paper")
    assert found == {"preset": "paper", "epochs": 3, "source": "aligned", "distinct": False, "embedding": "none"}
    with pytest.raises(UsageError, match="expected key=value"):
        parsed(["epochs"])


@pytest.mark.parametrize("settings", [SETTINGS, MNIST1D_SETTINGS])
def test_settings_of_the_benchmarks_are_settings(settings: dict[str, Any]) -> None:
    taken = from_values(settings).model_dump()
    assert {key: taken[key] for key in settings} == settings


def document(members: dict[int, list[int]], layer: int = 0) -> dict[str, Any]:
    fields = [
        {"layer": layer, "centre": centre, "members": [{"slot": k, "column": column} for k, column in enumerate(row)]}
        for centre, row in members.items()
    ]
    return {"columns": [{"id": i, "name": "abcd"[i]} for i in range(4)], "fields": fields}


TRUTH = {"a": {"b"}, "b": {"a", "c"}, "c": {"b", "d", "a"}, "d": {"c"}}


@pytest.mark.parametrize(
    ("members", "recall", "precision"),
    [
        ({0: [0, 1, 2], 1: [1, 0, 2], 2: [2, 1, 3], 3: [3, 2, 0]}, 1.0, 6 / 8),  # all that two slots can hold
        ({0: [0, 2, 3], 1: [1, 3, 1], 2: [2, 2, 2], 3: [3, 0, 1]}, 0.0, 0.0),
        ({0: [0, 1, 1], 1: [1, 0, 3], 2: [2, 0, 1], 3: [3, 0, 1]}, 4 / 6, 4 / 7),
    ],
)
def test_recall_asks_for_no_more_than_the_slots_hold(
    members: dict[int, list[int]], recall: float, precision: float
) -> None:
    assert neighbour_scores(document(members), TRUTH) == (pytest.approx(recall), pytest.approx(precision))


def test_recall_is_that_of_the_saved_fields(sensor_csv: Path, tmp_path: Path) -> None:
    sensors = ("flow[l/h]", "flow[m/h]", "temp_a", "temp_b", "pressure", "price_$x^$")
    truth = {name: set(sensors) - {name} for name in sensors}
    line = learn_line(case(sensor_csv, truth=truth), FAST, tmp_path, None)
    assert (line["recall"], line["precision"]) == (1.0, 1.0)
