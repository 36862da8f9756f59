"""The controls a learned network is judged against: the same network on random fields, and a plain MLP.

Random fields are the control that matters: a result that does not beat them says nothing about structure.
"""

import numpy as np
import torch

from rfconv_cli.config import Settings
from rfconv_cli.fields.project import random_fields
from rfconv_cli.fields.search import Progress
from rfconv_cli.network.contest import correlation_entry
from rfconv_cli.network.learn import Problem, edges_for, entropy, generator_for, train_on_fields
from rfconv_cli.network.model import count_parameters, fixed_network, plain_mlp
from rfconv_cli.network.train import Trained, train_network

RANDOM_FIELDS, CORRELATION_FIELDS, MLP = "random_fields", "correlation_fields", "mlp"


def train_controls(problem: Problem, settings: Settings, progress: Progress) -> dict[str, list[Trained]]:
    """Every control by name, each a list of trained networks: `random_draws` of random fields, else one."""
    draws = settings.random_draws

    def part(done: int) -> Progress:
        return lambda _, share: progress("controls", (done + share) / (draws + 2))

    random = [train_on_random_fields(problem, draw, settings, part(draw)) for draw in range(draws)]
    correlated = train_on_correlation_fields(problem, settings, part(draws))
    mlp = train_plain_mlp(problem, settings, part(draws + 1))
    return {RANDOM_FIELDS: random, CORRELATION_FIELDS: [correlated], MLP: [mlp]}


def train_on_random_fields(problem: Problem, draw: int, settings: Settings, progress: Progress) -> Trained:
    """The same network, size, training and initial weights as the learned one, on the `draw`-th random fields."""
    depth = 1 if settings.share_fields else settings.layers
    rng = np.random.default_rng(entropy(settings.seed, f"random fields {draw}"))
    fields = random_fields(problem.names, settings.kernel_size, depth, rng)
    return train_on_fields(problem, fields, settings, progress)


def train_on_correlation_fields(problem: Problem, settings: Settings, progress: Progress) -> Trained:
    """The same network on each centre's most correlated columns: structure that needs no learning."""
    return train_on_fields(problem, correlation_entry(problem, settings).fields, settings, progress)


def train_plain_mlp(problem: Problem, settings: Settings, progress: Progress) -> Trained:
    """Dense layers with about as many parameters as the network on fields, on the same embedding."""
    generator = generator_for(settings.seed, "mlp")
    columns = len(problem.names)
    members = torch.zeros(1, columns, settings.kernel_size, dtype=torch.int64)
    edges = edges_for(problem, settings)
    size = count_parameters(fixed_network(members, problem.outputs, settings, generator, edges))
    network = plain_mlp(columns, problem.outputs, size, settings, generator, edges)
    return train_network(network, problem.train, problem.valid, settings, generator, progress)
