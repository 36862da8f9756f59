"""From a table to what can be learned from: target, parts, frozen schema, numbers. Says what it did to the table."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rfconv_cli.config import Settings
from rfconv_cli.errors import DataError, UsageError
from rfconv_cli.jobs.pieces import joined, require_parts, test_part, windowed
from rfconv_cli.jobs.prepared import Prepared
from rfconv_cli.jobs.result import columns_of, require_free
from rfconv_cli.jobs.telling import what_was_done
from rfconv_cli.table import kinds
from rfconv_cli.table.derive import Derivation, asked_categories
from rfconv_cli.table.encode import encode_features, encode_target
from rfconv_cli.table.mixed import refuse_mixed
from rfconv_cli.table.reader import how_read
from rfconv_cli.table.room import IN_MEMORY, Room
from rfconv_cli.table.schema import drop_missing_target, freeze_features, require_roles
from rfconv_cli.table.select import not_chosen
from rfconv_cli.table.split import SplitPlan, assign_parts, group_codes, plan_split
from rfconv_cli.table.target import freeze_target, with_month
from rfconv_cli.table.windows import order_column, said_of_order

Notice = Callable[[str], None]


def prepare(
    table: pa.Table,
    target: str,
    settings: Settings,
    notice: Notice,
    test: pa.Table | None = None,
    room: Room = IN_MEMORY,
) -> Prepared:
    """Split the rows, then freeze the schema on the training rows. Raises DataError, UsageError.

    `notice` is told, a line at a time, what was decided and what was left out. test: a table whose rows are the test
    part, so that none of `table` is. room: where the numbers lie.
    """
    table, said = with_month(table, target)
    for sentence in (how_read(table), said):
        if sentence:
            notice(sentence)
    prepared = _split_and_frozen(table, target, settings, room, apart=test is not None)
    dropped = table.num_rows - len(prepared.rows)
    pieces = [(prepared, table)]
    if test is not None:
        test = with_month(test, target)[0]
        pieces.append((test_part(prepared, test, room), test))
        dropped += test.num_rows - len(pieces[1][0].rows)
    if settings.window > 1:
        order = order_column(table, settings.time)
        notice(f"windows of {settings.window} rows by {said_of_order(order, settings.group)}")
        pieces = [(windowed(piece, whole, settings, order, room), whole) for piece, whole in pieces]
    prepared = joined([piece for piece, _ in pieces], room)
    require_parts(prepared)
    for sentence in what_was_done(prepared, dropped, settings):
        notice(sentence)
    return prepared


def _split_and_frozen(table: pa.Table, target: str, settings: Settings, room: Room, *, apart: bool) -> Prepared:
    """The rows that have a target, in parts, and the schema of the training rows. apart: no row is "test"."""
    kept, rows = drop_missing_target(table, target, room)
    roles = _roles(settings)
    require_roles(kept, target, roles)
    refused = not_chosen(table.column_names, settings.features, settings.exclude)
    asked = asked_categories(table, [name for name in table.column_names if name not in roles], settings.category)
    left = {target, *refused, *roles, *asked}
    refuse_mixed(table, [name for name in table.column_names if name not in left])
    goal = freeze_target(table, target, None if settings.task == "auto" else settings.task)
    require_free(settings.id, columns_of(goal))
    plan = _planned(kept, settings, apart=apart)
    y = encode_target(kept, goal)
    parts = assign_parts(
        kept,
        plan,
        y,
        stratify=bool(goal.classes),
        test_size=None if apart else settings.test_size,
        valid_size=settings.valid_size,
        seed=settings.seed,
        labels=goal.classes,
    )
    schema = freeze_features(
        kept,
        goal,
        features=settings.features,
        exclude=settings.exclude,
        roles=roles,
        derivation=Derivation(settings.category, settings.most_categories, settings.missing),
        rows=parts == "train",
    )
    groups, weight = group_codes(kept, plan), _weights(kept, settings.weight, parts)
    return Prepared(schema, encode_features(kept, schema, rows, room), y, rows, parts, plan, groups, weight)


def _planned(table: pa.Table, settings: Settings, *, apart: bool) -> SplitPlan:
    """How the rows are split; where the test rows are a table of their own, into the other two parts."""
    if apart and settings.split_column:
        raise UsageError(
            "--test-data and --split-column exclude each other: each says which rows are the test part",
            hint="keep one of them",
            code="split_conflict",
        )
    plan = plan_split(
        table,
        group=settings.group,
        time=None if settings.window > 1 and settings.group else settings.time,  # then it orders the series alone
        split_by=settings.split_by,
        split_column=settings.split_column,
    )
    if not apart:
        return plan
    how = {"time": f"the last rows by {plan.column!r} are the validation part"}.get(plan.kind, plan.sentence)
    return replace(plan, sentence=f"the rows of --test-data are the test part; of the others, {how}")


def _weights(table: pa.Table, name: str | None, parts: NDArray[np.str_]) -> NDArray[np.float64] | None:
    """(rows,) the numbers of the column of weights, some above 0 in each part. Raises DataError bad_weight."""
    if name is None:
        return None
    column = table.column(name)
    weights = kinds.floats(column) if kinds.is_number(column.type) else np.full(len(column), np.nan)
    seen = [weights[parts == part] for part in ("train", "valid")]
    if not ((weights >= 0) & np.isfinite(weights)).all() or not all(each.any() for each in seen):
        raise DataError(
            f"column {name!r} does not say what each row counts: that takes a number, 0 or more, in every row, and "
            "some above 0 among the training and the validation rows",
            hint="correct the column, or drop --weight",
            code="bad_weight",
        )
    return weights


def _roles(settings: Settings) -> dict[str, str]:
    given = {
        "group": settings.group,
        "time": settings.time,
        "split": settings.split_column,
        "weight": settings.weight,
    }
    return dict.fromkeys(settings.id, "id") | {column: role for role, column in given.items() if column}
