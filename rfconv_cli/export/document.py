"""The document `fields.json`: receptive fields as data that explains itself, and the way back.

Format "rfconv.fields"; its JSON Schema is `fields.schema.json` beside this module. Writes no file.
"""

import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfconv_cli.export.groups import check_groups, communities
from rfconv_cli.export.meaning import MEANING
from rfconv_cli.fields.value import ReceptiveFields

FIELDS_FORMAT = "rfconv.fields"
FIELDS_VERSION = 1

_COLUMN_KEYS = ("id", "name", "source", "lag", "dtype")
_LAYER_KEYS = ("id", "fields_from", "kernel_size", "channels")


def fields_document(
    fields: ReceptiveFields,
    *,
    run: Mapping[str, Any],
    task: Mapping[str, Any],
    columns: Sequence[Mapping[str, Any]],
    layers: Sequence[Mapping[str, Any]],
    verdict: Mapping[str, Any],
    warnings: Sequence[str],
    source: str = "given",
    stability: Mapping[str, Any] | None = None,
    support: NDArray[np.floating[Any]] | None = None,
    importance: NDArray[np.floating[Any]] | None = None,
    groups: Sequence[Sequence[str]] | None = None,
) -> dict[str, Any]:
    """The `fields.json` document: JSON values only, no NaN, floats to 6 significant digits, order deterministic.

    columns: one per name with at least `name` and `dtype`; their order gives the ids, and fields in another order are
        reordered. layers: `id`, `fields_from`, `kernel_size`, `channels`. support: (D, N, K) in the order of `fields`;
        None, or NaN at a slot, says not estimated. importance: (D, N) likewise, or None.
    groups: `communities(fields)` unless given.
    Raises ValueError when columns, layers, groups or support do not fit the fields.
    """
    described = [_column(i, column) for i, column in enumerate(columns)]
    names = [column["name"] for column in described]
    order = _positions(fields.names, names)
    groups = communities(fields) if groups is None else groups
    check_groups(groups, names)
    _check_support(support, fields)
    ordered = fields if list(fields.names) == names else fields.reordered(names)
    support = None if support is None else support[:, order]
    importance = np.full(fields.members.shape[:2], np.nan) if importance is None else importance[:, order]
    layer_list = [_picked(layer, _LAYER_KEYS, f"layers[{i}]") for i, layer in enumerate(layers)]
    layer_ids = _field_layers(layer_list, ordered)
    id_of = {name: i for i, name in enumerate(names)}
    document = {
        "format": FIELDS_FORMAT,
        "format_version": FIELDS_VERSION,
        "run": dict(run),
        "task": dict(task),
        "source": source,
        "columns": described,
        "layers": layer_list,
        "fields": _fields(ordered, layer_ids, support, importance),
        "groups": [{"id": i, "columns": [id_of[name] for name in group]} for i, group in enumerate(groups)],
        "edges": _edges(ordered, support),
        "stability": None if stability is None else dict(stability),
        "verdict": dict(verdict),
        "meaning": dict(MEANING),
        "warnings": list(warnings),
    }
    cleaned: dict[str, Any] = _clean(document)
    return cleaned


def fields_from_document(document: Mapping[str, Any]) -> ReceptiveFields:
    """The fields that a document holds in `columns` and `fields`; weights come back to 6 significant digits.

    Raises ValueError when the document is of another format, of a newer version, or malformed there.
    """
    if not isinstance(document, Mapping) or document.get("format") != FIELDS_FORMAT:
        raise ValueError(f"not an {FIELDS_FORMAT} document")
    version = document.get("format_version")
    if version != FIELDS_VERSION:
        raise ValueError(f"format_version is {reprlib.repr(version)}, this rfconv reads {FIELDS_VERSION}")
    try:
        return _parsed(document)
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise ValueError(f"malformed {FIELDS_FORMAT} document: {type(error).__name__}: {error}") from error


def load_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the document."""
    text = resources.files("rfconv_cli.export").joinpath("fields.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _column(position: int, given: Mapping[str, Any]) -> dict[str, Any]:
    filled = {"id": position, "source": given.get("name"), "lag": 0, **given}
    column = _picked(filled, _COLUMN_KEYS, f"columns[{position}]")
    if column["id"] != position:
        raise ValueError(f"columns[{position}] has id {column['id']}; ids are positions")
    return column


def _picked(given: Mapping[str, Any], keys: Sequence[str], place: str) -> dict[str, Any]:
    missing = [key for key in keys if key not in given]
    if missing:
        raise ValueError(f"{place} lacks {', '.join(missing)}")
    return {key: given[key] for key in keys}


def _positions(have: Sequence[str], want: Sequence[str]) -> list[int]:
    """Where each wanted name stands in `have`."""
    position = {name: i for i, name in enumerate(have)}
    if len(position) != len(have):
        raise ValueError("two columns of the fields have the same name")
    if len(want) != len(have) or set(want) != set(have):
        odd = sorted(set(want) ^ set(have))[:5]
        raise ValueError(f"columns and fields name different columns: {len(want)} and {len(have)}, first {odd}")
    return [position[name] for name in want]


def _check_support(support: NDArray[np.floating[Any]] | None, fields: ReceptiveFields) -> None:
    if support is None:
        return
    if support.shape != fields.members.shape:
        raise ValueError(f"support has shape {support.shape}, the fields {fields.members.shape}")
    if ((support < 0) | (support > 1)).any():
        raise ValueError("support must lie in [0, 1], or be NaN where it was not estimated")


def _field_layers(layers: Sequence[Mapping[str, Any]], fields: ReceptiveFields) -> list[int]:
    """The layer id of each of the D field sets: the ids that `fields_from` mentions, ascending."""
    ids = sorted({int(layer["fields_from"]) for layer in layers})
    if len(ids) != fields.depth:
        raise ValueError(f"layers use {len(ids)} field sets, the fields have {fields.depth}")
    if not set(ids) <= {layer["id"] for layer in layers}:
        raise ValueError(f"fields_from names layers {ids}, not all of which exist")
    sizes = {layer["kernel_size"] for layer in layers}
    if sizes != {fields.kernel_size}:
        raise ValueError(f"layers have kernel sizes {sorted(sizes)}, the fields have {fields.kernel_size} slots")
    return ids


def _fields(
    fields: ReceptiveFields,
    layer_ids: Sequence[int],
    support: NDArray[np.floating[Any]] | None,
    importance: NDArray[np.floating[Any]],
) -> list[dict[str, Any]]:
    columns = len(fields.names)
    return [
        {
            "id": d * columns + m,
            "layer": layer,
            "centre": m,
            "members": [_member(fields, (d, m, slot), support) for slot in range(fields.kernel_size)],
            "importance": float(importance[d, m]),
        }
        for d, layer in enumerate(layer_ids)
        for m in range(columns)
    ]


def _member(
    fields: ReceptiveFields, at: tuple[int, int, int], support: NDArray[np.floating[Any]] | None
) -> dict[str, Any]:
    runner = int(fields.runners_up[at])
    fixed = at[2] == 0
    return {
        "slot": at[2],
        "column": int(fields.members[at]),
        "fixed": fixed,
        "weight": _weight(fields.weights[at]),
        "runner_up": None if runner < 0 else runner,
        "runner_up_weight": None if runner < 0 else _weight(fields.runner_up_weights[at]),
        "support": None if support is None or fixed else float(support[at]),
    }


def _weight(value: np.floating[Any]) -> float:
    if not math.isfinite(value):
        raise ValueError(f"a slot weight is {value}")
    return float(value)


def _edges(fields: ReceptiveFields, support: NDArray[np.floating[Any]] | None) -> list[dict[str, Any]]:
    """Directed edges centre → member, summed over slots and layers, in order of the ids."""
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for d, m, slot in np.ndindex(*fields.members.shape):
        member = int(fields.members[d, m, slot])
        if slot and member != m:
            found.setdefault((m, member), []).append((d, slot))
    edges = []
    for (centre, member), places in sorted(found.items()):
        known = [] if support is None else [float(support[d, centre, slot]) for d, slot in places]
        known = [value for value in known if math.isfinite(value)]
        edges.append(
            {
                "from": centre,
                "to": member,
                "slots": sorted({slot for _, slot in places}),
                "weight": math.fsum(_weight(fields.weights[d, centre, slot]) for d, slot in places),
                "support": max(known) if known else None,
            }
        )
    return edges


def _parsed(document: Mapping[str, Any]) -> ReceptiveFields:
    names = [column["name"] for column in document["columns"]]
    count = len(names)
    if not all(isinstance(name, str) for name in names) or len(set(names)) != count:
        raise ValueError("column names must be texts, each once")
    if [_integer(column["id"], 0, count, "a column's id") for column in document["columns"]] != list(range(count)):
        raise ValueError("column ids must be 0, 1, 2 …")
    places = [
        (_integer(entry["layer"], 0, None, "a field's layer"), _integer(entry["centre"], 0, count, "a field's centre"))
        for entry in document["fields"]
    ]
    layers = sorted({layer for layer, _ in places})
    # counted first: a forged file's layers and columns could stand for a list of billions
    whole = len(places) == len(layers) * count > 0
    if not whole or places != [(layer, centre) for layer in layers for centre in range(count)]:
        raise ValueError("fields must list every centre of every layer once, in order")
    slots = [[_slot(member, k, count) for k, member in enumerate(entry["members"])] for entry in document["fields"]]
    size = len(slots[0])
    if size == 0 or any(len(row) != size for row in slots):
        raise ValueError("every field must have the same number of slots, at least one")
    values = np.array(slots, np.float64).reshape(len(layers), count, size, 4)
    return ReceptiveFields(
        tuple(names),
        values[..., 0].astype(np.int64),
        values[..., 1].astype(np.float32),
        values[..., 2].astype(np.int64),
        values[..., 3].astype(np.float32),
    )


def _slot(member: Mapping[str, Any], position: int, columns: int) -> tuple[int, float, int, float]:
    """(column, weight, runner-up, its weight) of the member at `position`; −1 and 0 where there is no runner-up."""
    _integer(member["slot"], position, position + 1, "a member's slot")
    column = _integer(member["column"], 0, columns, "a member's column")
    weight = _share(member["weight"], "a member's weight")
    if member["runner_up"] is None and member["runner_up_weight"] is None:
        return column, weight, -1, 0.0
    runner = _integer(member["runner_up"], 0, columns, "a runner_up")
    return column, weight, runner, _share(member["runner_up_weight"], "a runner_up_weight")


def _integer(value: Any, low: int, end: int | None, what: str) -> int:
    """`value`, an integer in [low, end); nothing is rounded, and true is not 1."""
    if type(value) is not int or value < low or (end is not None and value >= end):
        raise ValueError(f"{what} is {reprlib.repr(value)}, expected an integer from {low} up, below {end}")
    return value


def _share(value: Any, what: str) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise ValueError(f"{what} is {reprlib.repr(value)}, expected a number from 0 to 1")
    return float(value)


def _clean(value: Any) -> Any:
    """`value` as JSON can say it: numpy to Python, NaN and infinities to None, floats to 6 significant digits."""
    if isinstance(value, Mapping):
        return {str(key): _clean(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _clean(value.tolist())
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, np.generic):
        return _clean(value.item())
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
