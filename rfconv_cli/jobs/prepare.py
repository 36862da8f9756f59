"""From a table to what can be learned from: target, parts, frozen schema, numbers. Says what it did to the table."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rfconv_cli.config import Settings
from rfconv_cli.errors import DataError, UsageError
from rfconv_cli.table import kinds
from rfconv_cli.table.derive import Derivation
from rfconv_cli.table.encode import encode_features, encode_target
from rfconv_cli.table.mixed import refuse_mixed
from rfconv_cli.table.reader import how_read
from rfconv_cli.table.schema import Schema, drop_missing_target, freeze_features, require_roles
from rfconv_cli.table.select import not_chosen, quoted
from rfconv_cli.table.split import PARTS, SplitPlan, assign_parts, group_codes, plan_split
from rfconv_cli.table.target import freeze_target, with_month
from rfconv_cli.table.windows import carried_back, lagged, series, windows_of, with_lags

Notice = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A table ready to learn from.

    x: (rows, N) float64 in the schema's order, NaN where missing; y: (rows,) int64 class codes or float64 values;
    rows: (rows,) int64, where each stood in the table; parts: (rows,) "train", "valid" or "test", as `plan` says;
    groups: (rows,) int64 codes of the rows that were kept together, or None; weight: (rows,) float64, what each row
    counts in the loss, or None.
    """

    schema: Schema
    x: NDArray[np.float64]
    y: NDArray[Any]
    rows: NDArray[np.int64]
    parts: NDArray[np.str_]
    plan: SplitPlan
    groups: NDArray[np.int64] | None
    weight: NDArray[np.float64] | None = None

    @property
    def outputs(self) -> int:
        """Classes, or 1 for regression."""
        return len(self.schema.target.classes) or 1

    def is_in(self, *parts: str) -> NDArray[np.bool_]:
        """(rows,) True for the rows of these parts."""
        return np.isin(self.parts, parts)


def prepare(table: pa.Table, target: str, settings: Settings, notice: Notice, test: pa.Table | None = None) -> Prepared:
    """Split the rows, then freeze the schema on the training rows. Raises DataError, UsageError.

    `notice` is told, a line at a time, what was decided and what was left out. test: a table whose rows are the test
    part, so that none of `table` is.
    """
    table, said = with_month(table, target)
    for sentence in (how_read(table), said):
        if sentence:
            notice(sentence)
    kept, rows = drop_missing_target(table, target)
    require_roles(kept, target, _roles(settings))
    refused = not_chosen(table.column_names, settings.features, settings.exclude)
    refuse_mixed(table, (name for name in table.column_names if name not in {target, *refused, *_roles(settings)}))
    goal = freeze_target(table, target, None if settings.task == "auto" else settings.task)
    plan = _planned(kept, settings, test)
    y = encode_target(kept, goal)
    parts = assign_parts(
        kept,
        plan,
        y,
        stratify=bool(goal.classes),
        test_size=settings.test_size if test is None else None,
        valid_size=settings.valid_size,
        seed=settings.seed,
        labels=goal.classes,
    )
    schema = freeze_features(
        kept.filter(pa.array(parts == "train")),
        goal,
        features=settings.features,
        exclude=settings.exclude,
        roles=_roles(settings),
        derivation=Derivation(settings.category, settings.most_categories, settings.missing),
    )
    groups, weight = group_codes(kept, plan), _weights(kept, settings.weight)
    prepared = Prepared(schema, encode_features(kept, schema, rows), y, rows, parts, plan, groups, weight)
    pieces = [(prepared, table)]
    if test is not None:
        test = with_month(test, target)[0]
        pieces.append((_test_part(prepared, test), test))
    if settings.window > 1:
        notice(f"windows of {settings.window} rows by {series(table, settings.time, settings.group)[2]}")
        pieces = [(windowed(piece, whole, settings), whole) for piece, whole in pieces]
    prepared = _joined([piece for piece, _ in pieces])
    _require_parts(prepared)
    _say_what_was_done(prepared, table.num_rows - len(rows), settings, notice)
    notice(plan.sentence)
    notice(_sizes(prepared))
    groups = prepared.groups
    if groups is not None and len(np.unique(groups[prepared.is_in("test")])) == 1:
        notice("the test part is one such group: the intervals know nothing of how groups differ")
    return prepared


def _planned(table: pa.Table, settings: Settings, test: pa.Table | None) -> SplitPlan:
    """How the rows are split; where the test rows are a table of their own, into the other two parts."""
    if test is not None and settings.split_column:
        raise UsageError(
            "--test-data and --split-column exclude each other: each says which rows are the test part",
            hint="keep one of them",
            code="split_conflict",
        )
    plan = plan_split(
        table,
        group=settings.group,
        time=settings.time,
        split_by=settings.split_by,
        split_column=settings.split_column,
    )
    if test is None:
        return plan
    how = {"time": f"the last rows by {plan.column!r} are the validation part"}.get(plan.kind, plan.sentence)
    return replace(plan, sentence=f"the rows of --test-data are the test part; of the others, {how}")


def _test_part(prepared: Prepared, test: pa.Table) -> Prepared:
    """The rows of another table, all of them "test"; their groups are none of `prepared`'s. Raises DataError."""
    target = prepared.schema.target
    kept, rows = drop_missing_target(test, target.name)
    if not len(rows):
        raise DataError(
            f"the test table has no row with a value of {target.name!r}", hint=f"fill in {target.name}", code="no_rows"
        )
    groups = prepared.groups
    if groups is not None:
        column = str(prepared.plan.column)
        if column not in kept.column_names:
            raise DataError(
                f"the test table has no column {column!r}, by which rows are kept together",
                hint="add it, or split without it: --split-by none",
                code="column_not_found",
            )
        theirs = np.asarray(group_codes(kept, prepared.plan), np.int64)
        groups = theirs - theirs.min() + groups.max() + 1
    x, y = encode_features(kept, prepared.schema, rows), encode_target(kept, target)
    weight = None if prepared.weight is None else np.ones(len(rows))  # the test rows are not learned from
    return Prepared(prepared.schema, x, y, rows, np.full(len(rows), "test", "<U5"), prepared.plan, groups, weight)


def windowed(prepared: Prepared, table: pa.Table, settings: Settings) -> Prepared:
    """Windows in place of rows: of the rows of one part and series, each for the target of its last row.

    table: the one that `prepared` is of, with its rows without a target. Raises DataError.
    """
    ordered, apart, _ = series(table, settings.time, settings.group)
    known = np.zeros(table.num_rows, np.bool_)
    known[prepared.rows] = True
    parts = np.zeros(table.num_rows, "<U5")
    parts[prepared.rows] = prepared.parts
    in_time = carried_back(parts[ordered], known[ordered])
    apart = apart * (len(PARTS) + 1) + np.unique(in_time, return_inverse=True)[1]
    windows = windows_of(ordered, apart, known, settings.window, settings.stride)
    kept = np.searchsorted(prepared.rows, windows[:, -1])
    return Prepared(
        with_lags(prepared.schema, settings.window, table.column_names),
        lagged(encode_features(table, prepared.schema), windows),
        prepared.y[kept],
        prepared.rows[kept],
        prepared.parts[kept],
        prepared.plan,
        None if prepared.groups is None else prepared.groups[kept],
        None if prepared.weight is None else prepared.weight[kept],
    )


def _joined(pieces: list[Prepared]) -> Prepared:
    """The rows of all of them, one after the other."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    groups = [piece.groups for piece in pieces if piece.groups is not None]
    weights = [piece.weight for piece in pieces if piece.weight is not None]
    return replace(
        first,
        x=np.concatenate([piece.x for piece in pieces]),
        y=np.concatenate([piece.y for piece in pieces]),
        rows=np.concatenate([piece.rows for piece in pieces]),
        parts=np.concatenate([piece.parts for piece in pieces]),
        groups=np.concatenate(groups) if groups else None,
        weight=np.concatenate(weights) if weights else None,
    )


def _require_parts(prepared: Prepared) -> None:
    """Windows may leave parts without rows, or classes without rows to learn from."""
    window, target = prepared.schema.window, prepared.schema.target
    hint = f"a --window of fewer than {window} rows, or a split into whole blocks, such as --time COLUMN"
    for part in PARTS:
        if not prepared.is_in(part).any():
            raise DataError(
                f"no window of {window} rows fits into the {part} part ({prepared.plan.sentence})",
                hint=hint,
                code="too_few_rows",
            )
    learned = np.unique(prepared.y[prepared.is_in("train")])
    if target.classes and (absent := np.setdiff1d(prepared.y, learned)).size:
        raise DataError(
            f"no window of {window} rows in the train part ends in the classes "
            f"{quoted([target.classes[int(code)] for code in absent], 5)} ({prepared.plan.sentence})",
            hint=hint,
            code="class_missing_in_part",
        )


def _weights(table: pa.Table, name: str | None) -> NDArray[np.float64] | None:
    """(rows,) the numbers of the column of weights. Raises DataError bad_weight."""
    if name is None:
        return None
    column = table.column(name)
    weights = kinds.floats(column) if kinds.is_number(column.type) else np.full(len(column), np.nan)
    if not ((weights >= 0) & np.isfinite(weights)).all() or not weights.any():
        raise DataError(
            f"column {name!r} does not say what each row counts: that takes a number, 0 or more, in every row",
            hint="correct the column, or drop --weight",
            code="bad_weight",
        )
    return weights


def _sizes(prepared: Prepared) -> str:
    """Rows of each part, and how many of each class stand there."""
    classes = len(prepared.schema.target.classes)
    said = []
    for part in PARTS:
        y = prepared.y[prepared.is_in(part)]
        counts = np.bincount(y, minlength=classes) if classes else y
        span = f", {counts.min()} to {counts.max()} of a class" if classes else ""
        said.append(f"{part} {len(y)} rows{span}")
    return "; ".join(said)


def _roles(settings: Settings) -> dict[str, str]:
    given = {
        "group": settings.group,
        "time": settings.time,
        "split": settings.split_column,
        "weight": settings.weight,
    }
    return dict.fromkeys(settings.id, "id") | {column: role for role, column in given.items() if column}


def _say_what_was_done(prepared: Prepared, dropped: int, settings: Settings, notice: Notice) -> None:
    target = prepared.schema.target
    kinds = f"{len(target.classes)} classes" if target.classes else "a number"
    change = "regression" if target.classes else "classification"
    fixed = any(isinstance(label, str | bool) for label in target.classes)  # text can only be classes
    notice(f"target {target.name}: {target.task}, {kinds}" + ("" if fixed else f" (--task {change} would change that)"))
    if dropped:
        notice(f"{dropped} rows without a value of {target.name} left out")
    for reason, names in _by_reason(prepared.schema).items():
        notice(f"left out, {reason}: {_listed(names)}")
    for column, values in _made(prepared.schema).items():
        notice(f"{column} as categories: {_listed(values)}")
    gaps = np.isnan(prepared.x[:, [not feature.lag for feature in prepared.schema.features]])
    if gaps.any():
        columns = int(gaps.any(axis=0).sum())
        of_them = "1 column" if columns == 1 else f"{columns} columns"
        cells = "1 missing cell" if gaps.sum() == 1 else f"{gaps.sum()} missing cells"
        told = sum(feature.dtype == "missing" for feature in prepared.schema.features)
        where = f"; where, {told} columns …@missing say" if told else ""
        notice(f"{cells} in {of_them} filled with the training rows' medians{where}")
    if settings.kernel_size > len(prepared.schema.names):
        notice(f"kernel size {len(prepared.schema.names)}: there are no more columns")


def _made(schema: Schema) -> dict[str, list[str]]:
    """Column of categories → what its features are called."""
    found: dict[str, list[str]] = {}
    for feature in schema.features:
        if feature.dtype == "category":
            found.setdefault(feature.column, []).append(feature.name)
    return found


def _by_reason(schema: Schema) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, reason in schema.left_out:
        found.setdefault(reason, []).append(name)
    return found


def _listed(names: list[str], limit: int = 5) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
