"""What preparing did to a table, in sentences for the user."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rfconv_cli.config import Settings
from rfconv_cli.jobs.prepared import Prepared
from rfconv_cli.table.schema import Schema
from rfconv_cli.table.split import PARTS


def what_was_done(prepared: Prepared, dropped: int, settings: Settings) -> Iterator[str]:
    """dropped: rows without a target."""
    target = prepared.schema.target
    kinds = f"{len(target.classes)} classes" if target.classes else "a number"
    change = "regression" if target.classes else "classification"
    fixed = any(isinstance(label, str | bool) for label in target.classes)  # text can only be classes
    yield f"target {target.name}: {target.task}, {kinds}" + ("" if fixed else f" (--task {change} would change that)")
    if settings.class_weight == "balanced" and not target.classes:
        yield "--class-weight balanced changes nothing: the target is a number"
    if dropped:
        yield f"{dropped} rows without a value of {target.name} left out"
    for reason, names in _by_reason(prepared.schema).items():
        yield f"left out, {reason}: {_listed(names)}"
    for column, values in _made(prepared.schema).items():
        yield f"{column} as categories: {_listed(values)}"
    yield from _gaps(prepared)
    if settings.kernel_size > len(prepared.schema.names):
        yield f"kernel size {len(prepared.schema.names)}: there are no more columns"
    yield prepared.plan.sentence
    yield _sizes(prepared)
    groups = prepared.groups
    if groups is not None and len(np.unique(groups[prepared.is_in("test")])) == 1:
        yield "the test part is one such group: the intervals know nothing of how groups differ"


def _gaps(prepared: Prepared) -> Iterator[str]:
    """How many cells were missing, where any was; each once, however many windows it lies in."""
    own = [i for i, feature in enumerate(prepared.schema.features) if not feature.lag]
    gaps = np.array([np.count_nonzero(np.isnan(prepared.x[:, i])) for i in own])
    if gaps.any():
        columns = np.count_nonzero(gaps)
        of_them = "1 column" if columns == 1 else f"{columns} columns"
        cells = "1 missing cell" if gaps.sum() == 1 else f"{gaps.sum()} missing cells"
        told = sum(feature.dtype == "missing" and not feature.lag for feature in prepared.schema.features)
        where = f"; where, {told} columns …@missing say" if told else ""
        yield f"{cells} in {of_them} filled with the training rows' medians{where}"


def _made(schema: Schema) -> dict[str, list[str]]:
    """Column of categories → what its features are called."""
    found: dict[str, list[str]] = {}
    for feature in schema.features:
        if feature.dtype == "category" and not feature.lag:
            found.setdefault(feature.column, []).append(feature.name)
    return found


def _by_reason(schema: Schema) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, reason in schema.left_out:
        found.setdefault(reason, []).append(name)
    return found


def _listed(names: list[str], limit: int = 5) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _sizes(prepared: Prepared) -> str:
    """Rows of each part, and how many of each class stand there."""
    classes = len(prepared.schema.target.classes)
    said = []
    for part in PARTS:
        y = prepared.y[prepared.is_in(part)]
        said.append(f"{part} {len(y)} rows" + (_of_classes(np.bincount(y, minlength=classes)) if classes else ""))
    return "; ".join(said)


def _of_classes(counts: NDArray[np.int64]) -> str:
    least, most = counts.min(), counts.max()
    return f", {most} of each class" if least == most else f", {least} to {most} of a class"
