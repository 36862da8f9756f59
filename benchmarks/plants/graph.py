"""Plants without a geometry: fields drawn at random, and pairs whose products matter."""

import numpy as np

from benchmarks.plants.motifs import tilted_motifs, told, uncorrelated, with_motifs
from benchmarks.plants.table import Floats, Ints, Planted, neutral_names

_FIRST_LEAK, _LEAK_RATIO = -0.6, 0.8  # negative, since the motifs by themselves make members correlate below 0


def random_graph(
    seed: int,
    rows: int,
    *,
    sensors: int = 48,
    kernel_size: int = 5,
    classes: int = 4,
    strength: float = 4.0,
    tilt: float = 0.3,
    correlated: bool = True,
) -> Planted:
    """Slot k of column m is π_k(m), each π_k a random derangement. Each row holds one motif in one column's field.

    Every column is a member of K fields, once in each slot. The noise of a column is white noise to which the members
    of its field leak in, slot by slot weaker: −0.6, −0.48, −0.38, −0.31 … The class is which motif.
    sensors, kernel_size, classes, strength, tilt, correlated: as in `ring`.
    Raises ValueError when there are more classes than shapes to tell apart, too few sensors to draw fields from, or
        motifs too strong to cancel.
    """
    if not (2 <= classes < kernel_size and 2 * kernel_size <= sensors):
        raise ValueError(
            f"a random graph needs 2 <= classes < kernel_size <= sensors / 2, got {classes}, {kernel_size}, {sensors}"
        )
    rng = np.random.default_rng(seed)
    motifs = tilted_motifs(classes, kernel_size, strength, tilt, rng)
    y = rng.integers(classes, size=rows)
    members = _random_members(sensors, kernel_size, rng)
    white = rng.standard_normal((rows, sensors))
    if correlated:
        x = with_motifs(_leaked(white, members), members[rng.integers(sensors, size=rows)], motifs[y])
    else:
        x = uncorrelated(white, members, motifs, y, rng)
    return Planted(
        x=x,
        y=y,
        names=neutral_names(sensors),
        members=members,
        real=np.ones(members.shape, bool),
        slots=("centre", *(f"permutation {k}" for k in range(1, kernel_size))),
        description=(
            f"{sensors} columns with fields of {kernel_size} drawn at random, each column once in each slot. "
            + told(correlated, "leaking from a field's members to its centre", f"{classes} motifs", "column's field")
        ),
    )


def interactions(seed: int, rows: int, *, pairs: int = 20, classes: int = 4) -> Planted:
    """Independent columns in hidden pairs. The class is the largest of `classes` sums of ± the pairs' products.

    A pair's product enters every sum with a random sign of its own, and never with the same one in all. No column by
    itself and no pooled correlation tells anything; the covariance of partners within a class does.
    Raises ValueError below 2 pairs or 2 classes.
    """
    if pairs < 2 or classes < 2:
        raise ValueError(f"interactions need 2 pairs and 2 classes at least, got {pairs} and {classes}")
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 2 * pairs))
    column = rng.permutation(2 * pairs).reshape(pairs, 2)
    signs = rng.choice([-1.0, 1.0], size=(pairs, classes))
    while (same := np.abs(signs.sum(axis=1)) == classes).any():
        signs[same] = rng.choice([-1.0, 1.0], size=(same.sum(), classes))
    partner = np.empty(2 * pairs, np.int64)
    partner[column[:, 0]], partner[column[:, 1]] = column[:, 1], column[:, 0]
    members = np.stack([np.arange(2 * pairs), partner], axis=1)
    return Planted(
        x=x,
        y=(x[:, column].prod(axis=2) @ signs).argmax(axis=1),
        names=neutral_names(2 * pairs),
        members=members,
        real=np.ones(members.shape, bool),
        slots=("centre", "partner"),
        description=(
            f"{2 * pairs} columns of independent noise in {pairs} hidden pairs. Each of {classes} classes adds the "
            "pairs' products up with signs of its own; a row's class is the one with the largest sum."
        ),
    )


def _random_members(sensors: int, kernel_size: int, rng: np.random.Generator) -> Ints:
    """(N, K) int64: column 0 the centre, every column a permutation, no column twice in a row."""
    members = np.arange(sensors)[:, None]
    while members.shape[1] < kernel_size:
        drawn = rng.permutation(sensors)[:, None]
        if not (drawn == members).any():
            members = np.concatenate([members, drawn], axis=1)
    return members


def _leaked(white: Floats, members: Ints) -> Floats:
    """(rows, N) of variance 1: white noise to which the members of a column's field leak in, later slots less."""
    leaks = _FIRST_LEAK * _LEAK_RATIO ** np.arange(members.shape[1] - 1)
    leaked = white + sum(leak * white[:, members[:, k]] for k, leak in enumerate(leaks, start=1))
    return np.asarray(leaked / np.sqrt(1 + np.square(leaks).sum()))
