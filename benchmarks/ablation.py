"""What each stage is worth: every row changes the settings of `learn` on three cheap tables, one line per row and seed.

A stage that is built later is one more row in `ROWS`. Random fields are no source: their score stands in each line.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import small, weather
from benchmarks.learning import Case, learn_line
from benchmarks.plants import Planted, ring
from benchmarks.tables import write_table
from rfconv_cli.errors import UsageError, nearest

ROWS: dict[str, dict[str, Any]] = {
    "everything": {},
    "no contest: correlation": {"source": "correlation"},
    "no contest: interaction": {"source": "interaction"},
    "no contest: aligned": {"source": "aligned"},
    "no contest: aligned interaction": {"source": "aligned interaction"},
    "no contest: moments": {"source": "moments"},
    "no contest: searched": {"source": "searched"},
    "searched by softmax": {"source": "searched", "estimator": "softmax"},
    "searched, first order": {"source": "searched", "level": "first-order"},
    "searched, second order": {"source": "searched", "level": "second-order", "estimator": "softmax"},
    "searched, centre not masked": {"source": "searched", "mask_centre": False},
    "searched, slots not distinct": {"source": "searched", "distinct": False},
    "each layer its own fields": {"share_fields": False},
    "each centre its own kernel": {"kernel": "own"},
    "no hidden layer": {"hidden": 0},
    "no dropout": {"dropout": 0.0},
    "no embedding": {"embedding": "none"},
    "one head": {"heads": 1},
    "no weight decay": {"weight_decay": 0.0},
    "no moving average": {"averaging": 0.0},
    "no last training": {"refit": False},
    "paper": {"preset": "paper"},
}
ONLY_ON = {"each layer its own fields": ("mnist1d",)}  # elsewhere one layer: the row would change nothing
TABLES = ("weather-eu-years", "ring", "mnist1d")
RING_ROWS = 4000


def run(
    data: Path,
    seeds: int,
    rows: Collection[str],
    tables: Collection[str],
    given: Mapping[str, Any],
    cache: Path,
    out: Path | None,
) -> None:
    """Emit a line for each table, row and seed; no rows or no tables named means all. Raises UsageError."""
    _require(rows, ROWS, "row")
    _require(tables, TABLES, "table")
    for table in tables or TABLES:
        for case in cases(table, data, seeds, cache):
            for row in rows or ROWS:
                if table in ONLY_ON.get(row, TABLES):
                    learn_line(case, {**given, **ROWS[row]}, cache, out, row=row)


def cases(table: str, data: Path, seeds: int, cache: Path) -> Iterator[Case]:
    """The table's cases, one a seed, with one random draw and no half-samples: the controls are not the question."""
    made = {
        "weather-eu-years": lambda: weather.eu_years(data, cache, seeds),
        "ring": lambda: ring_cases(cache, seeds),
        "mnist1d": lambda: small.mnist1d(cache, seeds),
    }
    for case in made[table]():
        yield replace(case, benchmark=f"ablation-{table}", usual={**case.usual, "random_draws": 1, "stability": 0})


def ring_cases(cache: Path, seeds: int) -> Iterator[Case]:
    """48 sensors on a hidden ring, another ring for each seed."""
    for seed in range(seeds):
        planted = ring(seed, RING_ROWS)
        columns = {name: planted.x[:, i] for i, name in enumerate(planted.names)}
        path = write_table(cache / f"ring-{seed}.parquet", {**columns, "motif": planted.y})
        yield Case("ring", path, "motif", "random 70/10/20", seed, {"split_by": "none"}, truth=true_members(planted))


def true_members(planted: Planted) -> dict[str, set[str]]:
    """Column → the other members of its true field, by name."""
    return {planted.names[members[0]]: {planted.names[other] for other in members[1:]} for members in planted.members}


def _require(asked: Collection[str], known: Collection[str], what: str) -> None:
    for name in asked:
        if name not in known:
            close = nearest(name, known)
            raise UsageError(
                f"there is no {what} {name!r}; the nearest are {', '.join(map(repr, close))}",
                hint=f"--{what} {close[0]!r}",
                code=f"unknown_{what}",
            )
