"""Running cases: `learn` on each, the baselines on each, and the means over folds."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from benchmarks.baselines import baseline_lines
from benchmarks.learning import Case, Line, learn_line, mean_line

What = Literal["both", "learn", "baselines"]


def run_cases(cases: Iterable[Case], given: Mapping[str, Any], cache: Path, out: Path | None, what: What) -> None:
    """Emit the lines of all cases of one benchmark; where they are folds, the means as well."""
    learned: list[Line] = []
    others: dict[str, list[Line]] = {}
    for case in cases:
        if what != "baselines":
            learned.append(learn_line(case, given, cache, out))
        for line in baseline_lines(case, given, out) if what != "learn" else []:
            others.setdefault(line["baseline"], []).append(line)
    for lines in ([learned] if learned else []) + list(others.values()):
        if "fold" in lines[0]:
            mean_line(lines, out)
