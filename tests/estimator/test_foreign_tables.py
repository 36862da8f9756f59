"""Tables that speak Arrow's protocol are learned from as the same table of pandas is."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score

from rfconv_cli.estimator import RFConvClassifier, RFConvRegressor
from tests.conftest import sensor_frame

QUICK = {"search_steps": 30, "epochs": 4, "channels": 4, "hidden": 8, "random_draws": 1, "stability": 0}


class Stream:
    """A table or column of a library of which nothing is known but the protocol, as polars' are."""

    def __init__(self, arrow: pa.Table | pa.ChunkedArray) -> None:
        self.arrow = arrow

    def __len__(self) -> int:
        return len(self.arrow)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.arrow.__arrow_c_stream__(requested_schema)


@pytest.fixture(scope="module")
def sensors() -> pd.DataFrame:
    return sensor_frame().drop(columns=["state", "load"])


@pytest.fixture(scope="module")
def states() -> pd.Series:
    return sensor_frame()["state"]


@pytest.fixture(scope="module")
def arrow(sensors) -> pa.Table:
    return pa.Table.from_pandas(sensors, preserve_index=False)


@pytest.mark.parametrize("give", [lambda t: t, Stream, lambda t: t.combine_chunks().to_batches()[0]])
@pytest.mark.parametrize(
    "label", [pd.Series, pa.array, lambda y: pa.chunked_array([y]), lambda y: Stream(pa.chunked_array([y]))]
)
def test_an_arrow_table_is_learned_from_as_the_same_data_frame(sensors, states, arrow, give, label):
    ours = RFConvClassifier(**QUICK).fit(give(arrow), label(states))
    theirs = RFConvClassifier(**QUICK).fit(sensors, states)
    assert list(ours.feature_names_in_) == list(sensors.columns)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_array_equal(ours.predict_proba(give(arrow)), theirs.predict_proba(sensors))


def test_columns_in_another_order_are_an_error_as_with_data_frames(states, arrow):
    fitted = RFConvClassifier(**QUICK).fit(arrow, states)
    with pytest.raises(ValueError, match="same order"):
        fitted.predict(arrow.select(arrow.column_names[::-1]))


def test_missing_cells_of_arrow_are_missing(sensors, states, arrow):
    holes = sensors.mask(np.random.default_rng(0).random(sensors.shape) < 0.2)
    ours = RFConvClassifier(**QUICK).fit(pa.Table.from_pandas(holes, preserve_index=False), states)
    theirs = RFConvClassifier(**QUICK).fit(holes, states)
    np.testing.assert_array_equal(ours.predict_proba(arrow), theirs.predict_proba(sensors))


def test_groups_and_weights_may_be_arrow_columns(sensors, states):
    groups, weight = np.arange(len(states)) // 10, np.linspace(1, 2, len(states))
    ours = RFConvClassifier(**QUICK).fit(sensors, states, pa.array(groups), pa.chunked_array([weight]))
    theirs = RFConvClassifier(**QUICK).fit(sensors, states, groups, weight)
    np.testing.assert_array_equal(ours.predict_proba(sensors), theirs.predict_proba(sensors))


def test_arrow_tables_are_cut_by_scikit_learn(arrow, states):
    y = pa.array(states)
    assert np.isfinite(cross_val_score(RFConvClassifier(**QUICK), arrow, y, cv=2)).all()
    found = GridSearchCV(RFConvClassifier(**QUICK), {"kernel_size": [2, 3]}, cv=2, error_score="raise").fit(arrow, y)
    assert list(found.best_estimator_.feature_names_in_) == arrow.column_names


def test_text_in_a_column_is_refused_by_its_name(arrow, states):
    with pytest.raises(ValueError, match=r"column 'kind' is .*string, not a number"):
        RFConvClassifier(**QUICK).fit(arrow.append_column("kind", pa.array(states)), states)


def test_values_to_predict_may_be_an_arrow_column(arrow):
    loads = sensor_frame()["load"]
    ours, theirs = (RFConvRegressor(**QUICK).fit(arrow, y).predict(arrow) for y in (pa.array(loads), loads))
    np.testing.assert_array_equal(ours, theirs)
