"""How the training went: the final network's losses epoch by epoch, and the search's loss with its temperature."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rfconv_cli.export.style import CENTRE_COLOUR, GROUP_COLOURS, MUTED, house_style, new_figure, on_grid_lines, settle

_TRAIN, _VALID, _SEARCH = GROUP_COLOURS[4], GROUP_COLOURS[0], GROUP_COLOURS[2]


def training_curves(
    history: Sequence[Mapping[str, float]],
    search: Mapping[str, Any] | None = None,
    temperatures: tuple[float, float] | None = None,
) -> Figure:
    """Losses of each epoch, the best one marked; beside them the search's loss at every tenth of its way.

    history: `train_loss` and `valid_loss` of each epoch. search: `steps` and `losses`; None: nothing was searched.
    temperatures: the softmax over R at the first step and at the last. Raises ValueError for an empty history.
    """
    if not history:
        raise ValueError("there is no epoch to draw")
    with house_style():
        figure = new_figure(9.0 if search else 5.6, 3.6, "Training")
        panels = figure.subplots(1, 2 if search else 1, squeeze=False).ravel()
        _draw_history(panels[0], history)
        if search:
            _draw_search(panels[1], search, temperatures)
        settle(figure)
    return figure


def _draw_history(axes: Axes, history: Sequence[Mapping[str, float]]) -> None:
    epochs = np.arange(1, len(history) + 1)
    valid = np.array([epoch["valid_loss"] for epoch in history])
    best = int(valid.argmin())
    mark = "o" if len(history) <= 20 else ""
    train = [epoch["train_loss"] for epoch in history]
    axes.plot(epochs, train, color=_TRAIN, marker=mark, markersize=3, linestyle="--", label="training rows")
    axes.plot(epochs, valid, color=_VALID, marker=mark, markersize=3, label="validation rows")
    axes.plot(epochs[best], valid[best], "D", color=CENTRE_COLOUR, markersize=6, label=f"best: epoch {best + 1}")
    axes.set_title("final network", loc="left")
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    on_grid_lines(axes)
    axes.legend(frameon=False, fontsize=8)


def _draw_search(axes: Axes, search: Mapping[str, Any], temperatures: tuple[float, float] | None) -> None:
    steps = int(search["steps"])
    losses = list(search["losses"])
    at = np.arange(len(losses)) * max(1, steps // 10)
    axes.plot(at, losses, color=_SEARCH, marker="o", markersize=3, label="training loss")
    axes.set_title("search for R", loc="left")
    axes.set_xlabel("step")
    axes.set_ylabel("loss of a batch")
    on_grid_lines(axes)
    if temperatures is not None:
        start, end = temperatures
        share = np.linspace(0, 1, 100)
        right = axes.twinx()
        right.plot(share * (steps - 1), start * (end / start) ** share, color=MUTED, linestyle=":", label="temperature")
        right.set_ylabel("temperature of the softmax over R", color=MUTED)
        right.set_ylim(0, 1.08 * max(start, end))
        right.spines[["top"]].set_visible(False)
        axes.plot([], [], color=MUTED, linestyle=":", label="temperature")  # one legend for both scales
    axes.legend(frameon=False, fontsize=8)
