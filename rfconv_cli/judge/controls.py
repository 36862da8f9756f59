"""The controls a learned network is judged against: the same network on random fields, and a plain MLP.

Random fields are the control that matters: a result that does not beat them says nothing about structure.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from rfconv_cli.config import Settings
from rfconv_cli.fields.project import random_fields
from rfconv_cli.fields.search import Progress
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.learn import PLAIN_MLP, Problem, entropy, rows_to_find_on, train_on_fields, trains_again
from rfconv_cli.network.lengths import length_of_last
from rfconv_cli.network.side_by_side import finish_each, histories_of_each, train_each
from rfconv_cli.network.starts import CORRELATION, Starts
from rfconv_cli.network.train import Trained

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
    correlated = Starts(rows_to_find_on(problem, settings), settings).entry(CORRELATION).fields
    every: list[ReceptiveFields | None] = [*dict.fromkeys([fields, *draws, correlated]), PLAIN_MLP]
    wanted = [one for one in every if one not in known]
    # of a first training that is not the last one, how long it took is all that is asked
    again = trains_again(problem, settings)
    trained, part = (histories_of_each, 0.5) if again else (train_each, 1.0)
    fresh = trained(problem, wanted, settings, "train", lambda _, share: progress("train", part * share))
    first: dict[ReceptiveFields | None, Trained] = dict(zip(wanted, fresh, strict=True))
    first = _of_one_length(first | dict(known.items()), fields, problem, settings)
    final = finish_each(
        problem,
        {one: first[one] for one in every},
        settings,
        "train",
        lambda _, share: progress("train", 0.5 + 0.5 * share),
    )
    controls = {
        RANDOM_FIELDS: [final[one] for one in draws],
        CORRELATION_FIELDS: [final[correlated]],
        MLP: [final[PLAIN_MLP]],
    }
    return final[fields], controls


def _of_one_length(
    first: Mapping[ReceptiveFields | None, Trained], fields: ReceptiveFields, problem: Problem, settings: Settings
) -> dict[ReceptiveFields | None, Trained]:
    """First trainings that say how long the last one takes: of all on fields as long, of the MLP as it needs itself."""
    length, of_mlp = (
        length_of_last(problem, first[one], settings, partial(_again, one=one, settings=settings))
        for one in (fields, PLAIN_MLP)
    )
    if length is None:
        return dict(first)
    return {one: replace(done, length=of_mlp if one is PLAIN_MLP else length) for one, done in first.items()}


def _again(problem: Problem, one: ReceptiveFields | None, settings: Settings) -> Trained:
    return train_on_fields(problem, one, settings, lambda stage, share: None)


def drawn_fields(problem: Problem, draw: int, settings: Settings) -> ReceptiveFields:
    """The `draw`-th random fields."""
    depth = 1 if settings.share_fields else settings.layers
    rng = np.random.default_rng(entropy(settings.seed, f"random fields {draw}"))
    return random_fields(problem.names, settings.kernel_size, depth, rng)
