"""All pictures of the fields at once, and figures as bytes. Each picture has its own module."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from matplotlib.figure import Figure

from rfconv_cli.export.centres import centre_views
from rfconv_cli.export.graph import field_graph_plot
from rfconv_cli.export.matrix import field_matrix
from rfconv_cli.export.style import PNG_DPI, house_style, missing_glyphs
from rfconv_cli.fields.value import ReceptiveFields

__all__ = ["centre_views", "draw_all", "field_graph_plot", "field_matrix", "missing_glyphs", "render", "save_figure"]

FORMATS: tuple[Literal["png", "svg"], ...] = ("png", "svg")
# No date and no version: the same figure gives the same bytes.
_METADATA: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": "rfconv"}}


def draw_all(
    fields: ReceptiveFields,
    groups: Sequence[Sequence[str]],
    *,
    shape: tuple[int, int] | None = None,
    centres: Sequence[str] | None = None,
) -> dict[str, Figure]:
    """Every picture of the fields by the stem of its file name.

    Raises UsageError for a grid that does not fit or a centre that does not exist (see `centre_views`).
    """
    return {
        "field-matrix": field_matrix(fields, groups),
        "centres": centre_views(fields, centres, shape, groups=groups),
        "field-graph": field_graph_plot(fields, groups),
    }


def save_figure(figure: Figure, stem: Path, write: Callable[[Path, bytes], None]) -> list[Path]:
    """`stem`.png and `stem`.svg, through the caller's writer; returns the two paths."""
    paths = []
    for form in FORMATS:
        path = stem.with_name(f"{stem.name}.{form}")
        write(path, render(figure, form))
        paths.append(path)
    return paths


def render(figure: Figure, form: Literal["png", "svg"]) -> bytes:
    """The figure, cropped to its ink, as a PNG (150 dpi) or an SVG (text as text); the same figure, the same bytes."""
    buffer = io.BytesIO()
    with house_style():
        figure.savefig(buffer, format=form, dpi=PNG_DPI, metadata=_METADATA[form], bbox_inches="tight")
    return buffer.getvalue()
