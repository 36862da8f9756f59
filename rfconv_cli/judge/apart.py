"""Work in processes of their own, one for each task, some side by side, until a deadline.

joblib's workers take one task after the other: there the memory of one task counts for the next, and none can be ended
alone. Knows nothing of methods; a task is a function that can be imported, and its arguments, which travel by pipe.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait
from time import monotonic
from typing import Any

import psutil
from threadpoolctl import threadpool_limits

from rfconv_cli.interrupt import end_with

DONE, FAILED, TIME_LIMIT = "done", "failed", "time limit"
_LOOK_EVERY = 0.02  # seconds between looks at the memory
_LONGEST_WAIT = 3600.0  # seconds; the system takes no number however large


@dataclass(frozen=True)
class Task:
    """work(*arguments, tell) is called, and `tell` is to be told the share done. cost: how long it takes beside others,
    in any unit.
    """

    work: Callable[..., Any]
    arguments: tuple[Any, ...]
    cost: float


@dataclass(frozen=True)
class Outcome:
    """status: DONE, FAILED or TIME_LIMIT; result: what the work returned; peak: bytes that its process took at most
    above those at the start of the work; reason: why it failed.
    """

    status: str
    result: Any = None
    peak: int | None = None
    reason: str = ""


@dataclass
class _Running:
    name: str
    process: Any
    share: float = 0.0


def run_apart(
    tasks: Mapping[str, Task], processes: int, deadline: float | None, progress: Callable[[float], None]
) -> dict[str, Outcome]:
    """What became of each task, in the order of `tasks`.

    processes: how many at once, each with one thread; deadline: as `time.monotonic` counts, after which no task runs.
    The costliest begin first, so that none is left alone at the end; before a deadline the cheapest, so that most end.
    `progress` is told the share done, weighed by cost. However this ends, no process is left.
    """
    waiting = sorted(tasks, key=lambda name: tasks[name].cost, reverse=deadline is not None)  # the last begins first
    running: dict[Any, _Running] = {}  # by the connection to each
    outcomes: dict[str, Outcome] = {}
    try:
        while (waiting or running) and not _is_over(deadline):
            while waiting and len(running) < processes and not _is_over(deadline):
                name = waiting.pop()
                connection, process = _started(tasks[name])
                running[connection] = _Running(name, process)
            left = None if deadline is None else min(max(0.0, deadline - monotonic()), _LONGEST_WAIT)
            for connection in wait(list(running), left):
                if (outcome := _heard(connection, running[connection])) is not None:
                    outcomes[running[connection].name] = outcome
                    _end(connection, running.pop(connection))
            progress(_share_done(tasks, outcomes, running))
    finally:
        for connection, one in running.items():
            _end(connection, one)
    return {name: outcomes.get(name, Outcome(TIME_LIMIT)) for name in tasks}


def _is_over(deadline: float | None) -> bool:
    return deadline is not None and monotonic() >= deadline


def _started(task: Task) -> tuple[Any, Any]:
    context = get_context("spawn")  # a fork of a process that holds torch's threads may hang
    ours, theirs = context.Pipe()
    process = context.Process(target=_alone, args=(theirs, task, os.getpid()), daemon=True)
    process.start()
    theirs.close()  # so that the end of the process is the end of the pipe
    return ours, process


def _heard(connection: Any, one: _Running) -> Outcome | None:
    """What a process says: how far it is, or what became of its task."""
    try:
        said = connection.recv()
    except (EOFError, OSError):
        one.process.join()
        return Outcome(FAILED, reason=_how_it_ended(one.process.exitcode))
    if isinstance(said, Outcome):
        return said
    one.share = float(said)
    return None


def _how_it_ended(code: int) -> str:
    if code == -signal.SIGKILL:
        return "the system ended its process, as it does where memory is short"
    return f"its process ended with exit code {code}"


def _end(connection: Any, one: _Running) -> None:
    one.process.kill()
    one.process.join()
    connection.close()


def _share_done(tasks: Mapping[str, Task], outcomes: Mapping[str, Outcome], running: Mapping[Any, _Running]) -> float:
    begun = sum(tasks[one.name].cost * one.share for one in running.values())
    done = sum(tasks[name].cost for name in outcomes)
    return (begun + done) / sum(task.cost for task in tasks.values())


def _alone(connection: Any, task: Task, parent: int) -> None:
    """The whole life of a process: work, and say what became of it."""
    end_with(parent)
    _silence()
    threadpool_limits(1)
    try:
        with _Memory() as memory:
            result = task.work(*task.arguments, connection.send)
        outcome = Outcome(DONE, result, memory.peak)
    except MemoryError:
        outcome = Outcome(FAILED, reason="memory does not suffice")
    except Exception as error:  # a method's own failure is a result like another; a bug of ours shows in the reason
        text = str(error).strip().partition("\n")[0]
        outcome = Outcome(FAILED, reason=f"{type(error).__name__}: {text}" if text else type(error).__name__)
    connection.send(outcome)


def _silence() -> None:
    """Nothing that a library prints may come between the lines of stdout."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


class _Memory(contextlib.AbstractContextManager["_Memory"]):
    """Looks at the resident memory of this process while its block runs; `peak` is the most above the beginning.

    Looked at, since getrusage counts what the parent held when it started this process.
    """

    def __init__(self) -> None:
        self.process = psutil.Process()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.before = self.most = self._now()

    @property
    def peak(self) -> int:
        return self.most - self.before

    def __enter__(self) -> "_Memory":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        self.most = max(self.most, self._now())

    def _now(self) -> int:
        return int(self.process.memory_info().rss)

    def _look(self) -> None:
        while not self.ended.wait(_LOOK_EVERY):
            self.most = max(self.most, self._now())
