"""Fields that need no training to be found: read off the screen, as they are or aligned, or by second moments."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rfconv_cli.config import Settings
from rfconv_cli.fields.align import align, by_strength
from rfconv_cli.fields.moments import by_moments
from rfconv_cli.fields.project import random_fields
from rfconv_cli.fields.screen import Candidates, by_correlation, by_covariance_shift, by_partial_correlation
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.learn import Problem, entropy

CORRELATION, INTERACTION, ALIGNED, ALIGNED_INTERACTION = "correlation", "interaction", "aligned", "aligned interaction"
ALIGNED_PARTIAL = "aligned partial"
MOMENTS, RANDOM, UNALIGNED = "moments", "random", "unaligned"
# in the order of preference: what needs no target, then slots in a common order before slots by strength
STARTS = (CORRELATION, ALIGNED, ALIGNED_PARTIAL, MOMENTS, INTERACTION, ALIGNED_INTERACTION)
_CANDIDATES = 16


@dataclass(frozen=True, eq=False)
class Entry:
    """Fields that may take part in the contest, by name; geometry: what `align` found, where it was asked."""

    name: str
    fields: ReceptiveFields
    geometry: str | None = None


@dataclass(frozen=True, eq=False)
class Starts:
    """The starts of one problem, each found when it is asked for."""

    problem: Problem
    settings: Settings

    def entry(self, name: str) -> Entry:
        """The start of this name, out of `STARTS`; where no order of the slots was found, that of equal candidates."""
        slots = self.settings.kernel_size
        match name:
            case "correlation":
                return self._entry(name, by_strength(self._correlated, slots).members)
            case "interaction":
                return self._entry(name, by_strength(self._shifted, slots).members)
            case "moments":
                members = by_moments(self._x, self._y, slots)
                return self.entry(INTERACTION) if members is None else self._entry(name, members)
        candidates = {ALIGNED: self._correlated, ALIGNED_PARTIAL: self._partial}.get(name, self._shifted)
        found = None if candidates is None else align(candidates, slots)
        if found is None or found.geometry == UNALIGNED:
            return self.entry(INTERACTION if name == ALIGNED_INTERACTION else CORRELATION)
        return self._entry(name, found.members, found.geometry)

    def random(self) -> Entry:
        """Fields drawn at random, as every control is."""
        depth = 1 if self.settings.share_fields else self.settings.layers
        rng = np.random.default_rng(entropy(self.settings.seed, "random entry"))
        return Entry(RANDOM, random_fields(self.problem.names, self.settings.kernel_size, depth, rng))

    @property
    def _x(self) -> NDArray[np.float32]:
        return np.asarray(self.problem.train.x.numpy(), np.float32)

    @property
    def _y(self) -> NDArray[np.generic]:
        return np.asarray(self.problem.train.y.numpy())

    @cached_property
    def _correlated(self) -> Candidates:
        return by_correlation(self._x, max(_CANDIDATES, self.settings.kernel_size - 1))

    @property
    def _partial(self) -> Candidates | None:
        return by_partial_correlation(self._x, max(_CANDIDATES, self.settings.kernel_size - 1))

    @cached_property
    def _shifted(self) -> Candidates:
        return by_covariance_shift(self._x, self._y, max(_CANDIDATES, self.settings.kernel_size - 1))

    def _entry(self, name: str, members: NDArray[np.int64], geometry: str | None = None) -> Entry:
        depth = 1 if self.settings.share_fields else self.settings.layers
        every = np.repeat(members[None], depth, axis=0)
        return Entry(name, ReceptiveFields.unweighted(self.problem.names, every), geometry)
