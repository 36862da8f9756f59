"""The one writer of files: temporary in the same folder, flush, fsync, replace. And JSON texts without NaN."""

import contextlib
import errno
import json
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from rfconv_cli.errors import RunError

_NOT_PLAIN = re.compile("[^\n -~]+")


def write_bytes(path: Path, data: bytes) -> None:
    """Put `data` at `path` whole or not at all. Raises RunError when the disk or the folder refuses."""
    write_with(path, lambda file: file.write(data))


def write_with(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """Put what `fill` writes at `path`, whole or not at all. Raises RunError as `write_bytes`, and what `fill` does."""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    except OSError as error:
        raise cannot_write(path, error) from None
    try:
        with os.fdopen(handle, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
        settle(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        if isinstance(error, OSError):
            raise cannot_write(path, error) from None
        raise


def settle(folder: Path) -> None:
    """Have the disk know the names in `folder`, where it can be asked to: after a failure of the power they stand."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_together(folder: Path, files: Mapping[str, bytes], replaced: Iterable[str] = ()) -> None:
    """Put all the files into `folder`, which is made where there is none, or none of them.

    replaced: names that leave the folder as the files come; anything else in it stays. Raises RunError.
    """
    made: list[Path] = []
    try:
        made = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".rfconv-", dir=folder) as hidden:
            new, old = Path(hidden, "new"), Path(hidden, "old")
            for each in (new, old):
                each.mkdir()
            for name, data in files.items():
                write_bytes(new / name, data)
            gone = [name for name in dict.fromkeys([*replaced, *files]) if (folder / name).exists()]
            _move_all(
                [*((folder / name, old / name) for name in gone), *((new / name, folder / name) for name in files)]
            )
    except BaseException as error:
        with contextlib.suppress(OSError):  # a folder that others write to by now is not empty, and stays
            for each in made:
                each.rmdir()
        if isinstance(error, OSError):
            raise cannot_write(folder, error) from None
        raise


def _move_all(moves: Iterable[tuple[Path, Path]]) -> None:
    """Rename each first path to the second, or leave all as they were."""
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            source.rename(target)
            done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            target.rename(source)
        raise


def write_json(path: Path, document: Any) -> None:
    """Write `document` as UTF-8 JSON; NaN and infinities become null."""
    write_bytes(path, to_json(document).encode())


def to_json(document: Any) -> str:
    """One UTF-8 JSON text, indented, without NaN, ending in a newline.

    Characters that could steer a terminal or turn what is read there are written as \\uXXXX; 酒田 stays as it is.
    """
    return escaped(json.dumps(without_nan(document), ensure_ascii=False, indent=1, allow_nan=False)) + "\n"


def escaped(text: str) -> str:
    """A JSON text with what is not printable in its strings as \\uXXXX."""
    return _NOT_PLAIN.sub(lambda found: found[0] if found[0].isprintable() else _in_escapes(found[0]), text)


def _in_escapes(text: str) -> str:
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] if c != "\x7f" else "\\u007f" for c in text)


def without_nan(value: Any) -> Any:
    """`value` with every float that JSON cannot say replaced by None."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def cannot_write(path: Path, error: OSError) -> RunError:
    """The error for a file that could not be written; nothing of it is left behind."""
    reason = (error.strerror or str(error)).lower()
    absent = error.errno == errno.ENOENT
    hint = f"make the folder {path.parent} first" if absent else "free some space, or choose another folder"
    return RunError(
        f"{path.name or path.absolute()} cannot be written: {reason}",
        hint=f"{hint}; nothing half-written was left",
        code="cannot_write",
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
