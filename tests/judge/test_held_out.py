"""Judging a model that was fitted from arrays: the controls are of its rows, its size and its training."""

import numpy as np
import pytest

from rfconv_cli.config import from_values
from rfconv_cli.judge import held_out
from rfconv_cli.judge.held_out import fitted_rows, judged
from rfconv_cli.network.arrays import Fit, fit_arrays

SETTINGS = from_values(
    {"search_steps": 20, "epochs": 4, "contest_epochs": 1, "channels": 2, "hidden": 4, "bins": 4}
    | {"random_draws": 2, "stability": 2, "bootstrap": 200}
)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = X[:, 0] + X[:, 1]


@pytest.fixture(scope="module", params=[True, False], ids=["last training", "no last training"])
def fit(request) -> Fit:
    settings = SETTINGS.model_copy(update={"refit": request.param})
    return fit_arrays(tuple("abcd"), X[:80], Y[:80], 1, settings)


def test_the_model_that_is_judged_is_the_one_its_controls_were_trained_beside(fit, monkeypatch):
    seen, train = [], held_out.train_with_controls
    monkeypatch.setattr(held_out, "train_with_controls", lambda *a: seen.append(train(*a)) or seen[-1])
    judged(fit, X[80:], Y[80:])
    again, controls = seen[0]
    for name, value in fit.model.network.state_dict().items():
        np.testing.assert_array_equal(again.network.state_dict()[name], value)
    sizes = {sum(p.numel() for p in one.network.parameters()) for one in controls["random_fields"]}
    assert sizes == {sum(p.numel() for p in fit.model.network.parameters())}


def test_half_samples_are_measured_where_they_are_asked_for(fit):
    assert judged(fit, X[80:], Y[80:]).stability["halves"] == 2


def test_rows_are_known_again_by_their_values(fit):
    assert [fitted_rows(fit, rows) for rows in (X[:80], X[80:], X[78:82])] == [80, 0, 2]
