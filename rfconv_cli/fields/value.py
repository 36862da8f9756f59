"""`ReceptiveFields`: which columns belong to which field. A value; knows nothing of networks, files or training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ARRAYS = ("members", "weights", "runners_up", "runner_up_weights")


@dataclass(frozen=True, eq=False)
class ReceptiveFields:
    """Discrete receptive fields (L_d of eq. 3), one per column and layer. Keeps read-only copies of its arrays.

    names: the N column names; every index below points into them.
    members: (D, N, K) int64. D is 1 when all layers share their fields, else the number of layers; slot 0 is the
        centre itself (members[d, m, 0] == m).
    weights: (D, N, K) float32 in [0, 1]: the value of the continuous field L_c at the chosen member; 1 at slot 0.
    runners_up: (D, N, K) int64: the column with the next largest weight in that slot, −1 where there is none (slot 0,
        fields that were not learned).
    runner_up_weights: (D, N, K) float32: that column's weight, 0 where there is none.
    """

    names: tuple[str, ...]
    members: NDArray[np.int64]
    weights: NDArray[np.float32]
    runners_up: NDArray[np.int64]
    runner_up_weights: NDArray[np.float32]

    def __post_init__(self) -> None:
        _depth, columns, _ = self.members.shape
        if columns != len(self.names):
            raise ValueError(f"members has {columns} positions for {len(self.names)} names")
        if self.members.min() < 0 or self.members.max() >= columns:
            raise ValueError(f"members must lie in [0, {columns}), got {self.members.min()} … {self.members.max()}")
        if (self.members[:, :, 0] != np.arange(columns)).any():
            raise ValueError("slot 0 must hold the centre itself")
        for array in (self.weights, self.runners_up, self.runner_up_weights):
            if array.shape != self.members.shape:
                raise ValueError(f"expected shape {self.members.shape}, got {array.shape}")
        for name in _ARRAYS:
            own = getattr(self, name).copy()
            own.setflags(write=False)
            object.__setattr__(self, name, own)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All but the names, by the names of the arguments."""
        return {name: getattr(self, name) for name in _ARRAYS}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ReceptiveFields):
            return NotImplemented
        same = (np.array_equal(getattr(self, name), getattr(other, name)) for name in _ARRAYS)
        return self.names == other.names and all(same)

    def __hash__(self) -> int:
        return hash((self.names, self.members.tobytes()))

    @classmethod
    def unweighted(cls, names: Sequence[str], members: NDArray[np.int64]) -> "ReceptiveFields":
        """Fields that were given, not learned: every weight 1, no runner-up. members: (D, N, K) int64."""
        return cls(
            tuple(names),
            members,
            np.ones(members.shape, np.float32),
            np.full(members.shape, -1, np.int64),
            np.zeros(members.shape, np.float32),
        )

    @property
    def depth(self) -> int:
        """D, the number of distinct field sets."""
        return int(self.members.shape[0])

    @property
    def kernel_size(self) -> int:
        """K, slots per field, the centre included."""
        return int(self.members.shape[2])

    def by_name(self, layer: int = 0) -> dict[str, list[str]]:
        """Each centre's members in slot order, by name; the centre itself first."""
        return {self.names[m]: [self.names[n] for n in row] for m, row in enumerate(self.members[layer])}

    def reordered(self, names: Sequence[str]) -> "ReceptiveFields":
        """The same fields with the columns in another order.

        Raises ValueError when `names` is not a permutation of `self.names`.
        """
        if sorted(names) != sorted(self.names):
            raise ValueError("reordered needs the same names in another order")
        position = {name: i for i, name in enumerate(names)}
        new_of_old = np.array([position[name] for name in self.names], np.int64)
        old_of_new = np.argsort(new_of_old)
        runners = self.runners_up[:, old_of_new]
        return ReceptiveFields(
            tuple(names),
            new_of_old[self.members[:, old_of_new]],
            self.weights[:, old_of_new],
            np.where(runners >= 0, new_of_old[runners], -1),
            self.runner_up_weights[:, old_of_new],
        )
