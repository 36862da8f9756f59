"""Motifs: what a class writes into a receptive field; seen by correlation or hidden from it."""

import numpy as np

from benchmarks.plants.table import Floats, Ints


def tilted_motifs(classes: int, length: int, strength: float, tilt: float, rng: np.random.Generator) -> Floats:
    """(classes, length): orthogonal shapes of mean 0 and one size, then raised to evenly spaced means."""
    drawn = rng.standard_normal((length, classes))
    shapes = np.linalg.qr(drawn - drawn.mean(axis=0))[0].T * np.sqrt(length)
    levels = np.linspace(-tilt, tilt, classes)[:, None]
    return np.asarray(strength * (shapes + levels))


def with_motifs(noise: Floats, fields: Ints, motifs: Floats) -> Floats:
    """The noise (rows, N) plus each row's motif (rows, K) on its field: (rows, K) columns, all different."""
    x = noise.copy()
    x[np.arange(len(x))[:, None], fields] += motifs
    return x


def uncorrelated(white: Floats, fields: Ints, motifs: Floats, y: Ints, rng: np.random.Generator) -> Floats:
    """(rows, N): normal within each class, with a covariance that the class sets; over all classes, no correlation.

    Every field holds the row's motif times a normal amplitude of its own, of variance 1/P. The noise, of variance 1, is
    correlated the opposite way to what the motifs add on average over the classes. Columns are normal with mean 0 in
    each class, so neither a column's mean nor, at tilt 0, its variance tells the class; ranks tell no more than values.
    white: (rows, N), what the noise is made from. fields: (P, K). motifs: (classes, K). y: (rows,) class codes.
    Raises ValueError when the motifs add more than noise of variance 1 can take away.
    """
    added = _added_covariance(white.shape[1], fields, motifs)
    wanted = np.eye(len(added)) - added + np.diag(np.diag(added))
    if np.linalg.eigvalsh(wanted)[0] <= 0:
        raise ValueError("the motifs are too strong for noise that cancels their correlation: lower strength or tilt")
    x = white @ np.linalg.cholesky(wanted).T
    amplitudes = rng.standard_normal((len(x), len(fields))) / np.sqrt(len(fields))
    for k in range(fields.shape[1]):
        np.add.at(x.T, fields[:, k], (amplitudes * motifs[y, k][:, None]).T)
    return np.asarray(x)


def told(correlated: bool, noise: str, motifs: str, place: str) -> str:
    """What stands in a row, in two sentences of a description."""
    if correlated:
        return f"Each row is noise, {noise}, plus one of {motifs}, at a random {place}. The class is which motif."
    return (
        f"Each row holds one of {motifs} at every {place}, with a random amplitude each, in noise that cancels what "
        "they add to the correlation. The class is which motif."
    )


def _added_covariance(columns: int, fields: Ints, motifs: Floats) -> Floats:
    """(N, N): the covariance of the columns that the motifs alone have, the mean over the classes."""
    square = motifs.T @ motifs / len(motifs)  # (K, K)
    added = np.zeros((columns, columns))
    for field in fields:
        added[np.ix_(field, field)] += square / len(fields)
    return added
