"""SIGINT and SIGTERM: an orderly end within five seconds, at once at the second; no worker outlives its parent."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest

HANGS = """
import time
from rfconv_cli.interrupt import heed_signals
heed_signals()
try:
    print("ready", flush=True)
    time.sleep(60)
except BaseException as error:
    print(type(error).__name__, flush=True)
    time.sleep(60)  # an end that takes too long
"""
COMPUTES = """
import numpy as np
from rfconv_cli.interrupt import heed_signals
heed_signals()
print("ready", flush=True)
np.linalg.svd(np.random.default_rng(0).normal(size=(6000, 6000)))
"""


def started(code: str) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def ended(process: subprocess.Popen, within: float) -> int:
    start = time.monotonic()
    code = process.wait(timeout=60)
    assert time.monotonic() - start < within
    return code


@pytest.mark.parametrize(("sent", "code", "raised"), [(2, 130, "KeyboardInterrupt"), (15, 143, "SystemExit")])
def test_an_end_in_order_has_five_seconds(sent, code, raised):
    process = started(HANGS)
    process.send_signal(sent)
    assert process.stdout is not None
    assert process.stdout.readline() == f"{raised}\n"
    assert ended(process, within=20) == code


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_at_once(sent):
    process = started(HANGS)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(sent)
    assert ended(process, within=4) == 128 + sent


def test_a_long_computation_is_ended_too():
    process = started(COMPUTES)
    process.send_signal(signal.SIGTERM)
    assert ended(process, within=20) == 143


def lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_worker_outlives_its_parent(sent, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(3000, 12)), columns=[f"s{i}" for i in range(12)])
    frame.assign(y=np.where(frame["s0"] * frame["s1"] > 0, "a", "b")).to_csv(tmp_path / "t.csv", index=False)
    words = ["learn", "t.csv", "-t", "y", "--epochs", "500", "--batch-size", "16", "--threads", "1", "-q"]
    process = subprocess.Popen([sys.executable, "-m", "rfconv_cli", *words], cwd=tmp_path, env=dict(os.environ))
    until = time.monotonic() + 120
    workers: list[psutil.Process] = []
    while not workers and time.monotonic() < until:
        time.sleep(0.2)
        children = psutil.Process(process.pid).children(recursive=True)
        workers = [child for child in children if child.cpu_times().user > 3]  # at work by now
    if not workers:
        process.kill()
        pytest.skip("one process does it all here")
    process.send_signal(sent)
    process.wait(timeout=60)
    until = time.monotonic() + 20
    while (left := [each for each in children if lives(each)]) and time.monotonic() < until:
        time.sleep(0.2)
    for one in left:
        one.kill()
    assert not left
