"""The method from encoded rows to a trained network: search the fields, project them, train on them.

Columns are put in the order of their names before any number is drawn, so the order of a table's columns cannot
matter: noise belongs to a name, not to a place.
"""

import zlib
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from rfconv_cli.config import Settings
from rfconv_cli.errors import TrainingError
from rfconv_cli.fields.bilevel import Batch, Params
from rfconv_cli.fields.draft import Draft, State
from rfconv_cli.fields.project import project
from rfconv_cli.fields.search import Progress, Rows, resolved, search
from rfconv_cli.fields.value import ReceptiveFields
from rfconv_cli.network.cost import search_memory
from rfconv_cli.network.device import CPU, device_for, free_on, rows_on
from rfconv_cli.network.embed import bin_edges
from rfconv_cli.network.gap import SearchRecord, record
from rfconv_cli.network.memo import NO_MEMO, Memo, key_of
from rfconv_cli.network.model import Ensemble, FieldNetwork, count_parameters, fixed_network, plain_mlp
from rfconv_cli.network.relaxed import begin_step, logits_of, relaxed_network, screened, settle, split_parameters
from rfconv_cli.network.train import Epoch, Trained, loss_value, train_network, train_on_all, without_network

PLAIN_MLP: Final = None  # in place of fields: a network without any
_ROWS_OF_EDGES = 1 << 18  # quantiles of so many rows are as good as those of more


@dataclass(frozen=True)
class Problem:
    """Encoded training and validation rows, their columns sorted by name, and how many outputs they need.

    names: the columns, sorted. outputs: the number of classes, or 1 for regression. valid_groups: (validation rows,)
    int64 codes of rows that were kept together, or None; train_groups: the same of the training rows. memo: what was
    worked out of these or other rows before, and the processes that learn from these together.
    """

    names: tuple[str, ...]
    train: Rows
    valid: Rows
    outputs: int
    valid_groups: NDArray[np.int64] | None = None
    train_groups: NDArray[np.int64] | None = None
    memo: Memo = NO_MEMO

    @cached_property
    def key(self) -> str:
        """A name for the columns and rows, by what they hold."""
        return key_of(self.names, self.outputs, *self.train.parts, *self.valid.parts)

    def together(self) -> "Problem":
        """The same with the validation rows among the training rows."""
        parts = (_joined(*both) for both in zip(self.train.parts, self.valid.parts, strict=True))
        return replace(self, train=Rows(*parts), train_groups=None)


def _joined(first: Tensor, second: Tensor) -> Tensor:
    """One behind the other; without a copy where they lie so already, since together they may exceed the memory."""
    one_store = first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
    if one_store and second.storage_offset() == first.storage_offset() + first.numel() and first.is_contiguous():
        return first.as_strided((len(first) + len(second), *first.shape[1:]), first.stride())
    return torch.cat([first, second])


def rows_to_find_on(problem: Problem, settings: Settings) -> Problem:
    """The problem with `settings.find_rows` of its rows of either part, drawn; itself where there are no more."""
    most = settings.find_rows
    if max(len(problem.train), len(problem.valid)) <= most:
        return problem
    train, train_groups = _drawn(problem.train, problem.train_groups, most, entropy(settings.seed, "rows to find on"))
    if problem.valid is problem.train:
        return replace(problem, train=train, valid=train, train_groups=train_groups, valid_groups=None)
    valid, valid_groups = _drawn(problem.valid, problem.valid_groups, most, entropy(settings.seed, "rows to choose on"))
    return replace(problem, train=train, valid=valid, train_groups=train_groups, valid_groups=valid_groups)


def _drawn(rows: Rows, groups: NDArray[np.int64] | None, most: int, seed: int) -> tuple[Rows, NDArray[np.int64] | None]:
    if len(rows) <= most:
        return rows, groups
    index = np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False))
    return rows.take(torch.from_numpy(index)), None if groups is None else groups[index]


def generator_for(seed: int, purpose: str, device: torch.device = CPU) -> torch.Generator:
    """An explicit generator for one purpose, on a device; different purposes of one seed are independent."""
    return torch.Generator(device).manual_seed(entropy(seed, purpose))


def fit_settings(settings: Settings, columns: int) -> Settings:
    """`settings` with no more slots than there are columns."""
    return settings.model_copy(update={"kernel_size": min(settings.kernel_size, columns)})


def require_memory(columns: int, settings: Settings, available: int) -> None:
    """Raises TrainingError out_of_memory when the search with these settings needs more than `available` bytes."""
    need = search_memory(columns, settings)
    if need > available:
        lean = resolved(settings, 1, columns).parameterisation == "candidates"
        fewer = "" if lean else "--parameterisation candidates needs less; "
        raise TrainingError(
            f"the search would need {need / 1e9:.1f} GB for {columns} columns and {settings.kernel_size} slots, "
            f"and {available / 1e9:.1f} GB are free",
            hint=f"{fewer}--source correlation or aligned searches nothing; or choose --features, or fewer slots",
            code="out_of_memory",
        )


def search_fields(problem: Problem, settings: Settings, progress: Progress) -> tuple[ReceptiveFields, SearchRecord]:
    """Learn receptive fields on the training rows. Raises TrainingError: out_of_memory beforehand, diverged."""
    settings = resolved(settings, len(problem.train), len(problem.names))
    key = _key(problem, "search", settings)
    if (known := problem.memo.recall(key)) is not None:
        arrays = {name: array.numpy() for name, array in known["fields"].items()}
        return ReceptiveFields(problem.names, **arrays), SearchRecord(**known["record"])
    fields, how = _search(problem, settings, progress, problem.memo.draft(key))
    arrays = {name: torch.tensor(array) for name, array in fields.arrays.items()}
    problem.memo.store(key, {"fields": arrays, "record": asdict(how)})
    return fields, how


def _search(
    problem: Problem, settings: Settings, progress: Progress, draft: Draft
) -> tuple[ReceptiveFields, SearchRecord]:
    device = device_for(settings, len(problem.names))
    require_memory(len(problem.names), settings, free_on(device) or psutil.virtual_memory().available)
    generator, noise = generator_for(settings.seed, "search"), generator_for(settings.seed, "noise", device)
    start = screened(problem.train, settings, np.random.default_rng(entropy(settings.seed, "candidates")))
    network = relaxed_network(len(problem.names), problem.outputs, settings, generator, start).to(device)
    weights, logits = split_parameters(network)

    def loss(weights: Params, logits: Params, batch: Batch) -> Tensor:
        x, *known = (part.to(device) for part in batch)
        return loss_value(functional_call(network, {**weights, **logits}, (x,)), *known)

    def begin(step: int) -> None:
        begin_step(network, step, settings, noise)

    rows, shared = rows_on(device, problem.train), problem.memo.peers.together(loss)
    found = search(shared, weights, logits, rows, settings, generator, progress, begin, draft=draft, others=[noise])
    settle(network)
    network.cpu()
    fields = _projected(network, problem, settings)
    return fields, record(found, network, fields, problem.valid, settings)


@torch.no_grad()
def _projected(network: FieldNetwork, problem: Problem, settings: Settings) -> ReceptiveFields:
    every = logits_of(network)
    return project(
        [logits.raw().detach() for logits in every],
        problem.names,
        mask=every[0].mask,
        distinct=settings.distinct,
        temperature=every[0].temperature,
        candidates=every[0].candidates,
    )


def train_on_fields(
    problem: Problem, fields: ReceptiveFields | None, settings: Settings, progress: Progress
) -> Trained:
    """A fresh network on fixed fields, or `PLAIN_MLP`. Same seed, same initial kernel and head, whatever the fields."""
    key = _key(problem, "train", settings, _said(fields))
    network, generator = network_on(problem, fields, settings)
    if (known := problem.memo.recall(key)) is not None:
        return _trained(network, known)
    draft = problem.memo.draft(key)
    trained = train_network(
        network, problem.train, problem.valid, settings, generator, progress, draft, problem.memo.peers
    )
    problem.memo.store(key, {"network": trained.network.state_dict(), "history": _losses(trained)})
    return trained


def history_on_fields(
    problem: Problem, fields: ReceptiveFields | None, settings: Settings, progress: Progress
) -> Trained:
    """The training of `train_on_fields` without its network, which may be large: of 20,000 columns, 0.4 GB."""
    key = _key(problem, "history", settings, _said(fields))
    if (known := problem.memo.recall(key)) is not None:
        return _trained(torch.nn.Identity(), known)
    network, generator = network_on(problem, fields, settings)
    draft = problem.memo.draft(key)
    trained = train_network(
        network, problem.train, problem.valid, settings, generator, progress, draft, problem.memo.peers
    )
    problem.memo.store(key, {"network": {}, "history": _losses(trained)})
    return without_network(trained)


def trained_on_all(problem: Problem, fields: ReceptiveFields | None, before: Trained, settings: Settings) -> Trained:
    """The network of `train_on_fields` once more, on training and validation rows: `before` said for how long.

    Where `settings.refit` is off, and where the validation rows are training rows, it is `before` itself.
    """
    if not trains_again(problem, settings):
        return before
    key = _key(problem, "on all", settings, _said(fields), before.length, _losses(before))
    together = problem.together()
    network, generator = network_on(together, fields, settings)
    if (known := problem.memo.recall(key)) is not None:
        return _trained(network, known)
    trained = train_on_all(
        network, together.train, before, settings, generator, problem.memo.draft(key), problem.memo.peers
    )
    problem.memo.store(key, {"network": trained.network.state_dict(), "history": _losses(trained)})
    return trained


def _key(problem: Problem, *parts: Any) -> str:
    """The memo's key; none is worked out where there is no memo, since that reads all rows."""
    if problem.memo.folder is None:
        return ""
    return key_of(problem.key, *(part.model_dump() if isinstance(part, Settings) else part for part in parts))


def _said(fields: ReceptiveFields | None) -> Any:
    return None if fields is PLAIN_MLP else torch.tensor(fields.members)


def _losses(trained: Trained) -> list[list[float]]:
    return [[epoch.train_loss, epoch.valid_loss] for epoch in trained.history]


def _trained(network: nn.Module, known: State) -> Trained:
    network.load_state_dict(known["network"])
    return Trained(network.eval(), tuple(Epoch(*losses) for losses in known["history"]))


def trains_again(problem: Problem, settings: Settings) -> bool:
    """Whether there is a last training on training and validation rows together."""
    return settings.refit and problem.valid is not problem.train


def network_on(
    problem: Problem, fields: ReceptiveFields | None, settings: Settings
) -> tuple[FieldNetwork | Ensemble, torch.Generator]:
    """The final network on `fields`, untrained, and the generator that its training goes on with.

    PLAIN_MLP: dense layers with about as many parameters, on the same embedding.
    """
    edges = edges_for(problem, settings)
    if fields is not PLAIN_MLP:
        generator, members = generator_for(settings.seed, "final"), torch.tensor(fields.members)
        return fixed_network(members, problem.outputs, settings, generator, edges), generator
    generator, columns = generator_for(settings.seed, "mlp"), len(problem.names)
    members = torch.zeros(1, columns, settings.kernel_size, dtype=torch.int64)
    size = count_parameters(fixed_network(members, problem.outputs, settings, generator, edges))
    return plain_mlp(columns, problem.outputs, size, settings, generator, edges), generator


def edges_for(problem: Problem, settings: Settings) -> Tensor | None:
    """The bin edges of the embedding that the settings ask for, from the training rows; None for plain numbers."""
    if settings.embedding != "piecewise-linear":
        return None
    rows, _ = _drawn(problem.train, None, _ROWS_OF_EDGES, entropy(settings.seed, "rows of edges"))
    return bin_edges(rows.x, settings.bins)


def entropy(seed: int, purpose: str) -> int:
    """A seed of its own for one purpose, from the one seed of a run."""
    words = np.random.SeedSequence([seed, zlib.crc32(purpose.encode())]).generate_state(1, np.uint64)
    return int(words[0] >> 1)
