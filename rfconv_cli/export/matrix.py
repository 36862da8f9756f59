"""The field matrix: every centre against every member, ordered by group. One picture for 10 columns or for 10,000."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from rfconv_cli.export.groups import check_groups
from rfconv_cli.export.style import (
    ALL_LABELS,
    INK,
    RULE,
    house_style,
    labels,
    new_figure,
    scale_end,
    settle,
    weight_colours,
)
from rfconv_cli.fields.value import ReceptiveFields

_DOTS = 400  # to a side; a larger matrix shows the largest weight of each block of cells, or nobody would see it
_LABEL_WIDTH = 26
_CENTRE = "#D8D8D8"

Image = np.ma.MaskedArray[tuple[int, int], np.dtype[np.float32]]


def field_matrix(fields: ReceptiveFields, groups: Sequence[Sequence[str]]) -> Figure:
    """Rows are centres, columns are members, both ordered by group; colour is the slot weight.

    A cell holds the largest weight over slots and layers (0 too is a member); white is no member, grey the centre.
    Raises ValueError when `groups` does not hold each column once.
    """
    check_groups(groups, fields.names)
    ordered = fields.reordered([name for group in groups for name in group])
    columns = len(ordered.names)
    image, diagonal = _images(ordered)
    top = scale_end(float(image.max()) if image.count() else 0.0)
    side = min(max(0.22 * columns, 4.0), 9.0)
    with house_style():
        figure = new_figure(
            side + 2.6, side + 1.9, f"Field matrix: who is in whose receptive field ({columns} columns)"
        )
        axes = figure.subplots()
        edges = (-0.5, columns - 0.5, columns - 0.5, -0.5)
        axes.imshow(diagonal, cmap=ListedColormap([_CENTRE]), extent=edges, interpolation="nearest")
        shown = axes.imshow(image, cmap=weight_colours(), extent=edges, interpolation="nearest", vmin=0, vmax=top)
        bar = figure.colorbar(shown, ax=axes, shrink=0.7, aspect=30, pad=0.02)
        over = "slots and layers" if columns <= _DOTS else "slots, layers and the columns of a dot"
        bar.set_label(f"slot weight (largest over {over})")
        bar.outline.set_visible(False)
        mark = Patch(color=_CENTRE, label="the centre itself")
        figure.legend(handles=[mark], loc="outside lower right", frameon=False, fontsize=8)
        axes.set_xlabel("member")
        axes.set_ylabel("centre")
        _boundaries(axes, groups)
        if columns <= ALL_LABELS:
            label = labels(fields.names, _LABEL_WIDTH)
            _name_ticks(axes, [label[name] for name in ordered.names])
        else:
            _group_ticks(axes, groups)
        settle(figure)
    return figure


def _images(fields: ReceptiveFields) -> tuple[Image, Image]:
    """(weights, diagonal), both (S, S) with S = min(N, 400) and masked where there is nothing to show."""
    columns = len(fields.names)
    size = min(columns, _DOTS)
    block = np.arange(columns) * size // columns  # (N,) which dot a column falls on
    weights = np.full((size, size), -1, np.float32)
    members = fields.members[:, :, 1:]
    rows = np.broadcast_to(block[None, :, None], members.shape)
    np.maximum.at(weights, (rows, block[members]), fields.weights[:, :, 1:])
    return np.ma.masked_less(weights, 0), np.ma.masked_equal(np.eye(size, dtype=np.float32), 0)


def _boundaries(axes: Axes, groups: Sequence[Sequence[str]]) -> None:
    for end in np.cumsum([len(group) for group in groups])[:-1]:
        axes.axhline(end - 0.5, color=INK, linewidth=0.5, alpha=0.6)
        axes.axvline(end - 0.5, color=INK, linewidth=0.5, alpha=0.6)
    for spine in axes.spines.values():
        spine.set_color(RULE)


def _name_ticks(axes: Axes, texts: Sequence[str]) -> None:
    size = 8.5 if len(texts) <= 30 else 7.0
    axes.set_xticks(range(len(texts)), texts, rotation=90, fontsize=size)
    axes.set_yticks(range(len(texts)), texts, fontsize=size)
    axes.tick_params(length=0)


def _group_ticks(axes: Axes, groups: Sequence[Sequence[str]]) -> None:
    """One tick in the middle of each group that is large enough for a line of text."""
    sizes = np.array([len(group) for group in groups])
    middles = np.cumsum(sizes) - (sizes + 1) / 2
    roomy = sizes >= 0.018 * sizes.sum()
    texts = [f"group {i} ({size})" for i, size in enumerate(sizes)]
    kept = [i for i in range(len(groups)) if roomy[i]]
    axes.set_yticks(middles[kept], [texts[i] for i in kept], fontsize=7.5)
    axes.set_xticks(middles[kept], [texts[i] for i in kept], fontsize=7.5, rotation=90)
    axes.set_xlabel("member, ordered by group (columns in the group)")
    axes.set_ylabel("centre, ordered by group (columns in the group)")
