"""The classifier and the regressor: what y is, and what predictions are."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets

from rfconv_cli.errors import ArgumentError
from rfconv_cli.estimator.shared import Column, FieldEstimator, Table


class RFConvClassifier(ClassifierMixin, FieldEstimator):  # type: ignore[misc]
    """Learns receptive fields over the columns, then a network on them.

    X: (rows, columns) numbers, NaN where missing: numpy, pandas, or what gives an Arrow stream (pyarrow, polars).
    Each parameter is one of `rfconv learn`'s settings; None takes the preset's value. After `fit`: `classes_`,
    `fields_` (a `ReceptiveFields`), `n_iter_` epochs trained; after `judge`: `verdict_`.

    >>> model = RFConvClassifier(kernel_size=3).fit(x, y)      # doctest: +SKIP
    >>> model.fields_.by_name()                                # doctest: +SKIP
    {'temperature': ['temperature', 'dew point', 'pressure'], …}
    >>> print(model.judge(x_held_out, y_held_out))             # doctest: +SKIP
    Learned fields do not beat random fields: no evidence of structure (…).
    """

    def fit(self, X: Table, y: Column, groups: Column | None = None, sample_weight: Column | None = None) -> Self:
        """Learn from X (rows, columns) and labels y.

        groups: rows of one value are validated together. sample_weight: what a row counts in the loss, 0 or more.
        Raises ValueError for what cannot be learned from and for a parameter out of range; TrainingError.
        """
        x, labels, codes, weight = self._rows(X, y, groups, sample_weight)
        check_classification_targets(labels)
        self.classes_ = LabelEncoder().fit(labels).classes_
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class only ({self.classes_.tolist()[0]!r}): a classifier needs at least 2")
        if self.class_weight is not None:
            of_class = compute_sample_weight(self.class_weight, labels)
            weight = of_class if weight is None else weight * of_class
        return self._fit(x, self._encoded(labels), codes, weight)

    def predict_proba(self, X: Table) -> NDArray[np.float32]:
        """(rows, classes) float32, columns as in `classes_`."""
        return self._predict(X)

    def predict(self, X: Table) -> NDArray[Any]:
        """The most probable label of each row."""
        codes = self.predict_proba(X).argmax(1)
        labels: NDArray[Any] = self.classes_[codes]
        return labels

    @property
    def _outputs(self) -> int:
        return len(self.classes_)

    def _encoded(self, y: NDArray[Any]) -> NDArray[np.int64]:
        encoder = LabelEncoder()
        encoder.classes_ = self.classes_
        return np.asarray(encoder.transform(y), np.int64)


class RFConvRegressor(RegressorMixin, FieldEstimator):  # type: ignore[misc]
    """Learns receptive fields over the columns, then a network on them, by squared error. See `RFConvClassifier`."""

    _check_y: ClassVar[dict[str, bool]] = {"y_numeric": True}
    _outputs = 1

    def fit(self, X: Table, y: Column, groups: Column | None = None, sample_weight: Column | None = None) -> Self:
        """Learn from X (rows, columns) and values y. See `RFConvClassifier.fit`."""
        if self.class_weight is not None:
            raise ArgumentError(
                f"class_weight={self.class_weight!r}: values have no classes", hint="sample_weight", code="bad_setting"
            )
        x, values, codes, weight = self._rows(X, y, groups, sample_weight)
        return self._fit(x, self._encoded(values), codes, weight)

    def predict(self, X: Table) -> NDArray[np.float64]:
        """(rows,) float64, in the unit of y."""
        return self._predict(X)

    def _encoded(self, y: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(y, np.float64)
