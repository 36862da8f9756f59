"""The whole suite: every benchmark into a fresh file of results, then the tables of RESULTS.md from those files.

A benchmark's file takes the place of its earlier one only when the benchmark ended well, so that a suite which is
interrupted, or fails in one place, loses nothing.
"""

import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from benchmarks import marks, results
from rfconv_cli.errors import UsageError, nearest

HERE = Path(__file__).parent
RESULTS, REPORT = HERE / "results", HERE / "RESULTS.md"
SUITE: dict[str, tuple[str, ...]] = {  # command → its arguments; DATA stands for the data folder
    "plants": (),
    "null": (),
    "mnist1d": (),
    "digits": (),
    "mnist": ("DATA/mnist.npz",),
    "weather-eu": ("DATA",),
    "weather-jma": ("DATA",),
    "landsat": ("DATA",),
    "turbofan": ("DATA",),
    "ablation": ("DATA",),
    "speed": (),
    "scale": (),
    "reading": (),
    "large": (),
    "demo": (),
}
Say = Callable[[str], None]


def run(data: Path, cache: Path, only: Collection[str], known: Collection[str], say: Say) -> list[str]:
    """Run the suite, or `only` some of it; returns the benchmarks that failed. known: the commands there are.

    Raises UsageError where `only` names none of the suite's.
    """
    for name in only:
        if name not in SUITE:
            close = nearest(name, SUITE)
            raise UsageError(
                f"the suite has no {name!r}; the nearest are {', '.join(close)}",
                hint=f"--only {close[0]}",
                code="unknown_benchmark",
            )
    failed = []
    for name, arguments in SUITE.items():
        if name not in known or (only and name not in only):
            continue
        say(f"{name} …")
        fresh = cache / "fresh" / f"{name}.jsonl"
        fresh.unlink(missing_ok=True)
        command = [name, *(text.replace("DATA", str(data)) for text in arguments), "--out", str(fresh)]
        if subprocess.run([sys.executable, "-m", "benchmarks", *command], stdout=subprocess.DEVNULL).returncode:
            failed.append(name)
            continue
        RESULTS.mkdir(exist_ok=True)
        fresh.replace(RESULTS / fresh.name)
    rewrite(REPORT, sorted(RESULTS.glob("*.jsonl")))
    return failed


def rewrite(report: Path, files: Sequence[Path]) -> None:
    """Regenerate the sections `marks` and `results` of the report. Raises ValueError where a section is absent."""
    text = report.read_text(encoding="utf-8")
    text = replaced(text, "marks", marks.markdown(files))
    text = replaced(text, "results", results.markdown(files))
    report.write_text(text, encoding="utf-8")


def replaced(text: str, section: str, body: str) -> str:
    """`text` with `body` between the two marker lines of the section. Raises ValueError where they do not stand once.

    >>> replaced("<!-- a: begin -->\\nold\\n<!-- a: end -->", "a", "new")
    '<!-- a: begin -->\\n\\nnew\\n\\n<!-- a: end -->'
    """
    begin, end = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"expected one line {begin!r} and after it one line {end!r}")
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n\n{body}\n\n{end}{after}"
