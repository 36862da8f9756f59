"""Where fields come from: starts read off the screen, and the search; a contest on the validation rows chooses.

No single source wins on every table, and a search can destroy a good start. So each entry trains the discrete network
briefly, the best few and the most preferred train it to the end, and the first of these, in order of preference, within
a standard error of the best is taken: what can be read off the rows before what was searched, and random fields, which
say nothing, last. Brief trainings alone favour searched fields, which are learned from faster, whether better or not.
The test rows are not seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfconv_cli.config import Settings
from rfconv_cli.fields.align import Alignment, align, by_strength
from rfconv_cli.fields.project import random_fields
from rfconv_cli.fields.screen import by_correlation, by_covariance_shift
from rfconv_cli.fields.search import Progress
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.gap import SearchRecord
from rfconv_cli.network.learn import Problem, entropy, search_fields
from rfconv_cli.network.side_by_side import train_each
from rfconv_cli.network.train import Trained, predict, row_losses

CORRELATION, INTERACTION, ALIGNED, ALIGNED_INTERACTION = "correlation", "interaction", "aligned", "aligned interaction"
SEARCHED, RANDOM, GIVEN = "searched", "random", "given"
UNALIGNED = "unaligned"
_CANDIDATES = 16
_FINALISTS = 3
_OUT = {"valid_loss": None, "behind_best": None, "standard_error": None, "chosen": False}


@dataclass(frozen=True, eq=False)
class Entry:
    """Fields that take part in the contest; geometry: what `align` found, where it was asked."""

    name: str
    fields: ReceptiveFields
    geometry: str | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """The fields that were chosen, by which entry, and the contest's table (empty when there was nothing to choose).

    search: how the search went, where there was one, whether its fields were chosen or not. trained: the networks that
    were trained to the end on the way.
    """

    fields: ReceptiveFields
    source: str
    table: tuple[Mapping[str, Any], ...]
    search: SearchRecord | None = None
    trained: Mapping[ReceptiveFields, Trained] = field(default_factory=dict)


def find_fields(problem: Problem, settings: Settings, progress: Progress) -> Found:
    """Receptive fields by `settings.source`: from one source, or from all with a contest between them."""
    if settings.source == SEARCHED:
        fields, record = search_fields(problem, settings, progress)
        return Found(fields, SEARCHED, (), record)
    entries = starts(problem, settings)
    if settings.source != "contest":
        chosen = next(entry for entry in entries if entry.name == settings.source)
        as_it_is = chosen if chosen.geometry != UNALIGNED else _unaligned(chosen)
        return Found(as_it_is.fields, as_it_is.name, ())
    searched, record = search_fields(problem, settings, progress)
    found = contest([*entries, Entry(SEARCHED, searched), _random(problem, settings)], problem, settings, progress)
    return replace(found, search=record)


def starts(problem: Problem, settings: Settings) -> list[Entry]:
    """The entries that need no training: strongest candidates, and the same aligned where there is a geometry."""
    x = problem.train.x.numpy()
    size = max(_CANDIDATES, settings.kernel_size - 1)
    correlated = by_correlation(x, size)
    shifted = by_covariance_shift(x, problem.train.y.numpy(), size)
    found = [
        (CORRELATION, by_strength(correlated, settings.kernel_size)),
        (INTERACTION, by_strength(shifted, settings.kernel_size)),
        (ALIGNED, align(correlated, settings.kernel_size)),
        (ALIGNED_INTERACTION, align(shifted, settings.kernel_size)),
    ]
    return [_entry(name, found_here, problem, settings) for name, found_here in found]


def correlation_entry(problem: Problem, settings: Settings) -> Entry:
    """Each centre's most correlated columns: the start that needs nothing else."""
    found = by_correlation(problem.train.x.numpy(), settings.kernel_size - 1)
    return _entry(CORRELATION, by_strength(found, settings.kernel_size), problem, settings)


def contest(entries: Sequence[Entry], problem: Problem, settings: Settings, progress: Progress) -> Found:
    """Trainings of the entries on the training rows, judged by the loss of each validation row.

    Entries stand in the order of preference. All are trained for `contest_epochs`, the best few and the first (which is
    a control too, so that its training is needed anyway) to the end; taken is the first of those whose mean loss
    exceeds the best one's by at most a standard error of the paired difference (Breiman et al. 1984). Fields that two
    entries share take part once.
    """
    entries = _distinct(entries)
    short = settings.model_copy(update={"epochs": settings.contest_epochs, "patience": settings.contest_epochs})
    brief = train_each(problem, [entry.fields for entry in entries], short, "contest", _part(progress, 0.0, 0.3))
    first_losses = [one.valid_loss for one in brief]
    finalists = sorted({0, *np.argsort(first_losses, kind="stable")[:_FINALISTS].tolist()})
    fields = [entries[i].fields for i in finalists]
    trained = train_each(problem, fields, settings, "contest", _part(progress, 0.3, 1.0))
    losses = np.stack([_valid_losses(one, problem) for one in trained])  # (finalists, rows)
    behind = losses - losses[losses.mean(axis=1).argmin()]
    error = np.array([_standard_error(row, problem.valid_groups) for row in behind])
    winner = int(np.argmax(behind.mean(axis=1) <= error))
    finals = {
        i: {
            "valid_loss": float(losses[place].mean()),
            "behind_best": float(behind[place].mean()),
            "standard_error": float(error[place]),
            "chosen": place == winner,
        }
        for place, i in enumerate(finalists)
    }
    table = tuple(
        {"entry": entry.name, "geometry": entry.geometry, "brief_loss": first_losses[i], **_OUT, **finals.get(i, {})}
        for i, entry in enumerate(entries)
    )
    chosen = entries[finalists[winner]]
    return Found(chosen.fields, chosen.name, table, trained=dict(zip(fields, trained, strict=True)))


def _part(progress: Progress, start: float, end: float) -> Progress:
    return lambda stage, share: progress(stage, start + share * (end - start))


def _standard_error(values: NDArray[np.float64], groups: NDArray[np.int64] | None) -> float:
    """Standard error of the mean of (rows,) values; rows of one group count as one observation, if there are two."""
    if groups is None or len(np.unique(groups)) < 2:  # one group alone says nothing of the spread
        groups = np.arange(len(values))
    _, codes = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(codes, values - values.mean()), np.bincount(codes)
    units = len(sizes)
    return float(np.sqrt(np.square(sums).sum() * units / max(1, units - 1)) / len(values))


def _entry(name: str, alignment: Alignment, problem: Problem, settings: Settings) -> Entry:
    depth = 1 if settings.share_fields else settings.layers
    members = np.repeat(alignment.members[None], depth, axis=0)
    return Entry(name, ReceptiveFields.unweighted(problem.names, members), alignment.geometry)


def _unaligned(entry: Entry) -> Entry:
    """The entry under the name of what it is where no geometry was found: candidates by strength."""
    return replace(entry, name={ALIGNED: CORRELATION, ALIGNED_INTERACTION: INTERACTION}.get(entry.name, entry.name))


def _random(problem: Problem, settings: Settings) -> Entry:
    depth = 1 if settings.share_fields else settings.layers
    rng = np.random.default_rng(entropy(settings.seed, "random entry"))
    return Entry(RANDOM, random_fields(problem.names, settings.kernel_size, depth, rng))


def _distinct(entries: Sequence[Entry]) -> list[Entry]:
    kept: list[Entry] = []
    for entry in entries:
        if not any(np.array_equal(entry.fields.members, other.fields.members) for other in kept):
            kept.append(entry)
    return kept


def _valid_losses(trained: Trained, problem: Problem) -> NDArray[np.float64]:
    return np.asarray(row_losses(predict(trained.network, problem.valid.x), problem.valid.y).double().numpy())
