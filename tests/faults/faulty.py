"""A disk that fails at the n-th thing asked of it: every step of a write, each with every fault."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from rfconv_cli.errors import RunError

FAULTS = {
    "ENOSPC": lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "EIO": lambda: OSError(errno.EIO, os.strerror(errno.EIO)),
    "EACCES": lambda: OSError(errno.EACCES, os.strerror(errno.EACCES)),
}
KILL = "kill"
KILLED = 9


class Disk:
    """Counts what is asked of the disk; at the `at`-th it fails, or the process ends there. 0: it never fails."""

    def __init__(self, at: int = 0, fault: str = "") -> None:
        self.at, self.fault, self.count = at, fault, 0

    def step(self) -> None:
        self.count += 1
        if self.count != self.at:
            return
        if self.fault == KILL:
            os._exit(KILLED)
        raise FAULTS[self.fault]()

    @contextlib.contextmanager
    def in_place(self) -> Iterator["Disk"]:
        """All that our writer asks of the system goes through this disk."""
        with contextlib.ExitStack() as stack:
            for owner, name in (
                (os, "fsync"),
                (tempfile, "mkstemp"),
                (Path, "replace"),
                (Path, "rename"),
                (Path, "mkdir"),
                (Path, "chmod"),
            ):
                stack.enter_context(mock.patch.object(owner, name, self._asked(getattr(owner, name))))
            stack.enter_context(mock.patch.object(os, "fdopen", self._opened(os.fdopen)))
            yield self

    def _asked(self, real: Callable) -> Callable:
        def asked(*given, **named):
            self.step()
            return real(*given, **named)

        return asked

    def _opened(self, real: Callable) -> Callable:
        def opened(*given, **named):
            file = real(*given, **named)
            whole = file.write

            def write(data) -> int:
                half = len(data) // 2
                whole(bytes(data)[:half])  # a disk fills up in the middle
                self.step()
                return half + whole(bytes(data)[half:])

            proxy = mock.MagicMock(wraps=file)
            proxy.write = write
            proxy.__enter__.return_value = proxy
            proxy.__exit__.side_effect = lambda *_: file.close()
            return proxy

        return opened


def steps_of(work: Callable[[], object]) -> int:
    """How many things the work asks of the disk."""
    with Disk().in_place() as disk:
        work()
    return disk.count


def meets(work: Callable[[], object], at: int, fault: str) -> str:
    """What became of the work when its `at`-th step met a fault: "done", "refused" (one RunError) or "killed"."""
    if fault != KILL:
        with Disk(at, fault).in_place():
            try:
                work()
            except RunError:
                return "refused"
        return "done"
    child = os.fork()
    if not child:
        try:
            with Disk(at, fault).in_place():
                work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, KILLED)
    return "killed" if os.waitstatus_to_exitcode(status) else "done"
