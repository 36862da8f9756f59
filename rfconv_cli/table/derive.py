"""Columns made of others, of zeros and ones: one for each value of a column of categories, one for where values miss.

Both are frequent enough to learn from: a value or a gap that stands in fewer than ten training rows, or in fewer than
one of a hundred, gets no column. Zero in all columns of a category is everything else: rare, unseen or missing.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from rfconv_cli.errors import UsageError
from rfconv_cli.table import kinds
from rfconv_cli.table.frozen import Feature, Label
from rfconv_cli.table.select import matching, shell_word
from rfconv_cli.table.target import natural_order

_FEWEST_ROWS, _FEWEST_SHARE = 10, 0.01
_COVERED = 0.8  # share of the rows that the frequent values of a text must make up

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Derivation:
    """category: globs of columns whose values are categories, numbers too. most: values of a text column that become
    columns, 0: none. missing: "indicator" for columns that say where others have gaps, or "median" for none.
    """

    category: tuple[str, ...] = ()
    most: int = 32
    missing: Literal["indicator", "median"] = "indicator"


USUAL = Derivation()


def asked_categories(table: pa.Table, names: Sequence[str], patterns: Sequence[str]) -> set[str]:
    """The columns of `names` that the patterns mean and that can be categories; the others only a glob may mean.

    Raises UsageError: pattern_matches_nothing, bad_category.
    """
    found = set().union(*(matching(pattern, names, "--category") for pattern in patterns))
    for name in sorted(found):
        kind = table.schema.field(name).type
        if kinds.is_plain_text(kind) or pt.is_integer(kind) or pt.is_boolean(kind):
            continue
        if name in patterns:
            raise UsageError(
                f"column {name!r} cannot be categories: it is {kind}",
                hint=f"drop --category {shell_word(name)}",
                code="bad_category",
            )
        found.remove(name)
    return found


def category_features(name: str, column: pa.ChunkedArray, most: int, taken: Container[str]) -> list[Feature]:
    """A feature for each frequent value, in natural order: of two values that are all, one. [] where few are frequent.

    most: features at most, for the most frequent values. taken: names of the table's columns; the new ones' differ.
    """
    counts = pc.value_counts(column.drop_null())
    often = counts.filter(pc.greater_equal(counts.field("counts"), _fewest(len(column))))
    rows = dict(zip(often.field("values").to_pylist(), often.field("counts").to_pylist(), strict=True))
    frequent = sorted(rows, key=lambda value: -rows[value])[:most]
    covered = sum(rows[value] for value in frequent)
    nearly_all = len(column) - max(rows.values(), default=0) < _fewest(len(column))
    if len(counts) < 2 or nearly_all or not frequent or covered < _COVERED * len(column):
        return []
    values: list[Label] = natural_order(frequent)
    if len(values) == 2 and covered == len(column):
        values = values[1:]
    gaps = column.null_count / len(column)
    return [
        Feature(free_name(f"{name}={_said(value)}", taken), "category", 0.0, 1.0, gaps, of=name, value=value)
        for value in values
    ]


def gap_features(columns: Iterable[tuple[str, pa.ChunkedArray]], taken: Container[str]) -> list[Feature]:
    """A feature for each column with gaps; columns that miss in the same rows share the first one's."""
    found: list[Feature] = []
    seen: set[bytes] = set()
    for name, column in columns:
        gone = kinds.missing(column)
        pattern = np.packbits(gone).tobytes()
        if _fewest(len(gone)) <= gone.sum() <= len(gone) - _fewest(len(gone)) and pattern not in seen:
            seen.add(pattern)
            found.append(Feature(free_name(f"{name}@missing", taken), "missing", 0.0, 1.0, 0.0, of=name))
    return found


def derived(feature: Feature, column: pa.ChunkedArray) -> Mask:
    """(rows,) where the column has the feature's value, or none."""
    return kinds.missing(column) if feature.dtype == "missing" else _has(column, feature.value)


def _has(column: pa.ChunkedArray, value: Label | None) -> Mask:
    if isinstance(value, str):
        text = column if kinds.is_plain_text(column.type) else column.cast(pa.large_string())
        hit = pc.equal(text, pa.scalar(value, text.type))
    elif kinds.is_number(column.type):
        return np.asarray(kinds.floats(column) == float(value or 0), np.bool_)
    else:  # one odd value turns a whole CSV column of numbers into text: then they are compared as written
        text = column.cast(pa.large_string())
        text = pc.utf8_lower(text) if isinstance(value, bool) else text
        hit = pc.equal(text, pa.scalar(_said(value), pa.large_string()))
    return np.asarray(pc.fill_null(hit, False).to_numpy(), np.bool_)


def _fewest(rows: int) -> float:
    return max(_FEWEST_ROWS, _FEWEST_SHARE * rows)


def _said(value: Label | None) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def free_name(name: str, taken: Container[str]) -> str:
    """The name, with marks behind it until it is none of `taken`."""
    while name in taken:
        name += "'"
    return name
