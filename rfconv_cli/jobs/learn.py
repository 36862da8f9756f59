"""`learn`: from a table to a completed run. Nothing sees the test rows before everything is fitted."""

import datetime as dt
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pyarrow as pa
import torch
from numpy.typing import NDArray

from rfconv_cli.config import Settings
from rfconv_cli.export.groups import communities
from rfconv_cli.fields.search import Progress
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.jobs.given import read_given, settings_for
from rfconv_cli.jobs.prepare import Notice, prepare
from rfconv_cli.jobs.prepared import Prepared
from rfconv_cli.jobs.result import result_document
from rfconv_cli.jobs.save import Learned, save
from rfconv_cli.judge.compare import compare
from rfconv_cli.judge.controls import RANDOM_FIELDS, train_with_controls
from rfconv_cli.judge.metrics import Resamples
from rfconv_cli.judge.repeated import repeat_on_halves
from rfconv_cli.network.contest import GIVEN, Found, find_fields
from rfconv_cli.network.cost import estimate_line, measured_speed, stage_costs
from rfconv_cli.network.fitted import Encoding, FittedModel, decode_outputs, row_weights
from rfconv_cli.network.learn import Problem, fit_settings, threads_for
from rfconv_cli.network.model import count_parameters
from rfconv_cli.network.train import Trained, predict
from rfconv_cli.run import RunWriter, run_name
from rfconv_cli.table.dialect import dialect_of
from rfconv_cli.table.kinds import is_plain_text
from rfconv_cli.table.reader import read_with_fingerprint
from rfconv_cli.table.source import shown

T = TypeVar("T")


@dataclass
class Stopwatch:
    """Seconds by stage, in the order the stages were first seen."""

    seconds: dict[str, float] = field(default_factory=dict)

    def measure(self, stage: str, work: Callable[[], T]) -> T:
        """Run `work`, add its wall time to `stage`, return its result."""
        start = time.perf_counter()
        result = work()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
        return result


def learn(
    data: Path,
    target: str,
    settings: Settings,
    runs: Path,
    notice: Notice,
    progress: Progress,
    *,
    given: Path | None = None,
    test_data: Path | None = None,
) -> dict[str, Any]:
    """Learn receptive fields from the table at `data`, judge them, and save a run in the folder `runs`.

    given: a fields.json whose fields are trained on as they are; nothing is searched. test_data: a table whose rows are
    the test part.
    Returns the result document (`rfconv.result`). `notice` is told, a line at a time, what was done to the table.
    Raises RfconvError; then nothing is left in `runs`.
    """
    watch = Stopwatch()
    table, identity = watch.measure("read", lambda: read_with_fingerprint(data, dialect_of(settings)))
    test = None if test_data is None else _read_like(test_data, table, settings)
    prepared = watch.measure(
        "prepare", lambda: prepare(table, target, settings, notice, None if test is None else test[0])
    )
    fields = None if given is None else read_given(given, prepared.schema.names)
    settings = settings if fields is None else settings_for(fields, settings)
    created = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with RunWriter(runs, run_name(created, target)) as writer:
        learned = _fit_and_judge(prepared, settings, fields, watch, notice, progress)
        result = result_document(writer.name, prepared.schema, learned.metrics)
        watch.measure("save", lambda: save(writer, prepared, learned, result, settings, created))
        about = {
            "created": created,
            "versions": {name: version(name) for name in ("rfconv-cli", "torch", "numpy", "scikit-learn", "pyarrow")}
            | {"python": platform.python_version()},
            "table": {
                "name": shown(data),
                "sha256": identity,
                "rows": table.num_rows,
                "columns": table.column_names,
            },
            "test_table": None if test is None or test_data is None else {"name": shown(test_data), "sha256": test[1]},
            "seconds": {stage: round(seconds, 3) for stage, seconds in watch.seconds.items()},
            "peak_memory_bytes": peak_memory(),
        }
        path = writer.complete(about)
    result["run"] = {"id": writer.name, "path": str(path)}
    return result | {key: about[key] for key in ("seconds", "peak_memory_bytes")}


def _read_like(data: Path, table: pa.Table, settings: Settings) -> tuple[pa.Table, str]:
    """A table whose columns are text where those of `table` are, and its fingerprint."""
    texts = tuple(field.name for field in table.schema if is_plain_text(field.type))
    return read_with_fingerprint(data, replace(dialect_of(settings), as_text=texts, needs_flags=False))


def _fit_and_judge(
    prepared: Prepared,
    settings: Settings,
    given: ReceptiveFields | None,
    watch: Stopwatch,
    notice: Notice,
    progress: Progress,
) -> Learned:
    settings = fit_settings(settings, len(prepared.schema.names))
    torch.set_num_threads(threads_for(settings, len(prepared.schema.names)))
    train, seen, test = prepared.is_in("train"), prepared.is_in("train", "valid"), prepared.is_in("test")
    encoding = Encoding.fit(prepared.schema.names, prepared.x[train], prepared.y[train], settings)
    weights = row_weights(prepared.y, train, prepared.weight, settings)
    problem = encoding.problem(
        prepared.x[seen],
        prepared.y[seen],
        prepared.parts[seen] == "valid",
        prepared.outputs,
        None if weights is None else weights[seen],
    )
    if prepared.groups is not None:
        valid_groups, train_groups = (prepared.groups[prepared.is_in(part)] for part in ("valid", "train"))
        problem = replace(problem, valid_groups=valid_groups, train_groups=train_groups)
    found = Found(given, GIVEN, ()) if given is not None else _find(problem, settings, watch, notice, progress)
    fields = found.fields
    trained, controls = watch.measure(
        "train", lambda: train_with_controls(problem, fields, settings, progress, found.trained)
    )

    stability, support = watch.measure(
        "stability",
        lambda: repeat_on_halves(problem, found, settings, trained, controls[RANDOM_FIELDS], progress),
    )

    # from here on the test rows are open, and nothing is fitted any more
    test_x = encoding.encode_x(prepared.x[test])

    def on_test(one: Trained) -> NDArray[Any]:
        return decode_outputs(predict(one.network, test_x), encoding, prepared.outputs)

    predicted = on_test(trained)
    others = {name: [on_test(one) for one in each] for name, each in controls.items()}
    groups = None if prepared.groups is None else prepared.groups[test]
    resamples = Resamples(int(test.sum()), settings.bootstrap, settings.seed, groups)
    scores = watch.measure("judge", lambda: compare(prepared.y[test], predicted, others, resamples, stability))
    for name, each in controls.items():
        scores["controls"][name]["parameters"] = count_parameters(each[0].network)
    model = FittedModel(encoding, fields, trained.network, prepared.outputs)
    metrics = scores | {"groups": communities(fields)} | _about(prepared, found, trained, problem)
    return Learned(model, predicted, metrics, support)


def _find(problem: Problem, settings: Settings, watch: Stopwatch, notice: Notice, progress: Progress) -> Found:
    """The fields, after a line on what finding them and all that follows will cost."""
    costs = stage_costs(len(problem.train), len(problem.names), problem.outputs, settings)
    notice(estimate_line(costs, measured_speed()))
    return watch.measure("search", lambda: find_fields(problem, settings, progress))


def _about(prepared: Prepared, found: Found, trained: Trained, problem: Problem) -> dict[str, Any]:
    plan = prepared.plan
    return {
        "network": {
            "parameters": count_parameters(trained.network),
            "epochs": len(trained.history),
            "history": [{"train_loss": e.train_loss, "valid_loss": e.valid_loss} for e in trained.history],
        },
        "source": found.source,
        "contest": [dict(row) for row in found.table],
        "search": None if found.search is None else found.search.to_json(),
        "rows": {"train": len(problem.train), "valid": len(problem.valid), "test": int(prepared.is_in("test").sum())},
        "split": {"kind": plan.kind, "column": plan.column, "unit": plan.unit},
    }


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    info = psutil.Process().memory_info()
    if peak := getattr(info, "peak_wset", None):  # Windows
        return int(peak)
    import resource  # Unix only

    unit = 1 if platform.system() == "Darwin" else 1024
    return max(int(info.rss), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
