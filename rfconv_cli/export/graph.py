"""The field graph as a picture: columns as nodes, coloured by group, joined where one is in the other's field."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from rfconv_cli.export.groups import check_groups, field_graph
from rfconv_cli.export.layout import group_layout
from rfconv_cli.export.placing import place_labels
from rfconv_cli.export.style import ALL_LABELS, MUTED, group_mark, house_style, labels, new_figure, settle
from rfconv_cli.fields.value import ReceptiveFields

_NAMED_GROUPS = 20  # of many columns, only the hub of each of the largest groups is named
_LEGEND_GROUPS = 14
_VECTOR_LINES = 10_000  # more are one image in the SVG, which would not open otherwise
_CAPTION = "A line: one column is in the other's field; wider for more weight. Linked columns stand together."
_CAPTION_HUBS = f"{_CAPTION}\nNamed: the column with the most weight on its lines in each group."


def field_graph_plot(fields: ReceptiveFields, groups: Sequence[Sequence[str]]) -> Figure:
    """Node-link picture of the fields, the same for the same names and weights whatever the order of the columns.

    Raises ValueError when `groups` does not hold each column once.
    """
    check_groups(groups, fields.names)
    graph = field_graph(fields)
    names = list(graph)
    all_named = len(names) <= ALL_LABELS
    points = group_layout(graph, groups)
    width = 7.0 if len(names) <= 30 else 9.0
    extent = np.ptp(points, axis=0)
    height = width * float(np.clip(extent[1] / max(extent[0], 1e-9), 0.45, 1.0))
    with house_style():
        title = f"Field graph: {len(names)} columns, {graph.number_of_edges()} links, {len(groups)} groups"
        figure = new_figure(width + 1.6, height + 0.9, title)
        axes = figure.subplots()
        _draw_edges(axes, graph, groups, points)
        _draw_nodes(axes, groups, dict(zip(names, points, strict=True)))
        axes.set_aspect("equal")
        axes.margins(0.02, 0.06)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.set_xlabel(_CAPTION if all_named else _CAPTION_HUBS, color=MUTED, fontsize=8, labelpad=12)
        _legend(figure, groups)
        settle(figure)
        short = labels(fields.names, 22 if all_named else 30)
        texts = short if all_named else {hub: f"{i}: {short[hub]}" for i, hub in enumerate(_hubs(graph, groups))}
        place_labels(axes, points, {i: texts[name] for i, name in enumerate(names) if name in texts})
    return figure


def _hubs(graph: Any, groups: Sequence[Sequence[str]]) -> list[str]:
    """The column with the largest summed weight of each large group, ties by name."""
    degree = dict(graph.degree(weight="weight"))
    return [min(group, key=lambda name: (-degree[name], name)) for group in groups[:_NAMED_GROUPS]]


def _draw_edges(axes: Axes, graph: Any, groups: Sequence[Sequence[str]], points: NDArray[np.float64]) -> None:
    """Links within a group in its colour, links between groups in a fainter grey; stronger is wider and denser."""
    position = {name: i for i, name in enumerate(graph)}
    group_of = {name: i for i, group in enumerate(groups) for name in group}
    edges = list(graph.edges(data="weight"))
    if not edges:
        return
    share = np.array([weight for _, _, weight in edges])
    share = share / share.max()
    few = len(points) <= ALL_LABELS
    own = 1.0 if few else float(np.clip(2800 / len(edges), 0.2, 0.7))  # many lines must let one another show through
    grey = own if few else 0.6 * own
    colours = [
        (*to_rgb(group_mark(group_of[a])[0]), (0.3 + 0.6 * strength) * own)
        if group_of[a] == group_of[b]
        else (0.45, 0.45, 0.45, (0.15 + 0.55 * strength) * grey)
        for (a, b, _), strength in zip(edges, share.tolist(), strict=True)
    ]
    lines = LineCollection(
        [points[[position[a], position[b]]] for a, b, _ in edges],
        colors=colours,
        linewidths=(0.4 + 1.6 * share) * (1.0 if few else 0.5),
        rasterized=len(edges) > _VECTOR_LINES,
    )
    axes.add_collection(lines)


def _draw_nodes(axes: Axes, groups: Sequence[Sequence[str]], at: dict[str, NDArray[np.float64]]) -> None:
    size = float(np.clip(4000 / len(at), 14, 130))
    marked: dict[tuple[str, str], list[str]] = {}
    for i, group in enumerate(groups):
        marked.setdefault(group_mark(i), []).extend(group)
    for (colour, marker), names in marked.items():
        x, y = np.array([at[name] for name in names]).T
        nodes = axes.scatter(x, y, s=size, c=colour, marker=marker, edgecolors="white", linewidths=0.6, zorder=2)
        nodes.set_clip_on(False)


def _legend(figure: Figure, groups: Sequence[Sequence[str]]) -> None:
    handles = []
    for i, group in enumerate(groups[:_LEGEND_GROUPS]):
        colour, marker = group_mark(i)
        text = f"group {i} ({len(group)})"
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle="", markersize=6, label=text))
    if len(groups) > _LEGEND_GROUPS:
        handles.append(Line2D([], [], linestyle="", label=f"and {len(groups) - _LEGEND_GROUPS} more"))
    figure.legend(
        handles=handles,
        loc="outside right center",
        frameon=False,
        fontsize=8,
        title="groups (columns)",
        title_fontsize=8,
        handletextpad=0.2,
    )
