"""`check`: what is wrong or suspicious in a table, before any training. Needs no torch."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rfconv_cli.config import Settings
from rfconv_cli.jobs.memory import room_for
from rfconv_cli.jobs.prepare import Notice, prepare
from rfconv_cli.jobs.prepared import Prepared
from rfconv_cli.table import kinds
from rfconv_cli.table.dialect import dialect_of
from rfconv_cli.table.large import read_into
from rfconv_cli.table.leak import MOST_ROWS, given_away, gives_away
from rfconv_cli.table.select import quoted, shell_word
from rfconv_cli.table.split import PARTS
from rfconv_cli.table.suspect import Finding, suspicious, time_gaps

_FACTOR, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)  # Fibonacci hashing (Knuth), between shifts
_RARE = 10  # rows of a class below which its scores say little


def check(data: Path, target: str, settings: Settings, notice: Notice, test_data: Path | None = None) -> dict[str, Any]:
    """The document `rfconv.check`: the table, its parts, and what there is to look at. Raises DataError, UsageError.

    `notice` is told what `learn` would do to the table.
    """
    tables = [data, *([] if test_data is None else [test_data])]
    room = room_for(tables, settings, Path(), notice)
    table, *other = (read_into(room, path, dialect_of(settings))[0] for path in tables)
    prepared = prepare(table, target, settings, notice, other[0] if other else None, room)
    gaps = np.array([np.isnan(column).mean() for column in prepared.x.T])
    return {
        "format": "rfconv.check",
        "format_version": 1,
        "table": {"name": data.name, "rows": table.num_rows, "columns": table.num_columns},
        "task": {
            "target": target,
            "type": prepared.schema.target.task,
            "classes": list(prepared.schema.target.classes),
        },
        "learned_from": list(prepared.schema.names),
        "left_out": [{"name": name, "reason": reason} for name, reason in prepared.schema.left_out],
        "missing": {"cells": float(gaps.mean()), "columns": int(np.count_nonzero(gaps))},
        "split": prepared.plan.sentence,
        "parts": {part: _part(prepared, part) for part in PARTS},
        "findings": [asdict(finding) | {"columns": list(finding.columns)} for finding in _findings(table, prepared)],
    }


def _part(prepared: Prepared, part: str) -> dict[str, Any]:
    rows = prepared.is_in(part)
    classes = prepared.schema.target.classes
    if not classes:
        return {"rows": int(rows.sum())}
    counts = np.bincount(prepared.y[rows], minlength=len(classes))
    return {"rows": int(rows.sum()), "classes": [int(count) for count in counts]}


def _findings(table: pa.Table, prepared: Prepared) -> list[Finding]:
    schema = prepared.schema
    own = {feature.name: prepared.x[:, i] for i, feature in enumerate(schema.features) if feature.is_own}
    whole = {feature.name: feature.dtype == "integer" for feature in schema.features}
    return [
        *_rare_classes(prepared),
        *_leaks(table, prepared),
        *suspicious(own, whole),
        *_repeated(prepared),
        *time_gaps(table),
    ]


def _rare_classes(prepared: Prepared) -> list[Finding]:
    target = prepared.schema.target
    if not target.classes:
        return []
    counts = np.bincount(prepared.y, minlength=len(target.classes))
    rare = [str(label) for label, count in zip(target.classes, counts, strict=True) if count < _RARE]
    if not rare:
        return []
    message = f"{len(rare)} classes of {target.name!r} have fewer than {_RARE} rows: {quoted(rare, 5)}"
    return [Finding("rare_class", (target.name,), message, "their scores will say little; merge them with others")]


def _leaks(table: pa.Table, prepared: Prepared) -> list[Finding]:
    """Columns that would be learned from, and columns of text, that tell nearly all of the target alone."""
    used = set(prepared.schema.columns)
    own = [i for i, feature in enumerate(prepared.schema.features) if feature.is_own]
    texts = _texts(table, prepared)
    names = [*(prepared.schema.features[i].name for i in own), *texts]
    seen = np.flatnonzero(prepared.is_in("train", "valid"))  # the test rows may lie in another table
    seen = np.sort(np.random.default_rng(0).permutation(seen)[:MOST_ROWS])
    codes = [_codes(table.column(name), prepared.rows[seen]) for name in texts]
    x = np.column_stack([prepared.x[seen][:, own], *codes])
    told = given_away(x, prepared.y[seen], classes=bool(prepared.schema.target.classes))
    found = []
    for name, share in zip(names, told, strict=True):
        if gives_away(float(share)):
            hint = f"--exclude {shell_word(name)}" if name in used else "it is text and left out, as it should be"
            message = f"{name!r} alone tells {share:.0%} of {prepared.schema.target.name!r}: does it give it away?"
            found.append(
                Finding("gives_target_away" if name in used else "text_gives_target_away", (name,), message, hint)
            )
    return found


def _texts(table: pa.Table, prepared: Prepared) -> list[str]:
    """Columns of categories, and of text that is left out."""
    schema = prepared.schema
    left = [
        name
        for name, reason in schema.left_out
        if reason.startswith("text") and kinds.is_plain_text(table.schema.field(name).type)
    ]
    return [*dict.fromkeys(f.column for f in schema.features if f.dtype == "category"), *left]


def _codes(column: pa.ChunkedArray, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(rows,) the text's places in alphabetical order, so that a tree can cut between words that start alike."""
    words = pc.fill_null(column.cast(pa.large_string()), "").take(pa.array(rows))
    return np.unique(np.asarray(words.to_numpy(), object).astype(str), return_inverse=True)[1].astype(np.float64)


def _repeated(prepared: Prepared) -> list[Finding]:
    """Rows of the test part whose values stand in another part too."""
    seen, keys = prepared.is_in("train", "valid"), _keys(prepared.x)
    again = int(np.isin(keys[~seen], keys[seen]).sum())
    if not again:
        return []
    message = (
        f"{again} of {int((~seen).sum())} test rows stand in the other parts too, with the same values in all columns"
    )
    return [Finding("repeated_rows", (), message, "drop the copies, or keep them together with --group")]


def _keys(x: NDArray[np.float64]) -> NDArray[np.uint64]:
    """(rows,) a number for each row's values: equal rows have equal ones, others the same one in 2⁶⁴ pairs."""
    keys = np.zeros(len(x), np.uint64)
    for column in x.T:
        keys = (keys ^ (keys >> _SHIFT)) * _FACTOR + (np.ascontiguousarray(column) + 0.0).view(np.uint64)  # −0 is 0
    return (keys ^ (keys >> _SHIFT)) * _FACTOR
