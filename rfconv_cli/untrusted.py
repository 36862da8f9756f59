"""Files and texts that a stranger may have written: read without following links, and never more than was agreed.

A run can come from anybody, and its checksums say only that its files belong together. So what is opened is a regular
file inside the folder, its size is known before it is read, and JSON and TOML are no more than rfconv itself writes.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# A line as `config.to_toml` writes them: no tables, whose nesting and dotted keys cost tomllib far more than their size
_TOML_LINE = re.compile(r'(?:\w+ = )?(?:\[\]|\[|\]|"(?:[^"\\]|\\.)*"|[\w.+-]+)?,?')
_READING = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)


def read_file(folder: Path, name: str, most: int) -> bytes:
    """The bytes of a file of the folder. `folder` itself may be a link, as the user named it.

    most: bytes it may have. Raises ValueError for a name that leads out of the folder, a link, what is no regular
    file, and a larger file; OSError where it cannot be read.
    """
    with _opened(folder, name, most) as (file, size):
        data = file.read(size + 1)
    if len(data) != size:
        raise ValueError(f"{name} changes while it is read")
    return data


def file_sum(folder: Path, name: str, most: int) -> str:
    """The sha256 of a file of the folder, as hex, without holding the file. Raises as `read_file` does."""
    with _opened(folder, name, most) as (file, _):
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def is_inner(name: str) -> bool:
    """Whether a name can be one of a file in a folder, or in a folder of it, and is spelled in the one way."""
    path = PurePosixPath(name)
    plain = name.isprintable() and not set(name) & {"\\", ":"} and str(path) == name
    return plain and not path.is_absolute() and ".." not in path.parts and 0 < len(path.parts) <= 2


def parse_json(data: bytes) -> Any:
    """The JSON document in UTF-8 bytes. Raises ValueError, also for NaN, half surrogates and too much nesting."""
    try:
        document = json.loads(data.decode("utf-8"), parse_constant=_refused)
        if _SURROGATE.search(data):  # half a pair is a text that cannot be written anywhere
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return document


def parse_settings(data: bytes) -> dict[str, Any]:
    """The keys and values of a config.toml as `to_toml` writes it. Raises ValueError for any other TOML, too."""
    text = data.decode("utf-8")
    for number, line in enumerate(text.split("\n"), start=1):
        if not _TOML_LINE.fullmatch(line.strip()):
            raise ValueError(f"line {number} of the settings is not as rfconv writes them")
    return tomllib.loads(text)


@contextlib.contextmanager
def _opened(folder: Path, name: str, most: int) -> Iterator[tuple[IO[bytes], int]]:
    """A file of the folder, open, and its size."""
    if not is_inner(name):
        raise ValueError(f"{name!r} is no name of a file in it")
    *above, last = PurePosixPath(name).parts
    with contextlib.ExitStack() as stack:
        place: Path | int = folder
        if os.open in os.supports_dir_fd:  # else, as on Windows, by path, with each part looked at first
            place = _folder(stack, folder, None)
        for part in above:
            _require(place, part, stat.S_ISDIR, "a folder without links")
            place = _folder(stack, part, place) if isinstance(place, int) else place / part
        _require(place, last, stat.S_ISREG, "a regular file")
        # non-blocking and looked at again, should the file have become a pipe in between
        handle = os.open(last, _READING, dir_fd=place) if isinstance(place, int) else os.open(place / last, _READING)
        file = stack.enter_context(os.fdopen(handle, "rb"))
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{name} is not a regular file")
        if found.st_size > most:
            raise ValueError(f"{name} has {found.st_size:,} bytes, more than {most:,}")
        yield file, found.st_size


def _folder(stack: contextlib.ExitStack, name: Path | str, place: int | None) -> int:
    handle = os.open(name, _FOLDER if place is None else _FOLDER | os.O_NOFOLLOW, dir_fd=place)
    stack.callback(os.close, handle)
    return handle


def _require(place: Path | int, part: str, is_kind: Any, kind: str) -> None:
    found = os.lstat(place / part) if isinstance(place, Path) else os.lstat(part, dir_fd=place)
    if stat.S_ISLNK(found.st_mode):
        raise ValueError(f"{part} is a link")
    if not is_kind(found.st_mode):
        raise ValueError(f"{part} is not {kind}")


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def reason_of(error: Exception) -> str:
    """What a ValueError or an OSError says, on one line."""
    if isinstance(error, OSError):
        return f"cannot be read ({(error.strerror or errno.errorcode.get(error.errno or 0, str(error))).lower()})"
    return (str(error).splitlines() or [type(error).__name__])[0]
