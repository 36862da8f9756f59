"""Models of every build with weights drawn at random, and rows for them: some cells missing, some huge."""

import numpy as np
import torch

from rfconv_cli.config import Settings, from_values
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.fitted import Encoding, FittedModel, empty_model
from rfconv_cli.table.encode import Scaling
from rfconv_cli.table.schema import Feature, Schema, Target

NAMES = ("wind", "気温(℃)", "<script>", "flow[l/h]", "a", "pressure")
SMALL = {"channels": 4, "hidden": 32, "heads": 3, "bins": 5, "embedding_size": 3, "kernel_size": 3}
BUILDS = {
    "one layer": {},
    "three layers": {"layers": 3},
    "fields of each layer's own": {"layers": 2, "share_fields": False},
    "own kernels": {"kernel": "own", "layers": 2},
    "an ensemble": {"ensemble": 3},
    "plain numbers": {"embedding": "none"},
    "plain numbers, own kernels, an ensemble": {"embedding": "none", "kernel": "own", "ensemble": 2},
    "no hidden layer": {"hidden": 0, "heads": 1},
    "gelu": {"activation": "gelu"},
}


def settings_of(build: str) -> Settings:
    return from_values({**SMALL, **BUILDS[build]})


def example_schema(outputs: int) -> Schema:
    """outputs: how many classes, or 1 for a regression."""
    task = "regression" if outputs == 1 else "binary" if outputs == 2 else "multiclass"
    features = tuple(Feature(name, "float", -3.0, 3.0, 0.1) for name in NAMES)
    return Schema(Target("y", task, tuple(f"class {i}" for i in range(outputs)) if outputs > 1 else ()), features, ())


def example_model(build: str, outputs: int, seed: int = 0) -> FittedModel:
    rng, settings, count = np.random.default_rng(seed), settings_of(build), len(NAMES)
    depth = 1 if settings.share_fields else settings.layers
    members = rng.integers(0, count, (depth, count, settings.kernel_size))
    members[:, :, 0] = np.arange(count)
    scaling = Scaling(rng.normal(size=count), rng.normal(size=count), rng.uniform(0.5, 2, count))
    target = (40.0, 7.0) if outputs == 1 else (0.0, 1.0)
    fields = ReceptiveFields.unweighted(sorted(NAMES), members)
    model = empty_model(Encoding(NAMES, scaling, *target), fields, outputs, settings)
    draws = torch.Generator().manual_seed(seed)
    for name, value in model.network.state_dict().items():
        value.copy_(torch.randn(value.shape, generator=draws) * 0.5)
        if name.endswith("edges"):
            value.copy_(value.sort(dim=1).values)
            value[0, 1] = value[0, 0]  # a bin without width
    return model


def example_rows(rows: int = 300, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, len(NAMES)))
    x[rng.random(x.shape) < 0.2] = np.nan
    x[0] = np.nan
    return x
