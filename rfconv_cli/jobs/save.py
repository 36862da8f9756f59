"""What `learn` found, into a run folder: one function that writes every file but run.json."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rfconv_cli import __version__
from rfconv_cli.config import Settings
from rfconv_cli.export.document import fields_document
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.jobs.prepared import Prepared
from rfconv_cli.jobs.result import predictions_table
from rfconv_cli.network.fitted import FittedModel
from rfconv_cli.run_writer import RunWriter
from rfconv_cli.table.schema import Schema
from rfconv_cli.weights import encoding_document, network_bytes


@dataclass(frozen=True, eq=False)
class Learned:
    """All that was fitted, what it predicts for the test rows, and its metrics (`compare`, groups, rows, network).

    support: (D, N, K) of each member of the model's fields, or None where it was not measured.
    """

    model: FittedModel
    predicted: NDArray[Any]
    metrics: dict[str, Any]
    support: NDArray[np.float64] | None
    importance: NDArray[np.float64] | None


def save(
    writer: RunWriter,
    prepared: Prepared,
    learned: Learned,
    result: dict[str, Any],
    settings: Settings,
    created: str,
) -> None:
    """Write the run's files. Raises RunError when the disk or the folder refuses."""
    schema, test = prepared.schema, prepared.is_in("test")
    fields = learned.model.fields.reordered(schema.names)
    groups = learned.metrics["groups"]
    verdict = dict(learned.metrics["verdict"])
    document = fields_document(
        learned.model.fields,
        run={"id": writer.name, "created": created, "rfconv_version": __version__},
        task=result["task"],
        columns=_columns(schema),
        layers=_layers(fields, settings),
        stability=verdict.pop("stability"),
        support=learned.support,
        importance=learned.importance,
        verdict=verdict,
        warnings=_warnings(learned.metrics),
        source=learned.metrics["source"],
        groups=groups,
    )
    writer.write_settings(settings)
    writer.write_json("schema.json", schema.to_json())
    writer.write_table("splits.parquet", _splits(prepared))
    writer.write_json("preprocess.json", encoding_document(learned.model.encoding))
    writer.write_json("fields.json", document)
    writer.write("model.safetensors", network_bytes(learned.model.network))
    writer.write_json("metrics.json", result)
    predictions = predictions_table(prepared.rows[test], learned.predicted, schema.target, prepared.y[test])
    writer.write_table("predictions-test.parquet", predictions)
    if settings.plots:
        _draw(writer, fields, groups)


def _splits(prepared: Prepared) -> pa.Table:
    columns = {"row": pa.array(prepared.rows), "part": pa.array(prepared.parts)}
    if prepared.groups is not None:
        columns["group"] = pa.array(prepared.groups)
    return pa.table(columns)


def _columns(schema: Schema) -> list[dict[str, Any]]:
    return [
        {"id": i, "name": feature.name, "source": feature.column, "lag": feature.lag, "dtype": feature.dtype}
        for i, feature in enumerate(schema.features)
    ]


def _layers(fields: ReceptiveFields, settings: Settings) -> list[dict[str, Any]]:
    return [
        {
            "id": i,
            "fields_from": min(i, fields.depth - 1),
            "kernel_size": fields.kernel_size,
            "channels": settings.channels,
        }
        for i in range(settings.layers)
    ]


def _warnings(metrics: dict[str, Any]) -> list[str]:
    if metrics["verdict"]["code"] == "no_evidence":
        return ["On held-out rows these fields did no better than random ones: do not read meaning into them."]
    return []


def _draw(writer: RunWriter, fields: ReceptiveFields, groups: list[list[str]]) -> None:
    from rfconv_cli.export.plots import draw_all, save_figure  # matplotlib waits for the first picture

    for name, figure in draw_all(fields, groups).items():
        save_figure(figure, Path("plots") / name, lambda path, data: writer.write(path.as_posix(), data))
