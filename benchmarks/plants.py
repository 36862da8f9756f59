"""Planted structures: tables made up so that the receptive fields which matter are known.

One function per plant, each returning a `Planted`. Nothing here writes files or trains anything.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Planted:
    """A table with its truth.

    x: (rows, N) float64: noise of variance 1 with the signal in it.
    y: (rows,) int64 class codes, 0 … classes − 1.
    names: the N column names, which tell nothing of the structure.
    members: (N, K) int64, the true receptive field of every column: members[m, 0] == m, and slot k means the same at
        every centre.
    slots: K words, what each slot means.
    description: how the table was made.
    """

    x: Floats
    y: Ints
    names: tuple[str, ...]
    members: Ints
    slots: tuple[str, ...]
    description: str

    def __post_init__(self) -> None:
        for array in (self.x, self.y, self.members):
            array.setflags(write=False)

    def truth(self) -> dict[str, Any]:
        """The structure as a JSON document: each centre's members by name, in the order of the slots."""
        fields = {
            name: [self.names[n] for n in members] for name, members in zip(self.names, self.members, strict=True)
        }
        return {
            "format": "rfconv.planted",
            "format_version": 1,
            "description": self.description,
            "slots": list(self.slots),
            "fields": fields,
        }


def ring(
    seed: int,
    rows: int,
    *,
    sensors: int = 48,
    kernel_size: int = 5,
    classes: int = 4,
    strength: float = 2.0,
    tilt: float = 0.6,
    smoothness: float = 0.4,
) -> Planted:
    """Sensors on a hidden ring. Each row holds one motif somewhere; the class is which motif.

    sensors: N, columns of the table.
    kernel_size: K, the motifs' length and the slots of a true field, the centre included.
    strength: root mean square of a motif's shape, where the noise of a sensor has standard deviation 1.
    tilt: how far the motifs' means differ, as a share of strength; at 0 no linear model sees the class at all.
    smoothness: weight of the two next sensors in the noise, below 0.5 (there its alternating sum is free of noise,
        and a network can read the class off that); 0 makes the noise white, so that correlation tells little.
    Raises ValueError when there are more classes than shapes to tell apart, fewer sensors than slots, or noise without
        a floor.
    """
    if not 2 <= classes < kernel_size <= sensors:
        raise ValueError(f"a ring needs 2 <= classes < kernel_size <= sensors, got {classes}, {kernel_size}, {sensors}")
    if not 0 <= smoothness < 0.5:
        raise ValueError(f"smoothness must lie in [0, 0.5), got {smoothness}")
    rng = np.random.default_rng(seed)
    motifs = _motifs(classes, kernel_size, strength, tilt, rng)
    y = rng.integers(classes, size=rows)
    start = rng.integers(sensors, size=rows)
    on_ring = _smooth_noise(rows, sensors, smoothness, rng)
    touched = (start[:, None] + np.arange(kernel_size)) % sensors  # (rows, K)
    on_ring[np.arange(rows)[:, None], touched] += motifs[y]

    place = rng.permutation(sensors)  # column m stands at place[m] of the ring
    column = np.argsort(place)
    offsets = _centre_first(kernel_size)
    members = column[(place[:, None] + np.array(offsets)) % sensors]  # (N, K)
    return Planted(
        x=on_ring[:, place],
        y=y,
        names=_neutral_names(sensors),
        members=members,
        slots=tuple(f"{offset:+d}" if offset else "centre" for offset in offsets),
        description=(
            f"{sensors} sensors on a ring, columns shuffled. Each row is noise, smooth along the ring, plus one of "
            f"{classes} motifs over {kernel_size} sensors in a row, at a random place. The class is which motif. "
            "The ring may be walked either way round: slots all mirrored are as true."
        ),
    )


def _motifs(classes: int, length: int, strength: float, tilt: float, rng: np.random.Generator) -> Floats:
    """(classes, length): orthogonal shapes of mean 0 and one size, then raised to evenly spaced means."""
    drawn = rng.standard_normal((length, classes))
    shapes = np.linalg.qr(drawn - drawn.mean(axis=0))[0].T * np.sqrt(length)
    levels = np.linspace(-tilt, tilt, classes)[:, None]
    return np.asarray(strength * (shapes + levels))


def _smooth_noise(rows: int, sensors: int, smoothness: float, rng: np.random.Generator) -> Floats:
    """(rows, sensors) of variance 1: white noise to which each sensor's two next ones on the ring leak in."""
    white = rng.standard_normal((rows, sensors))
    leaked = white + smoothness * (np.roll(white, 1, axis=1) + np.roll(white, -1, axis=1))
    return np.asarray(leaked / np.sqrt(1 + 2 * smoothness**2))


def _centre_first(kernel_size: int) -> list[int]:
    """Steps along a line from the centre, the centre first: 5 gives 0, −2, −1, 1, 2."""
    steps = range(-((kernel_size - 1) // 2), kernel_size // 2 + 1)
    return [0, *(step for step in steps if step)]


def _neutral_names(columns: int) -> tuple[str, ...]:
    width = len(str(columns - 1))
    return tuple(f"s{i:0{width}d}" for i in range(columns))
