"""The usual methods that `compare` fits beside rfconv's, each with the small grid that its settings are chosen from."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from rfconv_cli.errors import UsageError, nearest

Grid = Mapping[str, Sequence[Any]]

_C = (0.01, 0.1, 1.0, 10.0)
_LOGISTIC_C = (*_C, 100.0)
_KERNEL_C = (1.0, 10.0, 100.0)
_GAMMA = (0.3, 1.0, 3.0)  # divided by the number of columns
_NEIGHBOURS: Grid = {"n_neighbors": (1, 3, 5, 10, 20, 50), "weights": ("uniform", "distance")}
_TREE: Grid = {"max_depth": (4, 8, 16, None), "min_samples_leaf": (1, 5, 20)}
_FOREST: Grid = {"max_features": ("sqrt", 0.3), "min_samples_leaf": (1, 3)}
_LAYERS: Grid = {"hidden_layer_sizes": ((256,), (256, 128)), "max_iter": (20, 80), "alpha": (1e-4, 0.1)}
_BOOSTING: Grid = {"max_iter": (50, 150), "max_leaf_nodes": (8, 31)}
_LIGHTGBM: Grid = {"n_estimators": (100, 300), "num_leaves": (8, 31)}
_OF_LIGHTGBM = {
    "learning_rate": 0.05,
    "min_child_samples": 10,
    "subsample": 0.8,
    "subsample_freq": 1,
    "colsample_bytree": 0.5,
    "verbosity": -1,
    "n_jobs": 1,
}
_SCALE = "scale"
MODEL = "model"  # the step of the pipeline that learns


@dataclass(frozen=True)
class Method:
    """name: as it is typed; label: as it is shown; build: makes the estimator from its settings.

    grid: setting → values, of which every combination is tried; fixed: settings that are not chosen; scaled: whether it
    needs columns of one scale; cost: about the seconds of its grid on 6,000 rows, 29 columns and 12 classes; needs: the
    package that it comes from, where that is an extra one.
    """

    name: str
    label: str
    build: Callable[..., Any]
    grid: Grid
    cost: int
    fixed: Mapping[str, Any] = field(default_factory=dict)
    scaled: bool = True
    needs: str | None = None

    def points(self) -> list[dict[str, Any]]:
        """Every combination of the grid's values, the first first."""
        return [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]

    def model(self, point: Mapping[str, Any], seed: int, scaling: str) -> Pipeline:
        """The unfitted model of one combination. scaling: "column", or "shared" for columns of one unit, as in
        `Settings`, whose spreads stay as they are.
        """
        estimator = self.build(**self.fixed, **point)
        if "random_state" in estimator.get_params():
            estimator.set_params(random_state=seed % 2**31)
        scale = [(_SCALE, StandardScaler(with_std=scaling == "column"))] if self.scaled else []
        return Pipeline([*scale, (MODEL, estimator)])

    def absent(self) -> bool:
        """Whether the package it comes from is not installed."""
        return self.needs is not None and find_spec(self.needs) is None


def chosen_methods(names: Sequence[str], columns: int, *, classes: bool) -> list[Method]:
    """The methods of these names, all where there is none. columns: N, which sets the width of RBF kernels.

    Raises UsageError unknown_method.
    """
    every = {method.name: method for method in (_classifiers(columns) if classes else _regressors(columns))}
    for name in names:
        if name not in every:
            near, task = nearest(name, every), "classes" if classes else "a number"
            raise UsageError(
                f"there is no method {name!r} where the target is {task}; there are {', '.join(every)}",
                hint=f"--method {near[0]}",
                code="unknown_method",
            )
    return [method for name, method in every.items() if name in names or not names]


def _classifiers(columns: int) -> list[Method]:
    return [
        Method(
            "logistic-regression", "logistic regression", LogisticRegression, {"C": _LOGISTIC_C}, 10, {"max_iter": 1000}
        ),
        Method("linear-svm", "linear SVM", LinearSVC, {"C": _C}, 5, {"max_iter": 5000}),
        Method("rbf-svm", "RBF SVM", SVC, {"C": _KERNEL_C, "gamma": _gammas(columns)}, 55),
        Method("k-nn", "k-NN", KNeighborsClassifier, _NEIGHBOURS, 4),
        Method("decision-tree", "decision tree", DecisionTreeClassifier, _TREE, 3, scaled=False),
        Method(
            "random-forest", "random forest", RandomForestClassifier, _FOREST, 25, {"n_estimators": 200}, scaled=False
        ),
        Method("linear-layers", "linear layers", MLPClassifier, _LAYERS, 70),
        Method(
            "gradient-boosting",
            "gradient boosting",
            HistGradientBoostingClassifier,
            _BOOSTING,
            45,
            {"early_stopping": False},  # it would hold out rows one by one, whatever their groups
            scaled=False,
        ),
        Method(
            "lightgbm",
            "LightGBM",
            _lightgbm_classifier,
            _LIGHTGBM,
            30,
            _OF_LIGHTGBM,
            scaled=False,
            needs="lightgbm",
        ),
    ]


def _regressors(columns: int) -> list[Method]:
    return [
        Method("ridge", "ridge", Ridge, {"alpha": (0.1, 1.0, 10.0, 100.0, 1000.0)}, 1),
        Method("linear-svr", "linear SVR", LinearSVR, {"C": _C}, 10, {"max_iter": 5000}),
        Method("rbf-svr", "RBF SVR", SVR, {"C": _KERNEL_C, "gamma": _gammas(columns)}, 55),
        Method("k-nn", "k-NN", KNeighborsRegressor, _NEIGHBOURS, 4),
        Method("decision-tree", "decision tree", DecisionTreeRegressor, _TREE, 3, scaled=False),
        Method(
            "random-forest", "random forest", RandomForestRegressor, _FOREST, 35, {"n_estimators": 200}, scaled=False
        ),
        Method("linear-layers", "linear layers", MLPRegressor, _LAYERS, 70),
        Method(
            "gradient-boosting",
            "gradient boosting",
            HistGradientBoostingRegressor,
            _BOOSTING,
            4,
            {"early_stopping": False},
            scaled=False,
        ),
        Method(
            "lightgbm",
            "LightGBM",
            _lightgbm_regressor,
            _LIGHTGBM,
            4,
            _OF_LIGHTGBM,
            scaled=False,
            needs="lightgbm",
        ),
    ]


def _gammas(columns: int) -> tuple[float, ...]:
    return tuple(times / columns for times in _GAMMA)


def _lightgbm_classifier(**settings: Any) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(**settings)


def _lightgbm_regressor(**settings: Any) -> Any:
    from lightgbm import LGBMRegressor

    return LGBMRegressor(**settings)
