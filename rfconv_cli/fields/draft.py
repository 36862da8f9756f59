"""The state of a search or a training under way, as it is kept for the case that its process ends too soon.

Knows no files: where a state is kept is for whoever makes the draft to say.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

State = Mapping[str, Any]  # numbers, texts, None, tensors, and lists, tuples and mappings of these


class Draft:
    """Where the states of one search or training go. This one keeps none."""

    def last(self) -> State | None:
        """The state that was kept last; None where there is none."""
        return None

    def keep(self, state: Callable[[], State]) -> None:
        """Keep what `state` gives, if it is time again."""


NO_DRAFT = Draft()


def state_of(optimisers: Iterable[Optimizer], schedule: LRScheduler, generators: Iterable[torch.Generator]) -> State:
    """What steps depend on beside the parameters: moments and rates, the place in the schedule, the next draws."""
    return {
        "optimisers": [optimiser.state_dict() for optimiser in optimisers],
        "schedule": schedule.state_dict(),
        "generators": [generator.get_state() for generator in generators],
    }


def restore(
    state: State, optimisers: Iterable[Optimizer], schedule: LRScheduler, generators: Iterable[torch.Generator]
) -> None:
    """Bring all to the `state` that `state_of` took of others like them."""
    for optimiser, was in zip(optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(was)
    schedule.load_state_dict(dict(state["schedule"]))
    for generator, was in zip(generators, state["generators"], strict=True):
        generator.set_state(was)
