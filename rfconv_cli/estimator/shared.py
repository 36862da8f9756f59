"""What classifier and regressor share: fitting, judging and showing. Their parameters live in `parameters`."""

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from rfconv_cli.errors import ArgumentError, UsageError
from rfconv_cli.estimator.parameters import Parameters
from rfconv_cli.export.groups import communities
from rfconv_cli.export.notebook import groups_table
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.judge.held_out import Judgement, fitted_rows, judged
from rfconv_cli.network.arrays import Fit, fit_arrays
from rfconv_cli.network.device import at_work
from rfconv_cli.table.exchange import as_frame, as_values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Table = Any  # numpy, pandas, or what speaks Arrow's protocol
Column = Any  # the same of one column, or a list
Floats = NDArray[np.float64]


class FieldEstimator(Parameters):
    """Base of the two faces. Each says what it takes for y: `_check_y`, `_outputs` and `_encoded`."""

    _check_y: ClassVar[dict[str, bool]] = {}  # of `validate_data`

    @property
    def _outputs(self) -> int:
        """The number of classes, or 1."""
        raise NotImplementedError

    def _encoded(self, y: NDArray[Any]) -> NDArray[Any]:
        """y (rows,) as a network learns it: int64 class codes, or float64."""
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.non_deterministic = False
        return tags

    @property
    def verdict_(self) -> Judgement:
        """What `judge` last found of the present fit."""
        judgement: Judgement | None = getattr(self, "_judgement", None)
        if judgement is None:
            raise AttributeError("there is no verdict_ yet: judge(X, y) gives it, on rows that were not fitted")
        return judgement

    def judge(self, X: Table, y: Column, groups: Column | None = None) -> Judgement:
        """Say whether the fields help, on rows that were not fitted: beside random fields and a plain MLP.

        These controls are trained on the rows of `fit`, and the fields found again on half-samples of them
        (`random_draws`, `stability`), which takes longer than `fit`. groups: rows of one value resemble one another, as
        the hours of a day do, and the intervals know it. Sets `verdict_`. Raises ValueError where X was fitted.
        """
        check_is_fitted(self)
        if not hasattr(self, "_record"):
            raise NotFittedError(
                "judge needs the rows of fit, which are not copied or saved with the estimator: fit it again"
            )
        x, known = self._checked(X, y, reset=False)
        codes = None if groups is None else np.unique(as_values(groups), return_inverse=True)[1]
        check_consistent_length(x, codes)
        self._refuse_fitted(fitted_rows(self._record, x), len(x))
        with at_work(self._record.settings, x.shape[1]):
            judgement = judged(self._record, x, self._encoded(known), codes)
        self._judgement: Judgement | None = judgement
        return judgement

    def plot_fields(self, kind: Literal["matrix", "graph", "centres"] = "matrix") -> "Figure":
        """The fields as a matplotlib Figure: who is in whose, as a graph of the columns, or field by field."""
        check_is_fitted(self)
        from rfconv_cli.export.plots import centre_views, field_graph_plot, field_matrix  # they bring matplotlib

        groups = communities(self.fields_)
        if kind == "matrix":
            return field_matrix(self.fields_, groups)
        if kind == "graph":
            return field_graph_plot(self.fields_, groups)
        if kind == "centres":
            return centre_views(self.fields_, groups=groups)
        raise ArgumentError(
            f"kind={kind!r}: there are 'matrix', 'graph' and 'centres'", hint="kind='matrix'", code="unknown_kind"
        )

    def _repr_html_inner(self) -> str:
        return str(super()._repr_html_inner()) + self._groups_html()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        output: dict[str, str] = super()._repr_mimebundle_(**kwargs)
        return output | {form: text + self._groups_html() for form, text in output.items() if form == "text/html"}

    def _groups_html(self) -> str:
        return groups_table(communities(self.fields_)) if hasattr(self, "fields_") else ""

    def __getstate__(self) -> dict[str, Any]:
        # who is given a model need not be given the rows it was fitted on
        return {name: value for name, value in super().__getstate__().items() if name != "_record"}

    def _fit(
        self, x: NDArray[np.float64], y: NDArray[Any], groups: NDArray[Any] | None, weight: NDArray[np.float64] | None
    ) -> Self:
        names = tuple(str(name) for name in getattr(self, "feature_names_in_", [f"x{i}" for i in range(x.shape[1])]))
        if len(names) < 2:
            raise ValueError(f"n_features = {len(names)}: a receptive field needs at least 2 columns")
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(f"X has more than one column called {', '.join(map(repr, twice))}")
        settings = self._settings()
        try:
            with at_work(settings, len(names)):
                self._record: Fit = fit_arrays(names, x, y, self._outputs, settings, groups, weight)
        except UsageError as error:
            told = f"device={settings.device!r}: torch sees no such device here"
            raise ArgumentError(told, hint="device='auto' takes a GPU where torch sees one", code=error.code) from None
        self._judgement = None
        self.model_ = self._record.model
        self.fields_: ReceptiveFields = self.model_.fields.reordered(names)
        self.n_iter_ = self._record.epochs
        return self

    def _rows(
        self, X: Table, y: Column, groups: Column | None, sample_weight: Column | None
    ) -> tuple[Floats, NDArray[Any], NDArray[Any] | None, Floats | None]:
        """What `fit` was given, checked: x, y, groups and weights. Rows of weight 0 are as if they were not there."""
        x, known = self._checked(X, y, reset=True)
        codes = None if groups is None else np.asarray(as_values(groups))
        check_consistent_length(x, codes)
        if sample_weight is None:
            return x, known, codes, None
        weight = _check_sample_weight(as_values(sample_weight), x, dtype=np.float64, ensure_non_negative=True)
        counts = weight > 0
        if not counts.any():
            raise ValueError("sample_weight is zero in all rows")
        return x[counts], known[counts], None if codes is None else codes[counts], weight[counts]

    def _checked(self, X: Table, y: Column, *, reset: bool) -> tuple[Floats, NDArray[Any]]:
        options = {"dtype": np.float64, "ensure_all_finite": "allow-nan", "reset": reset, **self._check_y}
        x, known = validate_data(self, as_frame(X), as_values(y), **options)
        return x, known

    def _refuse_fitted(self, again: int, rows: int) -> None:
        """A verdict on rows that were fitted would say nothing; a few may be like them by chance."""
        if again == rows:
            raise ArgumentError(
                f"all {rows} rows of X were fitted: a verdict on them would say nothing",
                hint="hold rows out before fit, as sklearn.model_selection.train_test_split does",
                code="fitted_rows",
            )
        if again:
            told = f"{again} of {rows} rows are like rows that were fitted; if they are the same, the verdict flatters"
            warnings.warn(told, UserWarning, stacklevel=3)

    def _predict(self, x: Table) -> NDArray[Any]:
        check_is_fitted(self)
        checked = validate_data(self, as_frame(x), dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        predicted: NDArray[Any] = self.model_.predict(checked)
        return predicted
