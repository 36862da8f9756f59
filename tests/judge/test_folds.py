"""Folds are cut as the run's parts were, and hold no row but training rows."""

import warnings

import numpy as np
import pytest

from rfconv_cli.judge.folds import FOLDS, Kept, folds

ROWS = 120
TRAIN = np.random.default_rng(0).permutation(ROWS) < 100
CLASSES = np.arange(ROWS) % 3
VALUES = np.random.default_rng(1).normal(size=ROWS)
GROUPS = np.arange(ROWS) // 6
each_target = pytest.mark.parametrize("y", [CLASSES, VALUES], ids=["classes", "number"])
each_kept = pytest.mark.parametrize(
    "kept", [Kept(), Kept(groups=GROUPS), Kept(moments=np.arange(ROWS))], ids=["random", "groups", "time"]
)


@each_target
@each_kept
def test_folds_hold_training_rows_alone_and_no_row_is_fitted_and_scored(y, kept):
    found = folds(y, kept, TRAIN, 0)
    assert len(found) == FOLDS
    for fit, score in found:
        assert TRAIN[fit].all()
        assert TRAIN[score].all()
        assert not set(fit) & set(score)


@each_target
def test_groups_stay_whole(y):
    for fit, score in folds(y, Kept(groups=GROUPS), TRAIN, 0):
        assert not set(GROUPS[fit]) & set(GROUPS[score])


@each_target
def test_without_time_every_training_row_is_scored_once(y):
    for kept in (Kept(), Kept(groups=GROUPS)):
        scored = np.concatenate([score for _, score in folds(y, kept, TRAIN, 0)])
        assert sorted(scored) == np.flatnonzero(TRAIN).tolist()


@pytest.mark.parametrize("step", [1, 7, 30])
def test_by_time_what_is_scored_is_later_than_what_was_fitted(step):
    moments = np.random.default_rng(2).permutation(ROWS) // step
    found = folds(CLASSES, Kept(moments=moments), TRAIN, 0)
    assert len(found) > 1
    for fit, score in found:
        assert moments[fit].max() < moments[score].min()


def test_classes_keep_their_shares():
    y = (np.arange(ROWS) % 5 == 0).astype(int)
    for fit, score in folds(y, Kept(), TRAIN, 0):
        assert y[fit].mean() == pytest.approx(y[score].mean(), abs=0.03)


@pytest.mark.parametrize(
    "kept", [Kept(groups=np.zeros(ROWS, int)), Kept(moments=np.zeros(ROWS))], ids=["one group", "one moment"]
)
def test_where_no_fold_can_be_cut_the_validation_rows_score(kept):
    ((fit, score),) = folds(CLASSES, kept, TRAIN, 0)
    assert fit.tolist() == np.flatnonzero(TRAIN).tolist()
    assert score.tolist() == np.flatnonzero(~TRAIN).tolist()


def test_a_fold_fitted_to_one_class_is_left_out():
    y = (np.arange(ROWS) >= 60).astype(int)
    found = folds(y, Kept(moments=np.arange(ROWS)), np.ones(ROWS, bool), 0)
    assert [len(np.unique(y[fit])) for fit, _ in found] == [2]


def test_a_rare_class_is_no_reason_to_warn():
    y = np.where(np.arange(ROWS) < 2, 1, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(folds(y, Kept(), np.ones(ROWS, bool), 0)) > 1


def test_one_seed_cuts_alike():
    first, again, other = (folds(CLASSES, Kept(), TRAIN, seed) for seed in (1, 1, 2**40))
    assert all((a[1] == b[1]).all() for a, b in zip(first, again, strict=True))
    assert any(a[1].tolist() != b[1].tolist() for a, b in zip(first, other, strict=True))
