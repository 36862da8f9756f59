"""`Table` and `Planted`: rows that were made up, without and with a structure to find. Values; they draw nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Table:
    """Columns and classes; no fields help beyond the columns, unless it is a `Planted`.

    x: (rows, N) float64. y: (rows,) int64 class codes, 0 … classes − 1.
    names: the N column names, which tell nothing of the structure.
    description: how the table was made.
    """

    x: Floats
    y: Ints
    names: tuple[str, ...]
    description: str

    def __post_init__(self) -> None:
        for array in (self.x, self.y):
            array.setflags(write=False)


@dataclass(frozen=True, eq=False)
class Planted(Table):
    """A table with its truth.

    members: (N, K) int64, the true receptive field of every column: members[m, 0] == m, no column twice in a field,
        and slot k means the same at every centre.
    real: (N, K) bool, False where a centre has nothing in a slot (beyond a border) and a column stands in for it.
    slots: K words, what each slot means.
    """

    members: Ints
    real: Bools
    slots: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        for array in (self.members, self.real):
            array.setflags(write=False)

    @property
    def kernel_size(self) -> int:
        """K, slots of a true field, the centre included."""
        return int(self.members.shape[1])

    def pairs(self, root: int = 0) -> set[Pair]:
        """The true neighbours as (lower, higher): in each field the column in slot `root` with every other one.

        Slot 0 is the centre. Fields that are named after another of their members are the same fields: each slot holds
        each column about once, and a network on either is the same network.
        """
        others = np.delete(np.arange(self.kernel_size), root)
        both = self.real[:, [root]] & self.real[:, others]
        centres = np.repeat(self.members[:, [root]], len(others), axis=1)
        return unordered(centres[both], self.members[:, others][both])

    def fellows(self) -> set[Pair]:
        """All pairs that stand in one field together, whichever slots they take."""
        return {pair for root in range(self.kernel_size) for pair in self.pairs(root)}

    def truth(self) -> dict[str, Any]:
        """The structure as a JSON document: each centre's members by name, in the order of the slots; null: none."""
        fields: Mapping[str, list[str | None]] = {
            name: [self.names[n] if here else None for n, here in zip(members, real, strict=True)]
            for name, members, real in zip(self.names, self.members, self.real, strict=True)
        }
        return {
            "format": "rfconv.planted",
            "format_version": 1,
            "description": self.description,
            "slots": list(self.slots),
            "fields": fields,
        }


def unordered(some: Ints, others: Ints) -> set[Pair]:
    """The pairs of two (P,) int64 arrays as (lower, higher); a column makes no pair with itself."""
    return {(min(m, n), max(m, n)) for m, n in zip(some.tolist(), others.tolist(), strict=True) if m != n}


def neutral_names(columns: int) -> tuple[str, ...]:
    """s00, s01 …: as many digits as the last one needs."""
    width = len(str(columns - 1))
    return tuple(f"s{i:0{width}d}" for i in range(columns))
