"""Where the arithmetic happens: CPU threads, or a GPU. Rows and results stay in memory; batches and networks travel."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from joblib import cpu_count
from torch import nn

from rfconv_cli.config import Settings
from rfconv_cli.errors import UsageError
from rfconv_cli.fields.search import Rows
from rfconv_cli.network.model import Head
from rfconv_cli.network.peers import Share

CPU = torch.device("cpu")
_SLOT_VALUES_WORTH_THREADS = 200_000
_USUAL_BATCH = 64  # before the rows are counted
_SHARE_FOR_ROWS = 4  # rows lie on the GPU where they take no more than this part of what is free there


def threads_for(settings: Settings, columns: int) -> int:
    """CPU threads for torch: the setting, else one for a small table and all cores of this process for a large one.

    Below some 200,000 slot values a step, threads gain little on an idle machine and cost tenfold on a busy one, where
    they wait for each other.
    """
    here = max(1, int(cpu_count()) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))  # torchrun's processes share them
    return settings.threads or (here if _is_large(settings, columns) else 1)


def device_for(settings: Settings, columns: int) -> torch.device:
    """The device to train on: as set; "auto" is a CUDA GPU where there is one and the table is worth it.

    Raises UsageError where there is no such device.
    """
    if settings.device == "cpu" or (settings.device == "auto" and not _is_large(settings, columns)):
        return CPU
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if settings.device == "auto":
        return torch.device("cuda") if there["cuda"] else CPU
    if not there[settings.device]:
        raise UsageError(
            f"--device {settings.device}: torch {torch.__version__} sees no such device here",
            hint="--device auto takes a GPU where torch sees one; torch's site says how to install it for yours",
            code="no_device",
        )
    return torch.device(settings.device)


def prepare(settings: Settings, columns: int) -> torch.device:
    """Set torch's threads, and have a GPU repeat itself to the last digit; the device. Raises UsageError."""
    torch.set_num_threads(threads_for(settings, columns))
    device = device_for(settings, columns)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS refuses the next line
        torch.use_deterministic_algorithms(True)
    return device


@contextmanager
def at_work(settings: Settings, columns: int) -> Iterator[torch.device]:
    """`prepare` for a while, in a program that is not ours: afterwards torch is set as it was."""
    threads = torch.get_num_threads()
    exact, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        yield prepare(settings, columns)
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(exact, warn_only=warns)


def free_on(device: torch.device) -> int | None:
    """Bytes that are free on a CUDA GPU; None for what shares the processor's memory."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else None


def name_of(device: torch.device) -> str:
    """The device in words: cpu, mps, or the GPU's own name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def rows_on(device: torch.device, rows: Rows) -> Rows:
    """The rows on the device, where they leave it room; else as they are, and each batch travels."""
    free = free_on(device)
    if free is not None and sum(part.nbytes for part in rows.parts) > free // _SHARE_FOR_ROWS:
        return rows
    return rows.to(device)


def move(network: nn.Module, device: torch.device, generator: torch.Generator) -> None:
    """Move a network that is to be trained; its dropout then draws on the device, seeded by `generator`.

    On the CPU nothing moves and nothing is drawn.
    """
    if device.type == "cpu":
        return
    network.to(device)
    draws = torch.Generator(device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
    for module in network.modules():
        if isinstance(module, Head):
            module.generator = draws


def draw_for(network: nn.Module, share: Share) -> None:
    """From now on draw for whole batches where a process has but a share of each, so that all draw the same."""
    for module in network.modules():
        if isinstance(module, Head):
            module.share = share


def generators_of(network: nn.Module, generator: torch.Generator) -> list[torch.Generator]:
    """All that a training draws from: its own generator, and where dropout has others, those."""
    heads = (module.generator for module in network.modules() if isinstance(module, Head))
    return list({id(each): each for each in (generator, *heads)}.values())


def device_of(network: nn.Module) -> torch.device:
    """Where the network's weights lie."""
    return next(network.parameters()).device


def _is_large(settings: Settings, columns: int) -> bool:
    slot_values = (settings.batch_size or _USUAL_BATCH) * columns * settings.kernel_size
    return slot_values >= _SLOT_VALUES_WORTH_THREADS
