"""`evaluate` and `predict`: apply a completed run to its own test rows, or to a table."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from rfconv_cli.errors import DataError
from rfconv_cli.files import without_nan
from rfconv_cli.jobs.result import predictions_table, read_predictions, result_document, with_ids
from rfconv_cli.judge.metrics import Resamples, score
from rfconv_cli.network.device import threads_for
from rfconv_cli.run import Run, damaged, fitting
from rfconv_cli.stored import groups_in, rows_in
from rfconv_cli.table.dialect import dialect_of
from rfconv_cli.table.encode import encode_features, encode_target, extra_columns, row_blocks
from rfconv_cli.table.large import read_into
from rfconv_cli.table.reader import how_read
from rfconv_cli.table.room import IN_MEMORY, Room
from rfconv_cli.table.schema import Schema, drop_missing_target, require_roles
from rfconv_cli.table.source import shown
from rfconv_cli.table.split import SplitPlan, group_codes
from rfconv_cli.table.target import with_month
from rfconv_cli.table.windows import lagged, series, windows_of
from rfconv_cli.weights import load_model


def evaluate_stored(run: Run) -> dict[str, Any]:
    """The run's test scores, computed again from its stored predictions. Raises RunError when they disagree."""
    run.verify()
    stored = run.document_of("metrics.json")
    with fitting(run, "its test predictions cannot be scored"):
        truth, predicted = read_predictions(run.table("predictions-test.parquet"), run.schema.target)
        again = score(truth, predicted, resamples_of(run, len(truth), groups_in(rows_in(run, "test"))))
        agrees = _agree(without_nan(again), stored["test"])
    if not agrees:
        raise damaged(run.path, "its stored scores are not those of its stored predictions")
    return _with_path(stored, run)


def evaluate_table(run: Run, data: Path) -> tuple[dict[str, Any], list[str]]:
    """Scores on a table, and notices. The very table the run learned from is scored on its test rows alone."""
    table, identity, notices = opened(data, run, IN_MEMORY)
    name, target = shown(data), run.schema.target
    if target.name not in table.column_names:
        raise DataError(
            f"{name} has no column {target.name!r} to score the predictions against",
            hint=f"rfconv predict {name} predicts without it",
            code="target_not_found",
        )
    inputs = Inputs.of(run, table, IN_MEMORY)
    is_own = identity == run.document.get("table", {}).get("sha256")
    if is_own and run.document.get("test_table"):
        notices.append(f"{name} is the table this run learned from, every row of it: these scores flatter")
    elif is_own:
        inputs = inputs.only(np.isin(inputs.rows, rows_in(run, "test")["row"].to_numpy()))
        notices.append(f"{name} is the table this run learned from: scored on its {len(inputs.rows)} test rows only")
    known = np.isin(inputs.rows, drop_missing_target(table, target.name)[1])
    if dropped := int((~known).sum()):
        notices.append(f"{dropped} rows without a value of {target.name} left out")
    if not known.any():
        window = run.schema.window
        hint = f"fill in {target.name}" + (f"; the run needs {window} rows for a prediction" if window > 1 else "")
        raise DataError(f"{name} has no row to score", hint=hint, code="no_rows")
    inputs = inputs.only(known)
    kept = table.take(pa.array(inputs.rows))
    truth, predicted = encode_target(kept, target), np.concatenate([each for _, each in _predictions(run, inputs)])
    groups = _groups_as_learned(run, kept)
    metrics = {
        "test": score(truth, predicted, resamples_of(run, len(truth), groups)),
        "split": None if groups is None else run.document_of("metrics.json")["split"],
        "data": {"name": name},
    }
    return _with_path(result_document(run.id, run.schema, metrics), run), notices


def predict_table(run: Run, data: Path, ids: Sequence[str] = ()) -> tuple[pa.Table, list[str]]:
    """Predictions for every row of a table, with its columns `ids` beside them, and notices.

    Of a run that learned from windows: for every row with enough rows before it.
    """
    pieces, notices = predict_pieces(run, data, IN_MEMORY, ids)
    return pa.concat_tables(pieces), notices


def predict_pieces(run: Run, data: Path, room: Room, ids: Sequence[str] = ()) -> tuple[Iterator[pa.Table], list[str]]:
    """As `predict_table`, piece by piece: one at least, and all of one schema. room: where the table lies."""
    table, _, notices = opened(data, run, room)
    inputs = Inputs.of(run, table, room)
    if short := table.num_rows - len(inputs.rows):
        notices.append(f"{short} rows have fewer than {run.schema.window - 1} rows before them and get no prediction")
    own = [name for name in run.settings.id if name in table.column_names and name not in ids]
    names = [*own, *ids]
    require_roles(table, "", dict.fromkeys(names, "id"))

    def piece(rows: NDArray[np.int64], predicted: NDArray[Any]) -> pa.Table:
        known = table.select(list(dict.fromkeys(names)))
        if len(rows):
            known = known.slice(rows[0], rows[-1] + 1 - rows[0]).take(pa.array(rows - rows[0]))
        return with_ids(predictions_table(rows, predicted, run.schema.target), known, names)

    return itertools.starmap(piece, _predictions(run, inputs)), notices


def opened(data: Path, run: Run, room: Room) -> tuple[pa.Table, str, list[str]]:
    """The table at `data` as `learn` would read it, its fingerprint, and what there is to say of it."""
    categories = (f.column for f in run.schema.features if f.dtype == "category" and isinstance(f.value, str))
    dialect = replace(dialect_of(run.settings), as_text=tuple(dict.fromkeys(categories)), needs_flags=False)
    table, identity = read_into(room, data, dialect)
    notices = [sentence for sentence in (how_read(table),) if sentence]
    table, said = with_month(table, run.schema.target.name)
    return table, identity, [*notices, *([said] if said else []), *_ignored(table, run)]


@dataclass(frozen=True, eq=False)
class Inputs:
    """What predictions are made of. rows: (predictions,) ascending, the row that each is for.

    windows: (predictions, size) rows of each, and x: (rows, N) the numbers that they are made of; None without windows.
    """

    table: pa.Table
    schema: Schema
    rows: NDArray[np.int64]
    windows: NDArray[np.int64] | None = None
    x: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, run: Run, table: pa.Table, room: Room) -> "Inputs":
        """All that can be predicted of a table. room: where its numbers lie."""
        if run.schema.window == 1:
            return cls(table, run.schema, np.arange(table.num_rows, dtype=np.int64))
        ordered, apart = series(table, run.schema.order, run.settings.group)
        windows = windows_of(ordered, apart, np.ones(table.num_rows, np.bool_), run.schema.window, 1)
        return cls(table, run.schema, windows[:, -1], windows, encode_features(table, run.schema, room=room))

    def only(self, chosen: NDArray[np.bool_]) -> "Inputs":
        """Those of the predictions for which `chosen` (predictions,) is true."""
        return replace(self, rows=self.rows[chosen], windows=None if self.windows is None else self.windows[chosen])

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Rows, and what the model eats for each, (rows, N) float64; one block at least."""
        if self.windows is None or self.x is None:
            yield from self._rows_of_the_table()
            return
        for block in row_blocks(max(1, len(self.rows)), len(self.schema.names)):
            yield self.rows[block], lagged(self.x, self.windows[block])

    def _rows_of_the_table(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        for block in row_blocks(max(1, self.table.num_rows), len(self.schema.names)):
            first, last = np.searchsorted(self.rows, [block.start, block.stop])
            rows = self.rows[first:last]
            piece = self.table.slice(block.start, block.stop - block.start)
            x = encode_features(piece, self.schema, block.start + np.arange(piece.num_rows))
            yield rows, np.ascontiguousarray(x[rows - block.start])


def _predictions(run: Run, inputs: Inputs) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
    torch.set_num_threads(threads_for(run.settings, len(run.schema.names)))
    model = load_model(run)
    for rows, x in inputs.blocks():
        yield rows, model.predict(x)


def _ignored(table: pa.Table, run: Run) -> list[str]:
    known = {run.schema.target.name, *(name for name, _ in run.schema.left_out)}
    extra = [name for name in extra_columns(table, run.schema) if name not in known]
    return [f"{len(extra)} columns the run does not know are ignored: {', '.join(extra[:5])}"] if extra else []


def resamples_of(run: Run, rows: int, groups: NDArray[np.int64] | None) -> Resamples:
    """The bootstrap draws behind the run's own intervals. groups: (rows,) of rows drawn together, or None."""
    return Resamples(rows, run.settings.bootstrap, run.settings.seed, groups)


def _agree(again: Any, stored: Any) -> bool:
    """Equal but for the last digits of floats, which differ from one processor to another."""
    if isinstance(again, dict) and isinstance(stored, dict):
        return again.keys() == stored.keys() and all(_agree(value, stored[key]) for key, value in again.items())
    if isinstance(again, list) and isinstance(stored, list):
        return len(again) == len(stored) and all(map(_agree, again, stored))
    if isinstance(again, float) and isinstance(stored, float):
        return math.isclose(again, stored, rel_tol=1e-9, abs_tol=1e-12)
    return bool(again == stored)


def _groups_as_learned(run: Run, table: pa.Table) -> NDArray[np.int64] | None:
    """The groups that the run's split would keep together in this table; None where it lacks that column."""
    split = run.document_of("metrics.json")["split"]
    if split["column"] not in table.column_names:
        return None
    try:
        return group_codes(table, SplitPlan(split["kind"], split["column"], split["unit"], ""))
    except DataError:  # dates that are missing or no dates here: single rows are drawn instead
        return None


def _with_path(document: dict[str, Any], run: Run) -> dict[str, Any]:
    return {**document, "run": {**document["run"], "path": str(run.path)}}
