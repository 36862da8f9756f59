"""Two tables that need no file: MNIST-1D, whose structure matters, and scikit-learn's digits, whose does not.

Both have their columns shuffled and renamed.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from benchmarks.learning import Case
from benchmarks.tables import PART, hidden, write_table
from rfconv_cli.errors import UsageError

MNIST1D_SETTINGS = {"kernel_size": 5, "layers": 3, "channels": 32}
SHUFFLE_SEED = 40


def mnist1d(cache: Path, seeds: int) -> Iterator[Case]:
    """The package's default set, made here: 4,000 rows of 40 columns, and its own 1,000 test rows.

    The validation rows are drawn from the former by the seed. Raises UsageError where mnist1d is not installed.
    """
    try:
        from mnist1d.data import make_dataset
    except ImportError:
        raise UsageError(
            "the benchmark mnist1d needs the package mnist1d", hint="pip install mnist1d", code="not_installed"
        ) from None
    state = np.random.get_state()  # noqa: NPY002 — make_dataset seeds numpy's global generator
    made = make_dataset()
    np.random.set_state(state)  # noqa: NPY002
    columns, _ = hidden(np.concatenate([made["x"], made["x_test"]]), SHUFFLE_SEED)
    digit = np.concatenate([made["y"], made["y_test"]])
    part = np.repeat(["train", "test"], [len(made["y"]), len(made["y_test"])])
    path = write_table(cache / "mnist1d.parquet", {**columns, "digit": digit, PART: part})
    for seed in range(seeds):
        yield Case("mnist1d", path, "digit", "its own test set", seed, {"split_column": PART}, MNIST1D_SETTINGS)


def digits(cache: Path, seeds: int) -> Iterator[Case]:
    """1,797 images of 8×8, split at random by the seed."""
    x, y = load_digits(return_X_y=True)
    columns, _ = hidden(x, SHUFFLE_SEED)
    path = write_table(cache / "digits.parquet", {**columns, "digit": y})
    for seed in range(seeds):
        yield Case("digits", path, "digit", "random 80/20", seed, {"split_by": "none", "test_size": 0.2})
