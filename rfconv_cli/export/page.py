"""A report as one HTML page that needs nothing else: text escaped, pictures inside, no source from anywhere."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from rfconv_cli.errors import printable
from rfconv_cli.export.plots import render

_FOLDER = "rfconv_cli.export"
_LARGE_SVG = 700_000  # bytes: of a graph of thousands of lines the PNG is smaller


@dataclass(frozen=True)
class Cell:
    """One cell of a table. value: what a column of numbers is sorted by; None: the text."""

    text: str
    value: float | None = None
    number: bool = False


@dataclass(frozen=True)
class Row:
    """Cells, the first of them the row's heading; strong: in bold."""

    cells: Sequence[Cell]
    strong: bool = False


@dataclass(frozen=True)
class Grid:
    """A table with or without headings."""

    rows: Sequence[Row]
    heads: Sequence[Cell] = field(default_factory=tuple)


@dataclass(frozen=True)
class Picture:
    """A picture inside the page: its data URI, size in CSS pixels, what it shows, for screen readers and for eyes."""

    source: str
    width: int
    height: int
    alt: str
    caption: str


def picture(figure: Figure, caption: str) -> Picture:
    """The figure as an SVG, or as a PNG where that is very large. Screen readers are told its title too."""
    svg = render(figure, "svg")
    sizes = [re.search(rb'<svg[^>]*? %s="([\d.]+)pt"' % name, svg) for name in (b"width", b"height")]
    width, height = (round(float(found[1]) * 4 / 3) if found else 0 for found in sizes)
    form, data = ("svg+xml", svg) if len(svg) <= _LARGE_SVG else ("png", render(figure, "png"))
    source = f"data:image/{form};base64,{base64.b64encode(data).decode()}"
    return Picture(source, width, height, f"{figure.get_suptitle()}. {caption}", caption)


def page(content: Mapping[str, Any]) -> str:
    """The HTML of a report from its content: plain texts, `Grid`s and `Picture`s by the names of the template.

    Every text is escaped, and control characters are shown as signs; the page's policy lets nothing be loaded and no
    script run but its own. Raises jinja2.UndefinedError where something is not given.
    """
    style, script = _source("style.css"), _source("script.js")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) or not isinstance(value, str) else printable(value),
    )
    parts: Any = environment.from_string(_source("parts.html")).module
    return environment.from_string(_source("page.html")).render(
        dict(content),
        wide=parts.wide,
        figure=parts.figure,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _hash(text: str) -> str:
    """What a content security policy knows an inline style or script by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _source(name: str) -> str:
    return resources.files(_FOLDER).joinpath("report", name).read_text(encoding="utf-8")
