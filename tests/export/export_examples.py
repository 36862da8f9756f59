"""Fields to export: learned ones, planted ones, ones with names that break things."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from rfconv_cli.fields.value import ReceptiveFields

AWKWARD_NAMES = (
    "price_$x^$",
    "flow[/h]",
    "酒田_平均気温(℃)",
    "control\x00\x07\x1b[31m\x7f",
    "two\nlines\tand a tab",
    "long" * 2500,
    "long" * 1250 + "x" + "long" * 1250,
    "",
    " ",
    "_hidden",
    '<a href="&amp;">\'',
    "\\frac{1}{2} %s {} {0}",
    "surrogate\ud800",
    "\u202eright to left",
    "emoji 🌡️",
    "#3",
)
JAPANESE_NAMES = ("酒田_平均気温(℃)", "酒田_降水量(mm)", "那覇_平均気温(℃)", "那覇_降水量(mm)", "ｶﾀｶﾅ", "結果")


def plain_names(count: int) -> tuple[str, ...]:
    return tuple(f"sensor_{i:03d}" for i in range(count))


def learned(names: Sequence[str], size: int = 4, depth: int = 1, seed: int = 0) -> ReceptiveFields:
    """Fields as a search leaves them: distinct members, soft weights, a runner-up in each slot but the centre's."""
    rng = np.random.default_rng(seed)
    count = len(names)
    order = np.array([[_others(rng, count, m) for m in range(count)] for _ in range(depth)])  # (D, N, N − 1)
    centres = np.broadcast_to(np.arange(count)[None, :, None], (depth, count, 1))
    shares = rng.uniform(0.01, 0.5, (2, depth, count, size)).astype(np.float32)
    shares[0, :, :, 0], shares[1, :, :, 0] = 1, 0
    return ReceptiveFields(
        tuple(names),
        np.concatenate([centres, order[:, :, : size - 1]], axis=2).astype(np.int64),
        shares[0],
        np.concatenate([np.full_like(centres, -1), np.roll(order, -1, 2)[:, :, : size - 1]], axis=2).astype(np.int64),
        shares[1],
    )


def _others(rng: np.random.Generator, count: int, centre: int) -> np.ndarray:
    return rng.permutation(np.delete(np.arange(count), centre))


def given(names: Sequence[str], size: int = 3, seed: int = 0) -> ReceptiveFields:
    """Fields that nobody searched for: weights of 1, no runner-ups."""
    return ReceptiveFields.unweighted(names, learned(names, size, seed=seed).members.copy())


def clustered(sizes: Sequence[int], size: int = 4, stray: float = 0.0, seed: int = 0) -> ReceptiveFields:
    """Columns c000 …, each field within its own cluster of columns, but for a last slot of weight `stray`."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    count = len(cluster)
    members = np.empty((1, count, size + 1), np.int64)
    for m in range(count):
        inside = np.flatnonzero((cluster == cluster[m]) & (np.arange(count) != m))
        outside = np.flatnonzero(cluster != cluster[m])
        members[0, m] = [m, *rng.permutation(inside)[: size - 1], rng.choice(outside)]
    weights = np.full(members.shape, 0.5, np.float32)
    weights[:, :, 0], weights[:, :, -1] = 1, stray
    return ReceptiveFields(
        tuple(f"c{i:03d}" for i in range(count)), members, weights, np.full_like(members, -1), np.zeros_like(weights)
    )


def cluster_names(sizes: Sequence[int]) -> list[list[str]]:
    """The clusters of `clustered`, the largest first."""
    ends = np.cumsum(sizes)
    found = [[f"c{i:03d}" for i in range(end - n, end)] for n, end in zip(sizes, ends.tolist(), strict=True)]
    return sorted(found, key=lambda group: (-len(group), group[0]))


def shuffled(fields: ReceptiveFields, seed: int = 1) -> ReceptiveFields:
    return fields.reordered(np.random.default_rng(seed).permutation(np.array(fields.names, object)).tolist())


def surroundings(fields: ReceptiveFields, **changes: Any) -> dict[str, Any]:
    """What `fields_document` is told beside the fields, as `learn` tells it."""
    return {
        "run": {"id": "20260101T000000Z-month", "created": "2026-01-01T00:00:00Z", "rfconv_version": "0.1.0"},
        "task": {"target": "month", "type": "multiclass", "classes": [1, 2, 12]},
        "columns": [{"name": name, "dtype": "float64"} for name in fields.names],
        "layers": [
            {"id": d, "fields_from": d, "kernel_size": fields.kernel_size, "channels": 16} for d in range(fields.depth)
        ],
        "verdict": {
            "code": "not_unique",
            "sentence": "Learned fields beat random fields.",
            "against_random": {"mean": 0.0123456789, "interval": [0.001, 0.02]},
        },
        "warnings": ["a column has one value"],
        **changes,
    }


@functools.cache
def support_for(depth: int, columns: int, size: int) -> np.ndarray:
    """(D, N, K) shares, not estimated in every fifth place."""
    support = np.random.default_rng(5).uniform(0, 1, (depth, columns, size))
    support.ravel()[::5] = np.nan
    return support
