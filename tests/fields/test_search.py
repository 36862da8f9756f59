"""One search step seen from outside, the batches, the halves, and what the search finds."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rfconv_cli.config import Settings
from rfconv_cli.errors import TrainingError
from rfconv_cli.fields import search as search_module
from rfconv_cli.fields.bilevel import Batch, Params
from rfconv_cli.fields.conv import centre_mask, continuous_field, straight_through_slots, weighted_slots
from rfconv_cli.fields.search import Batches, Rows, Searched, logits_rate, resolved, search, temperature_at

N, CHANNELS = 6, 8
PARTNER = (3, 5, 4, 1, 0, 2)
LEVELS = {
    "one-level": {"level": "one-level"},
    "first-order": {"level": "first-order"},
    "second-order exact": {"level": "second-order", "hyper_gradient": "exact"},
    "second-order difference": {"level": "second-order", "hyper_gradient": "finite-difference"},
}
each_level = pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
each_bilevel = pytest.mark.parametrize("level", list(LEVELS.values())[1:], ids=list(LEVELS)[1:])
each_estimator = pytest.mark.parametrize("estimator", ["softmax", "straight-through"])


def settings(**changes) -> Settings:
    return Settings(**{"search_steps": 4, "search_batch": 8, "lr": 0.01, "logits_lr": 0.1} | changes)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def silent(stage: str, share: float) -> None:
    pass


def planted_rows(rows: int = 48) -> Rows:
    """y[m] = gelu(x[m] − 2 x[partner of m]): one kernel of two slots explains it, if the partners are right."""
    x = torch.randn(rows, N, generator=generator(5))
    return Rows(x, F.gelu(x - 2 * x[:, PARTNER]))


class Planted:
    """A search problem: one free slot for each of N columns, kernel and readout shared, and what the loss was fed.

    `calls` keeps copies of (weights, logits, batch), one entry per evaluation of the loss.
    """

    def __init__(self, estimator: str = "softmax") -> None:
        self.estimator = estimator
        self.mask = centre_mask(N)
        draw = generator(1)
        self.weights: Params = {
            "kernel": torch.randn(2, CHANNELS, generator=draw).requires_grad_(),
            "out": (torch.randn(CHANNELS, generator=draw) / CHANNELS).requires_grad_(),
        }
        self.logits: Params = {"logits": (0.01 * torch.randn(N, 1, N, generator=draw)).requires_grad_()}
        self.calls: list[tuple[Params, Params, Batch]] = []

    def loss(self, weights: Params, logits: Params, batch: Batch) -> Tensor:
        self.calls.append((copies(weights), copies(logits), batch))
        x = batch[0].unsqueeze(2)
        if self.estimator == "softmax":
            slots = weighted_slots(x, continuous_field(logits["logits"], mask=self.mask))
        else:
            slots = straight_through_slots(x, logits["logits"], self.mask, 1.0)
        hidden = torch.cat([x.unsqueeze(2), slots], 2).squeeze(3) @ weights["kernel"]  # (batch, N, CHANNELS)
        return F.mse_loss(F.gelu(hidden) @ weights["out"], batch[1])

    def search(self, rows: Rows, chosen: Settings, seed: int = 0, progress=silent) -> Searched:
        return search(self.loss, self.weights, self.logits, rows, chosen, generator(seed), progress)


def copies(params: Params) -> Params:
    return {name: p.detach().clone() for name, p in params.items()}


def same(a: Params, b: Params) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def same_batch(a: Batch, b: Batch) -> bool:
    return all(torch.equal(left, right) for left, right in zip(a, b, strict=True))


def recorded_steps(monkeypatch, down=None, up=None) -> list[tuple[Params, Params, Batch, Batch]]:
    """Puts a recorder in front of every step. With `down` and `up`, the step answers with those constants instead."""
    calls: list[tuple[Params, Params, Batch, Batch]] = []
    real = search_module.gradient_step

    def recorder(chosen: Settings):
        step = real(chosen)

        def recording(loss, weights, logits, train, held_out):
            calls.append((copies(weights), copies(logits), train, held_out))
            if down is None:
                return step(loss, weights, logits, train, held_out)
            fill = torch.full_like
            answers = [{n: fill(p, g) for n, p in part.items()} for part, g in ((weights, down), (logits, up))]
            return torch.tensor(1.0), *answers

        return recording

    monkeypatch.setattr(search_module, "gradient_step", recorder)
    return calls


@each_level
def test_both_updates_of_a_step_use_one_r(level):
    problem = Planted()
    start = copies(problem.logits)
    problem.search(planted_rows(), settings(search_steps=1, **level))
    assert all(same(logits, start) for _, logits, _ in problem.calls)


@pytest.mark.parametrize(
    ("name", "on_training_batch"),
    [
        ("one-level", [True]),
        ("first-order", [True, False]),
        ("second-order exact", [True, False]),
        ("second-order difference", [True, False, True, True]),  # L_train again, to both sides of W
    ],
)
def test_both_updates_of_a_step_use_one_training_batch(name, on_training_batch):
    problem = Planted()
    problem.search(planted_rows(), settings(search_steps=1, **LEVELS[name]))
    train = problem.calls[0][2]
    assert [same_batch(batch, train) for _, _, batch in problem.calls] == on_training_batch


def test_the_finite_difference_moves_around_the_w_of_the_step():
    problem = Planted()
    problem.search(planted_rows(), settings(search_steps=1, **LEVELS["second-order difference"]))
    (start, *_), _, (plus, *_), (minus, *_) = problem.calls
    for name, w in start.items():
        torch.testing.assert_close((plus[name] + minus[name]) / 2, w)


@pytest.mark.parametrize(("gamma", "expected"), [(None, 0.01), (0.3, 0.3), (0.0, 0.0)])
def test_the_unrolled_step_is_gamma_or_else_the_learning_rate_of_w(gamma, expected):
    problem, twin = Planted(), Planted()
    problem.search(planted_rows(), settings(search_steps=1, gamma=gamma, **LEVELS["second-order exact"]))
    twin.loss(twin.weights, twin.logits, problem.calls[0][2]).backward()
    for name, w in twin.weights.items():
        torch.testing.assert_close(problem.calls[1][0][name], w.detach() - expected * w.grad, rtol=1e-5, atol=1e-6)


@each_level
def test_the_two_updates_of_a_step_follow_one_pair_of_gradients(level, monkeypatch):
    problem = Planted()
    steps = recorded_steps(monkeypatch, down=2.0, up=-3.0)
    problem.search(planted_rows(), settings(search_steps=2, **level))
    (w_before, r_before, *_), (w_after, r_after, *_) = steps
    # Adam's first step is its learning rate against the sign of the gradient
    moved_r = {name: r + 0.1 for name, r in r_before.items()}
    torch.testing.assert_close(r_after, moved_r)
    assert all((w_after[name] < w_before[name]).all() for name in w_before)


@each_level
def test_a_search_takes_exactly_its_number_of_steps(level, monkeypatch):
    steps = recorded_steps(monkeypatch)
    Planted().search(planted_rows(), settings(search_steps=7, **level))
    assert len(steps) == 7


@pytest.mark.parametrize("steps", range(1, 8))
def test_a_search_may_be_short(steps):
    found = Planted().search(planted_rows(), settings(search_steps=steps))
    assert torch.isfinite(found.logits["logits"]).all()


def test_one_level_search_shows_r_and_w_the_same_batch(monkeypatch):
    steps = recorded_steps(monkeypatch)
    Planted().search(planted_rows(), settings(level="one-level"))
    assert all(same_batch(train, held_out) for _, _, train, held_out in steps)


def numbered(rows: int) -> Rows:
    """Rows that can be told apart: row i holds i."""
    return Rows(torch.arange(rows, dtype=torch.float32).unsqueeze(1).expand(rows, N), torch.zeros(rows, N))


def rows_seen(steps) -> tuple[set[int], set[int]]:
    """Row numbers that ever trained W, and that ever were held out for R."""
    lower = {int(i) for step in steps for i in step[2][0][:, 0]}
    upper = {int(i) for step in steps for i in step[3][0][:, 0]}
    return lower, upper


@each_bilevel
@pytest.mark.parametrize("rows", [2, 3, 20, 21])
def test_the_halves_of_a_bilevel_search_are_disjoint_and_cover_the_rows(level, rows, monkeypatch):
    steps = recorded_steps(monkeypatch, down=0.0, up=0.0)
    Planted().search(numbered(rows), settings(search_steps=20, **level))
    lower, upper = rows_seen(steps)
    assert not lower & upper
    assert lower | upper == set(range(rows))


def test_the_halves_of_a_bilevel_search_are_equal_up_to_a_row(monkeypatch):
    steps = recorded_steps(monkeypatch, down=0.0, up=0.0)
    Planted().search(numbered(21), settings(search_steps=20, level="first-order"))
    assert sorted(map(len, rows_seen(steps))) == [10, 11]


def test_one_level_search_uses_every_row(monkeypatch):
    steps = recorded_steps(monkeypatch, down=0.0, up=0.0)
    Planted().search(numbered(20), settings(search_steps=20, level="one-level"))
    assert rows_seen(steps)[0] == set(range(20))


@each_bilevel
def test_one_row_cannot_be_halved(level):
    with pytest.raises(TrainingError, match="at least 2 training rows") as caught:
        Planted().search(planted_rows(1), settings(**level))
    assert caught.value.code == "too_few_rows"


@st.composite
def rows_and_size(draw) -> tuple[int, int]:
    rows = draw(st.integers(1, 30))
    return rows, draw(st.integers(1, rows))


@given(rows_and_size())
def test_batches_have_exactly_the_size_asked_for(drawn):
    rows, size = drawn
    taken = itertools.islice(Batches(numbered(rows), size, generator()), 2 * (rows // size) + 1)
    assert {len(x) for x, _ in taken} == {size}


@given(rows_and_size())
def test_no_row_comes_twice_in_one_pass(drawn):
    rows, size = drawn
    one_pass = itertools.islice(Batches(numbered(rows), size, generator()), rows // size)
    seen = torch.cat([x[:, 0] for x, _ in one_pass])
    assert len(seen.unique()) == len(seen)


def test_x_and_y_of_a_batch_are_of_the_same_rows():
    rows = Rows(torch.arange(10.0).unsqueeze(1), torch.arange(10))
    assert all((x[:, 0] == y).all() for x, y in itertools.islice(Batches(rows, 3, generator()), 10))


@pytest.mark.parametrize(("rows", "size"), [(0, 1), (3, 0), (3, 4)])
def test_batches_that_cannot_be_drawn_are_refused(rows, size):
    with pytest.raises(ValueError, match=f"batches of {size} rows cannot be drawn from {rows}"):
        next(Batches(numbered(rows), size, generator()))


@each_level
def test_divergence_is_a_training_error(level):
    rows = planted_rows()
    with pytest.raises(TrainingError, match="diverged") as caught:
        Planted().search(Rows(rows.x * 1e30, rows.y), settings(**level))
    assert caught.value.code == "diverged"


@pytest.mark.parametrize(("down", "up"), [(float("nan"), 0.0), (0.0, float("nan"))], ids=["W", "R"])
def test_a_step_that_breaks_the_parameters_is_a_training_error(down, up, monkeypatch):
    if down:
        problem = Planted()
        problem.weights["kernel"].register_hook(lambda grad: grad * down)
    else:
        problem = Planted()
        recorded_steps(monkeypatch, down=down, up=up)  # the loss it reports stays finite
    with pytest.raises(TrainingError):
        problem.search(planted_rows(), settings())


def test_nothing_pulls_r_towards_zero():
    problem = Planted()
    start = copies(problem.logits)

    def deaf(weights: Params, logits: Params, batch: Batch) -> Tensor:
        return weights["kernel"].square().sum() + weights["out"].sum() + 0 * logits["logits"].sum()

    found = search(
        deaf, problem.weights, problem.logits, planted_rows(), settings(search_steps=20), generator(), silent
    )
    assert same(found.logits, start)


@each_level
@each_estimator
def test_one_generator_gives_one_result_bit_for_bit(level, estimator):
    chosen = settings(**level)
    first, again = (Planted(estimator).search(planted_rows(), chosen, seed=3) for _ in range(2))
    assert same(first.logits, again.logits)
    assert first.losses == again.losses


def test_another_generator_gives_another_result():
    first, other = (Planted().search(planted_rows(), settings(), seed=seed) for seed in (0, 1))
    assert not same(first.logits, other.logits)


@each_level
@each_estimator
def test_every_search_descends_its_loss(level, estimator):
    problem, rows = Planted(estimator), planted_rows(200)
    batch = (rows.x, rows.y)
    before = float(problem.loss(problem.weights, problem.logits, batch).detach())
    found = problem.search(rows, settings(search_steps=60, search_batch=32, lr=0.03, **level))
    after = float(problem.loss(problem.weights, found.logits, batch).detach())
    assert after < 0.9 * before


def test_one_level_straight_through_finds_the_partners_its_kernel_listens_for():
    problem = Planted("straight-through")
    with torch.no_grad():  # centre less partner in every channel: half of what was planted
        problem.weights["kernel"].copy_(torch.tensor([[1.0], [-1.0]]).expand(2, CHANNELS))
        problem.weights["out"].fill_(1 / CHANNELS)
    found = problem.search(planted_rows(400), settings(search_steps=100, search_batch=64, lr=0.03))
    choice = (found.logits["logits"] + problem.mask).argmax(-1)[:, 0]
    assert tuple(choice.tolist()) == PARTNER


def test_ten_losses_are_kept_along_the_way():
    problem = Planted()
    found = problem.search(planted_rows(), settings(search_steps=30))
    assert len(found.losses) == 10


def test_the_first_loss_is_that_of_the_starting_point():
    problem, twin = Planted(), Planted()
    found = problem.search(planted_rows(), settings(search_steps=30))
    assert found.losses[0] == float(twin.loss(twin.weights, twin.logits, problem.calls[0][2]).detach())


def test_the_logits_it_ends_with_are_detached():
    assert not Planted().search(planted_rows(), settings()).logits["logits"].requires_grad


def test_progress_is_told_after_each_step_and_ends_at_one():
    told = []
    Planted().search(planted_rows(), settings(search_steps=4), progress=lambda *what: told.append(what))
    assert told == [("search", share) for share in (0.25, 0.5, 0.75, 1.0)]


def test_rows_are_taken_in_the_order_of_the_index():
    taken = numbered(5).take(torch.tensor([4, 0, 4]))
    assert taken.x[:, 0].tolist() == [4, 0, 4]


@each_level
def test_a_step_begins_before_any_of_its_losses(level):
    problem = Planted()
    seen = []
    chosen = settings(search_steps=3, **level)
    search(
        problem.loss,
        problem.weights,
        problem.logits,
        planted_rows(),
        chosen,
        generator(),
        silent,
        lambda step: seen.append((step, len(problem.calls))),
    )
    each = len(problem.calls) // 3
    assert seen == [(0, 0), (1, each), (2, 2 * each)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"temperature": 3.0}, [3.0, 3.0, 3.0]),
        ({"temperature": 4.0, "temperature_end": 1.0}, [4.0, 2.0, 1.0]),
        ({"temperature_end": 0.01}, [1.0, 0.1, 0.01]),
        ({"preset": "paper"}, [1.0, 1.0, 1.0]),
    ],
)
def test_the_temperature_goes_geometrically_to_its_end_and_is_constant_without_one(given, expected):
    chosen = settings(search_steps=3, **given)
    assert [temperature_at(step, chosen) for step in range(3)] == pytest.approx(expected)


def test_a_search_of_one_step_takes_it_at_the_first_temperature():
    assert temperature_at(0, settings(search_steps=1, temperature=2.0, temperature_end=0.1)) == 2.0


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, 0.05), ({"parameterisation": "factored"}, 0.005), ({"parameterisation": "factored", "logits_lr": 0.2}, 0.2)],
)
def test_the_learning_rate_of_r_is_as_set_or_what_suits_its_parameterisation(given, expected):
    assert logits_rate(Settings(**given)) == expected


@pytest.mark.parametrize(
    ("rows", "columns", "given", "expected"),
    [
        (50_000, 300, {}, (2000, "dense")),
        (50_000, 301, {}, (2000, "candidates")),
        (300, 20, {}, (234, "dense")),
        (5, 20, {}, (100, "dense")),
        (5, 900, {"search_steps": 7, "parameterisation": "factored"}, (7, "factored")),
    ],
)
def test_what_was_left_open_is_decided_by_the_table(rows, columns, given, expected):
    decided = resolved(Settings(**given), rows, columns)
    assert (decided.search_steps, decided.parameterisation) == expected
    assert resolved(decided, rows, columns) == decided
