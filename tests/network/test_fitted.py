"""From raw numbers to predictions and back, and the whole method: column order leaves no trace."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from rfconv_cli.config import PRESETS, Settings
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.fitted import Encoding, FittedModel, decode_outputs, empty_model
from rfconv_cli.network.gap import SearchRecord
from rfconv_cli.network.learn import (
    Problem,
    entropy,
    fit_settings,
    generator_for,
    search_fields,
    train_on_fields,
)
from rfconv_cli.network.train import Trained

NAMES = ("wind_b", "wind_a", "t_c", "Ü", "t_a", "t_b", "10", "9")  # sorted order is another one
ORDER = (3, 7, 0, 5, 2, 6, 1, 4)
ROWS = 90


def settings(**changes) -> Settings:
    small = {"kernel_size": 3, "channels": 4, "hidden": 8, "search_steps": 12, "search_batch": 16}
    return Settings(**small | {"epochs": 3, "batch_size": 16} | changes)


def silent(stage: str, share: float) -> None:
    pass


@dataclass(frozen=True)
class Table:
    """Raw columns in some order, and both kinds of target."""

    names: tuple[str, ...]
    x: np.ndarray
    classes: np.ndarray
    values: np.ndarray
    valid: np.ndarray

    def permuted(self, order) -> "Table":
        x = np.ascontiguousarray(self.x[:, list(order)])
        return Table(tuple(self.names[i] for i in order), x, self.classes, self.values, self.valid)


def table(seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, len(NAMES))) * rng.uniform(0.01, 100, len(NAMES)) + rng.normal(size=len(NAMES)) * 50
    standard = (x - x.mean(0)) / x.std(0)
    classes = (standard[:, 0] * standard[:, 4] > 0).astype(np.int64) + (standard[:, 2] > 0)
    x[rng.random(x.shape) < 0.05] = np.nan
    return Table(NAMES, x, classes, 1000 + 50 * standard[:, 3], rng.random(ROWS) < 0.2)


@dataclass(frozen=True)
class Learned:
    """All that comes out of one run of the method."""

    fields: ReceptiveFields
    searched: SearchRecord
    trained: Trained
    model: FittedModel


def learn(data: Table, chosen: Settings, regression: bool = False) -> Learned:
    y, outputs = (data.values, 1) if regression else (data.classes, 3)
    encoding = Encoding.fit(data.names, data.x[~data.valid], y[~data.valid], chosen)
    problem = encoding.problem(data.x, y, ~data.valid, data.valid, outputs)
    fields, searched = search_fields(problem, chosen, silent)
    trained = train_on_fields(problem, fields, chosen, silent)
    return Learned(fields, searched, trained, FittedModel(encoding, fields, trained.network, outputs))


VARIANTS = {
    "default": {},
    "paper": PRESETS["paper"] | {"preset": "paper", "layers": 2},
    "softmax": {"estimator": "softmax", "level": "first-order"},
    "three layers": {"layers": 3, "share_fields": False, "dropout": 0.3},
    "candidates by Gumbel": {"parameterisation": "candidates", "candidates": 3, "estimator": "gumbel"},
    "factored": {"parameterisation": "factored", "rank": 3, "estimator": "softmax", "temperature_end": 0.1},
    "second order": {"level": "second-order", "hyper_gradient": "finite-difference", "layers": 2},
}
each_variant = pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)


@each_variant
def test_permuted_columns_give_the_same_fields_by_name(changes):
    data, chosen = table(), settings(**changes)
    fields, moved = (learn(d, chosen).fields for d in (data, data.permuted(ORDER)))
    assert [fields.by_name(d) for d in range(fields.depth)] == [moved.by_name(d) for d in range(moved.depth)]


@each_variant
@pytest.mark.parametrize("regression", [False, True], ids=["classes", "values"])
def test_permuted_columns_give_the_same_predictions_bit_for_bit(changes, regression):
    data, chosen = table(), settings(**changes)
    moved = data.permuted(ORDER)
    np.testing.assert_array_equal(
        learn(data, chosen, regression).model.predict(data.x), learn(moved, chosen, regression).model.predict(moved.x)
    )


@each_variant
def test_two_runs_are_equal_bit_for_bit(changes):
    first, again = (learn(table(), settings(**changes)) for _ in range(2))
    assert first.fields == again.fields
    assert first.searched.losses == again.searched.losses
    assert first.trained.history == again.trained.history
    np.testing.assert_array_equal(first.model.predict(table().x), again.model.predict(table().x))


def test_another_seed_is_another_run():
    first, other = (learn(table(), settings(seed=seed)) for seed in (0, 1))
    assert first.searched.losses != other.searched.losses


@each_variant
def test_the_global_random_state_is_neither_read_nor_changed(changes):
    predictions = []
    for global_seed in (0, 1):
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        predictions.append(learn(table(), settings(**changes)).model.predict(table().x))
        assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(*predictions)


@each_variant
def test_fields_fit_the_settings(changes):
    chosen = settings(**changes)
    fields = learn(table(), chosen).fields
    depth = 1 if chosen.share_fields else chosen.layers
    assert fields.members.shape == (depth, len(NAMES), chosen.kernel_size)
    assert fields.names == tuple(sorted(NAMES))


@each_variant
def test_a_row_is_predicted_the_same_in_any_company(changes):
    data = table()
    model = learn(data, settings(**changes)).model
    together = model.predict(data.x)
    alone = np.concatenate([model.predict(data.x[i : i + 1]) for i in range(0, ROWS, 9)])
    np.testing.assert_array_equal(alone, together[::9])


def test_probabilities_are_probabilities():
    data = table()
    chances = learn(data, settings()).model.predict(data.x)
    assert chances.shape == (ROWS, 3)
    assert (chances >= 0).all()
    np.testing.assert_allclose(chances.sum(1), 1, atol=1e-6)


def test_probabilities_are_the_softmax_of_the_outputs():
    raw = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    encoding = Encoding.fit(("a",), np.zeros((2, 1)), np.array([0, 1]), settings())
    powers = np.exp(raw.double().numpy())
    np.testing.assert_allclose(decode_outputs(raw, encoding, 3), powers / powers.sum(1, keepdims=True), rtol=1e-6)


def test_regression_answers_in_the_unit_of_the_target():
    data = table()
    predicted = learn(data, settings(epochs=40, lr=0.01), regression=True).model.predict(data.x)
    explained = 1 - np.mean((predicted - data.values) ** 2) / data.values.var()  # the target is 1000 ± 50
    assert explained > 0.5


def test_decoding_undoes_the_encoding_of_a_target():
    y = table().values
    encoding = Encoding.fit(NAMES, table().x, y, settings())
    np.testing.assert_allclose(decode_outputs(encoding.encode_y(y).unsqueeze(1), encoding, 1), y, rtol=1e-6)


def test_a_regression_target_is_standardised():
    y = table().values
    encoded = Encoding.fit(NAMES, table().x, y, settings()).encode_y(y)
    assert encoded.dtype == torch.float32
    np.testing.assert_allclose(encoded, (y - y.mean()) / y.std(), rtol=1e-5, atol=1e-6)


def test_a_constant_target_is_given_back():
    encoding = Encoding.fit(NAMES, table().x, np.full(ROWS, 7.5), settings())
    assert decode_outputs(encoding.encode_y(np.full(3, 7.5)).unsqueeze(1), encoding, 1).tolist() == [7.5] * 3


def test_class_codes_stay_as_they_are():
    encoded = Encoding.fit(NAMES, table().x, table().classes, settings()).encode_y(table().classes)
    assert encoded.dtype == torch.int64
    np.testing.assert_array_equal(encoded, table().classes)


def test_columns_are_encoded_in_the_order_of_their_names():
    x = np.array([[1.0, 2.0, 3.0], [3.0, 0.0, 9.0], [5.0, 1.0, 0.0]])
    encoded = Encoding.fit(("b", "c", "a"), x, np.array([0, 1, 0]), settings()).encode_x(x)
    standard = (x - x.mean(0)) / x.std(0)
    np.testing.assert_allclose(encoded, standard[:, [2, 0, 1]], rtol=1e-6)


def test_columns_of_one_unit_are_scaled_alike():
    x = np.array([[1.0, 20.0], [3.0, 0.0], [5.0, 10.0]])
    encoded = Encoding.fit(("a", "b"), x, np.array([0, 1, 0]), settings(scaling="shared")).encode_x(x)
    np.testing.assert_allclose(encoded, (x - x.mean()) / x.std(), rtol=1e-6)


def test_a_missing_value_is_predicted_as_the_median():
    data = table()
    model = learn(data, settings()).model
    gaps, filled = data.x.copy(), data.x.copy()
    gaps[:, 2] = np.nan
    filled[:, 2] = np.nanmedian(data.x[~data.valid, 2])
    np.testing.assert_array_equal(model.predict(gaps), model.predict(filled))


def test_a_problem_parts_the_rows_by_the_validation_mask():
    data = table()
    encoding = Encoding.fit(data.names, data.x, data.classes, settings())
    problem = encoding.problem(data.x, data.classes, ~data.valid, data.valid, 3)
    encoded, y = encoding.encode_x(data.x).numpy(), data.classes
    np.testing.assert_array_equal(problem.train.x, encoded[~data.valid])
    np.testing.assert_array_equal(problem.train.y, y[~data.valid])
    np.testing.assert_array_equal(problem.valid.x, encoded[data.valid])
    np.testing.assert_array_equal(problem.valid.y, y[data.valid])


def test_no_number_of_a_validation_row_reaches_the_search():
    data, chosen = table(), settings()
    spoiled = data.x.copy()
    spoiled[data.valid] = 1e6
    other = Table(data.names, spoiled, data.classes, data.values, data.valid)
    assert learn(data, chosen).fields == learn(other, chosen).fields


def test_an_empty_model_predicts_as_its_original_once_loaded():
    data, chosen = table(), settings(layers=2)
    model = learn(data, chosen).model
    copy = empty_model(model.encoding, model.fields, 3, chosen)
    copy.network.load_state_dict(model.network.state_dict())
    np.testing.assert_array_equal(copy.predict(data.x), model.predict(data.x))


def test_a_table_of_one_column_can_be_learned():
    data = table()
    one = Table(("a",), data.x[:, :1].copy(), data.classes, data.values, data.valid)
    assert learn(one, fit_settings(settings(), 1)).fields.by_name() == {"a": ["a"]}


@pytest.mark.parametrize(("columns", "expected"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_there_are_no_more_slots_than_columns(columns, expected):
    assert fit_settings(settings(kernel_size=3), columns).kernel_size == expected


def test_generators_of_two_purposes_are_independent():
    draws = [torch.rand(1000, generator=generator_for(0, purpose)).numpy() for purpose in ("search", "final")]
    assert abs(np.corrcoef(draws)[0, 1]) < 0.15


def test_a_generator_is_known_by_seed_and_purpose():
    assert torch.equal(*(torch.rand(9, generator=generator_for(4, "search")) for _ in range(2)))


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_every_seed_gives_a_seed_torch_takes(seed):
    assert 0 <= entropy(seed, "search") < 2**63


def test_training_on_other_fields_starts_from_the_same_weights():
    data, chosen = table(), settings(epochs=1, lr=1e-12, weight_decay=0.0)
    encoding = Encoding.fit(data.names, data.x, data.classes, chosen)
    problem: Problem = encoding.problem(data.x, data.classes, ~data.valid, data.valid, 3)
    centres = np.arange(len(NAMES))
    states = []
    for shift in (1, 3):
        members = np.stack([centres, (centres + shift) % 8, (centres + 2) % 8], 1)[None]
        fields = ReceptiveFields.unweighted(problem.names, members)
        states.append(train_on_fields(problem, fields, chosen, silent).network.state_dict())
    for name in states[0]:
        torch.testing.assert_close(states[0][name], states[1][name], rtol=0, atol=1e-9)
