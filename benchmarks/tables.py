"""Tables on the way to a benchmark: finding the files, writing Parquet, hiding names and places, marking folds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rfconv_cli.errors import DataError
from rfconv_cli.table.split import split_rows

PART = "part"
VALID_SIZE = 0.1


def data_file(folder: Path, name: str) -> Path:
    """The file `name` of the data folder. Raises DataError where it is absent."""
    path = folder / name
    if not path.is_file():
        raise DataError(
            f"the data folder {folder} has no {name}",
            hint="benchmarks/RESULTS.md lists the files of the data folder",
            code="file_not_found",
        )
    return path


def write_table(path: Path, columns: Mapping[str, Any]) -> Path:
    """Write arrays of one length as a Parquet table; returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), path)
    return path


def hidden(x: NDArray[Any], seed: int) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """The columns of x (rows, N) shuffled and renamed by their new place, and which of x each was: (N,) int64."""
    order = np.random.default_rng(seed).permutation(x.shape[1])
    width = len(str(x.shape[1] - 1))
    return {f"c{place:0{width}d}": x[:, column] for place, column in enumerate(order)}, order


def fold_parts(
    folds: NDArray[np.int64], fold: int, y: NDArray[Any], groups: NDArray[np.int64] | None = None
) -> NDArray[np.str_]:
    """(rows,) "test" for the rows of this fold, "valid" for about a tenth of all rows taken from the others, "train".

    folds: (rows,) int64; y: (rows,) class codes, whose shares the validation rows keep; groups: (rows,) rows of one
    value go to the validation rows together. The draw depends on the fold alone.
    """
    parts = np.full(len(folds), "train", "<U5")
    parts[folds == fold] = "test"
    rest = np.flatnonzero(folds != fold)
    inner = None if groups is None else groups[rest]
    size = VALID_SIZE * len(folds) / len(rest)
    held = split_rows(y[rest], inner, size=size, stratify=True, rng=np.random.default_rng(fold))
    parts[rest[held]] = "valid"
    return parts


def codes(values: Sequence[Any] | NDArray[Any]) -> NDArray[np.int64]:
    """(rows,) int64: the values numbered in their sorted order."""
    return np.asarray(np.unique(np.asarray(values), return_inverse=True)[1], np.int64)
