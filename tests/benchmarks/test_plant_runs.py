"""The plants' benchmark: recall and precision by hand, and one tiny run of each command."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.plant_runs import (
    FAMILIES,
    UNCORRELATED,
    agreement,
    grow,
    grow_null,
    learned_pairs,
    share,
    truth_document,
)
from benchmarks.plants import Planted, grid, ring
from benchmarks.plants.table import unordered
from rfconv_cli.export.document import fields_from_document
from rfconv_cli.fields.value import ReceptiveFields

TINY = {"search_steps": 5, "epochs": 1, "contest_epochs": 1, "random_draws": 1, "bootstrap": 100, "channels": 2}


def planted(members, real=None):
    members = np.array(members)
    kept = np.ones(members.shape, bool) if real is None else np.array(real)
    names = tuple("abcdefgh"[: len(members)])
    return Planted(
        np.zeros((1, len(members))), np.zeros(1, np.int64), names, "", members, kept, ("",) * members.shape[1]
    )


def lines(*arguments, folder):
    settings = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]
    out = folder / "out.jsonl"
    result = CliRunner().invoke(app, [*arguments, *settings, "--cache", str(folder), "--out", str(out)])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_a_pair_counts_once_whichever_is_the_centre_and_never_with_itself():
    assert unordered(np.array([0, 1, 2]), np.array([1, 0, 2])) == {(0, 1)}


def test_pairs_leave_out_what_only_stands_in():
    assert planted([[0, 1], [1, 2], [2, 0]], [[True, True], [True, True], [True, False]]).pairs() == {(0, 1), (1, 2)}


def test_pairs_by_another_root_are_those_of_the_column_in_that_slot():
    assert planted([[0, 1, 2], [1, 2, 3], [2, 3, 0], [3, 0, 1]]).pairs(root=1) == {(0, 1), (1, 2), (2, 3), (0, 3)}


def test_fellows_are_all_that_share_a_field():
    assert planted([[0, 1, 2], [1, 0, 2], [2, 0, 1], [3, 0, 1]]).fellows() == {(0, 1), (0, 2), (1, 2), (0, 3), (1, 3)}


@pytest.mark.parametrize(
    ("wanted", "among", "expected"),
    [({(0, 1), (1, 2)}, {(0, 1), (0, 3)}, 0.5), ({(0, 1)}, set(), 0.0), (set(), {(0, 1)}, 0.0)],
)
def test_share_is_of_the_wanted(wanted, among, expected):
    assert share(wanted, among) == expected


def test_recall_and_precision_by_hand():
    true = planted([[0, 1], [1, 2], [2, 3], [3, 4], [4, 0]])
    found = agreement({(0, 1), (1, 2), (0, 2)}, true)
    assert found == {"recall": 2 / 5, "precision": 2 / 3, "together": 2 / 3}


def test_mirrored_and_shifted_fields_of_a_ring_are_as_good():
    true = ring(0, 2)
    centred = agreement(true.pairs(), true)
    along = np.stack([true.members[:, true.slots.index("+1")]], axis=1)
    shifted = [np.arange(48), along[:, 0]]
    while len(shifted) < 5:
        shifted.append(along[shifted[-1], 0])  # steps 0 … 4
    pairs = unordered(np.repeat(shifted[0], 4), np.stack(shifted[1:], axis=1).ravel())
    perfect = {"recall": 1.0, "precision": 1.0, "together": 1.0}
    assert (centred, agreement(pairs, true)) == (perfect, perfect)


def test_learned_pairs_are_by_the_tables_names():
    fields = ReceptiveFields.unweighted(("c", "a", "b"), np.array([[[0, 1], [1, 0], [2, 1]]]))
    assert learned_pairs(fields, ("a", "b", "c")) == {(0, 2), (0, 1)}


def test_the_truth_is_read_back_as_given_fields():
    true = grid(0, 10)
    fields = fields_from_document(json.loads(json.dumps(truth_document(true))))
    assert (fields.names, fields.members[0].tolist()) == (true.names, true.members.tolist())


def test_two_draws_of_five_are_free_of_correlation():
    assert [grow("ring", draw, 10)[0] for draw in range(6)] == ["ring"] * 3 + ["ring-uncorrelated"] * 2 + ["ring"]


def test_half_the_null_tables_are_additive_and_half_shuffled_of_every_family():
    names = [grow_null(draw, 10)[0] for draw in range(8)]
    assert names[::2] == ["additive"] * 4
    assert names[1::2] == [f"shuffled {family}" for family in FAMILIES]


def test_plants_emits_a_line_for_each_draw(tmp_path):
    found = lines("plants", "--draws", "4", "--family", "grid", "--rows", "200", folder=tmp_path)
    assert [line["benchmark"] for line in found] == ["plants-grid"] * 3 + ["plants-grid-uncorrelated"]
    assert [line["correlated"] for line in found] == [True] * 3 + [False]
    wanted = {"learned", "oracle", "random_fields", "correlation_fields", "mlp", "recall", "precision", "source"}
    assert wanted <= set(found[0])
    assert found[0]["settings"]["kernel_size"] == 5


def test_null_ends_with_how_often_each_verdict_was_given(tmp_path):
    *rows, summary = lines("null", "--draws", "2", "--rows", "200", folder=tmp_path)
    assert [row["table"] for row in rows] == ["additive", "shuffled ring"]
    assert summary["structure_found"] == 0
    assert sum(summary["verdicts"].values()) == 2


def test_an_unknown_family_is_refused_with_those_there_are(tmp_path):
    result = CliRunner().invoke(app, ["plants", "--family", "torus", "--cache", str(tmp_path)])
    assert "ring, grid, random-graph, interactions" in str(result.exception)


def test_every_correlation_free_family_is_a_family():
    assert set(UNCORRELATED) < set(FAMILIES)
