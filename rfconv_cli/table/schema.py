"""Freezing: from a table and a target's name to the `Schema` a run keeps. No column is left out without a reason."""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from rfconv_cli.errors import DataError, UsageError, nearest
from rfconv_cli.table import kinds
from rfconv_cli.table.derive import USUAL, Derivation, asked_categories, category_features, gap_features
from rfconv_cli.table.frozen import Dtype, Feature, Label, Schema, Target, Task
from rfconv_cli.table.room import IN_MEMORY, Room
from rfconv_cli.table.select import not_chosen, quoted, shell_word
from rfconv_cli.table.target import freeze_target, target_column

__all__ = [
    "Dtype",
    "Feature",
    "Label",
    "Schema",
    "Target",
    "Task",
    "drop_missing_target",
    "freeze",
    "freeze_features",
    "require_roles",
]

_ROW_COUNTER = re.compile(r"Unnamed: 0|__index_level_\d+__")
_FEWEST_FEATURES = 2
_TEXT = "text"


def freeze(
    table: pa.Table,
    target: str,
    *,
    task: str | None = None,
    features: Sequence[str] = (),
    exclude: Sequence[str] = (),
    roles: Mapping[str, str] | None = None,
    derivation: Derivation = USUAL,
) -> Schema:
    """The schema of `table` for predicting `target`; see `target.freeze_target` for `task`.

    features, exclude: column names or globs. roles: column → what it is used for instead, such as {"day": "group"}.
    Text of few values becomes a feature for each, and so do gaps, see `derive`.
    Left out, with the reason: those, dates, other text, constants, empty columns, and row counters that pandas writes.
    Raises UsageError: pattern_matches_nothing, role_is_target, bad_task; DataError: column_not_found, no_features,
    infinite_values, and what `freeze_target` raises.
    """
    goal = freeze_target(table, target, task)
    return freeze_features(table, goal, features=features, exclude=exclude, roles=roles, derivation=derivation)


def freeze_features(
    table: pa.Table,
    target: Target,
    *,
    features: Sequence[str] = (),
    exclude: Sequence[str] = (),
    roles: Mapping[str, str] | None = None,
    derivation: Derivation = USUAL,
    rows: NDArray[np.bool_] | None = None,
) -> Schema:
    """As `freeze`, for a target frozen before. rows: (rows,) those to look at, such as the training rows; None: all."""
    roles = roles or {}
    require_roles(table, target.name, roles)
    names = [name for name in table.column_names if name != target.name]
    refused = {**not_chosen(names, features, exclude), **roles}
    asked = asked_categories(table, [name for name in names if name not in roles], derivation.category)
    values = partial(_values, table, rows=None if rows is None else pa.array(rows))
    found, left_out = _found(table, names, values, refused, frozenset(features), asked, derivation)
    numbers = [feature for each in found.values() for feature in each if feature.is_own]
    _refuse_infinite(numbers)
    for constant in (feature.name for feature in numbers if feature.minimum == feature.maximum):
        del found[constant]
        left_out[constant] = "constant"
    if derivation.missing == "indicator":
        gappy = ((feature.name, values(feature.name)) for feature in numbers if feature.name in found)
        for gap in gap_features(gappy, {*table.column_names, *(one.name for each in found.values() for one in each)}):
            found[gap.column].append(gap)
    chosen = tuple(feature for each in found.values() for feature in each)
    _require_enough(chosen, left_out)
    return Schema(target, chosen, tuple((name, left_out[name]) for name in names if name in left_out))


def drop_missing_target(table: pa.Table, target: str, room: Room = IN_MEMORY) -> tuple[pa.Table, NDArray[np.int64]]:
    """The rows that have a target, and where they stood in `table`. Raises DataError target_not_found."""
    present = ~kinds.missing(target_column(table, target))
    rows = np.flatnonzero(present)
    return (table if present.all() else room.filtered(table, present)), rows


def require_roles(table: pa.Table, target: str, roles: Mapping[str, str]) -> None:
    """Raises DataError column_not_found or UsageError role_is_target for a role that cannot be played."""
    for name, role in roles.items():
        if name not in table.column_names:
            near = nearest(name, table.column_names)
            raise DataError(
                f"there is no column {name!r} for {role}; the nearest names are {quoted(near)}",
                hint=f"name it {shell_word(near[0])}",
                code="column_not_found",
            )
        if name == target:
            raise UsageError(
                f"column {name!r} is the target and cannot be the {role} too",
                hint="name another column",
                code="role_is_target",
            )


def _found(
    table: pa.Table,
    names: Sequence[str],
    values: Callable[[str], pa.ChunkedArray],
    refused: Mapping[str, str],
    named: frozenset[str],
    asked: Container[str],
    derivation: Derivation,
) -> tuple[dict[str, list[Feature]], dict[str, str]]:
    """Column → its features, and column → reason for the others. named: those the user spelled out; values: of one."""
    found: dict[str, list[Feature]] = {}
    left_out, taken = {}, set(table.column_names)
    for name in names:
        column = values(name)
        reason = refused.get(name) or _unusable(name, column, spelled_out=name in named)
        usual = reason == _TEXT and kinds.is_plain_text(column.type)
        wanted = name in asked and name not in refused and (reason is None or reason.startswith(_TEXT))
        if usual or wanted:
            found[name] = category_features(name, column, derivation.most, taken)
            taken |= {feature.name for feature in found[name]}
            reason = None if found[name] else reason or "no two frequent values to be categories"
        elif reason is None:
            found[name] = [_feature(name, column)]
        if reason:
            found.pop(name, None)
            left_out[name] = reason
    return found, left_out


def _values(table: pa.Table, name: str, rows: pa.Array | None) -> pa.ChunkedArray:
    column = table.column(name)
    return column if rows is None else column.filter(rows)


def _unusable(name: str, column: pa.ChunkedArray, *, spelled_out: bool) -> str | None:
    kind = column.type
    if kinds.is_temporal(kind):
        return "date or time"
    if kinds.is_all_missing(column):
        return "no value in any training row"
    if _ROW_COUNTER.fullmatch(name) and kinds.is_integer(kind) and not spelled_out:
        return "row counter"
    if kinds.is_text(kind):
        return _kind_of_text(column)
    if not kinds.is_number(kind):
        return f"not a number ({kind})"
    return None


def _kind_of_text(column: pa.ChunkedArray) -> str:
    if kinds.is_plain_text(column.type):
        numeric = pc.match_substring_regex(column, r"^\s*[+-]?\d+(\.\d*)?([eE][+-]?\d+)?\s*$")
        if pc.all(numeric).as_py():
            return "text (numbers written as text, or too long to keep exactly)"
    return _TEXT


def _feature(name: str, column: pa.ChunkedArray) -> Feature:
    kind, values = column.type, kinds.floats(column)
    dtype: Dtype = "boolean" if pt.is_boolean(kind) else "integer" if kinds.is_integer(kind) else "float"
    gaps = float(np.isnan(values).mean())
    return Feature(name, dtype, float(np.nanmin(values)), float(np.nanmax(values)), gaps)


def _refuse_infinite(features: Sequence[Feature]) -> None:
    names = [f.name for f in features if np.isinf([f.minimum, f.maximum]).any()]
    if names:
        raise DataError(
            f"{len(names)} columns hold infinite values: {quoted(names)}",
            hint=f"replace them by an empty cell, or {_exclude_flags(names)}",
            code="infinite_values",
        )


def _exclude_flags(names: Sequence[str]) -> str:
    more = " …" if len(names) > 10 else ""
    # a bracket or star in a name would be a glob, but an exact name is matched literally first
    return " ".join(f"--exclude {shell_word(name)}" for name in names[:10]) + more


def _require_enough(found: Sequence[Feature], left_out: Mapping[str, str]) -> None:
    if len(found) >= _FEWEST_FEATURES:
        return
    why = ", ".join(f"{name!r} ({reason})" for name, reason in list(left_out.items())[:5]) + (
        " …" if len(left_out) > 5 else ""
    )
    raise DataError(
        f"{len(found)} usable columns, but a receptive field needs at least {_FEWEST_FEATURES}"
        + (f"; left out: {why}" if why else ""),
        hint="give a table with more numeric columns, or loosen --features and --exclude",
        code="no_features",
    )
