"""The gradients of eq. 4: what W and R follow in one search step.

Pure functions of (loss, weights, logits, batches). `loss(weights, logits, batch)` is a scalar; weights and logits are
dictionaries of tensors that require gradients. Nothing here is changed in place.
Source: Liu, Simonyan, Yang 2018 (DARTS), eqs. 6–8; Tazume et al., eq. 4.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Params = dict[str, Tensor]
Batch = tuple[Tensor, ...]  # x, y, and the rows' weights where they have any
Loss = Callable[[Params, Params, Batch], Tensor]
Gradients = tuple[Tensor, Params, Params]


def one_level_gradients(loss: Loss, weights: Params, logits: Params, train: Batch) -> Gradients:
    """Both gradients of the training loss, from one backward pass. Returns (loss, dW, dR)."""
    value = loss(weights, logits, train)
    grads = torch.autograd.grad(value, [*weights.values(), *logits.values()])
    return value.detach(), _named(weights, grads[: len(weights)]), _named(logits, grads[len(weights) :])


def first_order_gradients(loss: Loss, weights: Params, logits: Params, train: Batch, held_out: Batch) -> Gradients:
    """∇_W L_train and ∇_R L_val(W, R): eq. 4 with γ = 0."""
    value = loss(weights, logits, train)
    down = torch.autograd.grad(value, list(weights.values()))
    up = torch.autograd.grad(loss(weights, logits, held_out), list(logits.values()))
    return value.detach(), _named(weights, down), _named(logits, up)


def exact_gradients(
    loss: Loss, weights: Params, logits: Params, train: Batch, held_out: Batch, gamma: float
) -> Gradients:
    """∇_W L_train and ∇_R L_val(W − γ ∇_W L_train(W, R), R), eq. 4, exact (double backward).

    Both updates of the step use this one training batch, R and W, so ∇_W L_train is computed once.
    """
    value = loss(weights, logits, train)
    down = torch.autograd.grad(value, list(weights.values()), create_graph=True)
    unrolled = {name: w - gamma * g for (name, w), g in zip(weights.items(), down, strict=True)}
    up = torch.autograd.grad(loss(unrolled, logits, held_out), list(logits.values()))
    return value.detach(), _named(weights, [g.detach() for g in down]), _named(logits, up)


def finite_difference_gradients(
    loss: Loss, weights: Params, logits: Params, train: Batch, held_out: Batch, gamma: float
) -> Gradients:
    """As `exact_gradients`, with the mixed second derivative by a central difference along v = ∇_W' L_val.

    ∇_R L_val(W', R) − γ (∇_R L_train(W + εv, R) − ∇_R L_train(W − εv, R)) / 2ε, with ε = c / ‖v‖ (DARTS, eq. 8). DARTS
    takes c = 0.01; the error falls with c² until rounding speaks, so c follows the precision of the weights.
    """
    value = loss(weights, logits, train)
    down = torch.autograd.grad(value, list(weights.values()))
    unrolled = {
        name: (w - gamma * g).detach().requires_grad_() for (name, w), g in zip(weights.items(), down, strict=True)
    }
    up = torch.autograd.grad(loss(unrolled, logits, held_out), [*logits.values(), *unrolled.values()])
    direct, direction = up[: len(logits)], up[len(logits) :]
    norm = torch.sqrt(sum((v.square().sum() for v in direction), torch.zeros((), dtype=direction[0].dtype)))
    scale = 0.01 if direction[0].dtype == torch.float32 else 1e-4
    epsilon = scale / norm.clamp_min(torch.finfo(norm.dtype).tiny ** 0.5)
    hyper = [g.detach() for g in direct]
    for sign in (1.0, -1.0):
        moved = {
            name: (w + sign * epsilon * v).detach() for (name, w), v in zip(weights.items(), direction, strict=True)
        }
        side = torch.autograd.grad(loss(moved, logits, train), list(logits.values()))
        for total, part in zip(hyper, side, strict=True):  # in place and one side at a time: each is as large as R
            total.add_(part.mul_(sign * gamma / (2.0 * epsilon)), alpha=-1.0)
        del side, part
    return value.detach(), _named(weights, down), _named(logits, hyper)


def _named(like: Params, values: "list[Tensor] | tuple[Tensor, ...]") -> Params:
    return dict(zip(like, values, strict=True))
