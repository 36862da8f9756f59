"""The pictures of a run: of its fields, and of how it was trained and what it predicts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from rfconv_cli.export.bars import edge_support, importance
from rfconv_cli.export.centres import centre_views, default_centres
from rfconv_cli.export.curves import training_curves
from rfconv_cli.export.map import Place, field_map
from rfconv_cli.export.plots import draw_all
from rfconv_cli.export.predicted import confusion, predicted_values, reliability
from rfconv_cli.export.style import missing_glyphs
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.jobs.result import read_predictions
from rfconv_cli.run import Run, fitting
from rfconv_cli.stored import stored_fields


def pictures_of_fields(
    run: Run,
    document: Mapping[str, Any],
    grid: tuple[int, int] | None,
    centres: Sequence[str],
    places: Mapping[str, Place],
) -> dict[str, Figure]:
    """Field matrix, centre views, field graph, and by what is known: edge support, importance, map.

    grid: (rows, cols) where the columns are pixels. centres: those to draw; none: some of each group. places: column →
    its place; none: no map. Raises UsageError: shape_mismatch, unknown_column, too_many_centres; RunError.
    """
    fields, groups = stored_fields(run, document), groups_of(document)
    figures = draw_all(fields, groups, shape=None, centres=centres or None)
    if grid is not None:
        shown = centres or default_centres(groups)
        figures["centres"] = centre_views(on_grid(fields, _pixels(run, grid)), shown, grid, groups=groups)
    more = {"edge-support": edge_support(document), "importance": importance(document)}
    figures |= {name: figure for name, figure in more.items() if figure is not None}
    if places:
        figures["map"] = field_map(fields, places, centres or None, groups=groups)
    return figures


def pictures_of_training(run: Run) -> dict[str, Figure]:
    """Training curves; of classes the confusion matrix and the reliability diagram, of values the predicted ones."""
    metrics, target, settings = run.document_of("metrics.json"), run.schema.target, run.settings
    start = settings.temperature
    end = start if settings.temperature_end is None else settings.temperature_end
    with fitting(run, "metrics.json or predictions-test.parquet"):
        figures = {"training": training_curves(metrics["network"]["history"], metrics["search"], (start, end))}
        truth, predicted = read_predictions(run.table("predictions-test.parquet"), target)
        if target.classes:
            figures["confusion"] = confusion(truth, predicted, [str(label) for label in target.classes])
            figures["reliability"] = reliability(truth, predicted)
        else:
            figures["predicted"] = predicted_values(truth, predicted, target.name)
    return figures


def groups_of(document: Mapping[str, Any]) -> list[list[str]]:
    """The groups of a document, by the names of their columns."""
    names = [column["name"] for column in document["columns"]]
    return [[names[i] for i in group["columns"]] for group in document["groups"]]


def font_notices(document: Mapping[str, Any]) -> list[str]:
    """A line where a name has a character that no font here draws."""
    odd = missing_glyphs([column["name"] for column in document["columns"]])
    if not odd:
        return []
    return [f"no font here draws {len(odd)} of the names, such as {odd[0]}; pip install matplotlib-fontja"]


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
