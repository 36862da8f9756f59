"""How the golden runs were made: python -m tests.golden.make FOLDER. A version's runs are never made anew.

Each folder of a version holds a table, the run that was learned from it, and what it said then.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rfconv_cli.config import from_values
from rfconv_cli.jobs.apply import evaluate_table, predict_table
from rfconv_cli.jobs.learn import learn
from rfconv_cli.run import open_run

SMALL = {
    "search_steps": 30,
    "contest_epochs": 1,
    "epochs": 3,
    "random_draws": 1,
    "stability": 2,
    "bootstrap": 100,
    "channels": 2,
    "hidden": 16,
    "bins": 4,
    "embedding_size": 4,
    "kernel_size": 3,
    "threads": 1,
    "plots": False,
}


def classes(rows: int = 150) -> tuple[pd.DataFrame, str, dict[str, Any]]:
    """Three classes; numbers with gaps, a text column, a column of dates; an ensemble."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, 5)).cumsum(axis=1).round(3)
    frame = pd.DataFrame(x, columns=["酒田_平均気温(℃)", "flow [l/h]", "p1", "p2", "p3"])
    frame.loc[rng.random(rows) < 0.1, "p2"] = np.nan
    frame["valve"] = rng.choice(["open", "shut", "half"], rows)
    frame["when"] = pd.date_range("2026-01-01", periods=rows, freq="6h").astype(str)
    frame["state"] = np.select([x[:, 0] * x[:, 1] > 0.5, x[:, 2] > 1], ["一", "b"], "c")
    return frame, "state", {**SMALL, "ensemble": 2, "split_by": "none"}


def values(rows: int = 150) -> tuple[pd.DataFrame, str, dict[str, Any]]:
    """A number; windows of two rows in time."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(rows, 3)).cumsum(axis=0).round(3)
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(t=np.arange(rows))
    frame["load"] = (frame["a"].shift(1, fill_value=0) - frame["b"]).round(3)
    return frame, "load", {**SMALL, "window": 2, "time": "t"}


def make(folder: Path) -> None:
    """Write both runs with their tables. Raises FileExistsError where they are."""
    os.environ["SOURCE_DATE_EPOCH"] = "1795000000"
    for name, (frame, target, settings) in {"classes": classes(), "values": values()}.items():
        here = folder / name
        here.mkdir(parents=True)
        data = here / "table.csv"
        frame.to_csv(data, index=False)
        learned = learn(data, target, from_values(settings), here, lambda _: None, lambda *_: None)
        run = open_run(Path(learned["run"]["path"]))
        (here / "LATEST").unlink()
        run.path.rename(here / "run")
        run = open_run(here / "run")
        predicted = predict_table(run, data)[0].slice(0, 20).to_pydict()
        document = {"test": learned["test"], "table": evaluate_table(run, data)[0]["test"], "predicted": predicted}
        (here / "expected.json").write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
