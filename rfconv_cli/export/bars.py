"""Columns ranked: how sure their edges are, and what their fields are worth. From the document of the fields alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rfconv_cli.export.style import (
    CENTRE_COLOUR,
    GROUP_COLOURS,
    MUTED,
    house_style,
    labels,
    new_figure,
    on_grid_lines,
    settle,
)

_SHOWN = 40  # bars that can be read
_STEPS = 20


def edge_support(document: Mapping[str, Any]) -> Figure | None:
    """How many edges are in how many of the half-samples, and the surest of them by name; None: not measured.

    The dashed line is the share from which an edge counts as stable. document: a `fields.json`.
    """
    edges = [edge for edge in document["edges"] if edge["support"] is not None]
    if not edges:
        return None
    support = np.array([edge["support"] for edge in edges])
    stability = document["stability"] or {}
    threshold = stability.get("threshold")
    names = [column["name"] for column in document["columns"]]
    best = sorted(range(len(edges)), key=lambda i: (-support[i], -edges[i]["weight"]))[:_SHOWN]
    short = labels(names, 20)
    texts = [f"{short[names[edges[i]['from']]]} → {short[names[edges[i]['to']]]}" for i in best]
    with house_style():
        figure = new_figure(9.6, max(3.4, 0.19 * len(best) + 1.3), f"Edge support: {len(edges):,} edges")
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.3))
        left.hist(support, bins=np.linspace(0, 1, _STEPS + 1).tolist(), color=GROUP_COLOURS[0])
        left.set_xlabel("support: share of the half-samples")
        left.set_ylabel("edges")
        _bars(right, [float(support[i]) for i in best], texts, GROUP_COLOURS[0])
        right.set_xlim(0, 1)
        right.set_xlabel("support")
        right.set_title(f"the {len(best)} surest" if len(best) < len(edges) else "all", loc="left")
        if threshold is not None:
            for axes in (left, right):
                axes.axvline(threshold, color=CENTRE_COLOUR, linestyle="--", linewidth=1)
            left.plot([], [], color=CENTRE_COLOUR, linestyle="--", label=f"stable from {threshold:g}")
            left.legend(frameon=False, fontsize=8)
        left.spines[["top", "right"]].set_visible(False)
        settle(figure)
    return figure


def importance(document: Mapping[str, Any]) -> Figure | None:
    """The fields that the network needs most, by centre: see `meaning` of `fields.importance`; None: not estimated."""
    known = [field for field in document["fields"] if field["importance"] is not None]
    if not known:
        return None
    names = [column["name"] for column in document["columns"]]
    short = labels(names, 30)
    layers = len({field["layer"] for field in known}) > 1
    best = sorted(known, key=lambda field: -field["importance"])[:_SHOWN]
    texts = [short[names[f["centre"]]] + (f"  (layer {f['layer']})" if layers else "") for f in best]
    with house_style():
        of = f"the {len(best)} first of {len(known)}" if len(best) < len(known) else f"all {len(known)}"
        figure = new_figure(6.8, max(2.6, 0.19 * len(best) + 1.3), f"Importance of the fields: {of}")
        axes = figure.subplots()
        _bars(axes, [field["importance"] for field in best], texts, GROUP_COLOURS[2])
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.set_xlabel("growth of the mean loss when the field's columns are shuffled together")
        axes.set_ylabel("centre")
        settle(figure)
    return figure


def _bars(axes: Any, values: Sequence[float] | NDArray[Any], texts: Sequence[str], colour: str) -> None:
    """Horizontal bars, the first on top, each with its text at the left."""
    places = np.arange(len(values))
    axes.barh(places, values, height=0.7, color=colour)
    axes.set_yticks(places, texts, fontsize=7.5)
    axes.set_ylim(len(values) - 0.4, -0.6)
    on_grid_lines(axes)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
