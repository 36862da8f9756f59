"""Files of tables: whether they are there, what kind they are, their bytes unpacked, their fingerprints."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rfconv_cli.errors import DataError, nearest

if TYPE_CHECKING:  # Arrow waits until something is to be unpacked: a shell that completes names is in a hurry
    import pyarrow as pa

STANDARD_INPUT = Path("-")
DELIMITERS = {".csv": None, ".txt": None, ".tsv": "\t"}  # None: the header tells
PARQUET, ARROW = (".parquet", ".pq"), (".arrow", ".feather", ".ipc")
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}  # by their magic numbers: downloads lose their .gz
_MAGIC = {b"PAR1": ".parquet", b"ARROW1": ".arrow"}
_ENDINGS = (".gz", ".zst")
_PIECE = 1 << 24
_BEGINNING, _GLANCE = 1 << 20, 4096
_READABLE = (
    "CSV (.csv, .tsv, .txt, also with .gz or .zst), Parquet (.parquet, .pq, or a folder of them) and Arrow "
    "(.arrow, .feather) are read"
)


def shown(path: Path) -> str:
    """The name of the file for messages."""
    return "standard input" if path == STANDARD_INPUT else path.name


def require_file(path: Path) -> None:
    if path == STANDARD_INPUT:
        return
    try:
        if path.is_dir() and not parquet_in(path):
            raise DataError(
                f"{path.name or path} is a folder, not a table",
                hint=_inside(path),
                code="is_directory",
            )
        if not path.exists():
            raise DataError(f"{path.name}: no such file", hint=_near_files(path), code="file_not_found")
    except OSError as error:
        raise _unreadable(path, error) from None


def parquet_in(folder: Path) -> list[Path]:
    """The Parquet files in it and below, by name; none below a folder or in a file whose name begins with . or _."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in PARQUET and path.is_file())
    return sorted(path for path in found if not any(part[0] in "._" for part in path.relative_to(folder).parts))


def folder_sum(folder: Path) -> str:
    return hashlib.sha256("".join(map(file_sum, parquet_in(folder))).encode()).hexdigest()


def file_sum(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from None


def starts_with(path: Path, magic: bytes) -> bool:
    return start_of(path).startswith(magic)


def start_of(path: Path) -> bytes:
    """Its first bytes, by which formats are known."""
    return _first_bytes(path, 16)


def _first_bytes(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError as error:
        raise _unreadable(path, error) from None


def _tables_in(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if _known(entry) and not entry.name.startswith("."))
    except OSError:
        return []


def _inside(folder: Path) -> str:
    names = _tables_in(folder)
    return f"name one table in it, such as {folder / names[0]}" if names else f"name a file; {_READABLE}"


def _near_files(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent} either; check the path"
    near = nearest(path.name, _tables_in(path.parent))
    where = "this folder" if path.parent == Path() else str(path.parent)
    return f"the nearest files in {where} are {', '.join(near)}" if near else f"{where} holds no table; check the path"


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _ENDINGS and suffixes[-2:-1] and suffixes[-2] in DELIMITERS:
        return suffixes[-2]
    return suffixes[-1] if suffixes else ""


def _known(path: Path) -> bool:
    return _suffix(path) in (*DELIMITERS, *PARQUET, *ARROW)


def beginning(path: Path) -> tuple[bytes, int]:
    """The first megabytes of a text, unpacked, and how many bytes of the file that is; nothing of a damaged one."""
    kind = packing(start_of(path))
    if kind is None:
        text = _first_bytes(path, _BEGINNING)
        return text, len(text)
    import pyarrow as pa

    try:
        with pa.OSFile(str(path)) as file, pa.CompressedInputStream(file, kind) as stream:
            text = stream.read(_PIECE)
            return text, min(file.tell(), file.size())
    except (pa.ArrowException, OSError, ValueError):
        return b"", 0


def kind_of_name(path: Path) -> str:
    if not _known(path):
        raise DataError(
            f"{path.name}: {path.suffix or 'a file without an ending'} is not a format rfconv reads",
            hint=_READABLE,
            code="unknown_format",
        )
    return _suffix(path)


def kind_of_content(raw: bytes) -> str:
    """The format of a file without a name."""
    return next((kind for magic, kind in _MAGIC.items() if raw.startswith(magic)), ".csv")


def bytes_of(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == STANDARD_INPUT else path.read_bytes()
    except AttributeError:  # closed from the start: there is no sys.stdin
        raise DataError("standard input is closed", hint="name a file", code="unreadable") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def unpacked(raw: bytes, name: str) -> bytes:
    """The bytes, unpacked where they are packed. Raises DataError empty_file, damaged_gzip, damaged_zstd, too_large."""
    packed = packing(raw)
    if packed is not None:
        import psutil
        import pyarrow as pa

        # text, table and numbers of it must fit as well
        most = psutil.virtual_memory().available // 4
        raw = b"".join(unpacked_pieces(pa.BufferReader(raw), name, packed, most, "memory"))
    if not raw[:_GLANCE].strip() and not raw.strip():
        raise DataError(f"{name} is empty", hint="export the table again", code="empty_file")
    return raw


def packing(start: bytes) -> str | None:
    """How bytes that begin so are packed; None: not at all."""
    return next((kind for magic, kind in _COMPRESSED.items() if start.startswith(magic)), None)


def unpacked_pieces(raw: "pa.NativeFile", name: str, kind: str, most: int, where: str) -> Iterator[bytes]:
    """The text that `raw` holds, packed as `packing` says. Raises DataError: damaged_gzip, damaged_zstd, too_large.

    most: bytes that the machine's memory or disk (`where`) has for it.
    """
    import pyarrow as pa

    size = 0
    try:
        with pa.CompressedInputStream(raw, kind) as stream:
            while piece := stream.read(_PIECE):
                yield piece
                size += len(piece)
                if size > most:
                    raise DataError(
                        f"{name} holds more than {most / 1e9:.1f} GB of text, too much for this machine's {where}",
                        hint="split it, or convert it to Parquet",
                        code="too_large",
                    )
    except (pa.ArrowException, OSError):
        raise DataError(
            f"{name} is damaged: its {kind} stream ends early or is broken",
            hint="download it again",
            code=f"damaged_{kind}",
        ) from None


def _unreadable(path: Path, error: OSError) -> DataError:
    reason = error.strerror or type(error).__name__
    return DataError(
        f"{shown(path)} cannot be read: {reason}", hint=f"check the permissions of {path}", code="unreadable"
    )
