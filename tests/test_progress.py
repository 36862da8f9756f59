"""Progress: bars on a terminal, a line now and then elsewhere."""

import io

import pytest
from rich.console import Console

from rfconv_cli import progress
from rfconv_cli.progress import Bars, Lines


def drawn(*told: tuple[str, float]) -> str:
    """The last frame of the bars."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, color_system=None, legacy_windows=False)
    with Bars(console) as bars:
        for stage, share in told:
            bars.tell(stage, share)
        stream.truncate(0)
    return stream.getvalue()


def test_each_stage_has_one_bar_in_the_order_of_their_beginning():
    frame = drawn(("search", 0.5), ("train", 0.1), ("search", 1.0))
    assert frame.count("search") == frame.count("train") == 1
    assert frame.index("search") < frame.index("train")
    assert "100 %" in frame
    assert "10 %" in frame


def test_time_left_is_said_while_there_is_some():
    assert "left" not in drawn(("search", 1.0))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_lines_come_at_a_stage_and_every_ten_seconds(clock):
    said: list[str] = []
    lines = Lines(said.append)
    for second in range(31):
        clock[0] = 100.0 + second
        lines.tell("search", second / 40)
    lines.tell("train", 0.0)
    assert said == ["search …", "search 25%, 30 s left", "search 50%, 20 s left", "search 75%, 10 s left", "train …"]
