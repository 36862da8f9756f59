"""The rows that a run learned from, once more: its own encoding and parts, from its table."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rfconv_cli.errors import DataError, UsageError
from rfconv_cli.jobs.apply import Inputs, opened
from rfconv_cli.jobs.memory import room_for
from rfconv_cli.jobs.prepare import Notice
from rfconv_cli.judge.folds import Kept
from rfconv_cli.network.fitted import Encoding, row_weights
from rfconv_cli.run import Run, damaged
from rfconv_cli.stored import groups_in, rows_in
from rfconv_cli.table import kinds
from rfconv_cli.table.encode import encode_target
from rfconv_cli.table.plan import order
from rfconv_cli.table.room import Room
from rfconv_cli.table.select import shell_word
from rfconv_cli.table.source import shown
from rfconv_cli.table.split import split_rows
from rfconv_cli.weights import load_encoding


@dataclass(frozen=True, eq=False)
class OwnRows:
    """A run's rows as its network eats them, but for the targets of the test rows.

    x: (rows, N) float32 of training and validation rows, columns sorted by name; y: (rows,) int64 codes, or float32
    values in standard deviations; train: (rows,) the training rows; kept: what decides which stay together; weight:
    (rows,) what each counts, or None; test: (test rows, N) float32, in the order of predictions-test.parquet; whole:
    how many training and validation rows there are, where these were drawn from them.
    """

    encoding: Encoding
    x: NDArray[np.float32]
    y: NDArray[Any]
    train: NDArray[np.bool_]
    kept: Kept
    weight: NDArray[np.float64] | None
    test: NDArray[np.float32]
    whole: int


def own_rows(run: Run, data: Path | None, test_data: Path | None, most: int, notice: Notice) -> OwnRows:
    """The run's rows. data, test_data: its tables; None: those of the name that the run knows, near here.

    most: training and validation rows that are taken, drawn where there are more.
    Raises DataError: file_not_found, other_table, and what reading raises; UsageError no_test_table; RunError.
    """
    path, test_path = _tables(run, data, test_data, notice)
    room = room_for([path, *([] if test_path is None else [test_path])], run.settings, Path(), notice)
    table = _own(path, run, "table", room, notice)
    inputs = Inputs.of(run, table, room)
    beside = inputs if test_path is None else Inputs.of(run, _own(test_path, run, "test_table", room, notice), room)
    encoding = load_encoding(run)
    splits, whole = _drawn(run, table, most, notice)
    rows, train = splits["row"].to_numpy(), splits["part"].to_numpy(zero_copy_only=False) == "train"
    kept = table.take(pa.array(rows))
    y = encode_target(kept, run.schema.target)
    return OwnRows(
        encoding,
        _encoded(inputs, rows, encoding),
        encoding.encode_y(y).numpy(),
        train,
        Kept(groups_in(splits), _moments(run, kept)),
        row_weights(y, train, _weights(run, kept), run.settings),
        _encoded(beside, rows_in(run, "test")["row"].to_numpy(), encoding),
        whole,
    )


def _tables(run: Run, data: Path | None, test_data: Path | None, notice: Notice) -> tuple[Path, Path | None]:
    """Where the table lies that the run learned from, and that of its test rows, where that is another."""
    if "table" not in run.document:
        raise damaged(run.path, "run.json does not say what it learned from")
    if run.document.get("test_table") is None:
        if test_data is not None:
            raise UsageError(
                "--test-data: the test rows of this run are rows of the table it learned from",
                hint="leave --test-data out",
                code="no_test_table",
            )
        return _located(run, "table", data, notice), None
    return _located(run, "table", data, notice), _located(run, "test_table", test_data, notice)


def _located(run: Run, role: str, given: Path | None, notice: Notice) -> Path:
    if given is not None:
        return given
    name = str(run.document[role]["name"])
    for folder in _near(run):
        if name not in ("", "..") and name == Path(name).name and _is_there(folder / name):
            notice(f"table {folder / name}")
            return folder / name
    flag = "" if role == "table" else "DATA --test-data "
    raise DataError(
        f"the run's table {name!r} is not here, nor in a folder here, nor beside the runs",
        hint=f"rfconv compare {flag}PATH names it",
        code="file_not_found",
    )


def _near(run: Run) -> Iterator[Path]:
    """The current folder and the one that the runs lie in, each with the folders in it."""
    for folder in (Path(), run.path.parent.parent):
        yield folder
        with contextlib.suppress(OSError):  # a folder that may not be listed
            yield from sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # in a folder that may not be entered
        return False


def _own(path: Path, run: Run, role: str, room: Room, notice: Notice) -> pa.Table:
    table, identity, notices = opened(path, run, room)
    if identity != run.document[role]["sha256"]:
        learn = f"rfconv learn {shell_word(str(path))} --target {shell_word(run.schema.target.name)}"
        raise DataError(
            f"{shown(path)} is not the table that this run learned from: its checksum is another",
            hint=f"give {run.document[role]['name']!r} as it was, or learn from this one: {learn}",
            code="other_table",
        )
    for sentence in notices:
        notice(sentence)
    return table


def _drawn(run: Run, table: pa.Table, most: int, notice: Notice) -> tuple[pa.Table, int]:
    """Training and validation rows, `most` at the most with the shares of the classes kept; and how many there are."""
    splits = rows_in(run, "train", "valid")
    whole = splits.num_rows
    if whole <= most:
        return splits, whole
    y = encode_target(table.take(splits["row"]), run.schema.target)
    rng = np.random.default_rng(run.settings.seed)
    chosen = split_rows(y, None, size=most / whole, stratify=bool(run.schema.target.classes), rng=rng)
    notice(f"the methods learn from {int(chosen.sum()):,} of {whole:,} rows, drawn (--rows); rfconv learned from all")
    return splits.filter(pa.array(chosen)), whole


def _moments(run: Run, table: pa.Table) -> NDArray[Any] | None:
    """(rows,) what sorts the rows by time, where the run was split so."""
    split = run.document_of("metrics.json")["split"]
    return np.asarray(order(table, split["column"])) if split["kind"] == "time" else None


def _weights(run: Run, table: pa.Table) -> NDArray[np.float64] | None:
    name = run.settings.weight
    return None if name is None else kinds.floats(table.column(name))


def _encoded(inputs: Inputs, rows: NDArray[np.int64], encoding: Encoding) -> NDArray[np.float32]:
    """(rows, N) float32. rows: ascending, as the run's parts list them."""
    chosen = inputs.only(np.isin(inputs.rows, rows))
    return np.concatenate([encoding.encode_x(x).numpy() for _, x in chosen.blocks()])
