"""The estimators' parameters: settings of `config` in scikit-learn's form."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from rfconv_cli.config import Settings, fault_of, with_preset
from rfconv_cli.errors import ArgumentError


class Parameters(BaseEstimator):  # type: ignore[misc]
    """What can be set. A parameter at None takes the preset's value (see `config.Settings`).

    random_state stands for `seed`; class_weight is scikit-learn's: "balanced", or what each class counts.
    """

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
        shifts: float | None = None,
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
        class_weight: str | Mapping[Any, float] | None = None,
        random_draws: int | None = None,
        stability: int | None = None,
        bootstrap: int | None = None,
        threads: int | None = None,
        device: str | None = None,
        precision: str | None = None,
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
        self.shifts = shifts
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
        self.class_weight = class_weight
        self.random_draws = random_draws
        self.stability = stability
        self.bootstrap = bootstrap
        self.threads = threads
        self.device = device
        self.precision = precision
        self.random_state = random_state

    def _settings(self) -> Settings:
        values = {key: value for key, value in self.get_params(deep=False).items() if value is not None}
        values.pop("class_weight", None)  # said in the weights of the rows
        values["seed"] = int(check_random_state(values.pop("random_state", None)).randint(2**31 - 1))
        try:
            return Settings(**with_preset(values))
        except ValidationError as error:
            name, value, reason = fault_of(error)
            raise ArgumentError(
                f"{name}={value!r}: {reason}", hint="rfconv learn --help says what it means", code="bad_setting"
            ) from None
