"""A lock on a folder that ends with its process, however that ends."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from rfconv_cli.errors import RunError
from rfconv_cli.files import cannot_write

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: there nothing is held, and two processes in one folder are the user's to avoid
    fcntl = None

LOCK = "lock"


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold a folder while the block runs. Raises RunError where another process holds it, or the disk refuses."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    except OSError as error:
        raise cannot_write(folder / LOCK, error) from None
    try:
        if not _taken(handle):
            raise RunError(
                f"{folder.name} is at work in another process", hint="wait for it, or end it first", code="held"
            )
        yield
    finally:
        os.close(handle)


def is_held(folder: Path) -> bool:
    """Whether a process that lives holds the folder."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _taken(handle)
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
