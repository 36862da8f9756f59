"""The writer of a run: everything in a hidden folder first, which gets its name once it is whole."""

import contextlib
import hashlib
import io
import itertools
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rfconv_cli.config import Settings, to_toml
from rfconv_cli.files import cannot_write, settle, to_json, write_bytes, write_json
from rfconv_cli.locks import hold, in_turn, is_held
from rfconv_cli.run import CHECKSUM, FORMAT_VERSION, LATEST, RUN_FORMAT, checksum_of

PART = ".part"


class RunWriter:
    """Collects a run's files in a hidden folder beside its final place; `complete` makes them a run.

    The run is called `name`, or `name`-2 and so on where there is one already. Two at once in one folder come one
    after the other wherever names are given, and each holds its own folder, so that one whose process was killed is
    known by not being held: the next writer removes it.

    Used as a context manager: leaving it without `complete` removes everything that was written.
    """

    def __init__(self, runs: Path, name: str) -> None:
        self.runs = runs
        self.name = name
        self.folder = runs
        self.checksums: dict[str, str] = {}
        self.made: list[Path] = []
        self.held = contextlib.ExitStack()

    def __enter__(self) -> "RunWriter":
        try:
            self.made = [parent for parent in (self.runs, *self.runs.parents) if not parent.exists()]
            self.runs.mkdir(parents=True, exist_ok=True)
            with in_turn(self.runs):
                _sweep(self.runs)
                self.name = _free_name(self.runs, self.name)
                self.folder = self.runs / f".{self.name}{PART}"
                self.folder.mkdir()
                self.held.enter_context(hold(self.folder))
        except OSError as error:
            self._remove()
            raise cannot_write(self.runs, error) from None
        return self

    def __exit__(self, *_: object) -> None:
        with self.held:
            if self.folder.exists():
                self._remove()

    def _remove(self) -> None:
        if self.folder != self.runs:
            shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # a folder that others write to by now is not empty, and stays
            for parent in self.made:
                parent.rmdir()

    def write(self, name: str, data: bytes) -> None:
        """Write one file of the run; `name` may contain one folder."""
        path = self.folder / name
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(path.parent, error) from None
        write_bytes(path, data)
        self.checksums[name] = hashlib.sha256(data).hexdigest()

    def write_json(self, name: str, document: Any) -> None:
        """Write one JSON file of the run."""
        self.write(name, to_json(document).encode())

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write one Parquet file of the run."""
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd")
        self.write(name, sink.getvalue())

    def write_settings(self, settings: Settings) -> None:
        """Write the resolved settings as config.toml."""
        self.write("config.toml", to_toml(settings))

    def complete(self, document: Mapping[str, Any]) -> Path:
        """Write run.json with the checksums, give the folder its name, move LATEST. Returns the run's path."""
        whole = {
            "format": RUN_FORMAT,
            "format_version": FORMAT_VERSION,
            "id": self.name,
            **document,
            "files": self.checksums,
        }
        write_json(self.folder / "run.json", {**whole, CHECKSUM: checksum_of(whole)})
        settle(self.folder)
        path = self.runs / self.name
        with in_turn(self.runs):
            try:
                self.folder.rename(path)
            except OSError as error:
                raise cannot_write(path, error) from None
            try:
                write_bytes(self.runs / LATEST, f"{path.name}\n".encode())
            except BaseException:
                path.rename(self.folder)  # back to what is removed: a command that failed leaves no run
                raise
        return path


def run_name(created: str, target: str) -> str:
    """`<UTC time>-<target>`, safe as a folder name. created: ISO time, e.g. 2026-01-31T12:00:00Z."""
    stamp = re.sub(r"[-:]", "", created)
    safe = re.sub(r"[^\w.-]+", "_", target)[:40].strip(".")
    return f"{stamp}-{safe or 'run'}"


def _sweep(runs: Path) -> None:
    """Remove what killed processes left half-written."""
    for left in runs.glob(f".*{PART}"):
        if left.is_dir() and not left.is_symlink() and not is_held(left):
            shutil.rmtree(left, ignore_errors=True)


def _free_name(runs: Path, name: str) -> str:
    """`name`, with a number where a run, or a half-written one, has it: two runs of one second and target."""
    taken = {entry.name.removeprefix(".").removesuffix(PART) for entry in runs.iterdir()}
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return name if name not in taken else next(other for other in numbered if other not in taken)
