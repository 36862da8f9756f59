"""The scikit-learn face: scikit-learn's own suite, then what is rfconv's promise beyond it."""

import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from rfconv_cli.config import PRESETS, Settings
from rfconv_cli.errors import RfconvError
from rfconv_cli.estimator import RFConvClassifier, RFConvRegressor, shared
from rfconv_cli.network import arrays

QUICK = {"search_steps": 30, "epochs": 4, "channels": 4, "hidden": 8}
# enough to learn what scikit-learn's checks ask to be learned
ENOUGH = {"search_steps": 30, "epochs": 40}


# as with scikit-learn's own learners by mini-batches: a row given twice falls into other batches than one that counts 2
BY_BATCHES = {"check_sample_weight_equivalence_on_dense_data": "repeated rows change the batches and the held-out rows"}


@parametrize_with_checks(
    [RFConvClassifier(**ENOUGH), RFConvRegressor(**ENOUGH)], expected_failed_checks=lambda estimator: BY_BATCHES
)
def test_scikit_learns_contract_is_kept(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def sensors(sensor_csv: Path) -> pd.DataFrame:
    return pd.read_csv(sensor_csv).drop(columns=["state", "load"])


@pytest.fixture(scope="module")
def states(sensor_csv: Path) -> pd.Series:
    return pd.read_csv(sensor_csv)["state"]


@pytest.fixture(scope="module")
def loads(sensor_csv: Path) -> pd.Series:
    return pd.read_csv(sensor_csv)["load"]


def classifier(**changes) -> RFConvClassifier:
    return RFConvClassifier(**QUICK | changes)


def regressor(**changes) -> RFConvRegressor:
    return RFConvRegressor(**QUICK | changes)


def test_fields_are_by_the_names_of_a_data_frame(sensors, states):
    fields = classifier().fit(sensors, states).fields_.by_name()
    assert list(fields) == list(sensors.columns)
    assert {name for members in fields.values() for name in members} <= set(sensors.columns)
    assert all(members[0] == centre for centre, members in fields.items())


def test_columns_without_names_are_numbered(sensors, states):
    fields = classifier().fit(sensors.to_numpy(), states).fields_.by_name()
    assert list(fields) == [f"x{i}" for i in range(6)]


@pytest.mark.parametrize("order", [[5, 4, 3, 2, 1, 0], [3, 1, 5, 0, 2, 4]])
def test_permuted_columns_give_the_same_fields_and_bit_equal_probabilities(sensors, states, order):
    permuted = sensors.iloc[:, order]
    straight, turned = classifier().fit(sensors, states), classifier().fit(permuted, states)
    assert turned.fields_.by_name() == straight.fields_.by_name()
    np.testing.assert_array_equal(turned.predict_proba(permuted), straight.predict_proba(sensors))


def test_permuted_columns_give_bit_equal_values(sensors, loads):
    permuted = sensors.iloc[:, ::-1]
    straight, turned = regressor().fit(sensors, loads), regressor().fit(permuted, loads)
    np.testing.assert_array_equal(turned.predict(permuted), straight.predict(sensors))


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda x: np.repeat(x, 2, axis=0)[::2]])
def test_the_layout_in_memory_does_not_matter(sensors, states, layout):
    x = sensors.to_numpy()
    straight, other = classifier().fit(x, states), classifier().fit(layout(x), states)
    np.testing.assert_array_equal(other.predict_proba(layout(x)), straight.predict_proba(x))


def test_missing_cells_are_accepted_in_fit_and_predict(sensors, states):
    holes = sensors.mask(np.random.default_rng(0).random(sensors.shape) < 0.2)
    holes["never"] = np.nan
    probabilities = classifier().fit(holes, states).predict_proba(holes)
    assert np.isfinite(probabilities).all()


def test_a_missing_cell_counts_as_the_median(sensors, states):
    x = sensors.to_numpy()[:101]
    fitted = classifier(valid_size=0.001).fit(x, states[:101])  # one row is held out
    median = fitted.model_.encoding.scaling.median
    row = x[:1].copy()
    row[0, 2] = np.nan
    filled = row.copy()
    filled[0, 2] = median[2]
    np.testing.assert_array_equal(fitted.predict_proba(row), fitted.predict_proba(filled))


@pytest.mark.parametrize("labels", [["same", "other"], [7, 3], [True, False], [1.0, -2.0]], ids=str)
def test_labels_come_back_as_they_were_given(sensors, states, labels):
    y = np.where(states == "same", labels[0], labels[1])
    predicted = classifier().fit(sensors, y).predict(sensors)
    assert predicted.dtype == y.dtype
    assert set(predicted.tolist()) <= set(labels)


def test_probabilities_stand_in_the_order_of_the_classes(sensors, states):
    fitted = classifier().fit(sensors, states)
    probabilities = fitted.predict_proba(sensors)
    assert list(fitted.classes_) == ["other", "same"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (fitted.classes_[probabilities.argmax(1)] == fitted.predict(sensors)).all()


@pytest.mark.parametrize(("unit", "zero"), [(1.0, 0.0), (1e6, 0.0), (1e-3, 1.6e9), (-1.0, 0.0)])
def test_regression_answers_in_the_unit_of_y(sensors, loads, unit, zero):
    y = loads * unit + zero
    predicted = regressor(lr=0.02, epochs=60, dropout=0.0).fit(sensors, y).predict(sensors)
    assert np.mean(predicted) == pytest.approx(np.mean(y), abs=0.3 * np.std(y))
    assert np.std(predicted) == pytest.approx(np.std(y), rel=0.3)


def test_rows_of_a_group_are_validated_together(sensors, states, monkeypatch):
    groups, seen = np.arange(len(states)) // 10, []
    split = arrays.split_rows
    monkeypatch.setattr(arrays, "split_rows", lambda *a, **k: seen.append(split(*a, **k)) or seen[-1])
    classifier().fit(sensors, states, groups=groups)
    held = seen[0]
    assert 0 < held.sum() < len(states)
    assert not set(groups[held]) & set(groups[~held])


def test_groups_of_another_length_are_refused(sensors, states):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        classifier().fit(sensors, states, groups=[1, 2, 3])


def test_validation_rows_move_neither_the_scaling_nor_the_target(sensors, loads):
    x, y = sensors.to_numpy().copy(), loads.to_numpy().copy()
    fit = regressor(random_state=1)
    settings_seed = fit._settings().seed
    held = arrays.split_rows(y, None, size=0.1, stratify=False, rng=np.random.default_rng(settings_seed))
    before = fit.fit(x, y).model_.encoding
    x[held], y[held] = 1e9, -1e9
    after = clone(fit).fit(x, y).model_.encoding
    np.testing.assert_array_equal(after.scaling.mean, before.scaling.mean)
    assert (after.target_mean, after.target_scale) == (before.target_mean, before.target_scale)


@pytest.mark.parametrize("make", [classifier, regressor])
def test_every_parameter_but_the_random_state_is_a_setting(make):
    parameters = set(make().get_params()) - {"random_state"}
    assert parameters <= set(Settings.model_fields)


@pytest.mark.parametrize("face", [RFConvClassifier, RFConvRegressor])
def test_every_parameter_defaults_to_the_preset(face):
    parameters = inspect.signature(face).parameters
    defaults = {name: p.default for name, p in parameters.items() if name not in ("preset", "random_state")}
    assert set(defaults.values()) == {None}


def test_every_setting_of_the_method_is_a_parameter():
    elsewhere = {"Table", "Split", "Other"}
    method = {
        name for name, field in Settings.model_fields.items() if field.json_schema_extra["section"] not in elsewhere
    }
    of_the_machine = {"device", "precision", "threads"}
    assert method | of_the_machine | {"class_weight"} <= set(RFConvClassifier().get_params())


def test_the_paper_preset_is_the_papers_method():
    settings = RFConvClassifier("paper")._settings()
    assert {key: getattr(settings, key) for key in PRESETS["paper"]} == PRESETS["paper"]


def test_the_random_state_decides(sensors, states):
    same, again, other = (classifier(random_state=s).fit(sensors, states).predict_proba(sensors) for s in (1, 1, 2))
    np.testing.assert_array_equal(same, again)
    assert (same != other).any()


def test_it_works_in_a_pipeline(sensors, states):
    fitted = make_pipeline(StandardScaler().set_output(transform="pandas"), classifier()).fit(sensors, states)
    assert set(fitted.predict(sensors)) <= set(states)
    assert list(fitted[-1].fields_.names) == list(sensors.columns)


def test_it_works_in_cross_validation(sensors, states, loads):
    scores = [cross_val_score(make(), sensors, y, cv=2) for make, y in ((classifier, states), (regressor, loads))]
    assert np.isfinite(scores).all()


def test_it_works_in_a_grid_search_over_numpy_values(sensors, states):
    grid = {"kernel_size": np.arange(2, 4), "lr": np.array([1e-3], np.float32), "distinct": np.array([True])}
    found = GridSearchCV(classifier(), grid, cv=2, error_score="raise").fit(sensors, states)
    assert found.best_params_["kernel_size"] in (2, 3)
    assert found.best_estimator_.fields_.kernel_size == found.best_params_["kernel_size"]


def test_more_slots_than_columns_are_as_many_as_columns(sensors, states):
    assert classifier(kernel_size=50).fit(sensors, states).fields_.kernel_size == 6


@pytest.mark.parametrize("rows", [4, 9])
def test_few_rows_are_enough_to_fit(sensors, rows):
    y = np.arange(rows) % 2
    assert len(classifier().fit(sensors[:rows], y).predict(sensors)) == len(sensors)


def test_one_class_is_refused(sensors):
    with pytest.raises(ValueError, match=r"one class only \('a'\)"):
        classifier().fit(sensors, ["a"] * len(sensors))


def test_one_column_is_refused(sensors, states):
    with pytest.raises(ValueError, match="at least 2 columns"):
        classifier().fit(sensors.iloc[:, :1], states)


def test_two_columns_of_one_name_are_refused(sensors, states):
    with pytest.raises(ValueError, match="temp_a"):
        classifier().fit(sensors.rename(columns={"temp_b": "temp_a"}), states)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("kernel_size", 1), ("preset", "quick"), ("shifts", 2.0), ("lr", "fast"), ("device", "tpu"), ("stability", -1)],
)
def test_a_value_out_of_range_is_a_value_error_and_ours_that_names_the_parameter(sensors, states, parameter, value):
    made = RFConvClassifier().set_params(**{parameter: value})
    with pytest.raises(ValueError, match=f"^{parameter}={value!r}: ") as caught:
        made.fit(sensors, states)
    assert isinstance(caught.value, RfconvError)
    assert caught.value.code == "bad_setting"
    assert caught.value.__notes__ == [caught.value.hint]


def test_a_device_that_is_not_there_is_a_value_error_that_names_it(sensors, states):
    absent = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(ValueError, match=f"^device='{absent}': torch sees no such device"):
        classifier(device=absent).fit(sensors, states)


def test_torch_is_set_as_before_after_a_fit(sensors, states, monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(shared, "fit_arrays", lambda *a, **k: pytest.fail(f"{torch.get_num_threads()} threads"))
    with pytest.raises(pytest.fail.Exception, match="3 threads"):
        classifier(threads=3).fit(sensors, states)
    assert torch.get_num_threads() == before


def test_precision_and_moved_rows_reach_the_training(sensors, states):
    plain, *others = (
        classifier(**changes).fit(sensors, states).predict_proba(sensors)
        for changes in ({}, {"precision": "bfloat16"}, {"shifts": 1.0, "source": "aligned"})
    )
    assert all((plain != other).any() for other in others)


def test_rows_of_weight_0_are_as_if_they_were_not_there(sensors, states):
    x, y = sensors.to_numpy(), states.to_numpy()
    weight = np.ones(len(x))
    weight[::3] = 0
    weighted = classifier().fit(x, y, sample_weight=weight)
    without = classifier().fit(x[weight > 0], y[weight > 0], sample_weight=weight[weight > 0])
    np.testing.assert_array_equal(weighted.predict_proba(x), without.predict_proba(x))


def test_rows_that_count_more_are_predicted_more(sensors, states):
    learns = {"epochs": 30, "hidden": 32, "lr": 0.01}
    weight = np.where(states == "same", 50.0, 1.0)
    heavy, plain = (classifier(**learns).fit(sensors, states, sample_weight=w) for w in (weight, None))
    more, fewer = ((one.predict(sensors) == "same").mean() for one in (heavy, plain))
    assert more > 0.9 > fewer


def test_the_scale_of_the_weights_does_not_matter(sensors, loads):
    weight = np.linspace(1, 2, len(loads))
    one, other = (regressor().fit(sensors, loads, sample_weight=w).predict(sensors) for w in (weight, 4 * weight))
    np.testing.assert_array_equal(one, other)


def test_balanced_classes_are_weights_that_say_so(sensors, states):
    rare = (states == "same") & (np.arange(len(states)) % 5 > 0)
    x, y = sensors[~rare], states[~rare]
    of_class = dict(zip(*np.unique(y, return_counts=True), strict=True))
    by_hand = np.array([len(y) / (2 * of_class[label]) for label in y])
    balanced = classifier(class_weight="balanced").fit(x, y)
    weighted = classifier().fit(x, y, sample_weight=by_hand)
    np.testing.assert_array_equal(balanced.predict_proba(x), weighted.predict_proba(x))


@pytest.mark.parametrize("value", ["fair", {"same": "much"}])
def test_class_weights_that_are_none_are_refused(sensors, states, value):
    with pytest.raises((ValueError, TypeError)):
        classifier(class_weight=value).fit(sensors, states)


def test_a_number_has_no_classes_to_weigh(sensors, loads):
    with pytest.raises(ValueError, match="class_weight='balanced'"):
        regressor(class_weight="balanced").fit(sensors, loads)


def test_it_can_be_calibrated(sensors, states):
    probabilities = CalibratedClassifierCV(classifier(), cv=2).fit(sensors, states).predict_proba(sensors)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
