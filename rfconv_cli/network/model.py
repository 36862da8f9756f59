"""The network around the convolutions: fields, then a head. One body for the relaxed and the fixed kind."""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rfconv_cli.config import Settings
from rfconv_cli.fields.conv import FixedConv, RelaxedConv


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A dense layer initialised from `generator` (He et al. 2015), not from torch's global state."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(outputs, inputs, generator=generator) * (2.0 / inputs) ** 0.5)
        layer.bias.zero_()
    assert isinstance(layer, nn.Linear)
    return layer


class Head(nn.Module):
    """Dense layers over all positions and channels. (batch, features) → (batch, outputs). hidden 0: linear."""

    def __init__(
        self,
        features: int,
        hidden: Sequence[int],
        outputs: int,
        dropout: float,
        activation: str,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        widths = [features, *hidden]
        self.hidden = nn.ModuleList(linear(a, b, generator) for a, b in itertools.pairwise(widths))
        self.out = linear(widths[-1], outputs, generator)
        with torch.no_grad():
            self.out.weight.mul_(0.1)  # starts near the prior of the classes, whatever the width
        self.dropout = dropout
        self.activation = activation
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            x = activate(layer(x), self.activation)
        if self.training and self.dropout:
            # torch's own dropout draws from the global state; ours from the generator it was given
            keep = torch.rand(x.shape, generator=self.generator) >= self.dropout
            x = x * keep / (1 - self.dropout)
        out: Tensor = self.out(x)
        return out


def activate(x: Tensor, activation: str) -> Tensor:
    """relu or gelu, by name."""
    return F.relu(x) if activation == "relu" else F.gelu(x)


class FieldNetwork(nn.Module):
    """Convolution layers over receptive fields, then a head. (batch, N) → (batch, outputs)."""

    def __init__(self, convs: Sequence[FixedConv | RelaxedConv], head: Head) -> None:
        super().__init__()
        self.convs = nn.ModuleList(convs)
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        h = x.unsqueeze(2)  # (batch, N, 1)
        for conv in self.convs:
            h = activate(conv(h), self.head.activation)  # (batch, N, channels)
        out: Tensor = self.head(h.flatten(1))
        return out


def fixed_network(members: Tensor, outputs: int, settings: Settings, generator: torch.Generator) -> FieldNetwork:
    """The final network on given fields. members (D, N, K) int64, D 1 or the number of layers."""
    depth, columns, _ = members.shape
    convs = [
        FixedConv(members[min(i, depth - 1)], settings.channels if i else 1, settings.channels, generator)
        for i in range(settings.layers)
    ]
    return FieldNetwork(convs, _head(columns, outputs, settings, generator))


def plain_mlp(columns: int, outputs: int, parameters: int, settings: Settings, generator: torch.Generator) -> Head:
    """An MLP of one hidden layer (two when the network has a hidden layer) of about `parameters` weights."""
    second = settings.hidden
    if second:
        width = round((parameters - second * (outputs + 1) - outputs) / (columns + 1 + second))
        widths = [max(4, width), second]
    else:
        widths = [max(4, round((parameters - outputs) / (columns + 1 + outputs)))]
    return Head(columns, widths, outputs, settings.dropout, settings.activation, generator)


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers in `network`."""
    return sum(p.numel() for p in network.parameters())


def _head(columns: int, outputs: int, settings: Settings, generator: torch.Generator) -> Head:
    hidden = [settings.hidden] if settings.hidden else []
    features = columns * settings.channels
    return Head(features, hidden, outputs, settings.dropout, settings.activation, generator)
