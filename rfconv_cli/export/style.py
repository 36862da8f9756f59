"""How rfconv's pictures look: fonts, colours, labels that fit. Draws nothing itself and never touches pyplot."""

import logging
import math
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import matplotlib.style
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

# Okabe and Ito's palette, which every common kind of colour vision tells apart; black is left to text, and yellow out:
# it is too faint for a line on white.
GROUP_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
GROUP_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
CENTRE_COLOUR = "#D55E00"
INK, MUTED, RULE, PAPER = "#222222", "#707070", "#BBBBBB", "#F1F1F1"
ALL_LABELS = 80  # up to here a picture of all columns names each of them
PNG_DPI = 150

_LATIN = "DejaVu Sans"  # comes with matplotlib; first, so that Latin names look the same on every machine
_JAPANESE = (
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "IPAexGothic",
    "IPAGothic",
    "Hiragino Sans",
    "Yu Gothic",
    "Meiryo",
    "MS Gothic",
    "TakaoPGothic",
    "VL Gothic",
    "Source Han Sans JP",
    "Noto Sans CJK SC",
    "Arial Unicode MS",
)
_ELLIPSIS = "…"


@contextmanager
def house_style() -> Iterator[None]:
    """matplotlib's defaults plus the house's settings, whatever the user's matplotlibrc says; restored on leaving."""
    settings = {
        "font.family": installed_families(),
        "font.size": 9.0,
        "text.color": INK,
        "text.parse_math": False,  # a column may be called price_$x^$
        "axes.labelcolor": INK,
        "axes.edgecolor": RULE,
        "axes.linewidth": 0.8,
        "axes.titlesize": 9.0,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "svg.fonttype": "none",  # text stays text: it can be searched, and a viewer's fonts can draw what ours cannot
        "svg.hashsalt": "rfconv",
    }
    finding = logging.getLogger("matplotlib.font_manager")
    level = finding.level
    with matplotlib.style.context(settings, after_reset=True), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from")  # said once, by `missing_glyphs`
        finding.setLevel(logging.ERROR)  # Japanese families rarely have a bold face; the regular one will do
        try:
            yield
        finally:
            finding.setLevel(level)


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure in inches, constrained layout, Agg canvas. Call within `house_style`."""
    layout = ConstrainedLayoutEngine(compress=True, w_pad=0.1, h_pad=0.06)
    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11, fontweight="bold")
    return figure


def settle(figure: Figure) -> None:
    """Lays the figure out until it rests (twice), then keeps it so: each later draw would move it a little again."""
    figure.draw_without_rendering()
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def on_grid_lines(axes: Axes) -> None:
    """Faint grid lines behind what is drawn, and no frame at the top and at the right."""
    axes.grid(color=RULE, linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def weight_colours() -> Colormap:
    """Light to dark without the palest and the darkest of cividis: visible on white, and in every colour vision."""
    base = matplotlib.colormaps["cividis_r"]
    return LinearSegmentedColormap.from_list("slot_weight", [base(0.06 + 0.94 * i / 63) for i in range(64)])


def scale_end(largest: float) -> float:
    """Where a scale of weights from 0 to `largest` ends: at a round number, so that the end has its tick; 1 for 0."""
    if largest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power > largest * 0.999999)


def group_mark(group: int) -> tuple[str, str]:
    """(colour, marker) of a group; the marker changes each time the colours have been used up."""
    colour = GROUP_COLOURS[group % len(GROUP_COLOURS)]
    return colour, GROUP_MARKERS[group // len(GROUP_COLOURS) % len(GROUP_MARKERS)]


def labels(names: Sequence[str], width: int) -> dict[str, str]:
    """A label for each name, at most about `width` Latin letters wide.

    Names that would get the same label are told apart by their position in `names`, which is the column's id.
    """
    short = {name: shorten(name, width) for name in names}
    while True:  # twice at most in practice: a name may itself end like a label that was told apart
        taken = Counter(short.values())
        alike = [(i, name) for i, name in enumerate(names) if taken[short[name]] > 1]
        if not alike:
            return short
        for i, name in alike:
            tail = f" #{i}"
            short[name] = shorten(name, width - len(tail)) + tail


def shorten(name: str, width: int) -> str:
    """`name` on one line, its middle replaced by an ellipsis when wider than `width` letters; a kanji is two."""
    text = _printable(name)
    if _breadth(text) <= width:
        return text
    head, tail = "", ""
    for left, right in zip(text, reversed(text), strict=True):
        if _breadth(head + left + tail) >= width:
            break
        head += left
        if _breadth(head + right + tail) >= width:
            break
        tail = right + tail
    return head + _ELLIPSIS + tail


def missing_glyphs(names: Iterable[str]) -> list[str]:
    """The names, in the order given, that hold a character no installed font of ours can draw."""
    known = _drawable()
    return [name for name in names if any(ord(character) not in known for character in _printable(name))]


@cache
def installed_families() -> tuple[str, ...]:
    """The families to draw with, in order of preference, all of them present: matplotlib warns about absent ones."""
    spec = find_spec("matplotlib_fontja")
    if spec is not None and spec.origin is not None:
        for path in sorted(Path(spec.origin).parent.glob("fonts/*.ttf")):
            font_manager.fontManager.addfont(path)
    present = {entry.name for entry in font_manager.fontManager.ttflist}
    return (_LATIN, *(family for family in _JAPANESE if family in present))


@cache
def _drawable() -> frozenset[int]:
    """Code points that at least one of our families has a glyph for."""
    points: set[int] = set()
    for family in installed_families():
        points |= font_manager.get_font(font_manager.findfont(family)).get_charmap().keys()
    return frozenset(points)


def _printable(name: str) -> str:
    """`name` without line breaks and without characters that an SVG may not hold; an empty name as two quotes."""
    spaced = " ".join(name.split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in spaced) or '""'


def _breadth(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
