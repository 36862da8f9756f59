"""`evaluate` and `predict`: apply a completed run to its own test rows, or to a table."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from joblib import cpu_count
from numpy.typing import NDArray

from rfconv_cli.errors import DataError
from rfconv_cli.files import without_nan
from rfconv_cli.jobs.result import predictions_table, read_predictions, result_document
from rfconv_cli.judge.metrics import Resamples, score
from rfconv_cli.run import Run, damaged
from rfconv_cli.table.encode import encode_features, encode_target, extra_columns
from rfconv_cli.table.reader import fingerprint, read_table
from rfconv_cli.table.schema import drop_missing_target
from rfconv_cli.table.split import SplitPlan, group_codes
from rfconv_cli.weights import load_model


def evaluate_stored(run: Run) -> dict[str, Any]:
    """The run's test scores, computed again from its stored predictions. Raises RunError when they disagree."""
    stored = run.json("metrics.json")
    try:
        truth, predicted = read_predictions(run.table("predictions-test.parquet"), run.schema.target)
        again = score(truth, predicted, _resamples(run, len(truth), _test_groups(run)))
        agrees = without_nan(again) == stored["test"]
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise damaged(run.path, f"its test predictions cannot be scored ({error})") from None
    if not agrees:
        raise damaged(run.path, "its stored scores are not those of its stored predictions")
    return _with_path(stored, run)


def evaluate_table(run: Run, data: Path) -> tuple[dict[str, Any], list[str]]:
    """Scores on a table, and notices. The very table the run learned from is scored on its test rows alone."""
    table = read_table(data)
    notices = _ignored(table, run)
    if fingerprint(data) == run.document.get("table", {}).get("sha256"):
        splits = run.table("splits.parquet")
        held_out = splits.filter(pc.equal(splits["part"], "test"))["row"]
        table = table.take(held_out)
        notices.append(f"{data.name} is the table this run learned from: scored on its {len(held_out)} test rows only")
    target = run.schema.target
    kept, rows = drop_missing_target(table, target.name)
    if dropped := table.num_rows - len(rows):
        notices.append(f"{dropped} rows without a value of {target.name} left out")
    truth = encode_target(kept, target)
    predicted = _predict(run, kept)
    if len(truth) == 0:
        raise DataError(f"{data.name} has no row to score", hint=f"fill in {target.name}", code="no_rows")
    metrics = {
        "test": score(truth, predicted, _resamples(run, len(truth), _groups_as_learned(run, kept))),
        "data": {"name": data.name},
    }
    return _with_path(result_document(run.id, run.schema, metrics), run), notices


def predict_table(run: Run, data: Path) -> tuple[pa.Table, list[str]]:
    """Predictions for every row of a table, and notices."""
    table = read_table(data)
    predicted = _predict(run, table)
    rows = np.arange(table.num_rows, dtype=np.int64)
    return predictions_table(rows, predicted, run.schema.target), _ignored(table, run)


def _predict(run: Run, table: pa.Table) -> NDArray[Any]:
    torch.set_num_threads(run.settings.threads or cpu_count())
    model = load_model(run)
    return model.predict(encode_features(table, run.schema))


def _ignored(table: pa.Table, run: Run) -> list[str]:
    known = {run.schema.target.name, *(name for name, _ in run.schema.left_out)}
    extra = [name for name in extra_columns(table, run.schema) if name not in known]
    return [f"{len(extra)} columns the run does not know are ignored: {', '.join(extra[:5])}"] if extra else []


def _resamples(run: Run, rows: int, groups: NDArray[np.int64] | None) -> Resamples:
    return Resamples(rows, run.settings.bootstrap, run.settings.seed, groups)


def _test_groups(run: Run) -> NDArray[np.int64] | None:
    splits = run.table("splits.parquet")
    if "group" not in splits.column_names:
        return None
    return np.asarray(splits.filter(pc.equal(splits["part"], "test"))["group"].to_numpy(), np.int64)


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
