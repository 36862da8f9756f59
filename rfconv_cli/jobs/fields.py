"""`export-fields`: the learned fields of a run as a document and as pictures, into a folder the user named."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rfconv_cli.errors import UsageError
from rfconv_cli.export.formats import edge_table, graphml, markdown
from rfconv_cli.files import to_json, write_together
from rfconv_cli.jobs.result import safe_for_sheets, table_bytes
from rfconv_cli.run import Run, fitting
from rfconv_cli.stored import stored_fields

FILES = {"json": "fields.json", "csv": "fields-edges.csv", "graphml": "fields.graphml", "md": "fields.md"}


def stored_document(run: Run) -> dict[str, Any]:
    """The run's fields.json, checked. Raises RunError when it is damaged."""
    document = run.document_of("fields.json")
    stored_fields(run, document)
    return document


def written_as(document: Mapping[str, Any], form: str, *, csv_safe: bool = False) -> bytes:
    """The document as a file: json, csv (its edges), graphml or md. csv_safe: formulas of spreadsheets are disarmed.

    Raises UsageError unknown_format.
    """
    if form == "csv":
        table = edge_table(document)
        return table_bytes(safe_for_sheets(table) if csv_safe else table, ".csv")
    if form == "graphml":
        return graphml(document)
    if form == "md":
        return markdown(document).encode()
    if form != "json":
        raise UsageError(
            f"--format {form}: fields are written as {', '.join(FILES)}", hint="--format csv", code="unknown_format"
        )
    return to_json(document).encode()


@dataclass(frozen=True)
class Wish:
    """What is to be drawn. shape: "28x28" when the columns are pixels; coords: a table of stations, see `places`."""

    plot: bool = False
    shape: str | None = None
    centres: Sequence[str] = ()
    coords: Path | None = None

    @property
    def any(self) -> bool:
        """Whether anything is wished at all."""
        return bool(self.plot or self.shape or self.centres or self.coords)


def export_files(
    run: Run, folder: Path, wish: Wish, formats: Sequence[str] = (), *, csv_safe: bool = False
) -> tuple[list[Path], list[str]]:
    """Write fields.json, its other formats and, as wished, each picture as PNG and SVG into `folder`.

    Returns the paths, and notices. formats, csv_safe: see `written_as`. Raises UsageError: unknown_format, bad_shape,
    shape_mismatch, unknown_column, nothing_to_draw; DataError of `coords`; RunError.
    """
    document = stored_document(run)
    grid = read_shape(wish.shape)
    if wish.any and not wish.plot:
        raise UsageError("--shape, --centre and --coords say what to draw", hint="add --plot", code="nothing_to_draw")
    texts = {FILES.get(form, ""): written_as(document, form, csv_safe=csv_safe) for form in ("json", *formats)}
    pictures, notices = _drawn(run, document, grid, wish) if wish.plot else ({}, [])
    written = {**texts, **pictures}
    write_together(folder, written)
    return [folder / name for name in written], notices


def read_shape(text: str | None) -> tuple[int, int] | None:
    """(rows, cols) from "28x28"; None for None. Raises UsageError bad_shape."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})[x×](\d{1,6})", text.strip().lower())
    if found is None:
        raise UsageError(f"--shape {text} is not ROWSxCOLS", hint="--shape 28x28", code="bad_shape")
    return int(found[1]), int(found[2])


def _drawn(
    run: Run, document: Mapping[str, Any], grid: tuple[int, int] | None, wish: Wish
) -> tuple[dict[str, bytes], list[str]]:
    """Every picture of the run as PNG and SVG by the name of its file, and notices."""
    from rfconv_cli.export.plots import FORMATS, render  # matplotlib waits for a picture
    from rfconv_cli.jobs.pictures import font_notices, pictures_of_fields, pictures_of_training
    from rfconv_cli.jobs.places import read_places

    sources = {column["name"]: column["source"] for column in document["columns"]}
    places, lost = ({}, []) if wish.coords is None else read_places(wish.coords, sources)
    with fitting(run, "fields.json, metrics.json or predictions-test.parquet"):
        figures = pictures_of_fields(run, document, grid, wish.centres, places) | pictures_of_training(run)
        files = {f"{name}.{form}": render(figure, form) for name, figure in figures.items() for form in FORMATS}
    return files, [*lost, *font_notices(document)]
