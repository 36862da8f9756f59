"""Fields on the map: a centre's station, its members' stations, an arc to each. Coordinates come from the user."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, cos, radians

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Rectangle
from numpy.typing import NDArray

from rfconv_cli.export.centres import default_centres
from rfconv_cli.export.placing import place_labels
from rfconv_cli.export.style import CENTRE_COLOUR, GROUP_COLOURS, MUTED, RULE, house_style, labels, new_figure, settle
from rfconv_cli.fields.value import ReceptiveFields

_PANELS = 6
_ARC = GROUP_COLOURS[0]
_SIDE = 3.8  # inches of a panel
_LEAST_SEEN = 0.08  # of the whole map's larger side, or a field of one town would be a map of its streets
_ALL_SEEN = 0.5  # a view of more than this is that of the whole map

Box = tuple[float, float, float, float]  # west, south, east, north
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """A station on the earth, in degrees."""

    name: str
    latitude: float
    longitude: float


def places_of(columns: Sequence[str], places: Sequence[Place]) -> dict[str, Place]:
    """Column → its place: the one whose name begins or ends the column's name, the longest of several.

    `BASEL_humidity` and `humidity BASEL` belong to BASEL, and `BASELINE_humidity` does not. Columns of no place are
    left out.
    """
    longest = sorted(places, key=lambda place: -len(place.name))
    found = {}
    for column in columns:
        for place in longest:
            name = re.escape(place.name)
            if re.search(rf"^{name}(?![^\W_])|(?<![^\W_]){name}$", column, re.IGNORECASE):
                found[column] = place
                break
    return found


def field_map(
    fields: ReceptiveFields,
    place_of: Mapping[str, Place],
    centres: Sequence[str] | None = None,
    *,
    groups: Sequence[Sequence[str]],
) -> Figure:
    """A map for each centre around its field, all places in a corner: of `centres`, or of up to six over the groups.

    place_of: column → place, see `places_of`; columns without one are left out. Arcs are wider for more weight, in all
    layers together; ×2 says that two columns of one place are members. Raises ValueError where no centre has a place.
    """
    located = [[name for name in group if name in place_of] for group in groups]
    shown = list(centres) if centres else default_centres([group for group in located if group], _PANELS)
    shown = [name for name in shown if name in place_of]
    if not shown:
        raise ValueError("no centre has a place")
    every = _at(sorted(set(place_of.values()), key=lambda place: place.name))
    across = min(len(shown), 3)
    down = ceil(len(shown) / across)
    title = labels(fields.names, 36)
    with house_style():
        size = (_SIDE * across + 0.6, (_SIDE + 0.4) * down + 0.9)
        figure = new_figure(*size, f"Fields on the map: {len(shown)} centres, {len(every)} places")
        panels = figure.subplots(down, across, squeeze=False).ravel()
        members = [_members(fields, centre, place_of) for centre in shown]
        for axes, centre, weights in zip(panels, shown, members, strict=False):
            _draw(axes, place_of[centre], weights, every)
            axes.set_title(title[centre], color=CENTRE_COLOUR, fontweight="bold", loc="left")
        for axes in panels[::across]:
            axes.set_ylabel("latitude", fontsize=8)
        for axes in panels[max(0, len(shown) - across) : len(shown)]:
            axes.set_xlabel("longitude", fontsize=8)
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        _legend(figure)
        settle(figure)
        for axes, centre, weights in zip(panels, shown, members, strict=False):
            _label(axes, place_of[centre], weights)
    return figure


def _members(fields: ReceptiveFields, centre: str, place_of: Mapping[str, Place]) -> dict[Place, list[float]]:
    """Place → the weights of the members that stand there, in all slots and layers."""
    found: dict[Place, list[float]] = {}
    for layer, slot in np.ndindex(fields.depth, fields.kernel_size):
        at = (layer, fields.names.index(centre), slot)
        name = fields.names[int(fields.members[at])]
        if slot and name in place_of:
            found.setdefault(place_of[name], []).append(float(fields.weights[at]))
    return found


def _draw(axes: Axes, here: Place, members: Mapping[Place, Sequence[float]], every: Floats) -> None:
    stretch = 1 / max(0.1, cos(radians(here.latitude)))  # a degree of latitude in degrees of longitude
    whole, view = _boxes(_at([here, *members]), every, stretch)
    axes.scatter(every[:, 0], every[:, 1], s=9, color=RULE, linewidths=0, zorder=1)
    most = max((sum(weights) for weights in members.values()), default=0.0) or 1.0
    for place, weights in members.items():
        if place != here:
            _arc(axes, here, place, sum(weights) / most)
    dots = _at(list(members))
    axes.scatter(dots[:, 0], dots[:, 1], s=22, color=_ARC, linewidths=0, zorder=4)
    axes.scatter(here.longitude, here.latitude, s=42, marker="D", color=CENTRE_COLOUR, linewidths=0, zorder=5)
    _show(axes, view, stretch)
    axes.locator_params(nbins=4)
    axes.tick_params(labelsize=7, length=2)
    axes.grid(color=RULE, linewidth=0.4, alpha=0.4)
    axes.set_axisbelow(True)
    if view != whole:
        corner = axes.inset_axes((0.70, 0.02, 0.28, 0.28))
        corner.scatter(every[:, 0], every[:, 1], s=1.5, color=MUTED, linewidths=0)
        frame = Rectangle((view[0], view[1]), view[2] - view[0], view[3] - view[1], fill=False, edgecolor=CENTRE_COLOUR)
        corner.add_patch(frame)
        _show(corner, whole, stretch)
        corner.set_xticks([])
        corner.set_yticks([])


def _boxes(field: Floats, every: Floats, stretch: float) -> tuple[Box, Box]:
    """The square around all places, and that around the field; the same where the field takes most of it."""
    sides = []  # in degrees of latitude
    for points in (every, field):
        spread = np.ptp(points, axis=0) / (stretch, 1)
        sides.append(float(spread.max()))
    all_side = sides[0] * 1.15 or 1.0
    whole = _square(every, all_side, stretch)
    side = max(sides[1] * 1.6, all_side * _LEAST_SEEN)
    return whole, whole if side > _ALL_SEEN * all_side else _square(field, side, stretch)


def _square(points: Floats, side: float, stretch: float) -> Box:
    x, y = ((points.min(axis=0) + points.max(axis=0)) / 2).tolist()
    return x - side * stretch / 2, y - side / 2, x + side * stretch / 2, y + side / 2


def _show(axes: Axes, box: Box, stretch: float) -> None:
    axes.set_xlim(box[0], box[2])
    axes.set_ylim(box[1], box[3])
    axes.set_aspect(stretch)


def _arc(axes: Axes, start: Place, end: Place, share: float) -> None:
    (a, b), style = _at([start, end]), "arc3,rad=0.18"
    line = FancyArrowPatch(
        a, b, connectionstyle=style, arrowstyle="-", color=_ARC, alpha=0.75, linewidth=0.7 + 1.6 * share, zorder=3
    )
    axes.add_patch(line)


def _label(axes: Axes, here: Place, members: Mapping[Place, Sequence[float]]) -> None:
    shown = list(dict.fromkeys([here, *members]))
    short = labels([place.name for place in shown], 22)
    texts = {
        i: short[place.name] + (f" ×{len(members[place])}" if len(members.get(place, ())) > 1 else "")
        for i, place in enumerate(shown)
    }
    place_labels(axes, _at(shown), texts, size=7)


def _at(places: Sequence[Place]) -> Floats:
    """(P, 2) longitude and latitude."""
    return np.array([(place.longitude, place.latitude) for place in places]).reshape(-1, 2)


def _legend(figure: Figure) -> None:
    centre = Line2D([], [], marker="D", linestyle="", color=CENTRE_COLOUR, markersize=6, label="the centre's place")
    member = Line2D([], [], marker="o", color=_ARC, markersize=5, label="a member's place")
    other = Line2D([], [], marker="o", linestyle="", color=MUTED, alpha=0.5, markersize=3, label="other places")
    figure.legend(handles=[centre, member, other], loc="outside lower right", ncols=3, frameon=False, fontsize=8)
