"""Every step of every write meets every fault: the former state loads, and nothing half-written is taken for whole."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from rfconv_cli.files import write_bytes, write_together
from rfconv_cli.jobs.fields import Wish, export_files
from rfconv_cli.network.memo import Memo
from rfconv_cli.run import LATEST, find_run, list_runs, open_run
from rfconv_cli.run_writer import PART, RunWriter
from tests.faults.faulty import FAULTS, KILL, meets, steps_of

OLD, NEW = b"the former content", b"the new content" * 1000


@dataclass(frozen=True)
class Scene:
    """work: writes into a folder; sound: raises AssertionError where what stands there is not, or not what was done."""

    work: Callable[[Path], object]
    sound: Callable[[Path, bool], None]


def save_a_run(folder: Path) -> None:
    (former,) = (each for each in folder.iterdir() if each.is_dir() and "former" in each.name)
    run = open_run(former)
    with RunWriter(folder, "new") as writer:
        for name in run.document["files"]:
            writer.write(name, run.bytes(name))
        writer.complete({key: run.document[key] for key in ("created", "table")})


def runs_are_sound(folder: Path, done: bool) -> None:
    for run in list_runs(folder):
        run.verify()
    whole = {run.path.name for run in list_runs(folder)}
    assert "former" in whole
    assert {each.name for each in folder.iterdir() if not each.name.startswith(".")} == {*whole, LATEST}
    open_run(find_run(None, {}, folder.parent)).verify()
    assert not done or "new" in whole


def export(folder: Path) -> None:
    export_files(open_run(folder.parent / "rfconv-runs" / "former"), folder, Wish(), ("csv", "graphml", "md"))


def files_are_whole(folder: Path, done: bool) -> None:
    """Each is the former one, or the new one to its last byte."""
    wanted = folder.parent / "wanted"
    if not wanted.exists():
        export(wanted)
    for path in (each for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")):
        new = (wanted / path.name).read_bytes()
        assert path.read_bytes() == new if done else path.read_bytes() in (OLD, new)


def one_file(folder: Path, done: bool) -> None:
    found = (folder / "one").read_bytes()
    assert found == NEW if done else found in (OLD, NEW)


def together(folder: Path, done: bool) -> None:
    found = {name: (folder / name).read_bytes() for name in ("one", "two") if (folder / name).exists()}
    assert set(found.values()) <= {OLD, NEW}
    assert not done or found == {"one": NEW, "two": NEW}


def a_result(folder: Path) -> None:
    Memo(folder).store("k", {"value": torch.ones(100)})


def results_are_whole(folder: Path, done: bool) -> None:
    found = Memo(folder).recall("k")
    assert found is None or bool((found["value"] == 1).all())


SCENES = {
    "run": Scene(save_a_run, runs_are_sound),
    "export": Scene(export, files_are_whole),
    "file": Scene(lambda folder: write_bytes(folder / "one", NEW), one_file),
    "files": Scene(lambda folder: write_together(folder, {"one": NEW, "two": NEW}), together),
    "result": Scene(a_result, results_are_whole),
}


@pytest.fixture
def place(learned: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A folder in its former state, made anew at each call."""
    former = learned.parent.parent

    def made(scene: str) -> Path:
        shutil.rmtree(tmp_path / "place", ignore_errors=True)
        runs = tmp_path / "place" / "rfconv-runs"
        shutil.copytree(former / "rfconv-runs", runs)
        (runs / learned.name).rename(runs / "former")
        (runs / LATEST).write_text("former\n")
        if scene == "run":
            return runs
        folder = tmp_path / "place" / "out"
        folder.mkdir()
        for name in ("one", "fields.json", "fields-edges.csv"):
            (folder / name).write_bytes(OLD)
        if scene == "export":
            (folder / "one").unlink()
        return folder

    return made


@pytest.mark.parametrize("name", SCENES)
def test_every_step_of_a_write_meets_every_fault(name, place):
    scene, ends = SCENES[name], Counter()
    first = place(name)
    steps = steps_of(lambda: scene.work(first))
    for fault in (*FAULTS, KILL):
        for at in range(1, steps + 1):
            folder = place(name)
            before = {path.name for path in folder.iterdir()}
            end = meets(lambda folder=folder: scene.work(folder), at, fault)
            ends[end] += 1
            scene.sound(folder, end == "done")
            if end == "refused":
                assert {path.name for path in folder.iterdir()} == before
            else:
                scene.work(folder)  # what was left stands in no one's way
                scene.sound(folder, True)
                assert not list(folder.glob(f".*{PART}"))
    print(f"\nfaults: {name}: {len(FAULTS) + 1} kinds at each of {steps} steps, {dict(ends)}, nothing lost")
    assert steps >= 5
    assert ends["killed"] == steps
    assert name == "result" or ends["refused"] > 2 * steps  # a few are not needed, such as the last fsync
