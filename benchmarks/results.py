"""JSON lines to Markdown: one table per benchmark, a row per result, then the mean over its rows."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import lines

_NOT_SHOWN = ("benchmark", "machine", "settings", "date", "split", "measure", "stages", "r2_interval", "folds")


def markdown(files: Sequence[Path]) -> str:
    """The tables of all results, in the order in which benchmarks first occur."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for path in files:
        for line in lines(path):
            tables.setdefault(line["benchmark"], []).append(line)
    return "\n\n".join(_table(name, rows) for name, rows in tables.items())


def _table(name: str, rows: Sequence[dict[str, Any]]) -> str:
    keys = [key for key in rows[0] if key not in _NOT_SHOWN]
    head = [f"### {name}", "", f"| {' | '.join(keys)} |", f"|{'---|' * len(keys)}"]
    body = [f"| {' | '.join(_cell(row.get(key)) for key in keys)} |" for row in rows]
    if len(rows) > 1 and len({row["seed"] for row in rows if "seed" in row}) == len(rows):
        means = [_mean([row.get(key) for row in rows]) if key != "seed" else "**mean**" for key in keys]
        body.append(f"| {' | '.join(means)} |")
    machines = {f"{row['date']}, {row['machine']['cores']} cores, torch {row['machine']['torch']}" for row in rows}
    settings = [f"Settings: `{rows[0]['settings']}`."] if "settings" in rows[0] else []
    return "\n".join([*head, *body, "", *settings, f"Measured {'; '.join(sorted(machines))}."])


def _mean(values: Sequence[Any]) -> str:
    numbers = [value for value in values if isinstance(value, int | float)]
    return _cell(statistics.fmean(numbers)) if len(numbers) == len(values) else ""


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return " – ".join(map(_cell, value))
    if isinstance(value, dict):
        return "; ".join(f"{key} {_cell(item)}" for key, item in value.items())
    return str(value)
