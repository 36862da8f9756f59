"""The documents that leave a command: the result (`--json`, metrics.json) and tables of predictions."""

import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rfconv_cli.errors import UsageError
from rfconv_cli.table.encode import decode_labels
from rfconv_cli.table.kinds import is_text
from rfconv_cli.table.schema import Schema, Target, require_roles

RESULT_FORMAT = "rfconv.result"
RESULT_VERSION = 1
_ROWS_OF_A_GROUP = 1 << 16
_FORMULA = r"^([=+\-@\t\r])"
TARGET, PREDICTION, PROBABILITY = "target", "prediction", "probability_"


def result_document(run_id: str, schema: Schema, metrics: dict[str, Any]) -> dict[str, Any]:
    """`rfconv.result`: run, task, test scores, controls, verdict. No path and no time: the same run, the same bytes."""
    target = schema.target
    return {
        "format": RESULT_FORMAT,
        "format_version": RESULT_VERSION,
        "run": {"id": run_id},
        "task": {"target": target.name, "type": target.task, "classes": list(target.classes)},
        **metrics,
    }


def predictions_table(
    rows: NDArray[np.int64], predicted: NDArray[Any], target: Target, truth: NDArray[Any] | None = None
) -> pa.Table:
    """row (int64, 0 is the table's first), target when known, prediction, and one probability column per class."""
    columns: dict[str, Any] = {"row": pa.array(rows)}
    if target.classes:
        if truth is not None:
            columns[TARGET] = pa.array(decode_labels(truth, target))
        columns[PREDICTION] = pa.array(decode_labels(predicted.argmax(1), target))
        for code, label in enumerate(target.classes):
            columns[f"{PROBABILITY}{label}"] = pa.array(predicted[:, code])
    else:
        if truth is not None:
            columns[TARGET] = pa.array(truth)
        columns[PREDICTION] = pa.array(predicted)
    return pa.table(columns)


def with_ids(predictions: pa.Table, table: pa.Table, ids: Sequence[str]) -> pa.Table:
    """The predictions with these columns of their table after `row`. Raises DataError, UsageError."""
    require_roles(table, "", dict.fromkeys(ids, "id"))
    require_free(ids, predictions.column_names)
    for place, name in enumerate(ids, start=1):
        predictions = predictions.add_column(place, name, table.column(name))
    return predictions


def require_free(ids: Sequence[str], taken: Sequence[str]) -> None:
    """Raises UsageError id_taken for an id that is called as a column of the predictions, or given twice."""
    for place, name in enumerate(ids):
        if name in taken or name in ids[:place]:
            raise UsageError(
                f"--id {name}: the predictions have a column of this name themselves, or it was given twice",
                hint="rename it in the table",
                code="id_taken",
            )


def columns_of(target: Target) -> list[str]:
    """What the columns of `predictions_table` are called."""
    return ["row", TARGET, PREDICTION, *(f"{PROBABILITY}{label}" for label in target.classes)]


def safe_for_sheets(table: pa.Table) -> pa.Table:
    """The table with a quote before each text, and name, that a spreadsheet would take for a formula (OWASP's list)."""
    columns = [
        pc.replace_substring_regex(column, _FORMULA, r"'\1") if is_text(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, names=[re.sub(_FORMULA, r"'\1", name) for name in table.column_names])


def read_predictions(table: pa.Table, target: Target) -> tuple[NDArray[Any], NDArray[Any]]:
    """(truth, predicted) as they were given to `predictions_table`. Raises KeyError when a column is absent."""
    if not target.classes:
        return table[TARGET].to_numpy(), table[PREDICTION].to_numpy()
    code_of = {label: code for code, label in enumerate(target.classes)}
    truth = np.array([code_of[label] for label in table[TARGET].to_pylist()], np.int64)
    return truth, np.stack([table[f"{PROBABILITY}{label}"].to_numpy() for label in target.classes], axis=1)


def table_suffix(out: Path | None) -> str:
    """The ending that says how predictions are written: .csv, also on stdout, or .parquet. Raises UsageError."""
    suffix = ".csv" if out is None else out.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise UsageError(
            f"--out {out}: predictions are written as .csv or .parquet",
            hint=f"--out {Path(str(out)).stem or 'predictions'}.csv",
            code="unknown_format",
        )
    return suffix


def table_bytes(table: pa.Table, suffix: str) -> bytes:
    """The table as the bytes of a .csv or .parquet file."""
    sink = io.BytesIO()
    write_pieces(sink, [table], suffix)
    return sink.getvalue()


def write_pieces(sink: IO[bytes], pieces: Iterable[pa.Table], suffix: str) -> None:
    """Tables of one schema, at least one, into a .csv or .parquet file, one behind the other."""
    pieces = iter(pieces)
    first = next(pieces)
    options: Any = pa_csv.WriteOptions(quoting_style="needed")
    if suffix == ".parquet":
        writer: Any = pq.ParquetWriter(sink, first.schema, compression="zstd")
    else:
        writer = pa_csv.CSVWriter(sink, first.schema, write_options=options)
    with writer:
        for several in _gathered(itertools.chain([first], pieces)):
            writer.write_table(pa.concat_tables(several))


def _gathered(pieces: Iterable[pa.Table]) -> Iterator[list[pa.Table]]:
    """Together until they have rows enough for a group of Parquet's."""
    gathered: list[pa.Table] = []
    for piece in pieces:
        gathered.append(piece)
        if sum(one.num_rows for one in gathered) >= _ROWS_OF_A_GROUP:
            yield gathered
            gathered = []
    if gathered:
        yield gathered
