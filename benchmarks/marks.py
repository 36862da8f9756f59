"""The marks rfconv is held to, against what was measured: one Markdown table from the lines in benchmarks/results."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.learning import ALL_FOLDS, Line
from benchmarks.record import lines

Figures = Mapping[str, float]
NOTHING = "—"
BOOSTING = ("lightgbm", "hist_gradient_boosting")
_IDENTITY = ("seed", "fold", "baseline", "row", "table", "kind", "rows", "draw")


@dataclass(frozen=True)
class Mark:
    """A bar that a benchmark is to reach.

    needs: the figures the bar is about, shown in this order; `met` is asked only when all of them were measured.
    Figures are means over the benchmark's lines; `n`, and one per verdict code, count them; `boosting` is the best
    mean of gradient boosting. together_with: benchmarks whose lines count among this one's.
    """

    title: str
    benchmark: str
    bar: str
    met: Callable[[Figures], bool]
    needs: tuple[str, ...] = ("learned",)
    together_with: tuple[str, ...] = ()


def _at_least(title: str, benchmark: str, bar: float) -> Mark:
    return Mark(title, benchmark, f"≥ {bar}", lambda f: f["learned"] >= bar)


def _plant(title: str, family: str) -> Mark:
    return Mark(
        title,
        f"plants-{family}",
        "≥ oracle − 0.01, recall ≥ 0.95",
        lambda f: f["learned"] >= f["oracle"] - 0.01 and f["recall"] >= 0.95,
        ("learned", "oracle", "recall"),
        (f"plants-{family}-uncorrelated",),
    )


MARKS = (
    _plant("planted ring", "ring"),
    _plant("planted grid", "grid"),
    _plant("planted random graph", "random-graph"),
    Mark(
        "planted interactions",
        "plants-interactions",
        "recall ≥ 0.99, precision ≥ 0.95",
        lambda f: f["recall"] >= 0.99 and f["precision"] >= 0.95,
        ("recall", "precision"),
    ),
    Mark(
        "no structure",
        "null",
        "structure_found ≤ 2 of 40",
        lambda f: f["structure_found"] <= f["n"] * 2 / 40,
        ("structure_found",),
    ),
    _at_least("Shuffled MNIST-1D", "mnist1d", 0.93),
    _at_least("Shuffled MNIST", "shuffled-mnist", 0.985),
    _at_least("Shuffled MNIST, best", "shuffled-mnist-best", 0.991),
    Mark(
        "digits",
        "digits",
        "≥ 0.975, never structure_found",
        lambda f: f["learned"] >= 0.975 and f["structure_found"] == 0,
        ("learned", "structure_found"),
    ),
    _at_least("European weather, random", "weather-eu-random", 0.86),
    _at_least("European weather, years", "weather-eu-years", 0.76),
    _at_least("Japanese weather, random", "weather-jma-random", 0.84),
    _at_least("Japanese weather, weeks", "weather-jma-weeks", 0.72),
    _at_least("Landsat", "landsat", 0.925),
    Mark(
        "turbofan (RMSE)",
        "turbofan",
        "≤ gradient boosting",
        lambda f: f["learned"] <= f["boosting"],
        ("learned", "boosting"),
    ),
)


def markdown(files: Sequence[Path]) -> str:
    """The table of marks: a row per mark, a dash where nothing was measured."""
    found = gather(line for path in files for line in lines(path))
    heads = ("benchmark", "bar", "ours", "random fields", "correlation fields", "MLP", "best baseline", "met?")
    rows = [heads, ("---",) * len(heads), *(row(mark, found) for mark in MARKS)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def gather(found: Iterable[Line]) -> dict[str, list[Line]]:
    """Benchmark → its lines, means over folds left out; a line measured again takes the place of the earlier one."""
    kept: dict[str, dict[tuple[Any, ...], Line]] = {}
    for number, line in enumerate(found):
        if line.get("fold") == ALL_FOLDS:
            continue
        named = tuple(str(line.get(key)) for key in _IDENTITY) if "seed" in line or "fold" in line else (number,)
        kept.setdefault(line["benchmark"], {})[named] = line
    return {benchmark: list(each.values()) for benchmark, each in kept.items()}


def row(mark: Mark, found: Mapping[str, Sequence[Line]]) -> tuple[str, ...]:
    """The cells of one mark."""
    measured = [line for name in (mark.benchmark, *mark.together_with) for line in found.get(name, ())]
    others = baselines(found.get(f"{mark.benchmark}-baselines", ()))
    figures = means(measured) | _boosting(others)
    complete = bool(measured) and all(key in figures for key in mark.needs)
    smaller = any(line.get("measure") == "rmse" for line in found.get(f"{mark.benchmark}-baselines", ()))
    best = (min if smaller else max)(others, key=lambda name: others[name], default=None)
    return (
        mark.title,
        mark.bar,
        _ours(mark, figures) if complete else NOTHING,
        *(_number(figures.get(key)) for key in ("random_fields", "correlation_fields", "mlp")),
        NOTHING if best is None else f"{best} {_number(others[best])}",
        (("yes" if mark.met(figures) else "**no**") if complete else NOTHING),
    )


def means(measured: Sequence[Line]) -> dict[str, float]:
    """The mean of every figure that all lines carry; `n` lines; how many have each verdict code."""
    if not measured:
        return {}
    verdicts = Counter(_code(line.get("verdict")) for line in measured)
    counted = {code: float(verdicts[code]) for code in ("structure_found", "not_unique", "no_evidence")}
    shared = set.intersection(*(set(line) for line in measured))
    figures = {
        key: statistics.fmean(line[key] for line in measured)
        for key in sorted(shared)
        if all(isinstance(line[key], int | float) for line in measured)
    }
    return figures | (counted if None not in verdicts else {}) | {"n": float(len(measured))}


def baselines(measured: Sequence[Line]) -> dict[str, float]:
    """Baseline → its mean score."""
    scores: dict[str, list[float]] = {}
    for line in measured:
        scores.setdefault(line["baseline"], []).append(line["score"])
    return {name: statistics.fmean(each) for name, each in scores.items()}


def _boosting(errors: Mapping[str, float]) -> dict[str, float]:
    """The smaller error of those gradient boostings that were measured."""
    measured = [errors[name] for name in BOOSTING if name in errors]
    return {"boosting": min(measured)} if measured else {}


def _code(verdict: Any) -> str | None:
    code = verdict.get("code") if isinstance(verdict, dict) else verdict
    return None if code is None else str(code)


def _ours(mark: Mark, figures: Figures) -> str:
    shown = []
    for key in mark.needs:
        is_count = key == "structure_found"
        text = f"{figures[key]:.0f} of {figures['n']:.0f}" if is_count else _number(figures[key])
        shown.append(text if key == "learned" else f"{key} {text}")
    return f"{', '.join(shown)} (n = {figures['n']:.0f})"


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4g}"
