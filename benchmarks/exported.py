"""Rows a second of an exported network: what `export-model --format torch` gives, on this machine's cores."""

import statistics
import time

import numpy as np
import torch

from rfconv_cli.config import from_values
from rfconv_cli.export.model import model_tensors
from rfconv_cli.export.standalone import FieldModel
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.fitted import Encoding, empty_model

COLUMNS, SLOTS, CHANNELS, BATCH = 64, 5, 16, 512
_REPEATS = 15


def rows_a_second() -> float:
    """The median over pieces of 512 rows: N = 64, K = 5, 16 channels, two classes, plain numbers, a linear head."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, COLUMNS))
    names = tuple(f"c{i:02d}" for i in range(COLUMNS))
    settings = from_values({"kernel_size": SLOTS, "channels": CHANNELS, "hidden": 0, "embedding": "none"})
    members = np.stack([rng.permutation(COLUMNS) for _ in range(SLOTS)], axis=1)
    members[:, 0] = np.arange(COLUMNS)
    encoding = Encoding.fit(names, x, np.zeros(BATCH, np.int64), settings)
    model = empty_model(encoding, ReceptiveFields.unweighted(names, members[None]), 2, settings)
    document = {
        "task": {"classes": ["a", "b"]},
        "columns": [{"name": name} for name in names],
        "network": {"activation": settings.activation},
    }
    exported, rows = FieldModel(document, model_tensors(model)).eval(), torch.from_numpy(x)
    seconds = []
    with torch.inference_mode():
        for _ in range(_REPEATS + 1):
            start = time.perf_counter()
            exported(rows)
            seconds.append(time.perf_counter() - start)
    return BATCH / statistics.median(seconds[1:])
