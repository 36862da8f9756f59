"""The judgement of a model that was fitted from arrays: controls on the rows it was fitted on, scores on others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from rfconv_cli.judge.compare import compare
from rfconv_cli.judge.controls import RANDOM_FIELDS, train_with_controls
from rfconv_cli.judge.metrics import Resamples
from rfconv_cli.judge.repeated import repeat_on_halves
from rfconv_cli.network.arrays import Fit
from rfconv_cli.network.fitted import decode_outputs
from rfconv_cli.network.train import predict

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judgement:
    """What rows that nothing was fitted to say of a model: the numbers of `learn`'s result document.

    code: `structure_found`, `not_unique` or `no_evidence`; sentence: the same in words, which `str` gives too.
    test: the scores; controls: those of random fields, correlation fields and a plain MLP, with the `difference` to
    each; stability: how far half-samples agree on the fields, None where that was not measured.
    """

    code: str
    sentence: str
    test: Mapping[str, Any]
    controls: Mapping[str, Any]
    stability: Mapping[str, Any] | None

    def __str__(self) -> str:
        return self.sentence


def judged(fit: Fit, x: Floats, y: NDArray[Any], groups: NDArray[np.int64] | None = None) -> Judgement:
    """Train the controls, find the fields again on half-samples, and compare on the rows of x and y.

    x (rows, N) float64 in table order, y (rows,) as in `fit_arrays`: rows that were not fitted. groups: (rows,) codes
    of rows that resemble one another, which the intervals then know. Raises TrainingError.
    """
    settings, model = fit.settings, fit.model
    trained, controls = train_with_controls(fit.problem, fit.found.fields, settings, _silent, fit.found.trained)
    stability, _ = repeat_on_halves(fit.problem, fit.found, settings, trained, controls[RANDOM_FIELDS], _silent)
    encoded = model.encoding.encode_x(x)

    def predictions(network: nn.Module) -> NDArray[Any]:
        return decode_outputs(predict(network, encoded), model.encoding, model.outputs)

    others = {name: [predictions(one.network) for one in each] for name, each in controls.items()}
    resamples = Resamples(len(y), settings.bootstrap, settings.seed, groups)
    scores = compare(y, predictions(model.network), others, resamples, stability)
    verdict = scores["verdict"]
    return Judgement(verdict["code"], verdict["sentence"], scores["test"], scores["controls"], verdict["stability"])


def fitted_rows(fit: Fit, x: Floats) -> int:
    """How many of the rows x (rows, N) have the values of a row that the model was fitted on, in all columns."""
    known = {*_row_keys(fit.problem.train.x), *_row_keys(fit.problem.valid.x)}
    return sum(key in known for key in _row_keys(fit.model.encoding.encode_x(x)))


def _row_keys(x: Tensor) -> list[int]:
    return [hash(row.tobytes()) for row in x.numpy()]


def _silent(stage: str, share: float) -> None:
    """A judgement inside Python shows no progress."""
