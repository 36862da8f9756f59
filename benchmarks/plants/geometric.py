"""Plants with a geometry: sensors on a ring and on a grid, their columns shuffled."""

from typing import Literal

import numpy as np

from benchmarks.plants.motifs import tilted_motifs, told, uncorrelated, with_motifs
from benchmarks.plants.table import Bools, Floats, Ints, Planted, neutral_names

FieldShape = Literal["cross", "square"]
_STEPS: dict[FieldShape, tuple[tuple[int, int], ...]] = {
    "cross": ((0, 0), (-1, 0), (0, -1), (0, 1), (1, 0)),
    "square": ((0, 0), (-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)),
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
    correlated: bool = True,
) -> Planted:
    """Sensors on a hidden ring. Each row holds one motif somewhere; the class is which motif.

    sensors: N, columns of the table.
    kernel_size: K, the motifs' length and the slots of a true field, the centre included.
    strength: root mean square of a motif's shape, where the noise of a sensor has standard deviation 1.
    tilt: how far the motifs' means differ, as a share of strength; at 0 no linear model sees the class at all.
    smoothness: weight of the two next sensors in the noise, below 0.5 (there its alternating sum is free of noise,
        and a network can read the class off that); 0 makes the noise white, so that correlation tells little.
    correlated: False makes correlation carry nothing: a motif in every field, see `uncorrelated`, and no smooth noise.
    Raises ValueError when there are more classes than shapes to tell apart, fewer sensors than slots, noise without a
        floor, or motifs too strong to cancel.
    """
    if not 2 <= classes < kernel_size <= sensors:
        raise ValueError(f"a ring needs 2 <= classes < kernel_size <= sensors, got {classes}, {kernel_size}, {sensors}")
    if not 0 <= smoothness < 0.5:
        raise ValueError(f"smoothness must lie in [0, 0.5), got {smoothness}")
    rng = np.random.default_rng(seed)
    motifs = tilted_motifs(classes, kernel_size, strength, tilt, rng)
    y = rng.integers(classes, size=rows)
    start = rng.integers(sensors, size=rows)
    stretches = (np.arange(sensors)[:, None] + np.arange(kernel_size)) % sensors  # (N, K)
    white = rng.standard_normal((rows, sensors))
    if correlated:
        on_ring = with_motifs(_smooth_on_ring(white, smoothness), stretches[start], motifs[y])
    else:
        on_ring = uncorrelated(white, stretches, motifs, y, rng)

    place = rng.permutation(sensors)  # column m stands at place[m] of the ring
    column = np.argsort(place)
    offsets = _centre_first(kernel_size)
    members = column[(place[:, None] + np.array(offsets)) % sensors]  # (N, K)
    return Planted(
        x=on_ring[:, place],
        y=y,
        names=neutral_names(sensors),
        members=members,
        real=np.ones(members.shape, bool),
        slots=tuple(f"{offset:+d}" if offset else "centre" for offset in offsets),
        description=(
            f"{sensors} sensors on a ring, columns shuffled. "
            + told(
                correlated, "smooth along the ring", f"{classes} motifs over {kernel_size} sensors in a row", "place"
            )
            + " The ring may be walked either way round: slots all mirrored are as true."
        ),
    )


def grid(
    seed: int,
    rows: int,
    *,
    height: int = 7,
    width: int = 7,
    shape: FieldShape = "cross",
    classes: int = 4,
    strength: float = 2.0,
    tilt: float = 0.6,
    smoothness: float = 0.2,
    correlated: bool = True,
) -> Planted:
    """Sensors on a hidden grid. Each row holds one motif somewhere inside; the class is which motif.

    height, width: N is their product; the grid ends at its borders, and a motif never reaches beyond.
    shape: of a field: "cross" (K = 5) or "square" (K = 9). At a border the nearest columns stand in (`real` False).
        Without correlation no row tells of a field that reaches beyond: then none of its members is `real`.
    smoothness: weight of the up to four next sensors in the noise, below 0.25 (there its chessboard sum is free of
        noise). classes, strength, tilt, correlated: as in `ring`.
    Raises ValueError when there are more classes than shapes to tell apart, no inside, or noise without a floor.
    """
    steps = np.array(_STEPS[shape])  # (K, 2)
    if not 2 <= classes < len(steps) or min(height, width) < 3:
        raise ValueError(f"a grid needs 2 <= classes < {len(steps)} and 3 × 3, got {classes}, {height} × {width}")
    if not 0 <= smoothness < 0.25:
        raise ValueError(f"smoothness must lie in [0, 0.25), got {smoothness}")
    rng = np.random.default_rng(seed)
    motifs = tilted_motifs(classes, len(steps), strength, tilt, rng)
    y = rng.integers(classes, size=rows)
    fields, real = _grid_fields(height, width, steps)
    inside = fields[real.all(axis=1)]  # (places inside, K)
    white = rng.standard_normal((rows, height * width))
    if correlated:
        smooth = _smooth_on_grid(white.reshape(rows, height, width), smoothness).reshape(rows, -1)
        on_grid = with_motifs(smooth, inside[rng.integers(len(inside), size=rows)], motifs[y])
    else:
        on_grid = uncorrelated(white, inside, motifs, y, rng)

    place = rng.permutation(height * width)  # column m stands at place[m] of the grid
    return Planted(
        x=on_grid[:, place],
        y=y,
        names=neutral_names(height * width),
        members=np.argsort(place)[fields[place]],
        real=(real if correlated else real & real.all(axis=1, keepdims=True))[place],
        slots=("centre", *(f"{down:+d},{right:+d}" for down, right in steps[1:].tolist())),
        description=(
            f"{height} × {width} sensors on a grid, columns shuffled. "
            + told(correlated, "smooth along the grid", f"{classes} motifs over a {shape} of sensors", "place inside")
            + " The grid may be turned and mirrored: slots all turned alike are as true."
        ),
    )


def _grid_fields(height: int, width: int, steps: Ints) -> tuple[Ints, Bools]:
    """Every place's field on the grid, and which members are real. Both (height·width, K); steps (K, 2).

    Beyond the border stand the nearest places that are not in the field, the first of equally near ones first.
    """
    places = np.stack(np.divmod(np.arange(height * width), width), axis=1)  # (N, 2)
    wanted = places[:, None] + steps
    real = np.asarray(((wanted >= 0) & (wanted < [height, width])).all(axis=2))
    fields = np.where(real, wanted[..., 0] * width + wanted[..., 1], -1)
    for place, field in enumerate(fields):
        distance = np.square(places - places[place]).sum(axis=1)
        distance[field[field >= 0]] = height**2 + width**2
        field[field < 0] = np.argsort(distance, kind="stable")[: (field < 0).sum()]
    return fields, real


def _smooth_on_ring(white: Floats, smoothness: float) -> Floats:
    """(rows, sensors) of variance 1: white noise to which each sensor's two next ones on the ring leak in."""
    leaked = white + smoothness * (np.roll(white, 1, axis=1) + np.roll(white, -1, axis=1))
    return np.asarray(leaked / np.sqrt(1 + 2 * smoothness**2))


def _smooth_on_grid(white: Floats, smoothness: float) -> Floats:
    """(rows, height, width) of variance 1: white noise to which the next ones up, down, left and right leak in."""
    padded = np.pad(white, ((0, 0), (1, 1), (1, 1)))
    there = np.pad(np.ones(white.shape[1:]), 1)
    next_ones = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    count = there[:-2, 1:-1] + there[2:, 1:-1] + there[1:-1, :-2] + there[1:-1, 2:]
    return np.asarray((white + smoothness * next_ones) / np.sqrt(1 + count * smoothness**2))


def _centre_first(kernel_size: int) -> list[int]:
    """Steps along a line from the centre, the centre first: 5 gives 0, −2, −1, 1, 2."""
    steps = range(-((kernel_size - 1) // 2), kernel_size // 2 + 1)
    return [0, *(step for step in steps if step)]
