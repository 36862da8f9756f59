"""The searching network: relaxed convolutions under one of R's parameterisations, then the same head as ever.

Also what the rows say before the search (candidates, an embedding), and what changes from step to step.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rfconv_cli.config import Settings
from rfconv_cli.fields.align import spectral_embedding
from rfconv_cli.fields.bilevel import Params
from rfconv_cli.fields.conv import RelaxedConv, centre_mask
from rfconv_cli.fields.logits import CandidateLogits, DenseLogits, FactoredLogits, Logits
from rfconv_cli.fields.screen import by_correlation, mixed
from rfconv_cli.fields.search import Rows, temperature_at
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.model import FieldNetwork, final_head

GUMBEL = "gumbel"
_FACTOR_START = 0.1  # standard deviation of an embedding's coordinates that start from noise


@dataclass(frozen=True, eq=False)
class Screened:
    """What the training rows say before the search, as far as R's parameterisation asks for it.

    candidates: (N, Q) int64 for R over candidates; None: all other columns. embedding: (N, any) float32, the start of a
    factored R; None: noise.
    """

    candidates: Tensor | None = None
    embedding: Tensor | None = None


def screened(train: Rows, settings: Settings, rng: np.random.Generator) -> Screened:
    """Candidates or an embedding from the training rows; nothing for a dense R."""
    x = train.x.numpy()
    if settings.parameterisation == "candidates":
        size = max(settings.candidates, settings.kernel_size - 1)  # distinct slots need as many
        return Screened(candidates=torch.from_numpy(mixed(x, train.y.numpy(), size, rng)))
    if settings.parameterisation == "factored":
        places = spectral_embedding(by_correlation(x, settings.kernel_size))
        return Screened(embedding=None if places is None else torch.tensor(places, dtype=torch.float32))
    return Screened()


def relaxed_network(
    columns: int,
    outputs: int,
    settings: Settings,
    generator: torch.Generator,
    start: Screened = Screened(),
) -> FieldNetwork:
    """The searching network: R starts small and random; one R for all layers, or one for each.

    On plain numbers, without dropout, with one head: what helps the final network to few errors slows the search.
    """
    depth = 1 if settings.share_fields else settings.layers
    logits = [_logits(columns, settings, generator, start) for _ in range(depth)]
    convs = [
        RelaxedConv(
            logits[min(i, depth - 1)],
            settings.channels if i else 1,
            settings.channels,
            generator,
            estimator=settings.estimator,
        )
        for i in range(settings.layers)
    ]
    plain = settings.model_copy(update={"dropout": 0.0, "heads": 1})
    return FieldNetwork(convs, final_head(columns, outputs, plain, generator))


def split_parameters(network: FieldNetwork) -> tuple[Params, Params]:
    """The network's parameters by name: W with the head, and those of R."""
    parameters: Params = dict(network.named_parameters())
    logits = {name: p for name, p in parameters.items() if ".logits." in name}
    return {name: p for name, p in parameters.items() if name not in logits}, logits


def logits_of(network: FieldNetwork) -> list[Logits]:
    """R of each layer, or the one R of all."""
    return list(dict.fromkeys(conv.logits for conv in _relaxed(network)))


def begin_step(network: FieldNetwork, step: int, settings: Settings, noise: torch.Generator) -> None:
    """Bring R to the temperature of a step, and draw its noise where the estimator wants some."""
    for logits in logits_of(network):
        logits.temperature = temperature_at(step, settings)
        if settings.estimator == GUMBEL:
            logits.draw_noise(noise)


def settle(network: FieldNetwork) -> None:
    """End the search: R as it is, without noise."""
    for logits in logits_of(network):
        logits.noise = None


def discretised(network: FieldNetwork, fields: ReceptiveFields) -> FieldNetwork:
    """The network with the same weights on discrete fields. It shares its parameters with `network`."""
    members = torch.tensor(fields.members)
    convs = [conv.discrete(members[min(i, fields.depth - 1)]) for i, conv in enumerate(_relaxed(network))]
    return FieldNetwork(convs, network.head)


def _relaxed(network: FieldNetwork) -> Iterator[RelaxedConv]:
    for conv in network.convs:
        assert isinstance(conv, RelaxedConv)
        yield conv


def _logits(columns: int, settings: Settings, generator: torch.Generator, start: Screened) -> Logits:
    slots, temperature = settings.kernel_size - 1, settings.temperature
    if settings.parameterisation == "candidates":
        table = _all_others(columns) if start.candidates is None else start.candidates
        return CandidateLogits(table, slots, generator, temperature=temperature)
    mask = centre_mask(columns) if settings.mask_centre else None
    if settings.parameterisation == "factored":
        embedding = torch.randn(columns, settings.rank, generator=generator) * _FACTOR_START
        if start.embedding is not None:
            given = start.embedding[:, : settings.rank]
            embedding[:, : given.shape[1]] = given
        return FactoredLogits(embedding, slots, generator, temperature=temperature, mask=mask)
    return DenseLogits(columns, slots, generator, temperature=temperature, mask=mask)


def _all_others(columns: int) -> Tensor:
    """(N, N − 1) int64: every column but the centre."""
    others = torch.arange(columns - 1).expand(columns, -1)
    return others + (others >= torch.arange(columns).unsqueeze(1))
