"""Puts labels beside points so that they hide as little as possible. A greedy placement; knows nothing of fields."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from numpy.typing import NDArray

_SIDES = (  # (x, y) in units of the gap, with the text's alignment: the preferred first
    (0, 1, "center", "bottom"),
    (0, -1, "center", "top"),
    (1, 0, "left", "center"),
    (-1, 0, "right", "center"),
    (0.8, 0.8, "left", "bottom"),
    (-0.8, 0.8, "right", "bottom"),
    (0.8, -0.8, "left", "top"),
    (-0.8, -0.8, "right", "top"),
)
_GAP = 7.0  # points between a node and its label


def place_labels(axes: Axes, points: NDArray[np.float64], texts: Mapping[int, str], *, size: float = 7.5) -> None:
    """Writes texts[i] beside points[i] (N, 2) at the side where it covers the fewest points and labels.

    The figure must have been laid out: the axes' limits and position are taken as final.
    """
    pixels = axes.transData.transform(points)  # (N, 2)
    frame = np.asarray(axes.figure.bbox.extents)
    taken = np.zeros((0, 4))
    for i in sorted(texts, key=lambda i: (-pixels[i, 1], i)):
        label = axes.annotate(texts[i], points[i], xytext=(0, 0), textcoords="offset points", fontsize=size, zorder=3)
        label.set_bbox({"boxstyle": "square,pad=0.05", "facecolor": "white", "edgecolor": "none", "alpha": 0.65})
        best: tuple[float, int, NDArray[np.float64]] | None = None
        for rank, side in enumerate(_SIDES):
            _move(label, side)
            box = np.asarray(label.get_window_extent().extents)  # x0, y0, x1, y1
            cost = 3 * _overlap(box, taken) + _covered(box, pixels) + 5 * _outside(box, frame) + 0.01 * rank
            if best is None or cost < best[0]:
                best = (cost, rank, box)
        assert best is not None
        _move(label, _SIDES[best[1]])
        taken = np.vstack([taken, best[2]])


def _move(label: Annotation, side: tuple[float, float, str, str]) -> None:
    x, y, horizontal, vertical = side
    label.xyann = (x * _GAP, y * _GAP)
    label.set(horizontalalignment=horizontal, verticalalignment=vertical)


def _overlap(box: NDArray[np.float64], taken: NDArray[np.float64]) -> float:
    """Share of the box that lies under earlier labels (B, 4), added over them."""
    width = np.minimum(box[2], taken[:, 2]) - np.maximum(box[0], taken[:, 0])
    height = np.minimum(box[3], taken[:, 3]) - np.maximum(box[1], taken[:, 1])
    area = (box[2] - box[0]) * (box[3] - box[1])
    return float((width.clip(0) * height.clip(0)).sum() / max(area, 1.0))


def _covered(box: NDArray[np.float64], pixels: NDArray[np.float64]) -> int:
    """How many points the box hides."""
    return int(((pixels > box[:2]) & (pixels < box[2:])).all(axis=1).sum())


def _outside(box: NDArray[np.float64], frame: NDArray[np.float64]) -> float:
    """Share of the box's sides that lies outside the frame."""
    beyond = np.concatenate([frame[:2] - box[:2], box[2:] - frame[2:]]).clip(0)
    return float(beyond[[0, 2]].sum() / max(box[2] - box[0], 1.0) + beyond[[1, 3]].sum() / max(box[3] - box[1], 1.0))
