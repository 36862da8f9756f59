"""The writer of a run: everything in a hidden folder first, which gets its name once it is whole."""

import contextlib
import hashlib
import io
import itertools
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rfconv_cli.config import Settings, to_toml
from rfconv_cli.files import cannot_write, to_json, write_bytes, write_json
from rfconv_cli.run import CHECKSUM, FORMAT_VERSION, LATEST, RUN_FORMAT, checksum_of


class RunWriter:
    """Collects a run's files in a hidden folder beside its final place; `complete` makes them a run.

    The run is called `name`, or `name`-2 and so on where there is one already.

    Used as a context manager: leaving it without `complete` removes everything that was written.
    """

    def __init__(self, runs: Path, name: str) -> None:
        self.runs = runs
        self.name = _free_name(runs, name)
        self.folder = runs / f".{self.name}.part-{os.getpid()}"
        self.checksums: dict[str, str] = {}
        self.made: list[Path] = []

    def __enter__(self) -> "RunWriter":
        try:
            self.made = [parent for parent in (self.runs, *self.runs.parents) if not parent.exists()]
            self.folder.mkdir(parents=True)
        except OSError as error:
            self._remove()
            raise cannot_write(self.runs, error) from None
        return self

    def __exit__(self, *_: object) -> None:
        if self.folder.exists():
            self._remove()

    def _remove(self) -> None:
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
        path = self.runs / self.name
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


def _free_name(runs: Path, name: str) -> str:
    """`name`, with a number where a run, or a half-written one, has it: two runs of one second and target."""
    try:
        taken = {entry.name.removeprefix(".").partition(".part-")[0] for entry in runs.iterdir()}
    except OSError:
        return name
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return name if name not in taken else next(other for other in numbered if other not in taken)
