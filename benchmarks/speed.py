"""Ratios of one run on one machine: relaxed steps against plain einsum, fixed ones against torch.nn.Conv2d."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from benchmarks.exported import rows_a_second
from benchmarks.plain import PlainRelaxed
from benchmarks.record import emit
from rfconv_cli.config import from_values
from rfconv_cli.fields import bilevel
from rfconv_cli.fields.search import gradient_step, resolved
from rfconv_cli.network.model import fixed_network
from rfconv_cli.network.relaxed import Screened, relaxed_network, split_parameters
from rfconv_cli.network.train import loss_value

SIDE, K, BATCH, CLASSES = 28, 9, 128, 10
N = SIDE * SIDE
_REPEATS, _ROUNDS = 15, 5
STEPS: dict[str, tuple[str, Callable[..., bilevel.Gradients]]] = {
    "straight-through, one-level": ("straight-through", lambda *a: bilevel.one_level_gradients(*a[:4])),
    "softmax, one-level": ("softmax", lambda *a: bilevel.one_level_gradients(*a[:4])),
    "softmax, second-order, exact": ("softmax", partial(bilevel.exact_gradients, gamma=2e-3)),
    "softmax, second-order, finite difference": (
        "softmax",
        partial(bilevel.finite_difference_gradients, gamma=2e-3),
    ),
}


def run(out: Path | None) -> None:
    """Emit every ratio, and the rows a second of an exported network."""
    emit(out, "exported-rows-a-second", threads=torch.get_num_threads(), rows_a_second=rows_a_second())
    for name in STEPS:
        emit(out, "relaxed-step-memory", step=name, peak_over_need=float(_in_own_process(name)))
    ours, plain = (seconds_of_search(kind) for kind in ("default", "plain"))
    peaks = [float(_in_own_process(kind)) for kind in ("default", "plain")]
    emit(
        out,
        "search-step-over-einsum",
        speed=plain / ours,
        memory=peaks[0] / peaks[1],
        ours_ms=1e3 * ours,
        einsum_ms=1e3 * plain,
        ours_mb=peaks[0] / 1e6,
        einsum_mb=peaks[1] / 1e6,
    )
    first, second = (seconds_of_level(level) for level in ("first-order", "second-order"))
    emit(out, "second-order-over-first-order", ratio=second / first, second_ms=1e3 * second, first_ms=1e3 * first)
    for channels in (16, 64):
        for layers in (1, 2):
            ours, theirs = step_seconds(channels, layers)
            emit(
                out,
                "fixed-step-over-conv2d",
                channels=channels,
                layers=layers,
                ratio=ours / theirs,
                ours_ms=1e3 * ours,
                conv2d_ms=1e3 * theirs,
            )


def peak_over_need(name: str) -> float:
    """Peak bytes above the resting process while one relaxed step runs, over R + its gradient + the slot values.

    N = 784, K = 9, batch 128, 16 channels, linear head. R is counted with the step though it rests before it. Run in a
    process of its own, with malloc told to give memory back, so that the high-water mark means something.
    """
    estimator, level = STEPS[name]
    settings = from_values({"kernel_size": K, "hidden": 0, "estimator": estimator})
    network = relaxed_network(N, CLASSES, settings, torch.Generator().manual_seed(0)).eval()
    weights, logits = split_parameters(network)
    train, held_out = ((torch.randn(BATCH, N), torch.randint(0, CLASSES, (BATCH,))) for _ in range(2))

    def loss(w: bilevel.Params, r: bilevel.Params, batch: bilevel.Batch) -> Tensor:
        return loss_value(functional_call(network, {**w, **r}, (batch[0],)), batch[1])

    level(loss, weights, logits, train, held_out)
    before = status_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    level(loss, weights, logits, train, held_out)
    r = N * (K - 1) * N * 4
    return (status_bytes("VmHWM") - before + r) / (2 * r + BATCH * N * K * 4)


def search_step(kind: str, columns: int = N) -> Callable[[], None]:
    """One step of the default search (K = 9, 16 channels, linear head), or of eqs. 1 and 2 in einsum, with Adam's."""
    x, y = torch.randn(BATCH, columns), torch.randint(0, CLASSES, (BATCH,))
    generator = torch.Generator().manual_seed(0)
    if kind == "plain":
        plain = PlainRelaxed(columns, K, 16, CLASSES, generator)
        optimiser = torch.optim.Adam(plain.parameters(), 2e-3)
        return lambda: _descend(optimiser, lambda: F.cross_entropy(plain(x), y))
    settings = resolved(from_values({"kernel_size": K, "hidden": 0}), 50_000, columns)
    near = (torch.arange(columns).unsqueeze(1) + torch.arange(1, settings.candidates + 1)) % columns
    network = relaxed_network(columns, CLASSES, settings, generator, Screened(candidates=near))
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    return lambda: _descend(optimiser, lambda: loss_value(network(x), y))


def seconds_of_search(kind: str) -> float:
    """The median time of `search_step`."""
    return _median(search_step(kind))


def peak_of_search(kind: str) -> float:
    """Bytes above the resting process while `search_step` runs, with what R and its Adam hold at rest counted in."""
    search_step(kind, columns=320)()  # loads what a first step loads
    before = status_bytes("VmRSS")
    step = search_step(kind)
    step()
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    step()
    return float(status_bytes("VmHWM") - before)


def seconds_of_level(level: str) -> float:
    """The median time of the gradients of a search step at this level, R dense, one layer, exact hyper-gradient."""
    settings = from_values({"kernel_size": K, "hidden": 0, "estimator": "softmax", "level": level})
    network = relaxed_network(N, CLASSES, settings, torch.Generator().manual_seed(0))
    weights, logits = split_parameters(network)
    train, held_out = ((torch.randn(BATCH, N), torch.randint(0, CLASSES, (BATCH,))) for _ in range(2))

    def loss(w: bilevel.Params, r: bilevel.Params, batch: bilevel.Batch) -> Tensor:
        return loss_value(functional_call(network, {**w, **r}, (batch[0],)), batch[1])

    step = gradient_step(settings)
    return _median(lambda: step(loss, weights, logits, train, held_out))


def _descend(optimiser: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss().backward()
    optimiser.step()


def step_seconds(channels: int, layers: int) -> tuple[float, float]:
    """Seconds of forward + backward on the 3×3 fields of an image, ours and Conv2d's: best of interleaved medians."""
    settings = from_values({"kernel_size": K, "channels": channels, "hidden": 0, "dropout": 0.0, "layers": layers})
    ours = fixed_network(grid_members()[None], CLASSES, settings, torch.Generator().manual_seed(0))
    theirs = ConvNet(channels, layers)
    x, y = torch.randn(BATCH, N), torch.randint(0, CLASSES, (BATCH,))

    def step(network: nn.Module) -> None:
        network.zero_grad(set_to_none=True)
        out = network(x)
        loss_value(out if out.ndim == 3 else out.unsqueeze(1), y).backward()

    rounds = [(_median(lambda: step(ours)), _median(lambda: step(theirs))) for _ in range(_ROUNDS)]
    return min(a for a, _ in rounds), min(b for _, b in rounds)


class ConvNet(nn.Module):
    """3×3 convolutions on the ordered image and a linear head: the same shapes as ours."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels if i else 1, channels, 3, padding=1) for i in range(layers))
        self.head = nn.Linear(channels * N, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = x.view(-1, 1, SIDE, SIDE)
        for conv in self.convs:
            h = F.relu(conv(h))
        out: Tensor = self.head(h.flatten(1))
        return out


def grid_members() -> Tensor:
    """(784, 9) int64: each pixel, then its eight neighbours in one order; the border repeats its own pixels."""
    row, col = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    steps = [(0, 0), *((r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if r or c)]
    slots = [(row + r).clamp(0, SIDE - 1) * SIDE + (col + c).clamp(0, SIDE - 1) for r, c in steps]
    return torch.stack([slot.flatten() for slot in slots], dim=1)


def _median(work: Callable[[], object]) -> float:
    work()
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def status_bytes(key: str) -> int:
    """Bytes of one line of /proc/self/status (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def _in_own_process(*arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks.speed", *arguments]
    environ = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    print(peak_over_need(sys.argv[1]) if sys.argv[1] in STEPS else peak_of_search(sys.argv[1]))
