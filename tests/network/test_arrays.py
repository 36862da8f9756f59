"""From arrays to a fitted model: what rows that are kept together decide."""

import numpy as np
import pytest

from rfconv_cli.config import from_values
from rfconv_cli.network import arrays
from rfconv_cli.network.arrays import fit_arrays

QUICK = from_values({"search_steps": 20, "epochs": 4, "contest_epochs": 1, "channels": 2, "hidden": 4, "bins": 4})
NAMES = tuple("abcd")


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4))
    return x, x[:, 0] + x[:, 1]


def test_groups_are_known_wherever_rows_are_compared_or_split(rows):
    x, y = rows
    groups = np.array([f"engine {i // 8}" for i in range(80)])
    problem = fit_arrays(NAMES, x, y, 1, QUICK, groups).problem
    assert problem.valid_groups is not None
    assert problem.train_groups is not None
    assert (len(problem.valid_groups), len(problem.train_groups)) == (len(problem.valid), len(problem.train))
    assert not set(problem.valid_groups) & set(problem.train_groups)
    assert len({*problem.valid_groups, *problem.train_groups}) == 10


def test_few_groups_have_other_splits_say_how_long_the_last_training_is(rows, monkeypatch):
    lengths, whole = [], arrays.trained_on_all
    monkeypatch.setattr(arrays, "trained_on_all", lambda *a: lengths.append(a[2].length) or whole(*a))
    fit_arrays(NAMES, *rows, 1, QUICK, np.arange(80) // 8)
    fit_arrays(NAMES, *rows, 1, QUICK)
    assert lengths[0] in range(1, QUICK.epochs + 1)
    assert lengths[1] is None


def test_the_first_training_on_the_fields_is_kept_with_them(rows):
    fit = fit_arrays(NAMES, *rows, 1, QUICK)
    assert fit.epochs == len(fit.found.trained[fit.found.fields].history) <= QUICK.epochs


def test_without_a_last_training_the_model_is_the_first_one(rows):
    fit = fit_arrays(NAMES, *rows, 1, QUICK.model_copy(update={"refit": False}))
    assert fit.found.trained[fit.found.fields].network is fit.model.network
