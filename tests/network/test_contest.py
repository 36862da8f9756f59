"""The contest: planted structure wins, ties go to the simpler, the test of the choice is the validation rows alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.plants import ring
from rfconv_cli.config import from_values
from rfconv_cli.errors import TrainingError
from rfconv_cli.fields.search import Rows
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.contest import contest, find_fields
from rfconv_cli.network.learn import Problem, require_memory, train_on_fields
from rfconv_cli.network.starts import STARTS, Entry, Starts

FAST = {"search_steps": 20, "hidden": 0, "channels": 8, "contest_epochs": 3, "epochs": 3}


def silent(stage: str, share: float) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def planted() -> Problem:
    found = ring(7, 1500)
    order = np.argsort(found.names)
    x = torch.tensor(np.asarray(found.x)[:, order], dtype=torch.float32)
    y = torch.tensor(np.unique(found.y, return_inverse=True)[1])
    return Problem(tuple(sorted(found.names)), Rows(x[:1200], y[:1200]), Rows(x[1200:], y[1200:]), int(y.max()) + 1)


def test_the_starts_are_distinct_fields_with_the_ring_recognised(planted):
    starts = Starts(planted, from_values(FAST))
    entries = [starts.entry(name) for name in STARTS]
    assert tuple(entry.name for entry in entries) == STARTS
    of = {entry.name: entry for entry in entries}
    assert of["aligned"].geometry == of["aligned partial"].geometry == "ring"
    sets = [{frozenset(row) for row in of[name].fields.members[0].tolist()} for name in ("aligned", "aligned partial")]
    assert sets[0] == sets[1]  # of a ring that correlation sees, both find the neighbours
    others = {entry.fields.members.tobytes() for entry in entries if entry.name != "aligned partial"}
    assert len(others) == len(STARTS) - 1


def test_on_a_planted_ring_aligned_fields_beat_random_ones(planted):
    settings = from_values({**FAST, "channels": 16, "contest_epochs": 25, "batch_size": 32, "lr": 5e-3})
    table = {row["entry"]: row for row in find_fields(planted, settings, silent).table}
    assert table["aligned"]["brief_loss"] < table["random"]["brief_loss"] - 0.2
    assert table["aligned"]["valid_loss"] is not None
    assert table["random"]["valid_loss"] is None


def test_exactly_one_entry_is_chosen_and_its_fields_are_returned(planted):
    found = find_fields(planted, from_values(FAST), silent)
    assert [row["entry"] for row in found.table if row["chosen"]] == [found.source]


def test_the_best_three_of_the_brief_trainings_and_the_first_entry_are_trained_to_the_end(planted):
    found = find_fields(planted, from_values(FAST), silent)
    best = sorted(found.table, key=lambda row: row["brief_loss"])[:3]
    finals = {row["entry"] for row in found.table if row["valid_loss"] is not None}
    assert finals == {found.table[0]["entry"], *(row["entry"] for row in best)}
    assert len(found.trained) == len(finals)


def test_the_first_entry_stays_in_however_its_brief_training_went(planted):
    columns = len(planted.names)
    shifts = {"itself": 0, "near": 1, "nearer": columns - 1, "next": 2, "last": columns - 2}
    entries = [entry(name, shift, columns) for name, shift in shifts.items()]
    table = contest(entries, planted, from_values({**FAST, "kernel_size": 2}), silent).table
    assert table[0]["valid_loss"] is not None


def test_the_chosen_fields_come_with_the_network_that_training_on_them_gives(planted):
    settings = from_values(FAST)
    found = find_fields(planted, settings, silent)
    again = train_on_fields(planted, found.fields, settings, silent)
    assert found.trained[found.fields].history == again.history


def entry(name: str, shift: int, columns: int) -> Entry:
    centres = np.arange(columns)
    members = np.stack([centres, (centres + shift) % columns], axis=1)[None]
    return Entry(name, ReceptiveFields.unweighted([f"c{i:02d}" for i in range(columns)], members))


def test_a_tie_goes_to_the_simpler(planted):
    columns = len(planted.names)
    noise = Problem(planted.names, planted.train, planted.valid, planted.outputs)
    entries = [entry("simple", 1, columns), entry("late", 2, columns)]
    table = contest(entries, noise, from_values({**FAST, "kernel_size": 2}), silent).table
    behind = table[0]["behind_best"] <= table[0]["standard_error"]
    assert table[0]["chosen"] == behind


def test_validation_rows_of_one_group_alone_are_judged_row_by_row(planted):
    columns = len(planted.names)
    entries = [entry("near", 1, columns), entry("next", 2, columns)]
    settings = from_values({**FAST, "kernel_size": 2})
    together = replace(planted, valid_groups=np.zeros(len(planted.valid), np.int64))
    assert contest(entries, together, settings, silent).table == contest(entries, planted, settings, silent).table


def test_fields_that_two_entries_share_take_part_once(planted):
    columns = len(planted.names)
    entries = [entry("first", 1, columns), entry("again", 1, columns)]
    found = contest(entries, planted, from_values({**FAST, "kernel_size": 2}), silent)
    assert [row["entry"] for row in found.table] == ["first"]


@pytest.mark.parametrize("source", ["searched", "correlation", "interaction", "aligned", "moments"])
def test_one_source_is_taken_without_a_contest(planted, source):
    found = find_fields(planted, from_values({**FAST, "source": source}), silent)
    assert (found.source, found.table) == (source, ())


def test_fields_that_could_not_be_aligned_are_not_called_so(planted):
    few = Problem(planted.names[:8], *(Rows(r.x[:, :8], r.y) for r in (planted.train, planted.valid)), planted.outputs)
    assert find_fields(few, from_values({**FAST, "source": "aligned"}), silent).source == "correlation"


def test_a_search_beyond_the_memory_is_refused_beforehand():
    with pytest.raises(TrainingError) as caught:
        require_memory(20_000, from_values({**FAST, "parameterisation": "dense"}), available=8 * 10**9)
    assert (caught.value.exit_code, caught.value.code) == (5, "out_of_memory")


def test_own_fields_per_layer_are_as_many_as_layers(planted):
    settings = from_values({**FAST, "source": "aligned", "layers": 2, "share_fields": False})
    assert find_fields(planted, settings, silent).fields.depth == 2
