"""Where fields come from: starts that train nothing, and the search; a contest on the validation rows chooses.

No single source wins on every table, and a search can destroy a good start. So each entry trains the discrete network
briefly, the best few and the most preferred train it to the end, and the first of these, in order of preference, within
a standard error of the best is taken: what can be read off the rows before what was searched, and random fields, which
say nothing, last. Brief trainings alone favour searched fields, which are learned from faster, whether better or not.
The test rows are not seen.
"""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfconv_cli.config import Settings
from rfconv_cli.fields.search import Progress, resolved
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.gap import SearchRecord
from rfconv_cli.network.learn import Problem, rows_to_find_on, search_fields, trains_again
from rfconv_cli.network.side_by_side import (
    Packed,
    histories_of_each,
    in_processes,
    packed,
    processes_for,
    train_each,
    unpacked,
)
from rfconv_cli.network.starts import STARTS, Entry, Starts
from rfconv_cli.network.train import Trained, predict, row_losses, without_network

SEARCHED, GIVEN = "searched", "given"
_FINALISTS = 3
_OUT = {"valid_loss": None, "behind_best": None, "standard_error": None, "chosen": False}


@dataclass(frozen=True, eq=False)
class Found:
    """The fields that were chosen, by which entry, and the contest's table (empty when there was nothing to choose).

    search: how the search went, where there was one, whether its fields were chosen or not. trained: the networks that
    were trained to the end on the way, on all rows; without the networks, where they are to be trained once more.
    """

    fields: ReceptiveFields
    source: str
    table: tuple[Mapping[str, Any], ...]
    search: SearchRecord | None = None
    trained: Mapping[ReceptiveFields, Trained] = field(default_factory=dict)


def find_fields(problem: Problem, settings: Settings, progress: Progress) -> Found:
    """Receptive fields by `settings.source`: from one source, or from all with a contest between them.

    Of more rows than `settings.find_rows`, from so many drawn ones; no network that they trained is given back.
    """
    drawn = rows_to_find_on(problem, settings)
    found = _find(drawn, settings, progress)
    return found if drawn is problem else replace(found, trained={})


def _find(problem: Problem, settings: Settings, progress: Progress) -> Found:
    if settings.source == SEARCHED:
        fields, record = search_fields(problem, settings, progress)
        return Found(fields, SEARCHED, (), record)
    if settings.source != "contest":
        chosen = Starts(problem, settings).entry(settings.source)
        return Found(chosen.fields, chosen.name, ())
    entries, record = _entries(problem, settings, progress)
    return replace(contest(entries, problem, settings, progress), search=record)


def _entries(problem: Problem, settings: Settings, progress: Progress) -> tuple[list[Entry], SearchRecord]:
    """All that take part, in the order of preference; where a process is to spare, it finds the starts meanwhile."""
    steps = resolved(settings, len(problem.train), len(problem.names)).search_steps or 0
    sent = (packed(problem), settings)
    if processes_for(problem, 2, steps, settings) > 1:
        with warnings.catch_warnings(), closing(in_processes(_starts, [sent], 2)) as meanwhile:
            warnings.filterwarnings("ignore", r"\d+ tasks which were still being processed")  # where the search fails
            searched, record = search_fields(problem, settings, progress)
            starts = next(meanwhile)
    else:
        starts = _starts(*sent)
        searched, record = search_fields(problem, settings, progress)
    return [*starts, Entry(SEARCHED, searched), Starts(problem, settings).random()], record


def _starts(sent: Packed, settings: Settings) -> list[Entry]:
    starts = Starts(unpacked(sent), settings)
    return [starts.entry(name) for name in STARTS]


def contest(entries: Sequence[Entry], problem: Problem, settings: Settings, progress: Progress) -> Found:
    """Trainings of the entries on the training rows, judged by the loss of each validation row.

    Entries stand in the order of preference. All are trained for `contest_epochs`, the best few and the first (which is
    a control too, so that its training is needed anyway) to the end; taken is the first of those whose mean loss
    exceeds the best one's by at most a standard error of the paired difference (Breiman et al. 1984). Fields that two
    entries share take part once.
    """
    entries = _distinct(entries)
    short = settings.model_copy(update={"epochs": settings.contest_epochs, "patience": settings.contest_epochs})
    every = [entry.fields for entry in entries]
    brief = histories_of_each(problem, every, short, "contest", _part(progress, 0.0, 0.3))
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
    if trains_again(problem, settings):
        trained = [without_network(one) for one in trained]
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


def _distinct(entries: Sequence[Entry]) -> list[Entry]:
    kept: list[Entry] = []
    for entry in entries:
        if not any(np.array_equal(entry.fields.members, other.fields.members) for other in kept):
            kept.append(entry)
    return kept


def _valid_losses(trained: Trained, problem: Problem) -> NDArray[np.float64]:
    return np.asarray(row_losses(predict(trained.network, problem.valid.x), problem.valid).double().numpy())
