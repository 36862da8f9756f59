"""`learn`: from a table to a completed run."""

import datetime as dt
import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from rfconv_cli.config import Settings
from rfconv_cli.fields.search import Progress
from rfconv_cli.jobs.fit import Course, fit_and_judge
from rfconv_cli.jobs.given import read_given, settings_for
from rfconv_cli.jobs.memory import peak_memory, room_for
from rfconv_cli.jobs.prepare import Notice, prepare
from rfconv_cli.jobs.result import result_document
from rfconv_cli.jobs.save import save
from rfconv_cli.run_writer import RunWriter, run_name
from rfconv_cli.table.dialect import dialect_of
from rfconv_cli.table.kinds import is_plain_text
from rfconv_cli.table.large import read_into
from rfconv_cli.table.room import Room
from rfconv_cli.table.source import shown

_VERSIONS = ("rfconv-cli", "torch", "numpy", "scikit-learn", "pyarrow")


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
    course = Course(notice, progress)
    room = room_for([data, *([] if test_data is None else [test_data])], settings, runs, notice)
    table, identity = course.measure("read", lambda: read_into(room, data, dialect_of(settings)))
    test, test_identity = (None, None) if test_data is None else _read_like(test_data, table, settings, room)
    prepared = course.measure("prepare", lambda: prepare(table, target, settings, notice, test, room))
    fields = None if given is None else read_given(given, prepared.schema.names)
    settings = settings if fields is None else settings_for(fields, settings)
    created = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with RunWriter(runs, run_name(created, target)) as writer:
        learned = fit_and_judge(prepared, settings, fields, room, course)
        result = result_document(writer.name, prepared.schema, learned.metrics)
        course.measure("save", lambda: save(writer, prepared, learned, result, settings, created))
        about = {
            "created": created,
            "versions": {**{name: version(name) for name in _VERSIONS}, "python": platform.python_version()},
            "table": _table_document(data, identity) | {"rows": table.num_rows, "columns": table.column_names},
            "test_table": None if test_data is None else _table_document(test_data, test_identity),
            "seconds": {stage: round(seconds, 3) for stage, seconds in course.seconds.items()},
            "peak_memory_bytes": peak_memory(),
        }
        path = writer.complete(about)
    result["run"] = {"id": writer.name, "path": str(path)}
    return result | {key: about[key] for key in ("seconds", "peak_memory_bytes")}


def _table_document(data: Path, identity: str | None) -> dict[str, Any]:
    return {"name": shown(data), "sha256": identity}


def _read_like(data: Path, table: pa.Table, settings: Settings, room: Room) -> tuple[pa.Table, str]:
    """A table whose columns are text where those of `table` are, and its fingerprint."""
    texts = tuple(field.name for field in table.schema if is_plain_text(field.type))
    return read_into(room, data, replace(dialect_of(settings), as_text=texts, needs_flags=False))
