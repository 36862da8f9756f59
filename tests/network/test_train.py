"""Training on fixed fields: the losses, early stopping, and predictions that stand alone."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from rfconv_cli.config import Settings
from rfconv_cli.errors import TrainingError
from rfconv_cli.fields.search import Rows
from rfconv_cli.network.model import Ensemble, fixed_network
from rfconv_cli.network.train import Trained, batch_of, combined, loss_value, predict, row_losses, train_network

N, CLASSES = 6, 3


def settings(**changes) -> Settings:
    small = {"kernel_size": 3, "channels": 4, "hidden": 16, "heads": 2, "dropout": 0.1}
    small |= {"batch_size": 16, "epochs": 12, "lr": 0.01, "weight_decay": 0.01}
    return Settings(**small | changes)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def silent(stage: str, share: float) -> None:
    pass


def network(outputs: int = CLASSES, columns: int = N, **changes) -> nn.Module:
    members = torch.randint(columns, (1, columns, 3), generator=generator(1))
    return fixed_network(members, outputs, settings(**changes), generator(2))


def separable(rows: int, seed: int) -> Rows:
    """Three classes: which of the first three columns is largest."""
    x = torch.randn(rows, N, generator=generator(seed))
    return Rows(x, x[:, :CLASSES].argmax(1))


def noise(rows: int, seed: int) -> Rows:
    """Labels that no column knows anything of: what is learned is learned by heart."""
    draw = generator(seed)
    return Rows(torch.randn(rows, N, generator=draw), torch.randint(CLASSES, (rows,), generator=draw))


def train(rows: Rows, valid: Rows, seed: int = 0, progress=silent, **changes) -> Trained:
    chosen = settings(**changes)
    return train_network(network(**changes), rows, valid, chosen, generator(seed), progress)


def overfitted(**changes) -> Trained:
    return train(noise(48, 3), noise(48, 4), **{"lr": 0.03, "dropout": 0.0, "hidden": 64, "patience": 4} | changes)


def test_the_loss_of_classes_is_the_mean_negative_log_probability():
    outputs, y = torch.randn(7, CLASSES, generator=generator()), torch.randint(CLASSES, (7,), generator=generator())
    powers = np.exp(outputs.double().numpy())
    chances = (powers / powers.sum(1, keepdims=True))[np.arange(7), y.numpy()]
    assert float(loss_value(outputs.unsqueeze(1), y)) == pytest.approx(-np.log(chances).mean(), rel=1e-5)
    torch.testing.assert_close(row_losses(outputs, Rows(outputs, y)).double(), torch.from_numpy(-np.log(chances)))


def test_the_loss_of_values_is_the_mean_squared_error():
    outputs, y = torch.randn(7, 1, generator=generator()), torch.randn(7, generator=generator(1))
    squares = (outputs.numpy()[:, 0] - y.numpy()) ** 2
    assert float(loss_value(outputs.unsqueeze(1), y)) == pytest.approx(float(np.mean(squares)))
    assert row_losses(outputs, Rows(outputs, y)).numpy() == pytest.approx(squares)


def test_a_network_learns_in_an_ensemble_what_it_learns_alone():
    chosen = settings(dropout=0.0, epochs=4)
    alone, other = network(dropout=0.0), network(dropout=0.0)
    both = Ensemble([network(dropout=0.0), other])
    rows, valid = noise(48, 3), noise(48, 4)
    for one in (alone, both):
        train_network(one, rows, valid, chosen.model_copy(update={"patience": 99}), generator(0), silent)
    torch.testing.assert_close(both(valid.x)[:, : alone(valid.x).shape[1]], alone(valid.x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("outputs", [1, CLASSES], ids=["values", "classes"])
def test_a_row_counts_in_the_loss_what_its_weight_says(outputs):
    each = torch.randn(6, 4, outputs, generator=generator())
    y = torch.randn(6, generator=generator(1)) if outputs == 1 else torch.arange(6) % CLASSES
    weight = torch.tensor([2.0, 1.0, 0.0, 1.0, 0.0, 2.0])
    twice = torch.tensor([0, 0, 1, 3, 5, 5])
    assert float(loss_value(each, y, weight)) == pytest.approx(float(loss_value(each[twice], y[twice])), rel=1e-5)
    assert float(loss_value(each, y, torch.ones(6))) == pytest.approx(float(loss_value(each, y)), rel=1e-5)
    weighted = row_losses(combined(each), Rows(each, y, weight))
    torch.testing.assert_close(weighted, row_losses(combined(each), Rows(each, y)) * weight)


@pytest.mark.parametrize("outputs", [1, CLASSES], ids=["values", "classes"])
def test_the_loss_of_an_ensemble_is_the_mean_of_its_heads(outputs):
    each = torch.randn(7, 4, outputs, generator=generator())
    y = torch.randn(7, generator=generator(1)) if outputs == 1 else torch.arange(7) % CLASSES
    alone = [float(loss_value(each[:, [head]], y)) for head in range(4)]
    assert float(loss_value(each, y)) == pytest.approx(np.mean(alone), rel=1e-5)


def test_heads_together_give_the_mean_of_their_probabilities_or_values():
    each = torch.randn(7, 4, CLASSES, generator=generator())
    torch.testing.assert_close(combined(each).exp(), each.softmax(2).mean(1))
    torch.testing.assert_close(combined(each[:, :, :1]), each[:, :, :1].mean(1))


def test_training_learns_what_is_there():
    trained = train(separable(400, 5), separable(100, 6), epochs=15)
    fresh = separable(300, 7)
    assert float((predict(trained.network, fresh.x).argmax(1) == fresh.y).float().mean()) > 0.9


def test_training_learns_values():
    x = torch.randn(300, N, generator=generator(5))
    rows = Rows(x, x[:, 0] - 0.5 * x[:, 3])
    trained = train_network(network(outputs=1), rows, rows, settings(), generator(), silent)
    assert trained.valid_loss < 0.1 * float(rows.y.var())


def test_early_stopping_keeps_the_weights_of_the_best_epoch():
    trained = overfitted()
    losses = [epoch.valid_loss for epoch in trained.history]
    assert losses[-1] > min(losses)  # the last epoch was not the best, so there was something to keep
    valid = noise(48, 4)
    assert float(row_losses(predict(trained.network, valid.x), valid).mean()) == min(losses)


def test_valid_loss_is_that_of_the_kept_weights():
    trained = overfitted()
    assert trained.valid_loss == min(epoch.valid_loss for epoch in trained.history)


@pytest.mark.parametrize("patience", [1, 4])
def test_training_stops_after_its_patience_without_a_better_epoch(patience):
    losses = [epoch.valid_loss for epoch in overfitted(epochs=40, patience=patience).history]
    assert len(losses) == losses.index(min(losses)) + patience + 1 < 40


def test_without_a_reason_to_stop_training_takes_all_its_epochs():
    assert len(overfitted(epochs=6, patience=6).history) == 6


def test_the_trained_network_is_ready_to_predict():
    assert not train(separable(48, 5), separable(16, 6), epochs=1).network.training


@pytest.mark.parametrize(
    ("rows", "batch_size", "epochs"),
    [(1, 16, 1), (5, 16, 2), (16, 16, 5), (80, 16, 1), (50, 16, 3), (3, 1, 2)],
    ids=["one row", "fewer rows than a batch", "five steps", "five steps in one epoch", "a short batch", "rows alone"],
)
def test_any_number_of_rows_and_epochs_trains(rows, batch_size, epochs):
    trained = train(separable(rows, 5), separable(16, 6), batch_size=batch_size, epochs=epochs)
    assert len(trained.history) == epochs


@pytest.mark.parametrize(
    ("rows", "given", "size"),
    [(0, None, 0), (5, None, 5), (40, None, 16), (400, None, 32), (10_000, None, 128), (10**7, None, 256), (40, 8, 8)],
)
def test_a_batch_grows_with_the_square_root_of_the_rows(rows, given, size):
    assert batch_of(rows, settings(batch_size=given)) == size


def test_the_kept_weights_are_the_moving_average():
    def after_a_step(averaging: float) -> dict[str, torch.Tensor]:
        rows = separable(16, 5)
        return train(rows, rows, averaging=averaging, epochs=1, dropout=0.0).network.state_dict()

    start, raw, mean = network(dropout=0.0).state_dict(), after_a_step(0.0), after_a_step(30.0)
    for name, value in raw.items():
        torch.testing.assert_close(mean[name], start[name].lerp(value, 10 / 11))


def test_two_trainings_are_equal_bit_for_bit():
    first, again = (train(separable(64, 5), separable(32, 6), dropout=0.3) for _ in range(2))
    states = first.network.state_dict(), again.network.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert first.history == again.history


def test_the_generator_decides_the_order_of_the_rows():
    first, other = (train(separable(64, 5), separable(32, 6), seed=seed) for seed in (0, 1))
    assert first.history != other.history


def test_training_neither_reads_nor_changes_the_global_random_state():
    histories = []
    for global_seed in (0, 1):
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        histories.append(train(separable(64, 5), separable(32, 6), dropout=0.3, epochs=3).history)
        assert torch.equal(torch.get_rng_state(), before)
    assert histories[0] == histories[1]


@pytest.mark.parametrize(
    ("spoil", "lr"), [(math.nan, 0.01), (1.0, 1e30)], ids=["a value that is no number", "a learning rate far too large"]
)
def test_divergence_is_a_training_error(spoil, lr):
    rows = separable(32, 5)
    rows.x[3] *= spoil
    with pytest.raises(TrainingError, match="diverged") as caught:
        train(rows, separable(16, 6), lr=lr)
    assert caught.value.code == "diverged"


def test_progress_never_goes_back_and_ends_at_one():
    told = []
    train(separable(48, 5), separable(16, 6), progress=lambda *what: told.append(what))
    assert {stage for stage, _ in told} == {"train"}
    assert all(0 < a <= b for (_, a), (_, b) in pairwise(told))
    assert told[-1][1] == 1.0


widths = pytest.mark.parametrize("columns", [3, 40, 1500], ids=lambda n: f"{n} columns")


def many_rows(columns: int) -> torch.Tensor:
    """More rows than one block holds."""
    return torch.randn(1100, columns, generator=generator(8))


@widths
def test_a_prediction_does_not_depend_on_the_rows_beside_it(columns):
    net, x = network(columns=columns), many_rows(columns)
    together = predict(net, x)
    for i in (0, 17, 698, 699, 1023, 1024, 1099):
        assert torch.equal(predict(net, x[i : i + 1])[0], together[i])


@widths
def test_a_prediction_does_not_depend_on_the_order_of_the_rows(columns):
    net, x = network(columns=columns), many_rows(columns)
    order = torch.randperm(len(x), generator=generator(9))
    assert torch.equal(predict(net, x[order]), predict(net, x)[order])


def test_predictions_are_what_the_heads_say_together():
    net, x = network(), torch.randn(1100, N, generator=generator(8))
    torch.testing.assert_close(predict(net, x), combined(net.eval()(x)).detach())


def test_no_rows_give_no_predictions():
    assert predict(network(), torch.zeros(0, N)).shape == (0, CLASSES)


def test_predicting_turns_dropout_off():
    net, x = network(dropout=0.5).train(), torch.randn(20, N, generator=generator(8))
    assert torch.equal(predict(net, x), predict(net, x))


def test_predictions_carry_no_graph():
    assert not predict(network(), torch.zeros(2, N)).requires_grad
