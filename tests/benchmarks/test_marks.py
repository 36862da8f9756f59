"""The table of marks from hand-made lines: met, missed, absent."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.marks import MARKS, gather, markdown, row
from benchmarks.plant_runs import FAMILIES, grow

Line = dict[str, Any]
BY_NAME = {mark.benchmark: mark for mark in MARKS}


def learned(benchmark: str, *scores: float, **more: Any) -> list[Line]:
    return [{"benchmark": benchmark, "seed": i, "learned": score, **more} for i, score in enumerate(scores)]


def cells(benchmark: str, lines: list[Line]) -> tuple[str, ...]:
    return row(BY_NAME[benchmark], gather(lines))


@pytest.mark.parametrize(
    ("benchmark", "lines", "met"),
    [
        ("landsat", learned("landsat", 0.93, 0.92), "yes"),  # their mean is the bar itself
        ("landsat", learned("landsat", 0.93, 0.91), "**no**"),
        ("landsat", [], "—"),
        ("plants-ring", learned("plants-ring", 0.86, oracle=0.865, recall=0.96), "yes"),
        ("plants-ring", learned("plants-ring", 0.86, oracle=0.88, recall=0.96), "**no**"),
        ("plants-ring", learned("plants-ring", 0.86, oracle=0.86, recall=0.94), "**no**"),
        ("plants-ring", learned("plants-ring", 0.86, oracle=0.86), "—"),  # recall was not measured
        ("plants-interactions", learned("plants-interactions", 0.9, recall=0.995, precision=0.95), "yes"),
        ("plants-interactions", learned("plants-interactions", 0.9, recall=0.995, precision=0.94), "**no**"),
        ("digits", learned("digits", 0.98, 0.98, verdict="no_evidence"), "yes"),
        ("digits", learned("digits", 0.98, 0.98, verdict="not_unique"), "yes"),
        ("digits", learned("digits", 0.98, 0.98, verdict="structure_found"), "**no**"),
        ("digits", learned("digits", 0.97, 0.97, verdict={"code": "no_evidence"}), "**no**"),
    ],
)
def test_a_mark_is_met_missed_or_absent(benchmark: str, lines: list[Line], met: str) -> None:
    assert cells(benchmark, lines)[-1] == met


@pytest.mark.parametrize(("found", "met"), [(2, "yes"), (3, "**no**")])
def test_two_of_forty_tables_without_structure_may_be_taken_for_some(found: int, met: str) -> None:
    codes = ["structure_found"] * found + ["no_evidence"] * (40 - found)
    made = [{"benchmark": "null", "seed": i, "verdict": code} for i, code in enumerate(codes)]
    assert cells("null", made)[2::5] == (f"structure_found {found} of 40 (n = 40)", met)


def test_draws_without_correlation_count_among_their_family() -> None:
    lines = learned("plants-ring", 0.9, 0.9, 0.9, oracle=0.9, recall=1.0)
    lines += learned("plants-ring-uncorrelated", 0.8, 0.8, oracle=0.9, recall=1.0)
    assert cells("plants-ring", lines)[2].startswith("0.86, ")
    assert cells("plants-ring", lines)[-1] == "**no**"


def test_every_family_of_plants_has_a_mark_under_the_name_of_its_lines() -> None:
    named = {name for mark in MARKS for name in (mark.benchmark, *mark.together_with)}
    assert {f"plants-{grow(family, draw, 64)[0]}" for family in FAMILIES for draw in range(5)} <= named


@pytest.mark.parametrize(("error", "met"), [(38.0, "yes"), (38.6, "**no**")])
def test_turbofan_is_held_against_the_better_boosting(error: float, met: str) -> None:
    lines = learned("turbofan", error, measure="rmse")
    scores = {"lightgbm": 38.5, "hist_gradient_boosting": 39.0, "random_forest": 37.0}
    for name, score in scores.items():
        lines.append(
            {"benchmark": "turbofan-baselines", "baseline": name, "seed": 0, "measure": "rmse", "score": score}
        )
    found = cells("turbofan", lines)
    assert found[-1] == met
    assert found[-2] == "random_forest 37"


def test_controls_stand_beside_and_the_best_baseline_is_the_largest_accuracy() -> None:
    lines = learned("landsat", 0.93, random_fields=0.9, mlp=0.91)
    for seed, score in enumerate((0.92, 0.94)):
        lines.append({"benchmark": "landsat-baselines", "baseline": "lightgbm", "seed": seed, "score": score})
    lines.append({"benchmark": "landsat-baselines", "baseline": "rbf_svm", "seed": 0, "score": 0.925})
    assert cells("landsat", lines)[2:-1] == ("0.93 (n = 1)", "0.9", "—", "0.91", "lightgbm 0.93")


def test_means_over_folds_are_not_counted_and_the_last_measurement_holds() -> None:
    lines: list[Line] = [{"benchmark": "landsat", "fold": fold, "learned": 0.9} for fold in (0, 1, "mean", 1)]
    lines[-1]["learned"] = 1.0
    assert cells("landsat", lines)[2] == "0.95 (n = 2)"


def test_the_table_has_a_row_for_each_mark(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in learned("landsat", 0.93)))
    table = markdown([path]).splitlines()
    assert len(table) == 2 + len(MARKS)
    assert len({line.count(" | ") for line in table}) == 1
    assert sum(line.endswith("| yes |") for line in table) == 1
    assert sum(line.endswith("| — |") for line in table) == len(MARKS) - 1
