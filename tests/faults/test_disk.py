"""A disk that is full or refuses: `learn` ends with one line and leaves nothing but what it can go on from."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from rfconv_cli.program import run_app
from tests.conftest import FAST


def files_left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and ".resume" not in str(path)]


@pytest.mark.parametrize("failing_write", range(1, 8))
def test_a_disk_full_at_any_write_leaves_no_run(failing_write, sensor_csv, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    done = 0
    real = os.fsync

    def full(handle: int) -> None:
        nonlocal done
        done += 1
        if done >= failing_write:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    assert run_app(["learn", str(sensor_csv), "-t", "state", "-q", "--no-plots", *FAST]) == 4
    assert "no space left on device" in capsys.readouterr().err
    assert files_left(tmp_path) == []


def test_a_real_limit_on_file_size_is_one_clear_line(sensor_csv, tmp_path):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    command = [sys.executable, "-m", "rfconv_cli", "learn", str(sensor_csv), "-t", "state", "-q", *FAST]
    done = subprocess.run(command, cwd=tmp_path, preexec_fn=limit, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "cannot be written: file too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert files_left(tmp_path) == []


def test_a_failed_learn_leaves_the_last_run_the_latest(learned, sensor_csv, monkeypatch, capsys):
    latest = (learned.parent / "LATEST").read_text()
    before = sorted(path.name for path in learned.parent.iterdir())
    monkeypatch.setattr("rfconv_cli.files.os.fsync", lambda handle: os.write(handle, b"x") and os.close(-1))
    assert run_app(["learn", str(sensor_csv), "-t", "state", "-q", "--no-plots", *FAST]) == 4
    assert (learned.parent / "LATEST").read_text() == latest
    assert sorted(path.name for path in learned.parent.iterdir() if path.suffix != ".resume") == before
