"""What is kept of a learn: read back as it was, taken for nothing else, and gone on with to the same last bit."""

import errno
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load

from rfconv_cli import files
from rfconv_cli.config import Settings, from_values
from rfconv_cli.fields.draft import Draft
from rfconv_cli.fields.search import Rows
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network import memo as module
from rfconv_cli.network.learn import (
    PLAIN_MLP,
    Problem,
    history_on_fields,
    search_fields,
    train_on_fields,
    trained_on_all,
)
from rfconv_cli.network.memo import Memo, from_bytes, key_of, write_state

QUICK = {"search_steps": 12, "search_batch": 16, "epochs": 4, "patience": 9, "channels": 2, "hidden": 16, "bins": 4}
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
states = st.recursive(plain, lambda of: st.lists(of) | st.lists(of).map(tuple) | st.dictionaries(st.integers(), of))


def to_bytes(state) -> bytes:
    file = io.BytesIO()
    write_state(file, state)
    return file.getvalue()


def settings(**changes) -> Settings:
    return from_values({**QUICK, "kernel_size": 3, **changes})


def rows(count: int, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 6)).astype(np.float32)
    return Rows(torch.from_numpy(x), torch.from_numpy((x[:, 0] * x[:, 3] > 0).astype(np.int64)))


def problem(memo: Memo = module.NO_MEMO) -> Problem:
    return Problem(tuple("abcdef"), rows(60, 1), rows(30, 2), 2, memo=memo)


def fields() -> ReceptiveFields:
    members = np.stack([(np.arange(6) + k) % 6 for k in range(3)], axis=1)[None]
    return ReceptiveFields.unweighted(tuple("abcdef"), members)


def silent(stage: str, share: float) -> None:
    pass


@given(st.dictionaries(st.text(), states))
def test_a_state_is_read_as_it_was_written(state):
    assert from_bytes(to_bytes(state)) == state


@pytest.mark.parametrize("kind", module._KINDS, ids=str)
def test_every_kind_of_tensor_is_written_as_safetensors_writes_it(kind):
    made = (torch.arange(12).view(3, 4) % 2).to(kind)
    views = {"whole": made, "turned": made.T, "part": made[1:, ::2], "one": made[0, 0], "none": made[:0], "same": made}
    data = to_bytes(views)
    assert all(torch.equal(value, views[name]) for name, value in from_bytes(data).items())
    assert load(data)["0"].dtype == kind


def test_tensors_are_read_to_the_last_bit():
    made = {"a": torch.randn(3, 4), "b": [torch.arange(5), (torch.tensor(2.5).double(), torch.zeros(0))]}
    read = from_bytes(to_bytes(made))
    assert torch.equal(read["a"], made["a"])
    assert torch.equal(read["b"][0], made["b"][0])
    assert read["b"][1][0].dtype == torch.float64
    assert read["b"][1][1].shape == (0,)


@pytest.mark.parametrize("spoil", [lambda d: d[:-7], lambda d: b"", lambda d: b"x" * 40, lambda d: d[:8] + d[9:]])
def test_a_damaged_file_is_as_none(tmp_path, spoil):
    memo = Memo(tmp_path)
    memo.store("k", {"a": torch.zeros(9)})
    path = tmp_path / "k.done"
    path.write_bytes(spoil(path.read_bytes()))
    assert memo.recall("k") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((torch.zeros(2, 3),), (torch.zeros(3, 2),)),
        ((torch.zeros(4),), (torch.zeros(4, dtype=torch.int32),)),
        ((["a", "b"],), (["a"], ["b"])),
        (("search", {"lr": 1.0}), ("search", {"lr": 1})),
        ((torch.zeros(2), torch.zeros(2)), (torch.zeros(4),)),
    ],
)
def test_what_differs_has_another_key(one, other):
    assert key_of(*one) != key_of(*other)
    assert key_of(*one) == key_of(*one)


def test_a_full_disk_stops_no_learning(tmp_path, monkeypatch):
    def refuse(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", refuse)
    kept = train_on_fields(problem(Memo(tmp_path)), fields(), settings(), silent)
    assert kept.history == train_on_fields(problem(), fields(), settings(), silent).history
    assert not list(tmp_path.iterdir())


class Stop(Exception):
    """The process ends."""


class Short(Draft):
    """Keeps every state, and ends the work after so many."""

    def __init__(self, state=None, most: int = 10**9) -> None:
        self.state, self.most, self.count = state, most, 0

    def last(self):
        return self.state

    def keep(self, state) -> None:
        self.state = module._with_tensors(*_through_json(state()))
        self.count += 1
        if self.count == self.most:
            raise Stop


def _through_json(state):
    tensors: dict = {}
    tree = module.json.loads(module.json.dumps(module._without_tensors(state, tensors)))
    kept = {name: tensor.clone() for name, tensor in tensors.items()}
    return tree, kept.__getitem__


def ended_at(step: int, work, monkeypatch):
    """What `work` gives when it ended after `step` states, and another process went on from the last one."""
    first = Short(most=step)
    monkeypatch.setattr(Memo, "draft", lambda self, key: first)
    with pytest.raises(Stop):
        work()
    monkeypatch.setattr(Memo, "draft", lambda self, key: Short(first.state))
    return work()


def weights_of(trained) -> dict:
    return {name: value.numpy().tobytes() for name, value in trained.network.state_dict().items()}


TRAININGS = [
    {},
    {"averaging": 0.0},
    {"ensemble": 2, "dropout": 0.5},
    {"shifts": 0.5, "layers": 2},
    {"patience": 1, "lr": 0.05},
]


@pytest.mark.parametrize("changes", TRAININGS)
@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("where", [fields(), PLAIN_MLP], ids=["fields", "mlp"])
def test_a_training_goes_on_to_the_same_bits(changes, step, where, monkeypatch):
    chosen = settings(**changes)
    whole = train_on_fields(problem(), where, chosen, silent)
    if len(whole.history) < step:
        pytest.skip("it takes fewer epochs")
    again = ended_at(step, lambda: train_on_fields(problem(), where, chosen, silent), monkeypatch)
    assert again.history == whole.history
    assert weights_of(again) == weights_of(whole)


def test_the_last_training_goes_on_to_the_same_bits(monkeypatch):
    first = replace(train_on_fields(problem(), fields(), settings(), silent), length=3)
    whole = trained_on_all(problem(), fields(), first, settings())
    for step in (1, 2, 3):
        again = ended_at(step, lambda: trained_on_all(problem(), fields(), first, settings()), monkeypatch)
        assert weights_of(again) == weights_of(whole)


@pytest.mark.parametrize("level", ["one-level", "first-order", "second-order"])
@pytest.mark.parametrize("estimator", ["straight-through", "gumbel", "softmax"])
@pytest.mark.parametrize("parameterisation", ["dense", "candidates", "factored"])
def test_a_search_goes_on_to_the_same_fields(level, estimator, parameterisation, monkeypatch):
    chosen = settings(level=level, estimator=estimator, parameterisation=parameterisation, temperature_end=0.2)
    whole = search_fields(problem(), chosen, silent)
    for step in (1, 7, 11):
        again = ended_at(step, lambda: search_fields(problem(), chosen, silent), monkeypatch)
        assert again == whole


def refuse_to_work(*_, **__):
    raise AssertionError("it was known already")


def test_what_was_finished_is_not_worked_out_again(tmp_path, monkeypatch):
    here, chosen = problem(Memo(tmp_path)), settings()
    found = search_fields(here, chosen, silent)
    first = train_on_fields(here, fields(), chosen, silent)
    brief = history_on_fields(here, PLAIN_MLP, chosen, silent)
    last = trained_on_all(here, fields(), first, chosen)
    for name in ("_search", "train_network", "train_on_all"):
        monkeypatch.setattr(f"rfconv_cli.network.learn.{name}", refuse_to_work)
    assert search_fields(here, chosen, silent) == found
    assert weights_of(train_on_fields(here, fields(), chosen, silent)) == weights_of(first)
    assert history_on_fields(here, PLAIN_MLP, chosen, silent).history == brief.history
    assert weights_of(trained_on_all(here, fields(), first, chosen)) == weights_of(last)
    assert {path.suffix for path in tmp_path.iterdir()} == {".done"}


@pytest.mark.parametrize(
    "other",
    [
        lambda p: (p, fields(), settings(seed=1)),
        lambda p: (p, PLAIN_MLP, settings()),
        lambda p: (replace(p, train=p.valid), fields(), settings()),
        lambda p: (replace(p, names=tuple("uvwxyz")), fields(), settings()),
    ],
    ids=["seed", "fields", "rows", "names"],
)
def test_other_work_is_not_taken_for_it(tmp_path, other, monkeypatch):
    here = problem(Memo(tmp_path))
    train_on_fields(here, fields(), settings(), silent)
    monkeypatch.setattr("rfconv_cli.network.learn.train_network", refuse_to_work)
    with pytest.raises(AssertionError, match="known already"):
        train_on_fields(*other(here), silent)


def test_a_state_is_kept_as_often_as_it_is_cheap(tmp_path, monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock) / 4)
    written = []
    monkeypatch.setattr(module, "write_with", lambda path, fill: written.append(path))
    draft = Memo(tmp_path).draft("k")
    for _ in range(200):
        draft.keep(lambda: {})
    assert 2 <= len(written) <= 8  # each takes 0.25 s of this clock, so 12.5 s must lie between two
