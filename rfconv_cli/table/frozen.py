"""The frozen schema as values: which columns a model eats, which one it predicts; to JSON and back. Reads no tables."""

import math
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from sys import float_info
from typing import Any, Literal, get_args

SCHEMA_FORMAT = "rfconv.schema"
SCHEMA_VERSION = 1
_MOST_LAGS = 1000
_UNIT = re.compile(r"[(\[（［]([^()\[\]（）［］]+)[)\]）］]\s*$")

Dtype = Literal["float", "integer", "boolean", "category", "missing"]
Task = Literal["binary", "multiclass", "regression"]
Label = str | int | bool | float


@dataclass(frozen=True)
class Feature:
    """A column that is learned from. minimum, maximum over the values present; missing: share of the rows, 0 to 1.

    of: the table's column, where that has another name; value: the one that a "category" means; lag: how many rows
    before the predicted one it is taken from.
    """

    name: str
    dtype: Dtype
    minimum: float
    maximum: float
    missing: float
    of: str | None = None
    value: Label | None = None
    lag: int = 0

    @property
    def unit(self) -> str | None:
        """What stands in brackets behind the column's name, as in `temp [degC]` or `気温(℃)`."""
        found = _UNIT.search(self.column)
        return found[1].strip() if found else None

    @property
    def is_own(self) -> bool:
        """Whether it is a column of numbers as it stands in the table: not made of one, and of the predicted row."""
        return self.dtype not in ("category", "missing") and not self.lag

    @property
    def column(self) -> str:
        """The table's column that this is read from."""
        return self.of or self.name


@dataclass(frozen=True)
class Target:
    """The column to predict. classes: its labels in natural order, as in the table; empty for regression."""

    name: str
    task: Task
    classes: tuple[Label, ...]


@dataclass(frozen=True)
class Schema:
    """What a table must hold to be learned from or predicted. features: in table order; left_out: (name, reason).

    order: the column that the rows of windows are ordered by; None: as they stand.
    """

    target: Target
    features: tuple[Feature, ...]
    left_out: tuple[tuple[str, str], ...]
    order: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in table order."""
        return tuple(feature.name for feature in self.features)

    @property
    def window(self) -> int:
        """Rows that a prediction is made from."""
        return 1 + max(feature.lag for feature in self.features)

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's columns that the features are read from, in table order."""
        return tuple(dict.fromkeys(feature.column for feature in self.features))

    def to_json(self) -> dict[str, Any]:
        """schema.json, of plain lists and numbers; `from_json` reads it back to an equal value."""
        return {
            "format": SCHEMA_FORMAT,
            "format_version": SCHEMA_VERSION,
            "target": {"name": self.target.name, "task": self.target.task, "classes": list(self.target.classes)},
            "features": [
                {
                    key: value
                    for key, value in _written(feature).items()
                    if value is not None and (key != "lag" or value)
                }
                for feature in self.features
            ],
            "left_out": [{"name": name, "reason": reason} for name, reason in self.left_out],
            **({} if self.order is None else {"order": self.order}),
        }

    @classmethod
    def from_json(cls, document: Any) -> "Schema":
        """A schema from an untrusted document. Raises ValueError saying what is malformed."""
        fields = _mapping(document, "schema")
        if fields.get("format") != SCHEMA_FORMAT or fields.get("format_version") != SCHEMA_VERSION:
            raise ValueError(f"schema: not {SCHEMA_FORMAT} version {SCHEMA_VERSION}")
        target = _target(_mapping(fields.get("target"), "schema target"))
        features = tuple(_feature(item) for item in _list(fields.get("features"), "schema features"))
        left_out = tuple(_left_out(item) for item in _list(fields.get("left_out"), "schema left_out"))
        if not features:
            raise ValueError("schema features: empty")
        names = [target.name, *(f.name for f in features), *(name for name, _ in left_out)]
        if len(set(names)) < len(names):
            raise ValueError("schema: a column is named twice")
        order = fields.get("order")
        return cls(target, features, left_out, None if order is None else _text(order, "schema order"))


def _written(feature: Feature) -> dict[str, Any]:
    return asdict(feature) | {"unit": feature.unit}


def _target(fields: Mapping[str, Any]) -> Target:
    task: Any = fields.get("task")
    if task not in get_args(Task):
        raise ValueError(f"schema target task: {reprlib.repr(task)}")
    classes = tuple(_list(fields.get("classes"), "schema target classes"))
    kinds = {type(label) if isinstance(label, str | bool) else float for label in classes}
    if len(kinds) > 1 or not all(_is_label(label) for label in classes) or len(set(classes)) < len(classes):
        raise ValueError("schema target classes: not distinct labels of one kind")
    if kinds == {float} and any(isinstance(label, float) for label in classes) and not _exact(classes):
        raise ValueError("schema target classes: whole numbers that a fraction's column cannot hold")
    fits = {"regression": len(classes) == 0, "binary": len(classes) == 2, "multiclass": len(classes) > 2}
    if not fits[task]:
        raise ValueError(f"schema target: {task} with {len(classes)} classes")
    return Target(_text(fields.get("name"), "schema target name"), task, classes)


def _is_label(value: Any) -> bool:
    if isinstance(value, int):
        return -(2**63) <= value < 2**63  # a table holds no larger ones
    return isinstance(value, str) or (isinstance(value, float) and math.isfinite(value))


def _exact(labels: Sequence[Any]) -> bool:
    """Whether float64 holds them all as they are."""
    return all(abs(label) <= 2**53 for label in labels if isinstance(label, int))


def _feature(item: Any) -> Feature:
    fields = _mapping(item, "schema feature")
    name = _text(fields.get("name"), "schema feature name")
    dtype: Any = fields.get("dtype")
    if dtype not in get_args(Dtype):
        raise ValueError(f"schema feature {name!r} dtype: {reprlib.repr(dtype)}")
    low, high, gaps = (
        _number(fields.get(key), f"schema feature {name!r}") for key in ("minimum", "maximum", "missing")
    )
    if low > high or not 0 <= gaps <= 1:
        raise ValueError(f"schema feature {name!r}: minimum above maximum, or a missing rate outside 0 to 1")
    of, value, lag = fields.get("of"), fields.get("value"), fields.get("lag", 0)
    if type(lag) is not int or not 0 <= lag < _MOST_LAGS:
        raise ValueError(f"schema feature {name!r} lag: {reprlib.repr(lag)}")
    made = dtype in ("category", "missing") or lag > 0
    if made != isinstance(of, str) or (dtype == "category") != (value is not None):
        raise ValueError(f"schema feature {name!r}: not what a {dtype} is made of")
    if value is not None and not _is_label(value):
        raise ValueError(f"schema feature {name!r} value: {reprlib.repr(value)}")
    return Feature(name, dtype, low, high, gaps, of, value, lag)


def _left_out(item: Any) -> tuple[str, str]:
    fields = _mapping(item, "schema left_out")
    return _text(fields.get("name"), "schema left_out"), _text(fields.get("reason"), "schema left_out")


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what}: not an object")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{what}: not a list")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what}: not a text")
    return value


def _number(value: Any, what: str) -> float:
    # compared, not converted: float() of an integer beyond float64 raises OverflowError, not ValueError
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= float_info.max:
        raise ValueError(f"{what}: not a finite number")
    return float(value)
