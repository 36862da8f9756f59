"""Progress as a user sees it: bars on a terminal, else a line now and then."""

import time
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

_LINE_EVERY = 10.0  # seconds


class Bars:
    """A bar for each stage, in the order in which they are first heard of. A context: at its end the bars stay."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description:<9}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        self._progress = Progress(*columns, TimeElapsedColumn(), _TimeLeft(), console=console)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, stage: str, share: float) -> None:
        """So much of the stage is done, from 0 to 1."""
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=1.0)
        self._progress.update(self._tasks[stage], completed=share)


class _TimeLeft(TimeRemainingColumn):
    """What a stage still takes, where that is known and there is more to come."""

    def render(self, task: Task) -> Text:
        """`0:00:28 left`."""
        if task.finished or task.time_remaining is None:
            return Text("")
        return super().render(task) + Text(" left", style="progress.remaining")


class Lines:
    """The start of each stage, then at most one line every few seconds."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._stage = ""
        self._began = self._told = 0.0

    def tell(self, stage: str, share: float) -> None:
        """So much of the stage is done, from 0 to 1."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began, self._told = stage, now, now
            self._notice(f"{stage} …")
        elif now - self._told >= _LINE_EVERY and share > 0:
            self._told = now
            left = (now - self._began) * (1 - share) / share
            self._notice(f"{stage} {share:.0%}, {left:.0f} s left")
