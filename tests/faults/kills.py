"""Kill `learn` at random moments, resume it until it ends, and compare with one that was left alone: byte for byte.

python -m tests.faults.kills [--kills N] [--seed S] prints how many kills there were and in how many files they showed.
"""

import argparse
import os
import random
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from rfconv_cli.config import from_values
from rfconv_cli.jobs.begun import waiting
from rfconv_cli.jobs.learn import learn, resume
from rfconv_cli.network import memo

SETTINGS = {
    "search_steps": 60,
    "contest_epochs": 2,
    "epochs": 6,
    "random_draws": 2,
    "stability": 4,
    "bootstrap": 100,
    "channels": 4,
    "hidden": 16,
    "ensemble": 2,
    "shifts": 0.3,
    "level": "first-order",
    "estimator": "gumbel",
    "threads": 1,
    "plots": False,
}
COMPARED = ("fields.json", "metrics.json", "model.safetensors", "predictions-test.parquet", "preprocess.json")


def table(path: Path) -> Path:
    """A table of two groups of columns, of which one says something of the target."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 8)).cumsum(axis=1)
    state = np.where(x[:, 2] * x[:, 5] + rng.normal(size=300) > 0, "up", "down")
    pd.DataFrame(x, columns=[f"s{i}" for i in range(8)]).assign(state=state).to_csv(path, index=False)
    return path


def begin(data: Path, runs: Path, settings: dict) -> int:
    """A process that learns, or goes on with what was begun in `runs`; its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        torch.set_num_threads(1)
        memo._FIRST, memo._PATIENCE = 0.0, 0  # a state is kept at every step
        if waiting(runs):
            resume(runs, lambda _: None, lambda *_: None)
        else:
            learn(data, "state", from_values(settings), runs, lambda _: None, lambda *_: None)
        code = 0
    finally:
        os._exit(code)


def ended(child: int, after: float) -> bool:
    """Kill the child after so many seconds, unless it has ended; whether it had, in order."""
    until = time.monotonic() + after
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0, f"learn ended with {status}"
            return True
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return status == 0


def left_alone(data: Path, runs: Path, settings: dict) -> tuple[dict[str, bytes], float]:
    """The files of a learn that nothing disturbed, and its seconds."""
    start = time.monotonic()
    assert ended(begin(data, runs, settings), 600)
    return files(runs), time.monotonic() - start


def files(runs: Path) -> dict[str, bytes]:
    """The compared files of the one run there is."""
    (run,) = (each for each in runs.iterdir() if each.is_dir() and not each.name.startswith("."))
    return {name: (run / name).read_bytes() for name in COMPARED}


def kill_and_resume(kills: int, seed: int, changes: dict, folder: Path) -> dict[str, int]:
    """Kill until there were so many; what was tried. Raises AssertionError where a file came out otherwise."""
    os.environ["SOURCE_DATE_EPOCH"] = "1800000000"  # the time stands in fields.json
    settings, data, rng = {**SETTINGS, **changes}, table(folder / "t.csv"), random.Random(seed)
    wanted, seconds = left_alone(data, folder / "alone", settings)
    tried = {"kills": 0, "learns": 0, "resumed": 0}
    while tried["kills"] < kills:
        runs = folder / f"runs-{tried['learns']}"
        while not ended(begin(data, runs, settings), rng.uniform(0, 0.8 * seconds)):
            tried["kills"] += 1
            tried["resumed"] += bool(waiting(runs))
        tried["learns"] += 1
        found = files(runs)
        assert not [name for name in COMPARED if found[name] != wanted[name]]
        assert not waiting(runs)
    return tried


def main() -> None:
    """Print what was tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tried = kill_and_resume(given.kills, given.seed, {}, Path(folder))
    print(
        f"kills: {tried['kills']} at random moments of {tried['learns']} learns, {tried['resumed']} of them resumed; "
        f"{len(COMPARED)} files each, the same bytes as of a learn that was left alone"
    )


if __name__ == "__main__":
    main()
