"""`learn`: from a table to a completed run."""

import contextlib
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from rfconv_cli.config import Settings
from rfconv_cli.fields.search import Progress
from rfconv_cli.jobs.begun import Begun, again, kept, newest, now, require_same, versions_here, waiting
from rfconv_cli.jobs.fit import Course, fit_and_judge
from rfconv_cli.jobs.given import read_given, settings_for
from rfconv_cli.jobs.memory import peak_memory, room_for
from rfconv_cli.jobs.prepare import Notice, prepare
from rfconv_cli.jobs.result import result_document
from rfconv_cli.jobs.save import save
from rfconv_cli.jobs.shares import parquet_reader
from rfconv_cli.network.peers import Peers, peers_of_torchrun
from rfconv_cli.run_writer import RunWriter, run_name
from rfconv_cli.table.dialect import dialect_of
from rfconv_cli.table.kinds import is_plain_text
from rfconv_cli.table.large import read_into
from rfconv_cli.table.room import Room
from rfconv_cli.table.source import shown


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
    Among processes that torchrun started, the first one speaks and writes; the others return the same document without
    a path. Raises RfconvError; then no run is left in `runs`. Where it ends before its time, `resume` goes on.
    """
    with peers_of_torchrun(settings.device) as peers:
        if not peers.rank and (old := waiting(runs)):
            notice(
                f"a learn that ended too soon waits in {old[0]}: rfconv learn --resume goes on, removing it forgets it"
            )
        begun = Begun(data, target, settings, now(), test_data, given)
        return _carried_out(begun, None, runs, Course(notice, progress), peers)


def resume(runs: Path, notice: Notice, progress: Progress) -> dict[str, Any]:
    """Go on with the newest `learn` in `runs` that ended before its time; it ends as it would have, to the last digit.

    What it had found out is not worked out again. Raises RunError: nothing_to_resume, cannot_resume, table_changed; and
    as `learn` does.
    """
    with peers_of_torchrun("auto") as peers:
        begun, name = newest(runs, peers)
        notice(f"resuming {name}: {shown(begun.data)}, target {begun.target}")
        return _carried_out(again(begun), name, runs, Course(notice, progress), peers)


def _carried_out(begun: Begun, name: str | None, runs: Path, course: Course, peers: Peers) -> dict[str, Any]:
    """Read, fit; the first process saves. name: of the run, where it was begun before."""
    settings, notice = begun.settings, course.notice
    tables = [begun.data, *([] if begun.test_data is None else [begun.test_data])]
    room = room_for(tables, settings, runs, notice)
    parquet = parquet_reader(peers)
    table, identity = course.measure("read", lambda: read_into(room, begun.data, dialect_of(settings), parquet))
    require_same(shown(begun.data), begun.identity, identity)
    test, test_identity = _read_like(begun, table, room)
    prepared = course.measure("prepare", lambda: prepare(table, begun.target, settings, notice, test, room))
    fields = None if begun.given is None else read_given(begun.given, prepared.schema.names)
    used = settings if fields is None else settings_for(fields, settings)
    begun = replace(begun, identity=identity, test_identity=test_identity)
    with contextlib.ExitStack() as stack:
        wanted = name or run_name(begun.created, begun.target)
        writer = None if peers.rank else stack.enter_context(RunWriter(runs, wanted))
        memo = stack.enter_context(kept(begun, runs, name or (writer.name if writer else wanted), notice, peers))
        learned = fit_and_judge(prepared, used, fields, room, replace(course, memo=memo))
        result = result_document(writer.name if writer else wanted, prepared.schema, learned.metrics)
        if writer is None:
            return result
        course.measure("save", lambda: save(writer, prepared, learned, result, used, begun.created))
        about = _about(begun, table, course)
        path = writer.complete(about)
    result["run"] = {"id": writer.name, "path": str(path)}
    return result | {key: about[key] for key in ("seconds", "peak_memory_bytes")}


def _about(begun: Begun, table: pa.Table, course: Course) -> dict[str, Any]:
    """What run.json says of a learn beside its files."""
    return {
        "created": begun.created,
        "versions": {**versions_here(), "python": platform.python_version()},
        "table": _table_document(begun.data, begun.identity) | {"rows": table.num_rows, "columns": table.column_names},
        "test_table": None if begun.test_data is None else _table_document(begun.test_data, begun.test_identity),
        "resumed": begun.resumed,
        "seconds": {stage: round(seconds, 3) for stage, seconds in course.seconds.items()},
        "peak_memory_bytes": peak_memory(),
    }


def _table_document(data: Path, identity: str | None) -> dict[str, Any]:
    return {"name": shown(data), "sha256": identity}


def _read_like(begun: Begun, table: pa.Table, room: Room) -> tuple[pa.Table | None, str | None]:
    """The table of test rows, whose columns are text where those of `table` are, and its fingerprint; None for both
    where there is none.
    """
    if begun.test_data is None:
        return None, None
    texts = tuple(field.name for field in table.schema if is_plain_text(field.type))
    dialect = replace(dialect_of(begun.settings), as_text=texts, needs_flags=False)
    test, identity = read_into(room, begun.test_data, dialect)
    require_same(shown(begun.test_data), begun.test_identity, identity)
    return test, identity
