"""`compare`: the usual methods on a run's own rows, beside its learned fields and their controls."""

import errno
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import cpu_count

from rfconv_cli.fields.search import Progress
from rfconv_cli.files import cannot_write, to_json, write_bytes
from rfconv_cli.jobs.apply import evaluate_stored, resamples_of
from rfconv_cli.jobs.own_rows import OwnRows, own_rows
from rfconv_cli.jobs.prepare import Notice
from rfconv_cli.jobs.result import read_predictions
from rfconv_cli.judge.apart import FAILED, Outcome, Task, run_apart
from rfconv_cli.judge.folds import Fold, folds
from rfconv_cli.judge.methods import Method, chosen_methods
from rfconv_cli.judge.standings import Standing, in_words, ordered, own_standings, standing
from rfconv_cli.judge.tuning import Seen, fit_tuned
from rfconv_cli.run import Run, fitting
from rfconv_cli.stored import groups_in, rows_in

COMPARE_FORMAT = "rfconv.compare"
COMPARE_VERSION = 1


@dataclass(frozen=True)
class Asked:
    """methods: their names, none: all; time_limit: seconds for the whole command, or None; jobs: processes at a time,
    None: all cores; rows: most training and validation rows; out: folder for compare.json and, with `plot`, pictures.
    """

    methods: tuple[str, ...]
    time_limit: float | None
    jobs: int | None
    rows: int
    out: Path | None
    plot: bool


def compare(
    run: Run, data: Path | None, test_data: Path | None, asked: Asked, notice: Notice, progress: Progress
) -> dict[str, Any]:
    """The document `rfconv.compare`, after its files were written where they are asked for.

    data, test_data: the tables of the run, see `own_rows`. Settings are chosen on folds of the training rows; the last
    fit takes the validation rows too; the targets of the test rows are read once all is predicted.
    Raises UsageError unknown_method, and what `own_rows` and `evaluate_stored` raise. A method that fails is a result.
    """
    start = time.monotonic()
    folder = _folder(run, asked)
    methods = chosen_methods(asked.methods, len(run.schema.names), classes=bool(run.schema.target.classes))
    metrics = evaluate_stored(run)
    with fitting(run, "splits.parquet, preprocess.json or metrics.json"):
        rows = own_rows(run, data, test_data, asked.rows, notice)
        cut = folds(rows.y, rows.kept, rows.train, run.settings.seed)
    notice(_said_of(cut, methods, metrics["split"]))
    outcomes = _fitted(run, methods, rows, cut, asked, start, progress)
    standings = ordered([*own_standings(metrics), *_standings(run, methods, outcomes, rows)])
    document = _document(run, metrics, standings, rows, cut) | {
        "time_limit": asked.time_limit,
        "seconds": round(time.monotonic() - start, 3),
    }
    if folder is not None:
        _write(document, folder, asked, notice)
    return document


def _fitted(
    run: Run,
    methods: list[Method],
    rows: OwnRows,
    cut: list[Fold],
    asked: Asked,
    start: float,
    progress: Progress,
) -> dict[str, Outcome]:
    """What became of each method."""
    seen = Seen(rows.x, rows.y, rows.weight, cut, rows.test, run.settings.scaling)
    tasks = {m.name: Task(fit_tuned, (m, seen, run.settings.seed), m.cost) for m in methods if not m.absent()}
    absent = {m.name: Outcome(FAILED, reason=f"not installed; pip install {m.needs}") for m in methods if m.absent()}
    deadline = None if asked.time_limit is None else start + asked.time_limit
    processes = min(asked.jobs or cpu_count(), cpu_count())
    return absent | run_apart(tasks, processes, deadline, lambda share: progress("compare", share))


def _standings(run: Run, methods: list[Method], outcomes: Mapping[str, Outcome], rows: OwnRows) -> list[Standing]:
    """From here on the targets of the test rows are known, and nothing is fitted any more."""
    truth, learned = read_predictions(run.table("predictions-test.parquet"), run.schema.target)
    resamples = resamples_of(run, len(truth), groups_in(rows_in(run, "test")))
    return [standing(m, outcomes[m.name], truth, learned, rows.encoding, resamples) for m in methods]


def _document(
    run: Run, metrics: Mapping[str, Any], standings: list[Standing], rows: OwnRows, cut: list[Fold]
) -> dict[str, Any]:
    return {
        "format": COMPARE_FORMAT,
        "format_version": COMPARE_VERSION,
        "run": {"id": run.id, "path": str(run.path)},
        "task": metrics["task"],
        "measure": "accuracy" if run.schema.target.classes else "r2",
        "rows": {
            "train": int(rows.train.sum()),
            "valid": int((~rows.train).sum()),
            "drawn_from": rows.whole,
            "test": len(rows.test),
        },
        "split": metrics["split"],
        "folds": len(cut),
        "methods": standings,
        "verdict": in_words(standings),
    }


def _said_of(cut: list[Fold], methods: list[Method], split: Mapping[str, Any]) -> str:
    whole = {
        "calendar": f", whole {split['unit']}s each",
        "group": f", whole groups of {split['column']} each",
        "time": ", each scored on later rows",
    }.get(str(split["kind"]), "")
    on = f"{len(cut)} folds of the training rows{whole}" if len(cut) > 1 else "the validation rows"
    number = "1 method" if len(methods) == 1 else f"{len(methods)} methods"
    return f"{number}; settings are chosen on {on}"


def _folder(run: Run, asked: Asked) -> Path | None:
    """Where files go, if anywhere. Raises RunError where that cannot be, before hours of work and not after them."""
    if asked.out is None and not asked.plot:
        return None
    folder = asked.out or Path("rfconv-compare") / run.path.resolve().name
    above = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    code = errno.ENOTDIR if not above.is_dir() else errno.EACCES if not os.access(above, os.W_OK) else 0
    if code:
        raise cannot_write(folder, OSError(code, os.strerror(code)))
    return folder


def _write(document: Mapping[str, Any], folder: Path, asked: Asked, notice: Notice) -> None:
    files = {"compare.json": to_json(document).encode(), **(_pictures(document) if asked.plot else {})}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    for name, data in files.items():
        write_bytes(folder / name, data)
        notice(f"wrote {folder / name}")


def _pictures(document: Mapping[str, Any]) -> dict[str, bytes]:
    from rfconv_cli.export.forest import forest_plot  # matplotlib waits for a picture
    from rfconv_cli.export.plots import FORMATS, render

    figure = forest_plot(document)
    return {f"compare.{form}": render(figure, form) for form in FORMATS}
