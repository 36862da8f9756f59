"""Single fields as small multiples, after fig. 4.1 of the paper: on the pixel grid, or slot by slot by name."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from rfconv_cli.errors import UsageError, nearest
from rfconv_cli.export.groups import communities
from rfconv_cli.export.style import (
    CENTRE_COLOUR,
    INK,
    MUTED,
    PAPER,
    RULE,
    house_style,
    labels,
    new_figure,
    scale_end,
    settle,
    weight_colours,
)
from rfconv_cli.fields.value import ReceptiveFields

DEFAULT_CENTRES = 12
MOST_CENTRES = 60
_MEMBER = "#0072B2"
_SMALLEST_NUMBERED = 5  # points; the slot numbers are left out of smaller pixels
_DARK_FROM = 0.45  # a weight above this share of the scale takes white text


def centre_views(
    fields: ReceptiveFields,
    centres: Sequence[str] | None = None,
    shape: tuple[int, int] | None = None,
    *,
    groups: Sequence[Sequence[str]] | None = None,
    layer: int = 0,
) -> Figure:
    """One panel per centre; without `centres`, up to 12 spread over the groups (found here unless given).

    shape: (rows, cols) when the columns are pixels in row-major order: each panel is then the grid. Else each panel
    lists the slots with member, weight and runner-up. layer: index into the D field sets.
    Raises UsageError: shape_mismatch, unknown_column, too_many_centres.
    """
    if shape is not None and (min(shape) < 1 or shape[0] * shape[1] != len(fields.names)):
        raise UsageError(
            f"a grid of {shape[0]} × {shape[1]} does not hold the {len(fields.names)} columns of the fields",
            hint="give rows and columns whose product is the number of columns, or leave the grid out",
            code="shape_mismatch",
        )
    shown = _checked(centres, fields) if centres else default_centres(groups or communities(fields))
    positions = [fields.names.index(name) for name in shown]
    return _grid_views(fields, positions, shape, layer) if shape else _slot_views(fields, positions, layer)


def default_centres(groups: Sequence[Sequence[str]], limit: int = DEFAULT_CENTRES) -> list[str]:
    """Up to `limit` centres: each group gives one in turn, evenly spaced in its list; result in the groups' order."""
    quota = [0] * len(groups)
    turns = zip_longest(*([i] * len(group) for i, group in enumerate(groups)))
    for group in [i for turn in turns for i in turn if i is not None][:limit]:
        quota[group] += 1
    return [
        group[(2 * i + 1) * len(group) // (2 * n)] for group, n in zip(groups, quota, strict=True) for i in range(n)
    ]


def _checked(centres: Sequence[str], fields: ReceptiveFields) -> list[str]:
    wanted = list(dict.fromkeys(centres))
    for name in wanted:
        if name not in fields.names:
            near = nearest(name, fields.names)
            raise UsageError(
                f"no column is called {name!r}; the nearest names are {', '.join(near)}",
                hint=f"choose a column of the run, such as {near[0]}",
                code="unknown_column",
            )
    if len(wanted) > MOST_CENTRES:
        raise UsageError(
            f"{len(wanted)} centres in one picture; at most {MOST_CENTRES} fit",
            hint="name fewer centres; fields.json holds all of them",
            code="too_many_centres",
        )
    return wanted


def _title(what: str, count: int, fields: ReceptiveFields, layer: int) -> str:
    total = len(fields.names)
    of = f"all {total} centres" if count == total else f"{count} of {total} centres"
    where = f", field set {layer + 1} of {fields.depth}" if fields.depth > 1 else ""
    return f"{what}: {of}{where}"


def _across(count: int, widths: Sequence[int]) -> int:
    """Panels in a row: one of `widths`, the one that leaves the fewest places empty, the first of equals."""
    return count if count <= widths[0] else min(widths, key=lambda width: -count % width)


def _grid_views(fields: ReceptiveFields, centres: Sequence[int], shape: tuple[int, int], layer: int) -> Figure:
    many = len(centres) > 20
    across = _across(len(centres), (8, 7) if many else (4, 3, 5))
    down = ceil(len(centres) / across)
    side = 2.2 if many else 3.0 if len(centres) > 1 else 4.5
    panel = min((side - 0.3) * shape[0] / shape[1], 2 * side)  # its height in inches; titles and ticks come on top
    height = (panel + 0.45) * down + 0.9
    label = labels(fields.names, int(11 * side))
    top = scale_end(float(fields.weights[layer, centres, 1:].max(initial=0)))
    cell = 72 * side * 0.9 / max(shape)  # a pixel's side in points
    with house_style():
        title = _title("Receptive fields on the grid", len(centres), fields, layer)
        figure = new_figure(side * across + 0.9, height, title)
        panels = figure.subplots(down, across, squeeze=False).ravel()
        for axes, centre in zip(panels, centres, strict=False):
            _draw_grid(axes, fields, centre, shape, layer, top, cell)
            axes.set_title(label[fields.names[centre]])
        for axes in panels[::across]:
            axes.set_ylabel("pixel row", fontsize=8)
        for axes in panels[max(0, len(centres) - across) : len(centres)]:
            axes.set_xlabel("pixel column", fontsize=8)
        for axes in panels[len(centres) :]:
            axes.set_axis_off()
        mappable = ScalarMappable(Normalize(0, top), weight_colours())
        bar = figure.colorbar(mappable, ax=list(panels), shrink=min(0.6, 5 / height), aspect=35, pad=0.01)
        bar.set_label("slot weight of the member")
        bar.outline.set_visible(False)
        mark = Patch(facecolor=CENTRE_COLOUR, edgecolor=INK, label="centre")
        if cell >= _SMALLEST_NUMBERED:
            mark.set_label("centre; the number in a pixel is its slot")
        figure.legend(handles=[mark], loc="outside lower right", frameon=False, fontsize=8)
        settle(figure)
    return figure


def _draw_grid(
    axes: Axes, fields: ReceptiveFields, centre: int, shape: tuple[int, int], layer: int, top: float, cell: float
) -> None:
    """One panel; the slot numbers only where they fit."""
    rows, cols = shape
    slots_of: dict[int, list[int]] = {}
    best = np.zeros(rows * cols, np.float32)
    for slot in range(1, fields.kernel_size):
        member = int(fields.members[layer, centre, slot])
        slots_of.setdefault(member, []).append(slot)
        best[member] = max(best[member], fields.weights[layer, centre, slot])
    image = np.ma.masked_array(best, [n not in slots_of for n in range(rows * cols)]).reshape(shape)
    axes.set_facecolor(PAPER)
    axes.imshow(image, cmap=weight_colours(), vmin=0, vmax=top, interpolation="nearest")
    corner = (centre % cols - 0.5, centre // cols - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, facecolor=CENTRE_COLOUR, edgecolor=INK, linewidth=1.2))
    if cell >= _SMALLEST_NUMBERED:
        for member, slots in {**slots_of, centre: [0, *slots_of.get(centre, [])]}.items():
            ink = "white" if best[member] > _DARK_FROM * top or member == centre else INK
            text = ",".join(map(str, slots))
            size = min(9.0, 0.85 * cell / max(1.0, 0.62 * len(text)))
            axes.text(member % cols, member // cols, text, ha="center", va="center_baseline", color=ink, fontsize=size)
    axes.set_xticks(sorted({0, cols // 2, cols - 1}))
    axes.set_yticks(sorted({0, rows // 2, rows - 1}))
    axes.tick_params(labelsize=7, length=2)


def _slot_views(fields: ReceptiveFields, centres: Sequence[int], layer: int) -> Figure:
    across = _across(len(centres), (3, 2))
    down = ceil(len(centres) / across)
    shown = np.maximum(fields.weights, fields.runner_up_weights)[layer, centres, 1:]
    top = scale_end(float(shown.max(initial=0)))
    texts, titles = labels(fields.names, 20), labels(fields.names, 32)
    learned = bool((fields.runners_up[layer, centres, 1:] >= 0).any())
    with house_style():
        height = max(0.19 * (fields.kernel_size - 1), 0.4) + 0.45
        title = _title("Receptive fields slot by slot", len(centres), fields, layer)
        figure = new_figure(4.6 * across + 0.3, height * down + 1.1, title)
        panels = figure.subplots(down, across, squeeze=False, sharex=True).ravel()
        for axes, centre in zip(panels, centres, strict=False):
            _draw_slots(axes, fields, centre, layer, texts)
            axes.set_xlim(0, top * 1.03)
            axes.set_title(titles[fields.names[centre]], loc="left", fontweight="bold", color=CENTRE_COLOUR)
        for axes in panels[max(0, len(centres) - across) : len(centres)]:
            axes.tick_params(labelbottom=True)  # the panels with none below, whatever row they stand in
            axes.set_xlabel("slot weight", fontsize=8)
        for axes in panels[len(centres) :]:
            axes.set_axis_off()
        figure.supylabel("slot and member", fontsize=9)
        dot = Line2D([], [], marker="o", markersize=4, linestyle="", color=_MEMBER)
        dot.set_label("member (named at the left)")
        ring = Line2D([], [], marker="o", markersize=5.8, linestyle="", color=MUTED, markerfacecolor="white")
        ring.set_label("runner-up (named at the right)")
        marks = [dot, ring] if learned else [dot]
        figure.legend(handles=marks, loc="outside lower right", ncols=2, frameon=False, fontsize=8)
        settle(figure)
    return figure


def _draw_slots(axes: Axes, fields: ReceptiveFields, centre: int, layer: int, label: Mapping[str, str]) -> None:
    """One panel: a stalk and a dot for each member, and behind them a wider ring for the runner-up, seen in a tie."""
    slots = np.arange(1, fields.kernel_size)
    members = fields.members[layer, centre, 1:]
    weights = fields.weights[layer, centre, 1:]
    runners = fields.runners_up[layer, centre, 1:]
    known = runners >= 0
    axes.hlines(slots, 0, weights, color=_MEMBER, linewidth=1.2, alpha=0.5)
    runner_weights = fields.runner_up_weights[layer, centre, 1:][known]
    rings = axes.scatter(runner_weights, slots[known], s=34, facecolor="white", edgecolor=MUTED, zorder=3)
    rings.set(clip_on=False, linewidth=0.9)  # unclipped: a weight near 0 keeps its whole mark
    axes.scatter(weights, slots, s=16, color=_MEMBER, zorder=4, clip_on=False)
    axes.set_ylim(fields.kernel_size - 0.4, 0.4)
    texts = [f"{label[fields.names[n]]}  {slot}" for slot, n in zip(slots, members, strict=True)]
    axes.set_yticks(slots, texts, fontsize=7.5)
    axes.tick_params(length=0, labelsize=7.5)
    axes.grid(axis="x", color=RULE, linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if known.any():
        right = axes.secondary_yaxis("right")
        right.set_yticks(slots[known], [label[fields.names[n]] for n in runners[known]], fontsize=7, color=MUTED)
        right.tick_params(length=0)
        right.spines["right"].set_visible(False)
