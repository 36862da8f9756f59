"""Tables in which no field helps: an additive target, and any plant with its target shuffled."""

import numpy as np

from benchmarks.plants.table import Floats, Table, neutral_names


def null_additive(
    seed: int, rows: int, *, columns: int = 40, factors: int = 4, classes: int = 4, noise: float = 0.5
) -> Table:
    """Correlated columns, and a target that is a sum over single columns: they go together, to no use.

    x: a random factor model, each column's variance half of `factors` common factors and half its own.
    y: the quantile class of Σ_m w_m·f_m(x_m) + noise, each f_m one of x, |x|, tanh 2x and sin 2x. Given the columns one
        by one, how they go together tells nothing more.
    noise: standard deviation, where the sum has 1.
    Raises ValueError when there are fewer than 2 classes or a size is below 1.
    """
    if min(columns, factors) < 1 or classes < 2:
        raise ValueError(f"need columns, factors >= 1 and classes >= 2, got {columns}, {factors}, {classes}")
    rng = np.random.default_rng(seed)
    loadings = rng.standard_normal((factors, columns))
    common = rng.standard_normal((rows, factors)) @ (loadings / np.linalg.norm(loadings, axis=0))
    x = (common + rng.standard_normal((rows, columns))) / np.sqrt(2)
    shapes = np.stack([x, np.abs(x), np.tanh(2 * x), np.sin(2 * x)])  # (4, rows, N)
    chosen = shapes[rng.integers(len(shapes), size=columns), :, np.arange(columns)]  # (N, rows)
    total = _standardised(rng.standard_normal(columns) @ chosen) + noise * rng.standard_normal(rows)
    edges = np.quantile(total, np.arange(1, classes) / classes)
    return Table(
        x=x,
        y=np.searchsorted(edges, total).astype(np.int64),
        names=neutral_names(columns),
        description=(
            f"{columns} columns that share {factors} factors; the class is the quantile of a sum over single columns, "
            "plus noise. No field helps beyond its centre."
        ),
    )


def shuffled(table: Table, seed: int) -> Table:
    """The same columns, the classes in a random order of the rows: nothing tells them."""
    return Table(
        x=table.x,
        y=np.random.default_rng(seed).permutation(table.y),
        names=table.names,
        description=f"{table.description} Then the classes were shuffled over the rows.",
    )


def _standardised(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / values.std())
