"""RFConvClassifier and RFConvRegressor: the scikit-learn face of the same functions the commands use."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from rfconv_cli.config import Settings, from_values
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.contest import find_fields
from rfconv_cli.network.fitted import Encoding, FittedModel
from rfconv_cli.network.learn import Problem, fit_settings, train_on_fields, trained_on_all
from rfconv_cli.table.split import split_rows

_MIN_ROWS_TO_HOLD_OUT = 10


class _RFConv(BaseEstimator):  # type: ignore[misc]
    """What classifier and regressor share. A parameter at None takes the preset's value (see `config.Settings`)."""

    def __init__(
        self,
        preset: str = "default",
        *,
        kernel_size: int | None = None,
        channels: int | None = None,
        layers: int | None = None,
        hidden: int | None = None,
        heads: int | None = None,
        ensemble: int | None = None,
        embedding: str | None = None,
        bins: int | None = None,
        embedding_size: int | None = None,
        dropout: float | None = None,
        activation: str | None = None,
        kernel: str | None = None,
        share_fields: bool | None = None,
        scaling: str | None = None,
        source: str | None = None,
        find_rows: int | None = None,
        contest_epochs: int | None = None,
        level: str | None = None,
        parameterisation: str | None = None,
        candidates: int | None = None,
        rank: int | None = None,
        estimator: str | None = None,
        hyper_gradient: str | None = None,
        gamma: float | None = None,
        mask_centre: bool | None = None,
        distinct: bool | None = None,
        search_steps: int | None = None,
        search_batch: int | None = None,
        logits_lr: float | None = None,
        temperature: float | None = None,
        temperature_end: float | None = None,
        epochs: int | None = None,
        most_steps: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        weight_decay: float | None = None,
        averaging: float | None = None,
        patience: int | None = None,
        refit: bool | None = None,
        valid_size: float | None = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.preset = preset
        self.kernel_size = kernel_size
        self.channels = channels
        self.layers = layers
        self.hidden = hidden
        self.heads = heads
        self.ensemble = ensemble
        self.embedding = embedding
        self.bins = bins
        self.embedding_size = embedding_size
        self.dropout = dropout
        self.activation = activation
        self.kernel = kernel
        self.share_fields = share_fields
        self.scaling = scaling
        self.source = source
        self.find_rows = find_rows
        self.contest_epochs = contest_epochs
        self.level = level
        self.parameterisation = parameterisation
        self.candidates = candidates
        self.rank = rank
        self.estimator = estimator
        self.hyper_gradient = hyper_gradient
        self.gamma = gamma
        self.mask_centre = mask_centre
        self.distinct = distinct
        self.search_steps = search_steps
        self.search_batch = search_batch
        self.logits_lr = logits_lr
        self.temperature = temperature
        self.temperature_end = temperature_end
        self.epochs = epochs
        self.most_steps = most_steps
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.averaging = averaging
        self.patience = patience
        self.refit = refit
        self.valid_size = valid_size
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.non_deterministic = False
        return tags

    def _fit(self, x: NDArray[np.float64], y: NDArray[Any], groups: ArrayLike | None, outputs: int) -> Self:
        if x.shape[1] < 2:
            raise ValueError(f"n_features = {x.shape[1]}: a receptive field needs at least 2 columns")
        check_consistent_length(x, groups)
        settings = fit_settings(self._settings(), x.shape[1])
        names = tuple(str(name) for name in getattr(self, "feature_names_in_", [f"x{i}" for i in range(x.shape[1])]))
        valid = _held_out(y, groups, settings, stratify=outputs > 1)
        encoding = Encoding.fit(names, x, y, settings, ~valid)
        problem = encoding.problem(x, y, ~valid, valid, outputs)
        if not valid.any():  # too few rows to hold any out: stop on the training loss
            problem = Problem(problem.names, problem.train, problem.train, outputs)
        found = find_fields(problem, settings, _silent)
        fields = found.fields
        first = found.trained.get(fields) or train_on_fields(problem, fields, settings, _silent)
        trained = trained_on_all(problem, fields, first, settings)
        self.model_ = FittedModel(encoding, fields, trained.network, outputs)
        self.fields_: ReceptiveFields = fields.reordered(names)
        self.n_iter_ = len(trained.history)
        return self

    def _settings(self) -> Settings:
        values = {key: value for key, value in self.get_params(deep=False).items() if value is not None}
        values["seed"] = int(check_random_state(values.pop("random_state", None)).randint(2**31 - 1))
        return from_values(values)

    def _predict(self, x: ArrayLike) -> NDArray[Any]:
        check_is_fitted(self)
        checked = validate_data(self, x, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        predicted: NDArray[Any] = self.model_.predict(checked)
        return predicted


class RFConvClassifier(ClassifierMixin, _RFConv):  # type: ignore[misc]
    """Learns receptive fields over the columns, then a network on them.

    x: (rows, columns) numbers, NaN where missing. Each parameter is one of `rfconv learn`'s settings; None takes the
    preset's value. After `fit`: `classes_`, `fields_` (a `ReceptiveFields`), `n_iter_` epochs trained.

    >>> RFConvClassifier(kernel_size=3).fit(x, y).fields_.by_name()      # doctest: +SKIP
    {'temperature': ['temperature', 'dew point', 'pressure'], …}
    """

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Learn from X (rows, columns) and labels y; rows with one value in `groups` are validated together."""
        x, labels = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        check_classification_targets(labels)
        encoder = LabelEncoder().fit(labels)
        self.classes_ = encoder.classes_
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class only ({self.classes_.tolist()[0]!r}): a classifier needs at least 2")
        return self._fit(x, encoder.transform(labels).astype(np.int64), groups, len(self.classes_))

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """(rows, classes) float32, columns as in `classes_`."""
        return self._predict(X)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable label of each row."""
        codes = self.predict_proba(X).argmax(1)
        labels: NDArray[Any] = self.classes_[codes]
        return labels


class RFConvRegressor(RegressorMixin, _RFConv):  # type: ignore[misc]
    """Learns receptive fields over the columns, then a network on them, by squared error. See `RFConvClassifier`."""

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Learn from X (rows, columns) and values y; rows with one value in `groups` are validated together."""
        x, values = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", y_numeric=True)
        return self._fit(x, np.asarray(values, np.float64), groups, 1)

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """(rows,) float64, in the unit of y."""
        return self._predict(X)


def _held_out(
    y: NDArray[Any], groups: ArrayLike | Sequence[Any] | None, settings: Settings, *, stratify: bool
) -> NDArray[np.bool_]:
    if len(y) < _MIN_ROWS_TO_HOLD_OUT:
        return np.zeros(len(y), np.bool_)
    rng = np.random.default_rng(settings.seed)
    as_array = None if groups is None else np.asarray(groups)
    return split_rows(y, as_array, size=settings.valid_size, stratify=stratify, rng=rng)


def _silent(stage: str, share: float) -> None:
    """A fit inside Python shows no progress."""
