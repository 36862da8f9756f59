"""Devices: the same claims on each that is there; what is chosen where nothing is said; what is said where none is."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from rfconv_cli.config import Settings, from_values
from rfconv_cli.errors import UsageError
from rfconv_cli.fields.search import Rows
from rfconv_cli.network import device as devices
from rfconv_cli.network.contest import find_fields
from rfconv_cli.network.device import CPU, at_work, device_for, device_of, move, prepare, rows_on, threads_for
from rfconv_cli.network.learn import Problem, search_fields, train_on_fields, trained_on_all
from rfconv_cli.network.model import Head, fixed_network
from rfconv_cli.network.side_by_side import processes_for
from rfconv_cli.network.train import predict, train_network
from rfconv_cli.program import run_app
from tests.conftest import FAST

N, CLASSES = 8, 3
PARTNERS = [1, 0, 3, 2, 5, 4, 7, 6]
THERE = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
VARIANTS = {
    "straight-through": {},
    "gumbel": {"estimator": "gumbel"},
    "softmax": {"estimator": "softmax"},
    "first order": {"level": "first-order"},
    "second order, exact": {"level": "second-order", "estimator": "softmax"},
    "second order, by differences": {"level": "second-order", "hyper_gradient": "finite-difference"},
    "candidates": {"parameterisation": "candidates", "candidates": 2},
    "factored": {"parameterisation": "factored", "rank": 4},
}


@pytest.fixture(params=THERE)
def device(request: pytest.FixtureRequest) -> str:
    if not THERE[request.param]:
        pytest.skip(f"torch sees no {request.param} here")
    return str(request.param)


def settings(device: str, **changes) -> Settings:
    small = {"kernel_size": 2, "channels": 4, "hidden": 16, "heads": 2, "batch_size": 32, "epochs": 8, "bins": 4}
    small |= {"embedding_size": 4, "lr": 0.01, "weight_decay": 0.01, "search_steps": 300, "search_batch": 64}
    return from_values({**small, "device": device, "source": "searched", "threads": 1, **changes})


def problem(rows: int = 600, seed: int = 0) -> Problem:
    """Eight columns in pairs; the class says which of three pairs has the largest product."""
    x = torch.randn(rows, N, generator=torch.Generator().manual_seed(seed))
    pairs = Rows(x, (x[:, 0:6:2] * x[:, 1:6:2]).argmax(1))
    cut = 4 * rows // 5
    return Problem(tuple("abcdefgh"), pairs.between(0, cut), pairs.between(cut, rows), CLASSES)


def silent(stage: str, share: float) -> None:
    pass


@pytest.fixture
def as_it_was():
    """torch's own switches as they were before."""
    before = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(before)
    torch.set_num_threads(1)


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_a_search_repeats_itself_and_its_fields_come_back_to_memory(device, changes, as_it_was):
    chosen = settings(device, search_steps=60, **changes)
    prepare(chosen, N)
    first, record = search_fields(problem(), chosen, silent)
    again, _ = search_fields(problem(), chosen, silent)
    np.testing.assert_array_equal(first.members, again.members)
    assert np.isfinite(record.losses).all()
    assert first.members.shape == (1, N, 2)


def test_a_search_learns_what_random_fields_cannot_on_every_device(device):
    chosen = settings(device, hidden=0, channels=8, search_steps=600)
    _, record = search_fields(problem(1500), chosen, silent)
    assert record.losses[-1] < 0.3 < 1 < record.losses[0]
    assert record.discrete > 0.8  # a third by chance


@pytest.mark.parametrize(
    "changes",
    [{}, {"layers": 2}, {"kernel": "own"}, {"ensemble": 2}, {"averaging": 0.0}, {"shifts": 0.5}, {"embedding": "none"}],
    ids=["one layer", "two layers", "own kernels", "an ensemble", "no averaging", "moved rows", "plain numbers"],
)
def test_a_training_repeats_itself_and_its_network_comes_back_to_memory(device, changes, as_it_was):
    chosen = settings(device, **changes)
    prepare(chosen, N)
    fields = find_fields(problem(), chosen.model_copy(update={"source": "interaction"}), silent).fields
    first, again = (train_on_fields(problem(), fields, chosen, silent) for _ in range(2))
    assert first.history == again.history
    assert device_of(first.network) == CPU
    assert device_of(trained_on_all(problem(), fields, first, chosen).network) == CPU
    x = problem().valid.x
    assert torch.equal(predict(first.network, x), predict(again.network, x))


def test_a_training_without_chance_is_the_same_on_every_device(device):
    """Batches are drawn on the CPU wherever they are used, so that only the rounding differs."""
    members = torch.tensor([[i, p] for i, p in enumerate(PARTNERS)])[None]

    def trained(where: str):
        chosen = settings(where, dropout=0.0)
        network = fixed_network(members, CLASSES, chosen, torch.Generator().manual_seed(1), torch.zeros(N, 5))
        rows = problem()
        return train_network(network, rows.train, rows.valid, chosen, torch.Generator().manual_seed(2), silent)

    ours, reference = trained(device), trained("cpu")
    assert [e.train_loss for e in ours.history] == pytest.approx([e.train_loss for e in reference.history], rel=1e-3)
    assert ours.valid_loss == pytest.approx(reference.valid_loss, rel=1e-3)


def test_bfloat16_learns_as_well(device):
    chosen = settings(device, epochs=20)
    fields = find_fields(problem(1500), chosen.model_copy(update={"source": "interaction"}), silent).fields
    full, mixed = (
        train_on_fields(problem(1500), fields, chosen.model_copy(update={"precision": precision}), silent)
        for precision in ("float32", "bfloat16")
    )
    assert mixed.history != full.history
    assert mixed.valid_loss == pytest.approx(full.valid_loss, abs=0.1)
    assert {p.dtype for p in mixed.network.parameters()} == {torch.float32}


def test_predictions_come_back_to_where_the_rows_lie(device):
    network = fixed_network(torch.zeros(1, N, 2, dtype=torch.int64), CLASSES, settings(device), torch.Generator())
    expected = predict(network, problem().valid.x)
    move(network, torch.device(device), torch.Generator())
    found = predict(network, problem().valid.x)
    assert found.device == CPU
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert predict(network, problem().valid.x[:0]).shape == (0, CLASSES)


def test_dropout_draws_where_the_network_is(device):
    network = fixed_network(torch.zeros(1, N, 2, dtype=torch.int64), CLASSES, settings(device), torch.Generator())
    move(network, torch.device(device), torch.Generator().manual_seed(3))
    heads = [module for module in network.modules() if isinstance(module, Head)]
    assert [head.generator.device.type for head in heads] == [device]


def test_learn_on_a_device_is_evaluated_on_the_cpu_to_the_same_digits(device, sensor_csv, tmp_path, capsys):
    runs = str(tmp_path / "runs")
    words = ["--target", "state", "--runs", runs, "-q", "--json", "--no-plots", "--device", device]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run_app(["learn", str(sensor_csv), *words, *FAST]) == 0
    learned = json.loads(capsys.readouterr().out)
    run = Path(learned["run"]["path"])
    assert run_app(["evaluate", "--run", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test"] == learned["test"]
    said = json.loads((run / "metrics.json").read_text())["network"]["device"]
    assert said == ("cpu" if device == "cpu" else devices.name_of(torch.device(device)))


def test_rows_lie_on_the_gpu_only_where_they_leave_it_room(monkeypatch):
    rows = problem().train
    size = sum(part.nbytes for part in rows.parts)
    monkeypatch.setattr(devices, "free_on", lambda device: 4 * size - 1)
    assert rows_on(torch.device("meta"), rows) is rows
    monkeypatch.setattr(devices, "free_on", lambda device: 4 * size)
    assert rows_on(torch.device("meta"), rows).x.device.type == "meta"


@pytest.mark.parametrize("gpu", [True, False], ids=["with a gpu", "without"])
@pytest.mark.parametrize("columns", [10, 5000])
def test_left_open_a_gpu_is_taken_for_large_tables_only(monkeypatch, gpu, columns):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert device_for(Settings(), columns).type == ("cuda" if gpu and columns == 5000 else "cpu")
    assert threads_for(Settings(), 10) == 1


def test_a_gpu_does_its_work_in_one_process(monkeypatch):
    much = Settings(epochs=1000)
    assert processes_for(problem(), 2, 5000, much) == 2
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert processes_for(problem(), 2, 5000, much.model_copy(update={"device": "cuda"})) == 1


def test_a_device_that_is_not_there_is_a_usage_error(monkeypatch, sensor_csv, tmp_path, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="--device cuda") as error:
        device_for(Settings(device="cuda"), N)
    assert error.value.code == "no_device"
    runs = tmp_path / "runs"
    code = run_app(["learn", str(sensor_csv), "--target", "state", "--runs", str(runs), "--device", "cuda", "-q"])
    assert code == 2
    assert "sees no such device" in " ".join(capsys.readouterr().err.split())
    assert not runs.exists() or not list(runs.iterdir())


def test_at_work_torch_is_set_and_afterwards_as_it_was(device, as_it_was):
    def switches() -> tuple[int, bool]:
        return torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()

    before = switches()
    with pytest.raises(KeyError), at_work(settings(device, threads=3), N) as found:  # noqa: PT012
        assert switches() == (3, device == "cuda" or before[1])
        assert found == torch.device(device)
        raise KeyError
    assert switches() == before
