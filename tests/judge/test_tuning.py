"""Choosing a method's settings: as scikit-learn's own search does, and on the folds alone."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV

from rfconv_cli.judge.folds import Kept, folds
from rfconv_cli.judge.methods import Method, chosen_methods
from rfconv_cli.judge.tuning import Seen, fit_tuned

ROWS, COLUMNS = 300, 6


def linear_truth(rows: int = ROWS, *, classes: bool = True):
    """Rows, and a target that is linear in them but for a little noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, COLUMNS)).astype(np.float32)
    value = x @ np.array([2, -1, 1, 0.5, 0, 0]) + 0.3 * rng.normal(size=rows)
    return x, ((value > -1).astype(np.int64) + (value > 1) if classes else value.astype(np.float32))


def seen(*, classes: bool = True, weight=None):
    x, y = linear_truth(ROWS + 200, classes=classes)
    train = np.arange(ROWS) < 250
    cut = folds(y[:ROWS], Kept(), train, 0)
    return Seen(x[:ROWS], y[:ROWS], weight, cut, x[ROWS:], "column"), y[ROWS:]


def named(name: str, *, classes: bool = True) -> Method:
    return chosen_methods([name], COLUMNS, classes=classes)[0]


def ignored(share: float) -> None:
    pass


@pytest.mark.parametrize(
    ("name", "classes", "measure"),
    [("k-nn", True, "accuracy"), ("logistic-regression", True, "accuracy"), ("ridge", False, "r2")],
)
def test_settings_are_those_that_scikit_learn_would_choose(name, classes, measure):
    rows, _ = seen(classes=classes)
    method = named(name, classes=classes)
    found = fit_tuned(method, rows, 0, ignored)
    grid = {f"model__{key}": list(values) for key, values in method.grid.items()}
    search = GridSearchCV(method.model({}, 0, "column"), grid, cv=rows.folds, scoring=measure)
    search.fit(rows.x, rows.y)
    assert found.fold_score == pytest.approx(search.best_score_, abs=1e-5)
    alike = [i for i, mean in enumerate(search.cv_results_["mean_test_score"]) if mean > search.best_score_ - 1e-6]
    chosen = {f"model__{key}": value for key, value in found.best.items()}
    assert chosen in [search.cv_results_["params"][i] for i in alike]
    np.testing.assert_allclose(found.predicted, search.best_estimator_.predict(rows.test), rtol=1e-4, atol=1e-4)


def test_of_a_linear_truth_logistic_regression_is_near_the_top():
    rows, truth = seen()
    scores = {
        name: np.mean(fit_tuned(named(name), rows, 0, ignored).predicted == truth)
        for name in ("logistic-regression", "k-nn", "decision-tree", "rbf-svm")
    }
    assert scores["logistic-regression"] > 0.85
    assert scores["logistic-regression"] >= max(scores.values()) - 0.02
    assert scores["logistic-regression"] > scores["decision-tree"]


def test_of_a_linear_truth_ridge_is_as_good_as_least_squares():
    rows, truth = seen(classes=False)
    straight = LinearRegression().fit(rows.x, rows.y).predict(rows.test)
    found = fit_tuned(named("ridge", classes=False), rows, 0, ignored)
    assert r2_score(truth, found.predicted) == pytest.approx(r2_score(truth, straight), abs=0.005)


def test_the_last_fit_takes_the_validation_rows_too():
    rows, _ = seen(classes=False)
    method = Method("ridge", "ridge", Ridge, {"alpha": (1.0,)}, 1, scaled=False)
    found = fit_tuned(method, rows, 0, ignored)
    np.testing.assert_allclose(found.predicted, Ridge(alpha=1.0).fit(rows.x, rows.y).predict(rows.test), rtol=1e-5)


def test_the_first_of_equal_settings_is_chosen():
    rows, _ = seen(classes=False)
    method = Method("same", "same", Ridge, {"alpha": (1.0,), "copy_X": (True, False)}, 1)
    assert fit_tuned(method, rows, 0, ignored).best == {"alpha": 1.0, "copy_X": True}


def test_progress_rises_and_is_told_after_every_fit():
    rows, _ = seen()
    told: list[float] = []
    fit_tuned(named("logistic-regression"), rows, 0, told.append)
    assert told == sorted(told)
    assert len(told) == 3 * len(named("logistic-regression").points())
    assert told[-1] < 1


def test_rows_that_weigh_nothing_do_not_count():
    rows, _ = seen()
    weight = (np.arange(ROWS) % 2).astype(float)
    turned = np.where(weight > 0, rows.y, (rows.y + 1) % 3)
    method = named("logistic-regression")
    told = fit_tuned(method, replace(rows, y=turned, weight=weight, folds=rows.folds[:1]), 0, ignored)
    assert told.weighted is True
    truth = fit_tuned(method, rows, 0, ignored).predicted
    assert np.mean(told.predicted == truth) > 0.9
    assert fit_tuned(named("k-nn"), replace(rows, weight=weight), 0, ignored).weighted is False
    assert fit_tuned(named("k-nn"), rows, 0, ignored).weighted is None


def test_a_fit_that_needs_more_iterations_says_so_and_nothing_is_warned(recwarn):
    rows, _ = seen()
    short = replace(named("logistic-regression"), fixed={"max_iter": 2})
    assert fit_tuned(short, rows, 0, ignored).converged is False
    assert fit_tuned(named("logistic-regression"), rows, 0, ignored).converged is True
    assert len(recwarn) == 0


def test_predictions_that_are_no_numbers_are_refused():
    class Lost(Ridge):
        def predict(self, x):
            return np.full(len(x), np.nan)

    rows, _ = seen(classes=False)
    with pytest.raises(ValueError, match="not all finite"):
        fit_tuned(Method("lost", "lost", Lost, {"alpha": (1.0,)}, 1), rows, 0, ignored)
