"""The verdict in Python: on rows that were not fitted, beside controls trained on those that were."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score

from rfconv_cli.errors import RfconvError
from rfconv_cli.estimator import RFConvClassifier, RFConvRegressor
from rfconv_cli.judge import held_out
from tests.conftest import sensor_frame

QUICK = {"search_steps": 30, "epochs": 4, "channels": 4, "hidden": 8}
JUDGED = {"random_draws": 2, "stability": 2, "bootstrap": 200}
FRAME = sensor_frame()
X, STATES, LOADS = FRAME.drop(columns=["state", "load"]), FRAME["state"], FRAME["load"]
TRAIN, TEST = slice(0, 180), slice(180, None)


def ring(rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Columns whose neighbours on a ring resemble one another; the class: which of two patterns travels around it."""
    x = rng.normal(size=(rows, 16))
    x = x + np.roll(x, 1, axis=1)
    y = rng.integers(0, 2, rows)
    pattern = np.array([[3.0, 0.0, -3.0], [-3.0, 0.0, 3.0]])
    for row, place in enumerate(rng.integers(0, 16, rows)):
        x[row, (place + np.arange(3)) % 16] += pattern[y[row]]
    return x, y


@pytest.fixture(scope="module")
def fitted() -> RFConvClassifier:
    return RFConvClassifier(**QUICK, **JUDGED).fit(X[TRAIN], STATES[TRAIN])


def test_a_verdict_carries_the_scores_that_predictions_give(fitted):
    judgement = fitted.judge(X[TEST], STATES[TEST])
    assert judgement.code in ("structure_found", "not_unique", "no_evidence")
    assert str(judgement) == judgement.sentence
    assert judgement.test["rows"] == 60
    assert judgement.test["accuracy"] == accuracy_score(STATES[TEST], fitted.predict(X[TEST]))
    assert len(judgement.controls["random_fields"]["draws"]) == JUDGED["random_draws"]
    assert fitted.verdict_ is judgement


def test_a_regression_is_judged_by_r2():
    model = RFConvRegressor(**QUICK, **JUDGED).fit(X[TRAIN], LOADS[TRAIN])
    judgement = model.judge(X[TEST], LOADS[TEST])
    assert judgement.test["r2"] == pytest.approx(r2_score(LOADS[TEST], model.predict(X[TEST])))


def test_planted_structure_is_found_and_none_where_the_target_is_drawn():
    x, y = ring(3000, np.random.default_rng(0))
    model = RFConvClassifier("fast", kernel_size=3, source="aligned", hidden=32, random_draws=3)
    found = model.fit(x[:2000], y[:2000]).judge(x[2000:], y[2000:])
    assert found.code == "structure_found"
    drawn = np.random.default_rng(1).permutation(y)
    nothing = clone(model).fit(x[:2000], drawn[:2000]).judge(x[2000:], drawn[2000:])
    assert nothing.code == "no_evidence"


def test_judging_twice_says_the_same_and_leaves_the_model_as_it_was(fitted):
    before = fitted.predict_proba(X)
    assert fitted.judge(X[TEST], STATES[TEST]) == fitted.judge(X[TEST], STATES[TEST])
    np.testing.assert_array_equal(fitted.predict_proba(X), before)


def test_groups_are_drawn_whole_by_the_intervals(fitted, monkeypatch):
    seen, resamples = [], held_out.Resamples
    monkeypatch.setattr(held_out, "Resamples", lambda *a: seen.append(a[3]) or resamples(*a))
    fitted.judge(X[TEST], STATES[TEST], groups=[f"day {i // 6}" for i in range(60)])
    assert np.bincount(seen[0]).tolist() == [6] * 10


def test_a_verdict_on_rows_that_were_fitted_is_refused(fitted):
    with pytest.raises(ValueError, match="all 180 rows of X were fitted") as caught:
        fitted.judge(X[TRAIN], STATES[TRAIN])
    assert isinstance(caught.value, RfconvError)


def test_some_rows_that_were_fitted_are_warned_of(fitted):
    with pytest.warns(UserWarning, match="^5 of 65 rows"):
        fitted.judge(X[175:], STATES[175:])


def test_without_judging_there_is_no_verdict_and_the_error_says_what_to_call():
    model = RFConvClassifier(**QUICK)
    assert not hasattr(model, "verdict_")
    with pytest.raises(AttributeError, match="judge"):
        _ = model.fit(X[TRAIN], STATES[TRAIN]).verdict_


def test_a_new_fit_has_no_verdict_of_the_former_one():
    model = RFConvClassifier(**QUICK, **JUDGED).fit(X[TRAIN], STATES[TRAIN])
    model.judge(X[TEST], STATES[TEST])
    assert not hasattr(model.fit(X[TRAIN], STATES[TRAIN]), "verdict_")


@pytest.mark.parametrize("again", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])  # noqa: S301
def test_a_copy_keeps_the_verdict_but_not_the_rows_it_was_fitted_on(fitted, again):
    judgement = fitted.judge(X[TEST], STATES[TEST])
    other = again(fitted)
    assert other.verdict_ == judgement
    np.testing.assert_array_equal(other.predict_proba(X), fitted.predict_proba(X))
    with pytest.raises(NotFittedError, match="not copied or saved"):
        other.judge(X[TEST], STATES[TEST])


def test_a_pickle_holds_no_row_that_was_fitted(fitted):
    # as in memory: float32, columns sorted by name
    rows = fitted._record.problem.train.x.numpy()
    data = pickle.dumps(fitted)
    assert not any(row.tobytes() in data for row in rows)


def test_what_was_not_fitted_cannot_be_judged():
    with pytest.raises(NotFittedError):
        RFConvClassifier().judge(X, STATES)


def test_a_label_that_was_not_learned_is_refused(fitted):
    with pytest.raises(ValueError, match="unseen labels"):
        fitted.judge(X[TEST], np.where(np.arange(60) < 1, "third", STATES[TEST]))


def test_few_rows_without_any_held_out_can_be_judged():
    model = RFConvRegressor(**QUICK, **JUDGED).fit(X[:8], LOADS[:8])
    assert model.judge(X[TEST], LOADS[TEST]).test["rows"] == 60


def test_groups_of_another_length_are_refused(fitted):
    with pytest.raises(ValueError, match="inconsistent numbers"):
        fitted.judge(X[TEST], STATES[TEST], groups=[1, 2])


def test_a_data_frame_in_another_order_is_refused(fitted):
    with pytest.raises(ValueError, match="same order"):
        fitted.judge(pd.DataFrame(X[TEST].iloc[:, ::-1]), STATES[TEST])
