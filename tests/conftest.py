"""What all tests share: one thread each (they run side by side), a small planted table, a learned run."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

os.environ["RFCONV_THREADS"] = "1"

import torch  # after the environment is set

from rfconv_cli.program import run_app

torch.set_num_threads(1)

FAST = (
    *("--search-steps", "40", "--contest-epochs", "2", "--epochs", "4", "--channels", "4"),
    *("--random-draws", "1", "--stability", "2", "--bootstrap", "200"),
)


def sensor_frame(rows: int = 240, seed: int = 0) -> pd.DataFrame:
    """Six sensors in three pairs; the class says whether the members of the first pair agree in sign."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 6)).round(3)
    frame = pd.DataFrame(x, columns=["flow[l/h]", "flow[m/h]", "temp_a", "temp_b", "pressure", "price_$x^$"])
    frame["state"] = np.where(x[:, 0] * x[:, 1] > 0, "same", "other")
    frame["load"] = (x[:, 2] + 0.5 * x[:, 3]).round(3)
    return frame


@pytest.fixture(scope="session")
def sensor_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "sensors.csv"
    sensor_frame().to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def learned_once(sensor_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run in rfconv-runs; copy it (`learned`) before changing anything."""
    folder = tmp_path_factory.mktemp("learned")
    runs = folder / "rfconv-runs"
    assert run_app(["learn", str(sensor_csv), "--target", "state", "--runs", str(runs), "-q", *FAST]) == 0
    return folder


@pytest.fixture
def learned(learned_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private copy of the learned run, as the current folder; returns the run's path."""
    import shutil

    folder = tmp_path / "moved"
    shutil.copytree(learned_once, folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("RFCONV_RUN", raising=False)
    latest = (folder / "rfconv-runs" / "LATEST").read_text().strip()
    return folder / "rfconv-runs" / latest
