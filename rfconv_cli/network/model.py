"""The network around the convolutions: embedding, fields, a head. One body for the relaxed and the fixed kind."""

import itertools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rfconv_cli.config import Settings
from rfconv_cli.fields.conv import FixedConv, OwnKernels, RelaxedConv, SharedKernel
from rfconv_cli.network.embed import PiecewiseLinear
from rfconv_cli.network.peers import Share

_BYTES = 256  # values of a byte: dropout is exact to 1/256
_UNITS_OF_A_HEAD = 8  # at least: with fewer, dropout leaves a head too little to learn with


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A dense layer initialised from `generator` (He et al. 2015), not from torch's global state."""
    where = torch.empty(0).device  # skip_init would take the CPU even where all else is only measured, on "meta"
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs, device=where)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(outputs, inputs, generator=generator) * (2.0 / inputs) ** 0.5)
        layer.bias.zero_()
    assert isinstance(layer, nn.Linear)
    return layer


class Head(nn.Module):
    """Dense layers over all positions and channels, the last of them split into heads that each predict for themselves.

    (batch, features) → (batch, heads, outputs). hidden: units of each hidden layer; the last one's are shared out among
    the heads, so that an ensemble costs what one network does (after TabM, Gorishniy et al. 2024). No hidden layer: one
    linear head. Dropout falls on what enters each layer, its share in steps of 1/256.
    """

    def __init__(
        self,
        features: int,
        hidden: Sequence[int],
        outputs: int,
        settings: Settings,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.heads, last = _heads(hidden[-1], settings) if hidden else (1, features)
        widths = [features, *hidden[:-1], *([last * self.heads] if hidden else [])]
        self.hidden = nn.ModuleList(linear(a, b, generator) for a, b in itertools.pairwise(widths))
        # starts near the prior of the classes, whatever the width
        kernel = torch.randn(self.heads, last, outputs, generator=generator) * (0.1 * (2.0 / last) ** 0.5)
        self.kernel = nn.Parameter(kernel)
        self.bias = nn.Parameter(torch.zeros(self.heads, 1, outputs))
        self.dropout = settings.dropout
        self.activation = settings.activation
        self.generator = generator
        self.share: Share | None = None  # of each batch, where other processes have the rest

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            x = activate(layer(self._dropped(x)), self.activation)
        apart = self._dropped(x).unflatten(1, (self.heads, -1)).transpose(0, 1)  # (heads, batch, units of a head)
        return torch.baddbmm(self.bias, apart, self.kernel).transpose(0, 1)

    def _dropped(self, x: Tensor) -> Tensor:
        if not (self.training and self.dropout):
            return x
        # torch's own dropout draws from the global state, and a whole number for each bit; ours takes bytes, 8 at once
        kept = max(1, round(_BYTES * (1 - self.dropout)))
        rows, width = self.share or Share(0, len(x), len(x)), x[0].numel()
        words = torch.empty(-(-rows.whole * width // 8), dtype=torch.int64, device=x.device)
        drawn = words.random_(-(2**63), None, generator=self.generator).view(torch.uint8)
        draws = drawn[rows.first * width :][: x.numel()]
        return x * (draws.view(x.shape) <= kept - 1).to(x.dtype) * (_BYTES / kept)


def activate(x: Tensor, activation: str) -> Tensor:
    """relu or gelu, by name."""
    return F.relu(x) if activation == "relu" else F.gelu(x)


class FieldNetwork(nn.Module):
    """Embedding, where there is one; convolution layers over receptive fields; a head.

    (batch, N) → (batch, heads, outputs). Without convolutions it is an MLP on the same numbers.
    shifts: the share of rows that are moved along the first layer's fields while it trains, see `moved_along`.
    """

    def __init__(
        self,
        convs: Sequence[FixedConv | RelaxedConv],
        head: Head,
        embedding: PiecewiseLinear | None = None,
        shifts: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.convs = nn.ModuleList(convs)
        self.head = head
        self.shifts = shifts

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.shifts:
            first = self.convs[0]
            assert isinstance(first, FixedConv)
            x = moved_along(first.members, x, self.shifts, self.head.generator, self.head.share)
        h = x.unsqueeze(2) if self.embedding is None else self.embedding(x)  # (batch, N, C_in)
        for conv in self.convs:
            h = activate(conv(h), self.head.activation)  # (batch, N, channels)
        out: Tensor = self.head(h.flatten(1))
        return out


def moved_along(
    members: Tensor, x: Tensor, often: float, generator: torch.Generator, share: Share | None = None
) -> Tensor:
    """Rows moved by one slot: every column takes the value of its member in that slot, the same slot for all columns.

    Where slots have a common order these are the rows' shifted copies, as images are shifted to have more of them
    (after Lassance, Vialatte, Gripon 2018). x (batch, N), members (N, K) int64 → (batch, N). As many of the
    rows as `often` says, each by a free slot drawn by `generator`; the others stay. share: of the batch, that x is.
    """
    rows = share or Share(0, len(x), len(x))
    drawn = torch.rand(rows.whole, generator=generator, device=x.device)[rows.rows]
    free = members.shape[1] - 1
    slot = torch.where(drawn < often, 1 + (drawn / often * free).long().clamp_max(free - 1), 0)
    return x.gather(1, members.T[slot])


class Ensemble(nn.Module):
    """Networks that each predict for themselves: (batch, N) → (batch, heads of them all, outputs).

    Trained by the mean of the heads' losses, each learns as it would alone on the same batches, since Adam's steps do
    not depend on the scale of the loss. After Lakshminarayanan, Pritzel, Blundell 2017.
    """

    def __init__(self, networks: Sequence[FieldNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([network(x) for network in self.networks], dim=1)


def fixed_network(
    members: Tensor, outputs: int, settings: Settings, generator: torch.Generator, edges: Tensor | None = None
) -> FieldNetwork | Ensemble:
    """The final network on given fields, or as many of them as `settings.ensemble` says.

    members: (D, N, K) int64, D 1 or the number of layers. edges: (N, bins + 1) of a piecewise-linear embedding; None:
    the plain numbers.
    """
    return _repeated(lambda: _fixed_network(members, outputs, settings, generator, edges), settings)


def _repeated(build: Callable[[], FieldNetwork], settings: Settings) -> FieldNetwork | Ensemble:
    return build() if settings.ensemble == 1 else Ensemble([build() for _ in range(settings.ensemble)])


def _fixed_network(
    members: Tensor, outputs: int, settings: Settings, generator: torch.Generator, edges: Tensor | None
) -> FieldNetwork:
    depth, columns, _ = members.shape
    embedding, size = _embedding(edges, settings, generator)
    convs = [
        FixedConv(members[min(i, depth - 1)], _kernel(members, settings.channels if i else size, settings, generator))
        for i in range(settings.layers)
    ]
    return FieldNetwork(convs, final_head(columns, outputs, settings, generator), embedding, settings.shifts)


def _kernel(
    members: Tensor, channels_in: int, settings: Settings, generator: torch.Generator
) -> SharedKernel | OwnKernels:
    """The kernel of one layer, as `settings.kernel` says."""
    _, positions, slots = members.shape
    if settings.kernel == "own":
        return OwnKernels(positions, slots, channels_in, settings.channels, generator)
    return SharedKernel(slots, channels_in, settings.channels, generator)


def plain_mlp(
    columns: int,
    outputs: int,
    parameters: int,
    settings: Settings,
    generator: torch.Generator,
    edges: Tensor | None = None,
) -> FieldNetwork | Ensemble:
    """An MLP of one hidden layer (two when the network has a hidden layer) of about `parameters` weights.

    edges: as in `fixed_network`; the embedding counts among the weights. Of an ensemble, each has its share of them.
    """
    each = parameters // settings.ensemble
    return _repeated(lambda: _plain_mlp(columns, outputs, each, settings, generator, edges), settings)


def _plain_mlp(
    columns: int, outputs: int, parameters: int, settings: Settings, generator: torch.Generator, edges: Tensor | None
) -> FieldNetwork:
    embedding, size = _embedding(edges, settings, generator)
    features, left = columns * size, parameters - (0 if embedding is None else count_parameters(embedding))
    if settings.hidden:
        heads, each = _heads(settings.hidden, settings)
        units = heads * each
        left -= units + (units + heads) * outputs
        widths = [max(4, round(left / (features + 1 + units))), settings.hidden]
        return FieldNetwork([], Head(features, widths, outputs, settings, generator), embedding)
    widths = [max(4, round((left - outputs) / (features + 1 + outputs)))]
    one_head = settings.model_copy(update={"heads": 1})
    return FieldNetwork([], Head(features, widths, outputs, one_head, generator), embedding)


def final_head(columns: int, outputs: int, settings: Settings, generator: torch.Generator) -> Head:
    """The head behind the last convolution: (batch, N·channels) → (batch, heads, outputs)."""
    hidden = [settings.hidden] if settings.hidden else []
    return Head(columns * settings.channels, hidden, outputs, settings, generator)


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers in `network`."""
    return sum(p.numel() for p in network.parameters())


def _heads(hidden: int, settings: Settings) -> tuple[int, int]:
    """How many heads share a layer of `hidden` units, and the units of each; what is left over falls away."""
    heads = max(1, min(settings.heads, hidden // _UNITS_OF_A_HEAD))
    return heads, hidden // heads


def _embedding(
    edges: Tensor | None, settings: Settings, generator: torch.Generator
) -> tuple[PiecewiseLinear | None, int]:
    """The embedding, and how many numbers it makes of one."""
    if edges is None:
        return None, 1
    return PiecewiseLinear(edges, settings.embedding_size, generator), settings.embedding_size
