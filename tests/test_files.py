"""Files are written whole or not at all, whatever fails on the way."""

import errno
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rfconv_cli import files
from rfconv_cli.errors import RunError
from rfconv_cli.files import to_json, write_bytes, write_json, write_together

FORMER = b"the former content"
ERRORS = {
    errno.ENOSPC: "no space left on device",
    errno.EIO: "input/output error",
    errno.EACCES: "permission denied",
    errno.EDQUOT: "disk quota exceeded",
    errno.EROFS: "read-only file system",
}


class Failing:
    """A file object whose method `name` raises."""

    def __init__(self, file, name: str, error: BaseException) -> None:
        self.file, self.name, self.error = file, name, error

    def __getattr__(self, name: str):
        if name == self.name:
            raise self.error
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def fail_at(monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException) -> None:
    """Make one step of `write_bytes` raise."""

    def refuse(*_: object, **__: object) -> None:
        raise error

    whole = os.fdopen
    if step in ("write", "flush"):
        monkeypatch.setattr(files.os, "fdopen", lambda *given: Failing(whole(*given), step, error))
    else:
        owner = {"create": tempfile, "fsync": os, "chmod": Path, "replace": Path}[step]
        monkeypatch.setattr(owner, {"create": "mkstemp"}.get(step, step), refuse)


STEPS = pytest.mark.parametrize("step", ["create", "write", "flush", "fsync", "chmod", "replace"])


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "fields.json"
    path.write_bytes(FORMER)
    return path


@STEPS
@pytest.mark.parametrize("number", ERRORS, ids=lambda number: errno.errorcode[number])
def test_a_write_that_fails_leaves_the_former_content_and_nothing_else(monkeypatch, target, step, number):
    fail_at(monkeypatch, step, OSError(number, os.strerror(number)))
    with pytest.raises(RunError) as caught:
        write_bytes(target, b"the new content")
    monkeypatch.undo()
    assert target.read_bytes() == FORMER
    assert list(target.parent.iterdir()) == [target]
    assert caught.value.exit_code == 4
    assert caught.value.message == f"fields.json cannot be written: {ERRORS[number]}"


@STEPS
def test_a_first_write_that_fails_leaves_nothing(monkeypatch, tmp_path, step):
    fail_at(monkeypatch, step, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(RunError):
        write_bytes(tmp_path / "new.json", b"content")
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


@STEPS
def test_an_interrupted_write_leaves_the_former_content_and_stays_an_interruption(monkeypatch, target, step):
    fail_at(monkeypatch, step, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        write_bytes(target, b"the new content")
    monkeypatch.undo()
    assert target.read_bytes() == FORMER
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
def test_what_is_written_is_what_was_given(target, size):
    data = bytes(i % 251 for i in range(size))
    write_bytes(target, data)
    assert target.read_bytes() == data
    assert list(target.parent.iterdir()) == [target]


def test_the_content_is_on_the_disk_before_it_takes_the_name(monkeypatch, target):
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (steps.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda *paths: (steps.append("replace"), replace(*paths))[1])
    write_bytes(target, b"x")
    assert steps == ["fsync", "replace", "fsync"]  # the content, then the name


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_file_gets_the_permissions_of_the_users_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_bytes(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize(
    "place", ["no-such-folder/a.json", "a-folder", "a-file/a.json", "n" * 300], ids=["absent", "folder", "file", "long"]
)
def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path, place):
    (tmp_path / "a-folder").mkdir()
    (tmp_path / "a-file").write_bytes(FORMER)
    with pytest.raises(RunError) as caught:
        write_bytes(tmp_path / place, b"x")
    assert caught.value.code == "cannot_write"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-file", "a-folder"]


def test_names_as_long_as_a_folder_allows_can_be_written(tmp_path):
    path = tmp_path / ("ü" * 125 + ".json")
    write_bytes(path, b"x")
    assert path.read_bytes() == b"x"


LIMITED = """
import resource, signal, sys
from pathlib import Path
from rfconv_cli.errors import RunError
from rfconv_cli.files import write_bytes

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_bytes(Path(sys.argv[1]), b"x" * 5000)
except RunError as error:
    print(error.message)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
def test_a_real_file_size_limit_leaves_the_former_content(target):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, target], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "fields.json cannot be written: file too large\n"
    assert target.read_bytes() == FORMER
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_json_cannot_say_become_null(tmp_path, value):
    write_json(tmp_path / "a.json", {"a": value, "b": [1.5, value, {"c": (value, 2)}]})
    assert json.loads((tmp_path / "a.json").read_bytes()) == {"a": None, "b": [1.5, None, {"c": [None, 2]}]}


@pytest.mark.parametrize("document", [{"name": "気温 °C", "n": 0.1 + 0.2}, [], {"a": [True, None, -0.0, 10**20]}])
def test_json_is_read_back_as_it_was(document):
    text = to_json(document)
    assert json.loads(text) == document
    assert text.endswith("\n")


def test_names_stay_readable_in_json():
    assert "気温 °C" in to_json({"name": "気温 °C"})


def inside(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_files_come_together_and_only_what_they_replace_goes(tmp_path):
    folder = tmp_path / "deep" / "out"
    write_together(folder, {"a": b"1", "b": b"2"})
    (folder / "mine").write_text("3")
    write_together(folder, {"b": b"4", "c": b"5"}, replaced=["a", "b", "absent"])
    assert inside(tmp_path) == {"deep/out/b": "4", "deep/out/c": "5", "deep/out/mine": "3"}
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
@pytest.mark.parametrize("failing", range(4))
def test_files_stay_as_they_were_when_any_move_fails(failing, error, tmp_path, monkeypatch):
    write_together(tmp_path, {"a": b"1", "b": b"2"})
    whole, moves = Path.rename, []

    def rename(source: Path, target: Path) -> Path:
        moves.append(source)
        if len(moves) == failing + 1:
            raise error
        return whole(source, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(RunError if isinstance(error, OSError) else KeyboardInterrupt):
        write_together(tmp_path, {"b": b"3", "c": b"4"}, replaced=["a", "b"])
    assert inside(tmp_path) == {"a": "1", "b": "2"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_folder_that_was_made_for_files_goes_with_them(step, tmp_path, monkeypatch):
    fail_at(monkeypatch, step, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(RunError, match="no space left on device"):
        write_together(tmp_path / "deep" / "out", {"a": b"1"})
    assert list(tmp_path.iterdir()) == []
