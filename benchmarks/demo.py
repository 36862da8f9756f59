"""The demo of the README, timed: learn, evaluate and export-fields --plot on the New York weather, one by one."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.record import emit

TABLE = Path(__file__).parents[1] / "sample_data" / "nyc_weather.csv"
COMMANDS = {
    "learn": ("learn", str(TABLE), "--target", "month"),
    "evaluate": ("evaluate",),
    "export-fields --plot": ("export-fields", "--plot"),
}


def run(out: Path | None) -> None:
    """Emit the wall seconds of each command and of all."""
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-m", "rfconv_cli", *command], cwd=folder, capture_output=True, check=True)
            seconds[name] = time.perf_counter() - start
    emit(out, "demo", **seconds, total=sum(seconds.values()))
