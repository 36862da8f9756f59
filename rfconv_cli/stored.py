"""Parts of a run that several commands read, each looked at before it is used: its fields, its test predictions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rfconv_cli.export.document import fields_from_document
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.run import Run, damaged

_ROWS = {"row": pa.int64(), "part": pa.string(), "group": pa.int64()}  # what splits.parquet is made of


def stored_fields(run: Run, document: Mapping[str, Any]) -> ReceptiveFields:
    """The fields in the run's fields.json. Raises RunError where they are damaged, or not of the run's columns."""
    settings = run.settings
    try:
        fields = fields_from_document(document)
    except ValueError as error:
        raise damaged(run.path, f"fields.json: {error}") from None
    if set(fields.names) != set(run.schema.names):
        raise damaged(run.path, "fields.json and schema.json name different columns")
    shape = (1 if settings.share_fields else settings.layers, min(settings.kernel_size, len(fields.names)))
    if (fields.depth, fields.kernel_size) != shape:
        raise damaged(run.path, "fields.json and config.toml say different layers or kernel sizes")
    return fields


def rows_in(run: Run, *parts: str) -> pa.Table:
    """The rows of these parts of the run: row, part and, where rows were kept together, group. Raises RunError."""
    splits = run.table("splits.parquet")
    if not {"row", "part"} <= set(splits.column_names):
        raise damaged(run.path, "splits.parquet lacks its columns")
    if any(field.type != _ROWS.get(field.name, field.type) for field in splits.schema):
        raise damaged(run.path, "splits.parquet has columns of other types")
    if any(splits[name].null_count for name in splits.column_names):
        raise damaged(run.path, "splits.parquet has gaps")
    return splits.filter(pc.is_in(splits["part"], pa.array(parts)))


def groups_in(rows: pa.Table) -> NDArray[np.int64] | None:
    """(rows,) the groups of rows of `rows_in`; None where the run kept no rows together."""
    return np.asarray(rows["group"].to_numpy(), np.int64) if "group" in rows.column_names else None
