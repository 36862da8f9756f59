"""Tasks in processes of their own: what becomes of each, whatever it does, and that none outlives the call."""

import os
import signal
import sys
import time

import numpy as np
import psutil
import pytest

from rfconv_cli.judge import apart
from rfconv_cli.judge.apart import DONE, FAILED, TIME_LIMIT, Task, run_apart


def double(number, tell):
    tell(0.5)
    return 2 * number


def sleep(tell):
    tell(0.1)
    time.sleep(600)


def fail(tell):
    raise ValueError("no good\nsecond line")


def die(tell):
    os.kill(os.getpid(), signal.SIGKILL)


def leave(tell):
    os._exit(7)


def hold(megabytes, tell):
    held = np.ones(megabytes << 17)
    time.sleep(0.3)
    return len(held)


def shout(tell):
    print("on stdout")
    print("on stderr", file=sys.stderr)


def ignored(share):
    pass


def children():
    return [one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline())]


def test_every_task_gives_its_result_in_the_order_given():
    found = run_apart({str(i): Task(double, (i,), i) for i in range(4)}, 2, None, ignored)
    assert list(found) == ["0", "1", "2", "3"]
    assert [(one.status, one.result) for one in found.values()] == [(DONE, 0), (DONE, 2), (DONE, 4), (DONE, 6)]


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (fail, "ValueError: no good"),
        pytest.param(die, "short", marks=pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")),
        (leave, "exit code 7"),
    ],
)
def test_a_task_that_fails_or_dies_says_why_and_the_others_go_on(work, reason):
    found = run_apart({"bad": Task(work, (), 1), "good": Task(double, (4,), 1)}, 1, None, ignored)
    assert (found["bad"].status, found["good"].result) == (FAILED, 8)
    assert reason in found["bad"].reason
    assert "second line" not in found["bad"].reason


def test_at_the_deadline_what_runs_is_ended_and_what_waits_never_begins():
    tasks = {"runs": Task(sleep, (), 1), "waits": Task(double, (1,), 2)}
    found = run_apart(tasks, 1, time.monotonic() + 1.5, ignored)
    assert [one.status for one in found.values()] == [TIME_LIMIT, TIME_LIMIT]
    assert children() == []


def test_what_is_done_before_the_deadline_counts(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(apart, "monotonic", lambda: now[0])

    def pass_the_deadline_when_the_slow_one_runs(share: float) -> None:
        now[0] = 700.0 if share > 1 / 3 + 0.01 else 0.0

    tasks = {"slow": Task(sleep, (), 2), "quick": Task(double, (3,), 1)}
    found = run_apart(tasks, 1, 600.0, pass_the_deadline_when_the_slow_one_runs)
    assert (found["quick"].result, found["slow"].status) == (6, TIME_LIMIT)
    assert children() == []


@pytest.mark.parametrize(("deadline", "order"), [(None, "cab"), (1e9, "bac")])
def test_the_costliest_begin_first_but_before_a_deadline_the_cheapest(monkeypatch, deadline, order):
    began: list[str] = []
    real = apart._started
    monkeypatch.setattr(apart, "_started", lambda task: (began.append(task.arguments[0]), real(task))[1])
    monkeypatch.setattr(apart, "monotonic", lambda: 0.0)
    run_apart(
        {name: Task(double, (name,), cost) for name, cost in (("a", 2), ("b", 1), ("c", 3))}, 1, deadline, ignored
    )
    assert "".join(began) == order


def test_an_interrupt_leaves_no_process():
    def interrupt(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_apart({"slow": Task(sleep, (), 1)}, 1, None, interrupt)
    assert children() == []


def test_progress_rises_to_its_end_and_weighs_by_cost():
    told: list[float] = []
    run_apart({"a": Task(double, (1,), 9), "b": Task(double, (1,), 1)}, 1, None, told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert {0.45, 0.9} <= set(np.round(told, 6))


def test_the_memory_of_a_task_is_its_own():
    found = run_apart({"large": Task(hold, (200,), 2), "small": Task(hold, (1,), 1)}, 1, None, ignored)
    assert 180e6 < found["large"].peak < 260e6
    assert found["small"].peak < 60e6


def test_nothing_that_a_task_prints_is_seen(capfd):
    run_apart({"loud": Task(shout, (), 1)}, 1, None, ignored)
    assert capfd.readouterr() == ("", "")
