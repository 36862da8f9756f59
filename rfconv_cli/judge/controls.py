"""The controls a learned network is judged against: the same network on random fields, and a plain MLP.

Random fields are the control that matters: a result that does not beat them says nothing about structure.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from rfconv_cli.config import Settings
from rfconv_cli.fields.project import random_fields
from rfconv_cli.fields.search import Progress
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.learn import Problem, edges_for, entropy, generator_for, train_on_fields, trains_again
from rfconv_cli.network.lengths import length_of_last
from rfconv_cli.network.model import Ensemble, FieldNetwork, count_parameters, fixed_network, plain_mlp
from rfconv_cli.network.side_by_side import finish_each, train_each
from rfconv_cli.network.starts import CORRELATION, Starts
from rfconv_cli.network.train import Trained, train_network, train_on_all

RANDOM_FIELDS, CORRELATION_FIELDS, MLP = "random_fields", "correlation_fields", "mlp"


def train_with_controls(
    problem: Problem,
    fields: ReceptiveFields,
    settings: Settings,
    progress: Progress,
    known: Mapping[ReceptiveFields, Trained],
) -> tuple[Trained, dict[str, list[Trained]]]:
    """The final network on `fields`, and every control by name: `random_draws` of random fields, one of each other.

    Random fields train the same network as the learned ones: same size, training and initial weights. Correlation
    fields, each centre's most correlated columns, are structure that needs no learning. known: networks that were
    trained before with these settings (`train_on_fields`), and are not trained again.
    """
    draws = [drawn_fields(problem, draw, settings) for draw in range(settings.random_draws)]
    correlated = Starts(problem, settings).entry(CORRELATION).fields
    every = dict.fromkeys([fields, *draws, correlated])
    wanted = [one for one in every if one not in known]
    fresh = train_each(problem, wanted, settings, "train", lambda _, share: progress("train", 0.5 * share))
    first = {**known, **dict(zip(wanted, fresh, strict=True))}
    length = length_of_last(problem, first[fields], settings, partial(_again, fields=fields, settings=settings))
    if length is not None:  # all are the same network: none trains longer than the others
        first = {one: replace(trained, length=length) for one, trained in first.items()}
    final = finish_each(
        problem,
        {one: first[one] for one in every},
        settings,
        "train",
        lambda _, share: progress("train", 0.5 + 0.5 * share),
    )
    mlp = train_plain_mlp(problem, settings, lambda _, share: progress("controls", share))
    controls = {
        RANDOM_FIELDS: [final[one] for one in draws],
        CORRELATION_FIELDS: [final[correlated]],
        MLP: [mlp],
    }
    return final[fields], controls


def drawn_fields(problem: Problem, draw: int, settings: Settings) -> ReceptiveFields:
    """The `draw`-th random fields."""
    depth = 1 if settings.share_fields else settings.layers
    rng = np.random.default_rng(entropy(settings.seed, f"random fields {draw}"))
    return random_fields(problem.names, settings.kernel_size, depth, rng)


def train_plain_mlp(problem: Problem, settings: Settings, progress: Progress) -> Trained:
    """Dense layers with about as many parameters as the network on fields, on the same embedding, trained alike."""

    def trained(one: Problem, told: Progress) -> Trained:
        network, generator = _plain_mlp(one, settings)
        return train_network(network, one.train, one.valid, settings, generator, told)

    first = trained(problem, progress)
    if not trains_again(problem, settings):
        return first
    length = length_of_last(problem, first, settings, lambda one: trained(one, _untold))
    together = problem.together()
    again, generator = _plain_mlp(together, settings)
    return train_on_all(again, together.train, replace(first, length=length), settings, generator)


def _again(problem: Problem, fields: ReceptiveFields, settings: Settings) -> Trained:
    return train_on_fields(problem, fields, settings, _untold)


def _untold(stage: str, share: float) -> None:
    """Progress of trainings that no stage counts."""


def _plain_mlp(problem: Problem, settings: Settings) -> tuple[FieldNetwork | Ensemble, torch.Generator]:
    generator = generator_for(settings.seed, "mlp")
    columns = len(problem.names)
    members = torch.zeros(1, columns, settings.kernel_size, dtype=torch.int64)
    edges = edges_for(problem, settings)
    size = count_parameters(fixed_network(members, problem.outputs, settings, generator, edges))
    return plain_mlp(columns, problem.outputs, size, settings, generator, edges), generator
