"""Motifs: what a class writes into a receptive field; and the noise that hides from correlation that they do."""

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


def cancelling_noise(white: Floats, fields: Ints, motifs: Floats) -> Floats:
    """(rows, N) of variance 1, its columns correlated the opposite way to what the motifs add.

    Then no two columns correlate in the table as a whole, in expectation, while within a class they do.
    white: (rows, N) to make it from. fields: (P, K), the fields that hold a motif, all as often. motifs: (classes, K),
    all as often.
    Raises ValueError when the motifs add more than noise of variance 1 can take away.
    """
    added = _added_covariance(white.shape[1], fields, motifs)
    wanted = np.eye(len(added)) - added + np.diag(np.diag(added))
    if np.linalg.eigvalsh(wanted)[0] <= 0:
        raise ValueError("the motifs are too strong for noise that cancels their correlation: lower strength or tilt")
    return np.asarray(white @ np.linalg.cholesky(wanted).T)


def _added_covariance(columns: int, fields: Ints, motifs: Floats) -> Floats:
    """(N, N): the covariance of the columns that the motifs alone have, pooled over the classes."""
    square = motifs.T @ motifs / len(motifs)  # (K, K)
    mean, product = np.zeros(columns), np.zeros((columns, columns))
    for field in fields:
        mean[field] += motifs.mean(axis=0) / len(fields)
        product[np.ix_(field, field)] += square / len(fields)
    return np.asarray(product - np.outer(mean, mean))
