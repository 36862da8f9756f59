"""The baselines of each benchmark: boosting, a random forest and an RBF SVM on the rows and split of a `Case`.

Their settings are fixed here and nothing is chosen, so they are fitted on the training and the validation rows. One
thread unless `threads` is set: on a machine with other work, LightGBM's threads wait for each other (20 times slower).
"""

import importlib.util
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from benchmarks.learning import Case, Line, settings_of
from benchmarks.record import emit
from rfconv_cli.jobs.prepare import prepare
from rfconv_cli.jobs.prepared import Prepared
from rfconv_cli.table.dialect import dialect_of
from rfconv_cli.table.reader import read_table

BOOSTING: dict[str, Any] = {
    "n_estimators": 400,
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_child_samples": 10,
    "subsample": 0.8,
    "subsample_freq": 1,
    "colsample_bytree": 0.5,
    "verbosity": -1,
}
TREES = 500
SVM_C = 10.0


def baseline_lines(case: Case, given: Mapping[str, Any], out: Path | None) -> list[Line]:
    """Fit every baseline on the case and emit a line each: accuracy, or RMSE and R², on the test rows."""
    settings = settings_of(case, given)
    prepared = prepare(read_table(case.table, dialect_of(settings)), case.target, settings, lambda _: None)
    lines = []
    for name, model in models(prepared, case.seed, settings.threads or 1).items():
        start = time.perf_counter()
        found = fitted_scores(model, prepared)
        seconds = time.perf_counter() - start
        named = {"baseline": name, **case.label, "split": case.split}
        lines.append(emit(out, f"{case.benchmark}-baselines", **named, **found, seconds=seconds))
    return lines


def models(prepared: Prepared, seed: int, threads: int) -> dict[str, Any]:
    """Name → unfitted model. Without lightgbm, scikit-learn's boosting stands in; for regression it stands beside."""
    regression = not prepared.schema.target.classes
    found: dict[str, Any] = {}
    if importlib.util.find_spec("lightgbm") is not None:
        import lightgbm

        kind = lightgbm.LGBMRegressor if regression else lightgbm.LGBMClassifier
        found["lightgbm"] = kind(**BOOSTING, random_state=seed, n_jobs=threads)
    else:
        print("lightgbm is not installed: scikit-learn's gradient boosting in its place", file=sys.stderr)
    if regression:
        found["hist_gradient_boosting"] = HistGradientBoostingRegressor(random_state=seed)
        found["random_forest"] = RandomForestRegressor(TREES, min_samples_leaf=3, random_state=seed, n_jobs=threads)
        svm = make_pipeline(StandardScaler(), SVR(C=SVM_C))
        found["rbf_svm"] = TransformedTargetRegressor(svm, transformer=StandardScaler())
        return found
    if not found:
        found["hist_gradient_boosting"] = HistGradientBoostingClassifier(random_state=seed)
    found["random_forest"] = RandomForestClassifier(TREES, random_state=seed, n_jobs=threads)
    found["rbf_svm"] = make_pipeline(StandardScaler(), SVC(C=SVM_C))
    return found


def fitted_scores(model: Any, prepared: Prepared) -> Line:
    """Test scores of the model fitted on all other rows; missing cells are filled with those rows' medians."""
    seen, test = prepared.is_in("train", "valid"), prepared.is_in("test")
    medians = np.nanmedian(prepared.x[seen], axis=0)
    x = np.where(np.isnan(prepared.x), medians, prepared.x)
    predicted: NDArray[Any] = model.fit(x[seen], prepared.y[seen]).predict(x[test])
    truth = prepared.y[test]
    if prepared.schema.target.classes:
        return {"measure": "accuracy", "score": float((predicted == truth).mean())}
    squares = float(np.square(predicted - truth).mean())
    return {"measure": "rmse", "score": squares**0.5, "r2": 1 - squares / float(truth.var())}
