"""Locks on folders that end with their process, however that ends. Nothing is written: the folder itself is locked."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from rfconv_cli.errors import RunError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: there nothing is locked, and two processes in one folder are the user's to avoid
    fcntl = None


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold a folder while the block runs. Raises RunError where another process holds it."""
    with _opened(folder) as handle:
        if not _taken(handle):
            raise RunError(
                f"{folder.name} is at work in another process", hint="wait for it, or end it first", code="held"
            )
        yield


@contextlib.contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Hold a folder while the block runs, once those who came before are done."""
    with _opened(folder) as handle:
        if handle is not None and fcntl is not None:
            with contextlib.suppress(OSError):  # a disk that knows no locks
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def is_held(folder: Path) -> bool:
    """Whether a process that lives holds the folder."""
    with _opened(folder) as handle:
        return not _taken(handle)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    try:
        handle = None if fcntl is None else os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # it is gone by now
        handle = None
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


def _taken(handle: int | None) -> bool:
    """Take the lock; also where there can be none."""
    if handle is None or fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk that knows no locks
        return True
    return True
