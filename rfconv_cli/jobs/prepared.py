"""A table ready to learn from, as a value."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfconv_cli.table.frozen import Schema
from rfconv_cli.table.split import SplitPlan


@dataclass(frozen=True, eq=False)
class Prepared:
    """A table ready to learn from.

    x: (rows, N) float64 in the schema's order, NaN where missing; y: (rows,) int64 class codes or float64 values;
    rows: (rows,) int64, where each stood in the table; parts: (rows,) "train", "valid" or "test", as `plan` says;
    groups: (rows,) int64 codes of the rows that were kept together, or None; weight: (rows,) float64, what each row
    counts in the loss, or None.
    """

    schema: Schema
    x: NDArray[np.float64]
    y: NDArray[Any]
    rows: NDArray[np.int64]
    parts: NDArray[np.str_]
    plan: SplitPlan
    groups: NDArray[np.int64] | None
    weight: NDArray[np.float64] | None = None

    @property
    def outputs(self) -> int:
        """Classes, or 1 for regression."""
        return len(self.schema.target.classes) or 1

    def is_in(self, *parts: str) -> NDArray[np.bool_]:
        """(rows,) True for the rows of these parts."""
        return np.isin(self.parts, parts)
