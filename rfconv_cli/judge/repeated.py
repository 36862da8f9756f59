"""The stability of what was found: the winning source once more on half-samples, and on a shuffled target."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfconv_cli.config import Settings
from rfconv_cli.fields.naming import named_like
from rfconv_cli.fields.search import Progress
from rfconv_cli.judge.stability import Members, stability
from rfconv_cli.network.contest import SEARCHED, Found
from rfconv_cli.network.cost import halves_of
from rfconv_cli.network.learn import Problem
from rfconv_cli.network.repeat import USES_TARGET, fields_on_halves, with_shuffled_target
from rfconv_cli.network.starts import MOMENTS
from rfconv_cli.network.train import Trained

Repeated = tuple[dict[str, Any] | None, NDArray[np.float64] | None]


def repeat_on_halves(
    problem: Problem, found: Found, settings: Settings, trained: Trained, random: list[Trained], progress: Progress
) -> Repeated:
    """`stability` as `verdict` takes it, and the support (D, N, K) of each member; None for both where not measured.

    A search is not repeated where its fields did no better than random ones on the validation rows already: it costs
    much, and the verdict is settled. random: the networks on random fields.
    """
    halves = halves_of(found.source, settings)
    better = trained.valid_loss < float(np.mean([one.valid_loss for one in random]))
    if halves < 2 or (found.source == SEARCHED and not better):
        return None, None
    uses_target = found.source in USES_TARGET
    share = 0.5 if uses_target else 1.0
    again = fields_on_halves(problem, found.source, settings, halves, lambda stage, done: progress(stage, share * done))
    measured = stability(_named(again, found), found.fields.members)
    null = None
    if uses_target:
        noise = fields_on_halves(
            with_shuffled_target(problem, settings),
            found.source,
            settings,
            halves,
            lambda stage, done: progress(stage, share + share * done),
        )
        null = stability(_named(noise, found), found.fields.members).to_json()
    return {**measured.to_json(), "uses_target": uses_target, "null": null}, measured.support


def _named(selections: Sequence[Members], found: Found) -> list[Members]:
    """The selections with their fields named as the found ones are, where their source names them at will."""
    if found.source != MOMENTS:
        return list(selections)
    return [
        np.stack([named_like(one, other) for one, other in zip(each, found.fields.members, strict=True)])
        for each in selections
    ]
