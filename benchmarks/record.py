"""One JSON line per result, with what it takes to believe it: date, machine, versions, seed, settings."""

import datetime as dt
import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from joblib import cpu_count

from rfconv_cli import __version__


def emit(out: Path | None, benchmark: str, **values: Any) -> dict[str, Any]:
    """Print one result as a JSON line, and append it to `out` when given. Returns the line as read back."""
    line = {"benchmark": benchmark, **values, "date": f"{dt.date.today():%Y-%m-%d}", "machine": machine()}
    text = json.dumps(line, ensure_ascii=False)
    print(text, flush=True)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
    read: dict[str, Any] = json.loads(text)
    return read


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "rfconv": __version__,
    }


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The results in a file that `emit` wrote."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)
