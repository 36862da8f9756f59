"""Landsat: 3×3 pixels in 4 bands, columns shuffled and renamed, to the kind of land at the centre; five folds.

The true neighbourhood is known: a column's neighbours are its pixel's other three bands and its own band at the two to
four pixels that share an edge with its pixel.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from benchmarks.learning import Case
from benchmarks.tables import PART, codes, data_file, fold_parts, hidden, write_table

FILE, TARGET = "satellite.parquet", "target"
SIDE, BANDS, FOLDS = 3, 4, 5
# Chosen on the validation rows of the five folds, with correlation fields. Loss: eight heads 0.229, one 0.198; then
# 9 slots 0.195, one scaling for all columns 0.195, both with less dropout 0.191, both with four networks 0.186, which
# take four times as long.
USUAL = {"heads": 1, "kernel_size": 9, "scaling": "shared", "dropout": 0.1}
SHUFFLE_SEED = 36


def cases(data: Path, cache: Path, folds: int = FOLDS) -> Iterator[Case]:
    """One case a fold; folds: how many of the five to yield."""
    table = pq.read_table(data_file(data, FILE))
    x = np.stack([table[f"x.{i + 1}"].to_numpy() for i in range(SIDE * SIDE * BANDS)], axis=1)
    land = np.array([str(value) for value in table[TARGET].to_pylist()])
    columns, order = hidden(x, SHUFFLE_SEED)
    number = np.zeros(len(land), np.int64)
    for fold, (_, test) in enumerate(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(x, land)):
        number[test] = fold
    for fold in range(folds):
        parts = fold_parts(number, fold, codes(land))
        path = write_table(cache / f"landsat-{fold}.parquet", columns | {TARGET: land, PART: parts})
        fixed = {"split_column": PART}
        yield Case(
            "landsat",
            path,
            TARGET,
            f"{FOLDS} random folds",
            fold,
            fixed,
            USUAL,
            fold=fold,
            truth=true_names(list(columns), order),
        )


def true_names(names: list[str], order: NDArray[np.int64]) -> dict[str, set[str]]:
    """Column name → names of its true neighbours, where column i of the table was column order[i] of the image."""
    now = {int(column): names[place] for place, column in enumerate(order)}
    return {now[column]: {now[other] for other in neighbours(column)} for column in range(len(names))}


def neighbours(column: int) -> set[int]:
    """The true neighbours of a column, pixel-major: column 4 p + b is band b of pixel p, pixels row by row."""
    pixel, band = divmod(column, BANDS)
    row, place = divmod(pixel, SIDE)
    steps = [(row - 1, place), (row + 1, place), (row, place - 1), (row, place + 1)]
    beside = {(r * SIDE + c) * BANDS + band for r, c in steps if 0 <= r < SIDE and 0 <= c < SIDE}
    return beside | {pixel * BANDS + other for other in range(BANDS) if other != band}
