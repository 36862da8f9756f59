"""How a step grows with columns and rows: seconds and peak memory, each point in a process of its own, with slopes.

The searches are the default one over candidates, and the factored one as far as its passing N² numbers fit; the rows
are those of a final training. Beside each peak of a search stands what `learn` would have said before it began.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.ticker import FuncFormatter

from benchmarks.record import emit
from benchmarks.speed import status_bytes
from rfconv_cli.config import Settings, from_values
from rfconv_cli.export.plots import save_figure
from rfconv_cli.export.style import house_style, new_figure, on_grid_lines
from rfconv_cli.fields.search import Rows
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.files import write_bytes
from rfconv_cli.network.cost import peak_of, stage_costs
from rfconv_cli.network.learn import Problem, search_fields, train_on_fields
from rfconv_cli.network.train import steps_of_epoch

ROWS, COLUMNS = 1000, 50  # of the other axis
STEPS = 6
AXES = {
    "candidates": (100, 300, 1000, 3000, 10_000, 20_000),
    "factored": (100, 300, 1000, 3000),
    "rows": (1000, 10_000, 100_000, 1_000_000),
}
_LARGE = {"candidates": 1000, "factored": 300, "rows": 10_000}  # slopes are those from here on: what counts when large
_ENVIRON = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_ARENA_MAX": "1"}


def run(out: Path | None, cache: Path, most_rows: int) -> None:
    """Emit every point and slope, and draw them into `cache` as scale.png and scale.svg."""
    points: dict[str, list[dict[str, Any]]] = {}
    for axis, sizes in AXES.items():
        for size in (*sizes, *([most_rows] if axis == "rows" and most_rows > sizes[-1] else [])):
            points.setdefault(axis, []).append(emit(out, "scale", axis=axis, size=size, **_in_own_process(axis, size)))
    for axis, found in points.items():
        slopes = {f"{what}_slope": slope(found, what, _LARGE[axis]) for what in ("step_ms", "peak_mb")}
        emit(out, "scale-slopes", axis=axis, sizes=[_LARGE[axis], found[-1]["size"]], **slopes)
    cache.mkdir(parents=True, exist_ok=True)
    draw(points, cache / "scale")


def slope(points: Sequence[dict[str, Any]], what: str, smallest: int) -> float:
    """The exponent of the growth: least squares on logarithms, of the points from `smallest` on."""
    chosen = [(np.log(point["size"]), np.log(point[what])) for point in points if point["size"] >= smallest]
    sizes, values = np.array(chosen).T
    return float(np.polyfit(sizes, values, 1)[0])


def measured(axis: str, size: int) -> dict[str, Any]:
    """One point: the median milliseconds of a step, the peak in MB above the resting process; of a search also the
    whole one, and the one that `learn` foretells.
    """
    columns, rows = (COLUMNS, size) if axis == "rows" else (size, ROWS)
    settings = settings_of(axis)
    work(axis, problem(100, 40), settings)(lambda *_: None)  # loads what a first time loads
    before = status_bytes("VmRSS")
    here = problem(rows, columns)
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    ticks: list[float] = []
    work(axis, here, settings)(lambda *_: ticks.append(time.perf_counter()))
    whole = status_bytes("VmHWM")
    if axis == "rows":  # of a training, each pass is told of
        steps = steps_of_epoch(len(here.train), settings)
        return {"step_ms": 1e3 * (ticks[1] - ticks[0]) / steps, "peak_mb": (whole - before) / 1e6}
    foretold = peak_of([cost for cost in stage_costs(rows, columns, 2, settings) if cost.stage == "search"])
    return {
        "step_ms": 1e3 * statistics.median(np.diff(ticks)),
        "peak_mb": (whole - before) / 1e6,
        "whole_mb": whole / 1e6,
        "foretold_mb": foretold / 1e6,
        "foretold_over_whole": foretold / whole,
    }


def settings_of(axis: str) -> Settings:
    """A few steps of a search, or a pass of a training of few steps."""
    if axis == "rows":
        return from_values({"epochs": 2, "most_steps": 50, "threads": 1, "hidden": 64})
    return from_values({"search_steps": STEPS, "parameterisation": axis, "hidden": 0, "source": "searched"})


def work(axis: str, here: Problem, settings: Settings) -> Callable[[Callable[..., None]], object]:
    """What is measured, given whom to tell of each step."""
    if axis != "rows":
        return lambda tell: search_fields(here, settings, tell)
    members = np.stack([(np.arange(len(here.names)) + slot) % len(here.names) for slot in range(5)], axis=1)
    fields = ReceptiveFields.unweighted(here.names, members[None])

    def train(tell: Callable[..., None]) -> None:
        tell()
        train_on_fields(here, fields, settings, tell)

    return train


def problem(rows: int, columns: int) -> Problem:
    """Noise of two classes; nothing of time or memory depends on what it says."""
    rng = np.random.default_rng(0)
    every = Rows(
        torch.from_numpy(rng.standard_normal((rows, columns), dtype=np.float32)),
        torch.from_numpy(rng.integers(2, size=rows)),
    )
    names = tuple(f"c{i:06d}" for i in range(columns))
    return Problem(names, every.between(0, rows - rows // 10), every.between(rows - rows // 10, rows), 2)


def draw(points: dict[str, list[dict[str, Any]]], stem: Path) -> list[Path]:
    """Both growths on logarithmic axes. Returns the paths of the PNG and the SVG."""
    with house_style():
        figure = new_figure(9.0, 4.6, "Growth of a step")
        for place, (what, label) in enumerate({"step_ms": "milliseconds", "peak_mb": "peak memory, MB"}.items(), 1):
            axes = figure.add_subplot(1, 2, place)
            for (axis, found), mark in zip(points.items(), "os^", strict=False):
                sizes = [point["size"] for point in found]
                name = "training, by rows" if axis == "rows" else f"{axis}, by columns"
                told = f"{name}: {slope(found, what, _LARGE[axis]):.2f}"
                axes.loglog(sizes, [point[what] for point in found], marker=mark, label=told)
            axes.set_xlabel("columns, or rows")
            axes.set_ylabel(label)
            for line in (axes.xaxis, axes.yaxis):
                line.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}" if x >= 1 else f"{x:g}"))
            axes.legend(title="slope of the large ones", fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.18))
            on_grid_lines(axes)
        return save_figure(figure, stem, write_bytes)


def _in_own_process(axis: str, size: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.scale", axis, str(size)]
    done = subprocess.run(command, env=_ENVIRON, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(measured(sys.argv[1], int(sys.argv[2]))))
