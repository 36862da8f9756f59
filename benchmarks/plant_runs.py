"""Planted structures, learned and judged against their truth; and tables without any, where rfconv must say so.

A plant's line sets what `learn` found beside the same network on the true fields (the oracle), on the same split with
the same settings. Of every five draws of a family the last two are correlation-free, and stand under a name of their
own; `interactions` are so always.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.plants import Planted, Table, grid, interactions, null_additive, random_graph, ring, shuffled
from benchmarks.plants.table import Pair, unordered
from benchmarks.record import emit
from rfconv_cli.config import from_values
from rfconv_cli.export.document import fields_document, fields_from_document
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.jobs.learn import learn

TARGET = "class"
STRUCTURE_FOUND = "structure_found"
GROUP_OF_DRAWS, CORRELATED_DRAWS = 5, 3

# no hidden layer: the head must not do the work of the fields
PLANT_SETTINGS: dict[str, Any] = {"hidden": 0, "plots": False}
NULL_SETTINGS: dict[str, Any] = {"plots": False}

Grow = Callable[[int, int], Planted]
FAMILIES: dict[str, Grow] = {"ring": ring, "grid": grid, "random-graph": random_graph, "interactions": interactions}
UNCORRELATED: dict[str, Grow] = {  # strengths at which the true fields give an accuracy of 0.75 to 0.85
    "ring": partial(ring, correlated=False, strength=4.0, tilt=0.0),
    "grid": partial(grid, correlated=False, strength=3.0, tilt=0.0),
    "random-graph": partial(random_graph, correlated=False, strength=4.0, tilt=0.0),
}


def run(
    families: Sequence[str], draws: int, rows: int, given: Mapping[str, Any], cache: Path, out: Path | None
) -> None:
    """Emit a line per family and draw. given: settings over `PLANT_SETTINGS`. Raises ValueError, RfconvError."""
    check_families(families)
    for family in families:
        for draw in range(draws):
            name, planted = grow(family, draw, rows)
            emit(out, f"plants-{name}", **judged(planted, name, draw, given, cache))


def run_null(draws: int, rows: int, given: Mapping[str, Any], cache: Path, out: Path | None) -> None:
    """Emit a line per draw without structure, additive and shuffled by turns, then how often each verdict was given."""
    codes: Counter[str] = Counter()
    for draw in range(draws):
        name, table = grow_null(draw, rows)
        settings = {**NULL_SETTINGS, **given, "seed": draw}
        result = learn_table(table, cache / "null" / f"{draw}.parquet", settings, cache / "runs")
        codes[result["verdict"]["code"]] += 1
        emit(out, "null", seed=draw, table=name, **_scores(result), settings=settings, rows=rows)
    emit(out, "null-summary", draws=draws, structure_found=codes[STRUCTURE_FOUND], verdicts=dict(sorted(codes.items())))


def check_families(families: Sequence[str]) -> None:
    """Raises ValueError when one is unknown."""
    if odd := sorted(set(families) - set(FAMILIES)):
        raise ValueError(f"no family {', '.join(odd)}; there are {', '.join(FAMILIES)}")


def grow(family: str, draw: int, rows: int) -> tuple[str, Planted]:
    """The draw's plant, and the name its lines stand under; the draw is the seed."""
    if family in UNCORRELATED and draw % GROUP_OF_DRAWS >= CORRELATED_DRAWS:
        return f"{family}-uncorrelated", UNCORRELATED[family](draw, rows)
    return family, FAMILIES[family](draw, rows)


def grow_null(draw: int, rows: int) -> tuple[str, Table]:
    """Even draws have an additive target; odd ones are the families' plants by turns, their target shuffled."""
    if draw % 2 == 0:
        return "additive", null_additive(draw, rows)
    family = list(FAMILIES)[draw // 2 % len(FAMILIES)]
    return f"shuffled {family}", shuffled(FAMILIES[family](draw, rows), draw)


def judged(planted: Planted, name: str, seed: int, given: Mapping[str, Any], cache: Path) -> dict[str, Any]:
    """Learn on a plant and train its oracle: the values of its line."""
    settings = {**PLANT_SETTINGS, "kernel_size": planted.kernel_size, **given, "seed": seed}
    path = cache / "plants" / f"{name}-{seed}.parquet"
    truth = path.with_suffix(".fields.json")
    result = learn_table(planted, path, settings, cache / "runs")
    truth.write_text(json.dumps(truth_document(planted)), encoding="utf-8")
    oracle = learn_table(planted, path, {**settings, "random_draws": 1}, cache / "runs", fields=truth)
    found = json.loads((Path(result["run"]["path"]) / "fields.json").read_bytes())
    learned = learned_pairs(fields_from_document(found), planted.names)
    scores = _scores(result)
    return {
        "seed": seed,
        "learned": scores.pop("learned"),
        "oracle": oracle["test"]["accuracy"],
        **scores,
        **agreement(learned, planted),
        "rows": len(planted.y),
        "correlated": name in FAMILIES and name in UNCORRELATED,
        "settings": settings,
    }


def _scores(result: Mapping[str, Any]) -> dict[str, Any]:
    """What both kinds of line say of a result document."""
    controls = ("random_fields", "correlation_fields", "mlp")
    return {
        "learned": result["test"]["accuracy"],
        **{control: result["controls"][control]["accuracy"] for control in controls},
        "source": result["source"],
        "verdict": result["verdict"]["code"],
        "seconds": sum(result["seconds"].values()),
    }


def learn_table(
    table: Table, path: Path, given: Mapping[str, Any], runs: Path, *, fields: Path | None = None
) -> dict[str, Any]:
    """Write the table as Parquet to `path` and learn from it; the result document. Raises RfconvError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {name: pa.array(table.x[:, i]) for i, name in enumerate(table.names)}
    pq.write_table(pa.table({**columns, TARGET: pa.array(table.y)}), path)
    return learn(path, TARGET, from_values(given), runs, lambda _: None, lambda *_: None, given=fields)


def truth_document(planted: Planted) -> dict[str, Any]:
    """The true fields as a fields.json, for `learn(..., given=...)`."""
    return fields_document(
        ReceptiveFields.unweighted(planted.names, planted.members[None]),
        run={"id": "planted", "created": "", "rfconv_version": ""},
        task={"target": TARGET, "type": "classification", "classes": [str(c) for c in np.unique(planted.y)]},
        columns=[{"name": name, "dtype": "double"} for name in planted.names],
        layers=[{"id": 0, "fields_from": 0, "kernel_size": planted.kernel_size, "channels": 1}],
        verdict={},
        warnings=[],
    )


def learned_pairs(fields: ReceptiveFields, names: Sequence[str]) -> set[Pair]:
    """Pairs {centre, member} of the first layer's fields, as positions in `names`, whatever order the fields are in."""
    members = fields.reordered(names).members[0]
    return unordered(np.repeat(members[:, 0], members.shape[1] - 1), members[:, 1:].ravel())


def agreement(learned: set[Pair], planted: Planted) -> dict[str, float]:
    """How the learned pairs meet the true ones.

    recall: share of the true neighbours that were learned. precision: share of the learned pairs that are true
    neighbours. Both by the root slot that suits best, see `Planted.pairs`. together: share of the learned pairs that
    stand in one true field at all.
    """
    by_root = [planted.pairs(root) for root in range(planted.kernel_size)]
    recall, precision = max((share(true, learned), share(learned, true)) for true in by_root)
    return {"recall": recall, "precision": precision, "together": share(learned, planted.fellows())}


def share(wanted: set[Pair], among: set[Pair]) -> float:
    """Share of the wanted pairs that are among the others; 0 of none."""
    return len(wanted & among) / len(wanted) if wanted else 0.0
