"""`evaluate` and `predict`: apply a completed run to its own test rows, or to a table."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from rfconv_cli.errors import DataError
from rfconv_cli.files import without_nan
from rfconv_cli.jobs.result import predictions_table, read_predictions, result_document, with_ids
from rfconv_cli.judge.metrics import Resamples, score
from rfconv_cli.network.learn import threads_for
from rfconv_cli.run import Run, damaged
from rfconv_cli.table.dialect import dialect_of
from rfconv_cli.table.encode import encode_features, encode_target, extra_columns
from rfconv_cli.table.reader import how_read, read_with_fingerprint
from rfconv_cli.table.schema import drop_missing_target
from rfconv_cli.table.source import shown
from rfconv_cli.table.split import SplitPlan, group_codes
from rfconv_cli.table.target import with_month
from rfconv_cli.table.windows import lagged, series, windows_of
from rfconv_cli.weights import load_model


def evaluate_stored(run: Run) -> dict[str, Any]:
    """The run's test scores, computed again from its stored predictions. Raises RunError when they disagree."""
    run.verify()
    stored = run.json("metrics.json")
    try:
        truth, predicted = read_predictions(run.table("predictions-test.parquet"), run.schema.target)
        again = score(truth, predicted, _resamples(run, len(truth), _test_groups(run)))
        agrees = _agree(without_nan(again), stored["test"])
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise damaged(run.path, f"its test predictions cannot be scored ({error})") from None
    if not agrees:
        raise damaged(run.path, "its stored scores are not those of its stored predictions")
    return _with_path(stored, run)


def evaluate_table(run: Run, data: Path) -> tuple[dict[str, Any], list[str]]:
    """Scores on a table, and notices. The very table the run learned from is scored on its test rows alone."""
    table, identity, notices = _opened(data, run)
    name, target = shown(data), run.schema.target
    if target.name not in table.column_names:
        raise DataError(
            f"{name} has no column {target.name!r} to score the predictions against",
            hint=f"rfconv predict {name} predicts without it",
            code="target_not_found",
        )
    x, rows = _inputs(run, table)
    is_own = identity == run.document.get("table", {}).get("sha256")
    if is_own and run.document.get("test_table"):
        notices.append(f"{name} is the table this run learned from, every row of it: these scores flatter")
    elif is_own:
        held_out = np.isin(rows, _test_rows(run)["row"].to_numpy())
        x, rows = x[held_out], rows[held_out]
        notices.append(f"{name} is the table this run learned from: scored on its {len(rows)} test rows only")
    known = np.isin(rows, drop_missing_target(table, target.name)[1])
    if dropped := int((~known).sum()):
        notices.append(f"{dropped} rows without a value of {target.name} left out")
    if not known.any():
        window = run.schema.window
        hint = f"fill in {target.name}" + (f"; the run needs {window} rows for a prediction" if window > 1 else "")
        raise DataError(f"{name} has no row to score", hint=hint, code="no_rows")
    kept = table.take(pa.array(rows[known]))
    truth, predicted = encode_target(kept, target), _predict(run, x[known])
    groups = _groups_as_learned(run, kept)
    metrics = {
        "test": score(truth, predicted, _resamples(run, len(truth), groups)),
        "split": None if groups is None else run.json("metrics.json")["split"],
        "data": {"name": name},
    }
    return _with_path(result_document(run.id, run.schema, metrics), run), notices


def predict_table(run: Run, data: Path, ids: Sequence[str] = ()) -> tuple[pa.Table, list[str]]:
    """Predictions for every row of a table, with its columns `ids` beside them, and notices.

    Of a run that learned from windows: for every row with enough rows before it.
    """
    table, _, notices = _opened(data, run)
    x, rows = _inputs(run, table)
    if short := table.num_rows - len(rows):
        notices.append(f"{short} rows have fewer than {run.schema.window - 1} rows before them and get no prediction")
    predictions = predictions_table(rows, _predict(run, x), run.schema.target)
    own = [name for name in run.settings.id if name in table.column_names and name not in ids]
    return with_ids(predictions, table.take(pa.array(rows)), [*own, *ids]), notices


def _opened(data: Path, run: Run) -> tuple[pa.Table, str, list[str]]:
    """The table as `learn` would read it, its fingerprint, and what there is to say of it."""
    categories = (f.column for f in run.schema.features if f.dtype == "category" and isinstance(f.value, str))
    dialect = replace(dialect_of(run.settings), as_text=tuple(dict.fromkeys(categories)), needs_flags=False)
    table, identity = read_with_fingerprint(data, dialect)
    notices = [sentence for sentence in (how_read(table),) if sentence]
    table, said = with_month(table, run.schema.target.name)
    return table, identity, [*notices, *([said] if said else []), *_ignored(table, run)]


def _inputs(run: Run, table: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """What the model eats, (predictions, N) float64, and the row that each prediction is for."""
    x = encode_features(table, run.schema)
    if run.schema.window == 1:
        return x, np.arange(table.num_rows, dtype=np.int64)
    ordered, apart = series(table, run.schema.order, run.settings.group)
    windows = windows_of(ordered, apart, np.ones(table.num_rows, np.bool_), run.schema.window, 1)
    return lagged(x, windows), windows[:, -1]


def _predict(run: Run, x: NDArray[np.float64]) -> NDArray[Any]:
    torch.set_num_threads(threads_for(run.settings, len(run.schema.names)))
    return load_model(run).predict(x)


def _ignored(table: pa.Table, run: Run) -> list[str]:
    known = {run.schema.target.name, *(name for name, _ in run.schema.left_out)}
    extra = [name for name in extra_columns(table, run.schema) if name not in known]
    return [f"{len(extra)} columns the run does not know are ignored: {', '.join(extra[:5])}"] if extra else []


def _resamples(run: Run, rows: int, groups: NDArray[np.int64] | None) -> Resamples:
    return Resamples(rows, run.settings.bootstrap, run.settings.seed, groups)


def _test_groups(run: Run) -> NDArray[np.int64] | None:
    rows = _test_rows(run)
    return np.asarray(rows["group"].to_numpy(), np.int64) if "group" in rows.column_names else None


def _test_rows(run: Run) -> pa.Table:
    splits = run.table("splits.parquet")
    if not {"row", "part"} <= set(splits.column_names):
        raise damaged(run.path, "splits.parquet lacks its columns")
    return splits.filter(pc.equal(splits["part"], "test"))


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
    split = run.json("metrics.json").get("split") or {}
    if split.get("column") not in table.column_names:
        return None
    try:
        return group_codes(table, SplitPlan(split["kind"], split["column"], split["unit"], ""))
    except DataError:  # dates that are missing or no dates here: single rows are drawn instead
        return None


def _with_path(document: dict[str, Any], run: Run) -> dict[str, Any]:
    return {**document, "run": {**document["run"], "path": str(run.path)}}
