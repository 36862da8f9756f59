"""Turbofan engines run to failure: 3 settings and 21 sensors to the cycles that remain (regression).

Whole engines are held out. The cycle counts towards the answer and is never a feature, nor is the engine's number.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.learning import Case
from benchmarks.tables import data_file

FILE = "cmapss_fd001.parquet"
FIXED = {"task": "regression", "group": "unit", "exclude": ("cycle",)}


def cases(data: Path, seeds: int) -> Iterator[Case]:
    """One case a seed, each with other engines held out."""
    for seed in range(seeds):
        yield Case("turbofan", data_file(data, FILE), "rul", "whole engines", seed, FIXED)
