"""`export-fields`: the learned fields of a run as a document and as pictures, into a folder the user named."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rfconv_cli.errors import UsageError
from rfconv_cli.export.document import fields_from_document
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.files import cannot_write, to_json, write_bytes
from rfconv_cli.run import Run, damaged


def stored_document(run: Run) -> dict[str, Any]:
    """The run's fields.json, checked. Raises RunError when it is damaged."""
    document = run.json("fields.json")
    _fields(run, document)
    return document


def export_files(
    run: Run, folder: Path, *, plot: bool, shape: str | None, centres: Sequence[str]
) -> tuple[list[Path], list[str]]:
    """Write fields.json and, with `plot`, each picture as PNG and SVG into `folder`; returns their paths, and notices.

    shape: "28x28" when the columns are pixels. Raises UsageError: bad_shape, shape_mismatch, unknown_column; RunError.
    """
    document = stored_document(run)
    grid = read_shape(shape)
    if (grid or centres) and not plot:
        raise UsageError("--shape and --centre say what to draw", hint="add --plot", code="nothing_to_draw")
    pictures, notices = _pictures(run, document, grid, centres) if plot else ({}, [])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    written = {"fields.json": to_json(document).encode(), **pictures}
    for name, data in written.items():
        write_bytes(folder / name, data)
    return [folder / name for name in written], notices


def read_shape(text: str | None) -> tuple[int, int] | None:
    """(rows, cols) from "28x28"; None for None. Raises UsageError bad_shape."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})[x×](\d{1,6})", text.strip().lower())
    if found is None:
        raise UsageError(f"--shape {text} is not ROWSxCOLS", hint="--shape 28x28", code="bad_shape")
    return int(found[1]), int(found[2])


def _pictures(
    run: Run, document: dict[str, Any], grid: tuple[int, int] | None, centres: Sequence[str]
) -> tuple[dict[str, bytes], list[str]]:
    from rfconv_cli.export.centres import default_centres
    from rfconv_cli.export.plots import (  # matplotlib waits for a picture
        FORMATS,
        centre_views,
        draw_all,
        missing_glyphs,
        render,
    )

    fields = _fields(run, document)
    names = [column["name"] for column in document["columns"]]
    groups = [[names[i] for i in group["columns"]] for group in document["groups"]]
    figures = draw_all(fields, groups, shape=None, centres=centres or None)
    if grid is not None:
        shown = centres or default_centres(groups)
        figures["centres"] = centre_views(on_grid(fields, _pixels(run, grid)), shown, grid, groups=groups)
    files = {f"{name}.{form}": render(figure, form) for name, figure in figures.items() for form in FORMATS}
    odd = missing_glyphs(names)
    notice = (
        f"no font here draws {len(odd)} of the names, such as {odd[0]}; pip install matplotlib-fontja" if odd else ""
    )
    return files, [notice] if notice else []


def on_grid(fields: ReceptiveFields, pixels: Sequence[str]) -> ReceptiveFields:
    """The fields among all pixels of a grid, in its order: a pixel that was not learned from has an empty field.

    Returns `fields` as they are when `pixels` does not hold all of their columns.
    """
    if not set(fields.names) <= set(pixels) or len(pixels) == len(fields.names):
        return fields.reordered(pixels) if set(fields.names) == set(pixels) else fields
    place = np.array([pixels.index(name) for name in fields.names])
    depth, _, slots = fields.members.shape
    members = np.broadcast_to(np.arange(len(pixels))[None, :, None], (depth, len(pixels), slots)).copy()
    weights = np.zeros(members.shape, np.float32)
    members[:, place], weights[:, place] = place[fields.members], fields.weights
    absent = np.full(members.shape, -1, np.int64)
    return ReceptiveFields(tuple(pixels), members, weights, absent, np.zeros_like(weights))


def _pixels(run: Run, grid: tuple[int, int]) -> list[str]:
    """The columns of the table that are pixels: those learned from and, where the grid needs them, constant ones."""
    constant = {name for name, reason in run.schema.left_out if reason == "constant"}
    learned = set(run.schema.names)
    wanted = learned if len(learned) == grid[0] * grid[1] else learned | constant
    columns = run.document.get("table", {}).get("columns", [])
    return [name for name in columns if name in wanted]


def _fields(run: Run, document: dict[str, Any]) -> ReceptiveFields:
    try:
        return fields_from_document(document)
    except ValueError as error:
        raise damaged(run.path, f"fields.json: {error}") from None
