"""Rows into train, valid and test by a `SplitPlan`. The one place where it is decided who may see which row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rfconv_cli.errors import DataError, UsageError
from rfconv_cli.table.plan import Kind, SplitPlan, Unit, blocks, days, group_codes_of, order, plan_split, refuse_gaps
from rfconv_cli.table.select import quoted

__all__ = ["PARTS", "Kind", "SplitPlan", "Unit", "assign_parts", "group_codes", "plan_split", "split_rows"]

PARTS = ("train", "valid", "test")
Mask = NDArray[np.bool_]
Codes = NDArray[np.int64]


def assign_parts(
    table: pa.Table,
    plan: SplitPlan,
    y: NDArray[Any],
    *,
    stratify: bool,
    test_size: float | None,
    valid_size: float,
    seed: int,
    labels: Sequence[object] | None = None,
) -> NDArray[np.str_]:
    """(rows,) "train", "valid" or "test"; sizes are shares of all rows, met as closely as the groups allow.

    test_size: None where the test rows lie in another table; then none is "test".
    y: (rows,) class codes when `stratify`, else values; labels: the name of each code, for messages.
    Depends on the row order and the seed, not on the column order.
    Raises UsageError split_sizes; DataError: too_few_rows, class_missing_in_part, split_values, missing_group.
    """
    if test_size is not None and test_size + valid_size >= 1:
        raise UsageError(
            f"--test-size {test_size:g} and --valid-size {valid_size:g} leave nothing to train on",
            hint="--test-size 0.2 --valid-size 0.1",
            code="split_sizes",
        )
    rng = np.random.default_rng(seed)
    if plan.kind == "column":
        parts = _by_column(table, plan, y, valid_size, stratify, rng)
    elif plan.kind == "time":
        parts = _by_time(order(table, str(plan.column)), test_size, valid_size)
    else:
        parts = _by_draw(group_codes(table, plan), y, test_size, valid_size, stratify, rng)
    _require_rows(parts, plan, [part for part in PARTS if part != "test" or test_size is not None])
    if stratify:
        _require_classes(parts, y, plan, labels)
    return parts


def split_rows(
    y: NDArray[Any],
    groups: NDArray[Any] | None,
    *,
    size: float,
    stratify: bool,
    rng: np.random.Generator,
) -> Mask:
    """(rows,) True for the rows held out, about `size` of them; never all, and none only where nothing can be.

    groups: (rows,) rows of one value stay together, or None. With `stratify` the held-out rows keep the shares of the
    classes in y, and no class is held out whole if that can be avoided.
    """
    if len(y) < 2:
        return np.zeros(len(y), np.bool_)
    classes = _codes(y) if stratify else np.zeros(len(y), np.int64)
    if groups is None:
        return _hold_out_rows(classes, size, rng)
    return _hold_out_groups(classes, _codes(groups), size, rng)


def _codes(values: NDArray[Any]) -> Codes:
    return np.asarray(np.unique(values, return_inverse=True)[1], np.int64).reshape(-1)


def _hold_out_rows(classes: Codes, size: float, rng: np.random.Generator) -> Mask:
    counts = np.bincount(classes)
    share = counts * size
    take = np.minimum(np.floor(share).astype(np.int64), counts - 1)
    total = int(np.clip(round(len(classes) * size), 1, len(classes) - 1))
    # largest remainder: the classes furthest below their share give one row more, ties by lot
    ranking = np.lexsort((rng.random(len(counts)), take - share))
    for code in ranking[take[ranking] < counts[ranking] - 1]:
        if take.sum() >= total:
            break
        take[code] += 1
    held = np.zeros(len(classes), np.bool_)
    for code, number in enumerate(take):
        held[rng.permutation(np.flatnonzero(classes == code))[:number]] = True
    return held


def _hold_out_groups(classes: Codes, groups: Codes, size: float, rng: np.random.Generator) -> Mask:
    """Groups in random order, each taken if that brings the class counts nearer to their share."""
    width = int(classes.max()) + 1
    table = np.bincount(groups * width + classes, minlength=(int(groups.max()) + 1) * width).reshape(-1, width)
    if len(table) < 2:
        return np.zeros(len(classes), np.bool_)
    wanted, rest = table.sum(axis=0) * size, table.sum(axis=0)
    held, taken = np.zeros(width), []
    lot = rng.permutation(len(table))
    for group in lot:
        rows = table[group]
        empties_a_class = bool(((rest == rows) & (rows > 0)).any())
        if not empties_a_class and _distance(held + rows, wanted) < _distance(held, wanted):
            held, rest = held + rows, rest - rows
            taken.append(group)
    if not taken:
        taken = [min(lot, key=lambda group: _distance(table[group], wanted))]
    return np.isin(groups, taken)


def _distance(counts: NDArray[Any], wanted: NDArray[Any]) -> float:
    return float(np.square(counts - wanted).sum())


def group_codes(table: pa.Table, plan: SplitPlan) -> Codes | None:
    """(rows,) int64 code of the group that each row stays in; None when the plan keeps no rows together."""
    if plan.kind not in ("group", "calendar"):
        return None
    name = str(plan.column)
    if plan.kind == "calendar":
        assert plan.unit is not None
        return blocks(days(table, name), plan.unit)
    return group_codes_of(table, name)


def _by_draw(
    groups: Codes | None,
    y: NDArray[Any],
    test_size: float | None,
    valid_size: float,
    stratify: bool,
    rng: np.random.Generator,
) -> NDArray[np.str_]:
    parts = _all_train(len(y))
    if test_size is not None:
        parts[split_rows(y, groups, size=test_size, stratify=stratify, rng=rng)] = "test"
    _hold_out_valid(parts, y, groups, valid_size, stratify, rng)
    return parts


def _hold_out_valid(
    parts: NDArray[np.str_],
    y: NDArray[Any],
    groups: Codes | None,
    valid_size: float,
    stratify: bool,
    rng: np.random.Generator,
) -> None:
    """Turn some of the "train" rows of `parts` into "valid", in place."""
    rest = np.flatnonzero(parts == "train")
    if not len(rest):
        return
    size = min(valid_size * len(parts) / len(rest), 0.9)
    inner = None if groups is None else groups[rest]
    parts[rest[split_rows(y[rest], inner, size=size, stratify=stratify, rng=rng)]] = "valid"


def _by_time(moments: NDArray[Any], test_size: float | None, valid_size: float) -> NDArray[np.str_]:
    parts = _all_train(len(moments))
    ordered = np.sort(moments)
    rows = len(ordered)
    # rows of one moment stay together: a cut that falls among them moves to the nearer end
    held = 0 if test_size is None else max(1, round(rows * test_size))
    both = round(rows * ((test_size or 0.0) + valid_size))
    parts[moments >= _first_after_cut(ordered, rows - max(held + 1, both))] = "valid"
    if held:
        parts[moments >= _first_after_cut(ordered, rows - held)] = "test"
    return parts


def _first_after_cut(ordered: NDArray[Any], cut: int) -> Any:
    cut = max(cut, 0)
    forward = int(np.searchsorted(ordered, ordered[cut], side="right"))
    backward = int(np.searchsorted(ordered, ordered[cut], side="left"))
    # whichever whole moment lies nearer, but never past the last one, which would leave the part empty
    return ordered[forward] if forward < len(ordered) and forward - cut < cut - backward else ordered[cut]


def _by_column(
    table: pa.Table, plan: SplitPlan, y: NDArray[Any], valid_size: float, stratify: bool, rng: np.random.Generator
) -> NDArray[np.str_]:
    name = str(plan.column)
    column = table.column(name)
    refuse_gaps(column, name)
    values = [str(value).strip().lower() for value in column.to_pylist()]
    odd = {str(value) for value, folded in zip(column.to_pylist(), values, strict=True) if folded not in PARTS}
    if odd:
        raise DataError(
            f"column {name!r} says {quoted(sorted(odd), 5)} where only train, valid and test are known",
            hint="rename these values to train, valid or test",
            code="split_values",
        )
    parts = np.array(values, "<U5")
    if not (parts == "valid").any():
        _hold_out_valid(parts, y, None, valid_size, stratify, rng)
    return parts


def _all_train(rows: int) -> NDArray[np.str_]:
    return np.full(rows, "train", "<U5")


def _require_rows(parts: NDArray[np.str_], plan: SplitPlan, wanted: Sequence[str]) -> None:
    empty = [part for part in wanted if not (parts == part).any()]
    if not empty:
        return
    hints: dict[str, str] = {
        "random": "give a table with more rows",
        "group": "choose a --group column with at least 3 values",
        "calendar": "use a shorter period, such as --split-by day, or --split-by none",
        "time": "choose a --time column with more moments, or a smaller --test-size",
        "column": f"give some rows the value {empty[0]}",
    }
    raise DataError(
        f"{len(parts)} rows are too few to split: the {empty[0]} part would be empty ({plan.sentence})",
        hint=hints[plan.kind],
        code="too_few_rows",
    )


def _require_classes(
    parts: NDArray[np.str_], y: NDArray[Any], plan: SplitPlan, labels: Sequence[object] | None
) -> None:
    absent = np.setdiff1d(y, y[parts == "train"])
    if not len(absent):
        return
    shown = quoted((labels[int(code)] for code in absent) if labels else (f"code {code}" for code in absent), 5)
    hints: dict[str, str] = {
        "random": "give these classes more rows",
        "group": "each class needs rows in at least two groups: choose another --group",
        "calendar": "use a shorter period, such as --split-by day, or --split-by none",
        "time": "hold out fewer rows (--test-size), or split by --split-by month",
        "column": "give these classes rows that are train",
    }
    raise DataError(
        f"the train part has no row of the classes {shown} ({plan.sentence})",
        hint=hints[plan.kind],
        code="class_missing_in_part",
    )
