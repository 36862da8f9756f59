"""The growth benchmark measures what it says, and draws it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.scale import AXES, draw, problem, slope
from benchmarks.scale import settings_of as chosen
from rfconv_cli.network.cost import peak_of, stage_costs


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_a_slope_is_the_power_of_the_growth(power):
    points = [{"size": size, "step_ms": 3.0 * size**power} for size in (10, 100, 1000, 10_000)]
    assert slope(points, "step_ms", 100) == pytest.approx(power)


def test_a_slope_is_that_of_large_sizes():
    points = [{"size": size, "peak_mb": max(50.0, size)} for size in (1, 10, 100, 1000, 10_000)]
    assert slope(points, "peak_mb", 100) == pytest.approx(1.0)
    assert slope(points, "peak_mb", 1) < 1.0


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system resets no high-water mark")
@pytest.mark.parametrize("axis", AXES)
def test_a_point_is_measured_in_a_process_of_its_own(axis):
    command = [sys.executable, "-m", "benchmarks.scale", axis, "400"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["step_ms"] > 0
    assert found["peak_mb"] > 0
    if axis != "rows":
        assert 0.7 < found["foretold_over_whole"] < 1.3


def test_what_is_foretold_grows_with_the_columns_and_not_with_their_square():
    told = [
        peak_of([cost for cost in stage_costs(1000, columns, 2, chosen("candidates")) if cost.stage == "search"])
        for columns in (10_000, 20_000)
    ]
    assert told[0] < told[1] < 2 * told[0]


def test_the_picture_is_drawn(tmp_path):
    points = {
        axis: [{"size": size, "step_ms": size / 10, "peak_mb": size / 50} for size in sizes]
        for axis, sizes in AXES.items()
    }
    paths = draw(points, tmp_path / "scale")
    assert {path.suffix for path in paths} == {".png", ".svg"}
    text = (tmp_path / "scale.svg").read_text()
    assert all(word in text for word in ("candidates, by columns: 1.00", "training, by rows: 1.00", "milliseconds"))


def test_the_rows_of_a_problem_are_as_many_as_asked_for():
    here = problem(200, 7)
    assert len(here.train) + len(here.valid) == 200
    assert here.train.x.shape[1] == len(here.names) == 7
