"""What was predicted for the test rows, against the truth: confusion matrix, reliability diagram, values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rfconv_cli.export.style import (
    ALL_LABELS,
    GROUP_COLOURS,
    MUTED,
    RULE,
    house_style,
    labels,
    new_figure,
    on_grid_lines,
    settle,
    weight_colours,
)

Floats = NDArray[np.float64]
_COUNTS_UP_TO = 30  # classes: of more, the colours alone tell
_DARK_FROM = 0.5
_BINS = 10
_POINTS = 5000


def confusion(truth: NDArray[np.int64], predicted: NDArray[np.floating[Any]], classes: Sequence[str]) -> Figure:
    """Rows are true classes, columns predicted ones, in the order given; numbers are rows, colours shares of the row.

    truth: (rows,) codes; predicted: (rows, classes) probabilities.
    """
    size = len(classes)
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, (truth, predicted.argmax(1)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(0.36 * size, 3.2), 9.0)
    with house_style():
        figure = new_figure(side + 2.0, side + 1.2, f"Confusion: {len(truth):,} test rows")
        axes = figure.subplots()
        shown = axes.imshow(np.ma.masked_equal(shares, 0), cmap=weight_colours(), vmin=0, vmax=1)
        bar = figure.colorbar(shown, ax=axes, shrink=0.7, aspect=30, pad=0.02)
        bar.set_label("share of the true class's rows")
        bar.outline.set_visible(False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        if size <= ALL_LABELS:
            short = labels([str(name) for name in classes], 18)
            texts = [short[str(name)] for name in classes]
            axes.set_xticks(range(size), texts, rotation=90, fontsize=8 if size <= 30 else 7)
            axes.set_yticks(range(size), texts, fontsize=8 if size <= 30 else 7)
        if size <= _COUNTS_UP_TO:
            for row, column in np.argwhere(counts > 0).tolist():
                ink = "white" if shares[row, column] > _DARK_FROM else "black"
                axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=ink, fontsize=7)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_color(RULE)
        settle(figure)
    return figure


def reliability(truth: NDArray[np.int64], predicted: NDArray[np.floating[Any]]) -> Figure:
    """How often the predicted class was right, by how sure the network was of it; on the diagonal it says the truth.

    truth: (rows,) codes; predicted: (rows, classes) probabilities. Ten bins of equal width (Guo et al. 2017); the
    number is the expected calibration error, the mean gap weighted by rows.
    """
    sure = predicted.max(axis=1).astype(np.float64)
    right = (predicted.argmax(1) == truth).astype(np.float64)
    which = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    rows = np.bincount(which, minlength=_BINS)
    filled = rows > 0
    said, was = (np.bincount(which, v, _BINS)[filled] / rows[filled] for v in (sure, right))
    error = float(np.abs(said - was) @ rows[filled] / len(truth))
    spread = 1.96 * np.sqrt(np.maximum(was * (1 - was), 1e-12) / rows[filled])
    with house_style():
        figure = new_figure(4.8, 5.2, "Reliability of the probabilities")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        upper.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="as often as said")
        bars = np.clip([was - spread, was + spread], 0, 1)
        label = f"predicted class (calibration error {error:.3f})"
        upper.errorbar(
            said, was, yerr=np.abs(bars - was), fmt="o-", color=GROUP_COLOURS[0], markersize=4, capsize=2, label=label
        )
        upper.set_ylabel("share that was right")
        upper.set_xlim(0, 1)
        upper.set_ylim(0, 1.02)
        upper.legend(frameon=False, fontsize=8, loc="upper left")
        lower.bar((np.arange(_BINS) + 0.5) / _BINS, rows, width=0.9 / _BINS, color=GROUP_COLOURS[4])
        lower.set_ylabel("rows")
        lower.set_xlabel("probability of the predicted class")
        for axes in (upper, lower):
            on_grid_lines(axes)
        settle(figure)
    return figure


def predicted_values(truth: Floats, predicted: Floats, target: str) -> Figure:
    """Predicted against true values, at most 5,000 of the rows, evenly spaced by their truth; regression only."""
    order = np.argsort(truth, kind="stable")
    if len(order) > _POINTS:
        order = order[np.linspace(0, len(order) - 1, _POINTS).astype(int)]
    ends = [float(min(truth.min(), predicted.min())), float(max(truth.max(), predicted.max()))]
    with house_style():
        figure = new_figure(5.2, 5.2, f"Predicted values: {len(truth):,} test rows")
        axes = figure.subplots()
        axes.plot(ends, ends, color=MUTED, linestyle=":", label="predicted = true")
        size = 14 if len(order) <= 300 else 5
        axes.scatter(truth[order], predicted[order], s=size, color=GROUP_COLOURS[0], alpha=0.5, linewidths=0)
        axes.set_xlabel(f"true {labels([target], 30)[target]}")
        axes.set_ylabel("predicted")
        axes.set_aspect("equal")
        axes.legend(frameon=False, fontsize=8, loc="upper left")
        on_grid_lines(axes)
        settle(figure)
    return figure
