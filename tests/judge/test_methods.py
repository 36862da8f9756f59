"""The methods of `compare`: what there is for a task, and that each can be built, fitted and seeded."""

import numpy as np
import pytest

from rfconv_cli.errors import UsageError
from rfconv_cli.judge import methods
from rfconv_cli.judge.methods import chosen_methods

CLASSES = {"logistic-regression", "linear-svm", "rbf-svm", "k-nn", "decision-tree", "random-forest", "linear-layers"}
NUMBERS = {"ridge", "linear-svr", "rbf-svr", "k-nn", "decision-tree", "random-forest", "linear-layers"}
BOOSTING = {"gradient-boosting", "lightgbm"}
every = pytest.mark.parametrize("classes", [True, False], ids=["classes", "number"])


@pytest.mark.parametrize(("classes", "names"), [(True, CLASSES), (False, NUMBERS)])
def test_without_names_every_method_of_the_task_is_chosen(classes, names):
    assert {method.name for method in chosen_methods((), 5, classes=classes)} == names | BOOSTING


def test_names_choose_and_an_unknown_one_is_refused_with_the_nearest():
    assert [m.name for m in chosen_methods(["k-nn", "linear-svm"], 5, classes=True)] == ["linear-svm", "k-nn"]
    with pytest.raises(UsageError, match="'linear_svm'") as caught:
        chosen_methods(["linear_svm"], 5, classes=True)
    assert caught.value.hint == "--method linear-svm"
    with pytest.raises(UsageError, match="a number"):
        chosen_methods(["logistic-regression"], 5, classes=False)


@every
def test_every_combination_of_a_grid_is_tried_once(classes):
    for method in chosen_methods((), 5, classes=classes):
        sizes = [len(values) for values in method.grid.values()]
        points = [repr(point) for point in method.points()]
        assert len(points) == len(set(points)) == np.prod(sizes)


@every
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_method_fits_with_the_first_of_its_settings(classes):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int) if classes else x[:, 0]
    for method in chosen_methods((), 4, classes=classes):
        if not method.absent():
            assert method.model(method.points()[0], 2**40, "column").fit(x, y).predict(x).shape == (60,)


@every
def test_one_seed_gives_one_model(classes):
    for method in (one for one in chosen_methods((), 5, classes=classes) if not one.absent()):
        estimators = [method.model(method.points()[0], 7, "column")[-1] for _ in range(2)]
        seeds = [one.get_params().get("random_state", 7) for one in estimators]
        assert seeds == [7, 7], method.name


def test_columns_of_one_unit_keep_their_spreads():
    x = np.random.default_rng(0).normal(size=(50, 3)) * [1, 2, 3]
    (method,) = chosen_methods(["k-nn"], 3, classes=True)
    spreads = {
        scaling: method.model({}, 0, scaling)[0].fit_transform(x).std(axis=0) for scaling in ("column", "shared")
    }
    np.testing.assert_allclose(spreads["column"], 1)
    np.testing.assert_allclose(spreads["shared"], x.std(axis=0))


def test_a_package_that_is_not_installed_is_absent(monkeypatch):
    monkeypatch.setattr(methods, "find_spec", lambda name: None)
    assert [method.name for method in chosen_methods((), 5, classes=True) if method.absent()] == ["lightgbm"]
