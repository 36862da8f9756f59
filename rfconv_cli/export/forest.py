"""The forest plot of `compare`: a line for each method, its score with the interval; rfconv's own stand out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rfconv_cli.export.style import (
    CENTRE_COLOUR,
    GROUP_COLOURS,
    INK,
    MUTED,
    RULE,
    house_style,
    labels,
    new_figure,
    settle,
    shorten,
)

_OWN, _OTHER = (CENTRE_COLOUR, "D"), (GROUP_COLOURS[0], "o")  # colour and marker
_LABEL_WIDTH = 30
_DEPTH = 1.5  # R² has no lower end: what lies further below the best is an arrow at the edge


def forest_plot(document: Mapping[str, Any]) -> Figure:
    """document: `rfconv.compare`. The best is at the top; a method without a score says why in its line."""
    rows, measure = document["methods"], document["measure"]
    with house_style():
        target = shorten(str(document["task"]["target"]), 40)
        figure = new_figure(
            7.5, 1.7 + 0.3 * len(rows), f"{target}: methods on the same {_test_rows(document)} test rows"
        )
        axes = figure.subplots()
        floor = _floor(rows, measure)
        for place, row in enumerate(rows):
            _draw(axes, row, measure, place, floor)
        _name(axes, rows)
        axes.set_xlabel(f"{'accuracy' if measure == 'accuracy' else 'R²'}, with its 95 % interval")
        axes.set_ylim(len(rows) - 0.4, -0.6)
        handles = [
            Line2D([], [], color=colour, marker=marker, linestyle="-", label=text)
            for (colour, marker), text in ((_OWN, "rfconv's own"), (_OTHER, "other methods"))
        ]
        figure.legend(handles=handles, loc="outside lower right", ncols=2, frameon=False, fontsize=8)
        settle(figure)
    return figure


def _test_rows(document: Mapping[str, Any]) -> str:
    return f"{document['rows']['test']:,}"


def _floor(rows: Sequence[Mapping[str, Any]], measure: str) -> float:
    """The least value that is drawn where it lies."""
    scored = [row for row in rows if measure in row]
    return float(max(min(row["interval"][0] for row in scored), scored[0][measure] - _DEPTH))


def _draw(axes: Axes, row: Mapping[str, Any], measure: str, place: int, floor: float) -> None:
    at_edge: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 8, "clip_on": False}
    if measure not in row:
        axes.text(0.02, place, row["status"].partition(":")[0], color=MUTED, style="italic", **at_edge)
        return
    colour, marker = _OWN if row["own"] else _OTHER
    value, (low, high) = row[measure], row["interval"]
    if row["name"] == "learned_fields":
        axes.axvline(value, color=colour, linewidth=0.8, linestyle=(0, (4, 3)), alpha=0.7, zorder=1)
    axes.hlines(place, max(low, floor), max(high, floor), color=colour, linewidth=1.8, zorder=2)
    shown = np.clip(value, floor, None)
    axes.plot(shown, place, marker if shown == value else "<", color=colour, markersize=6, zorder=3)
    axes.text(1.01, place, f"{value:.3f}", color=INK, **at_edge)


def _name(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    label = labels([row["label"] for row in rows], _LABEL_WIDTH)
    axes.set_yticks(range(len(rows)), [label[row["label"]] for row in rows])
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if row["own"] else "normal")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=RULE, linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
