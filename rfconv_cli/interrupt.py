"""What happens when someone wants this process to end, and that none of its workers outlives it."""

import contextlib
import os
import signal
import sys
import threading
import time
from types import FrameType

SECONDS = 5.0  # that an orderly end may take
_LOOK_EVERY = 0.5  # seconds between a worker's looks at its parent
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_asked, _watched = threading.Event(), threading.Event()  # to end; for the end of the parent


def heed_signals() -> None:
    """End in order at the first SIGINT or SIGTERM (130, 143), within 5 seconds; at the second one at once.

    A thread keeps the time, since the main one may be inside a long computation.
    """
    for number in _SIGNALS:
        signal.signal(number, _end)
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    threading.Thread(target=_keep_time, args=(read,), daemon=True).start()


def _end(number: int, frame: FrameType | None) -> None:
    if _asked.is_set():
        os._exit(128 + number)
    _asked.set()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def _keep_time(read: int) -> None:
    number = _next_signal(read)
    timer = threading.Timer(SECONDS, os._exit, (128 + number,))
    timer.daemon = True
    timer.start()
    os._exit(128 + _next_signal(read))


def _next_signal(read: int) -> int:
    while (number := os.read(read, 1)[0]) not in _SIGNALS:
        pass
    return number


def end_with(parent: int) -> None:
    """In a worker: end soon after the process `parent` that started it, even where that was killed."""
    if _watched.is_set():
        return
    _watched.set()
    with contextlib.suppress(ValueError):  # a signal is for the parent to hear, which then ends its workers
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os._exit(1)
