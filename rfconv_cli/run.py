"""The run folder, found and loaded again: JSON, Parquet and safetensors, never pickle."""

import contextlib
import hashlib
import json
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from rfconv_cli.config import Settings, from_values, stored_settings
from rfconv_cli.errors import RfconvError, RunError, UsageError
from rfconv_cli.files import to_json
from rfconv_cli.packed import read_parquet
from rfconv_cli.shapes import FieldsShape, MetricsShape, RunShape, require_shape
from rfconv_cli.table.schema import Schema
from rfconv_cli.untrusted import file_sum, is_inner, parse_json, parse_settings, read_file, reason_of

RUN_FORMAT = "rfconv.run"
FORMAT_VERSION = 1
RUNS_FOLDER = "rfconv-runs"
LATEST = "LATEST"
CHECKSUM = "sha256"  # key of run.json
_MB = 1 << 20
# Bytes that a file may have: of a table of a hundred thousand columns some tens of MB, and a document takes some thirty
# times its file's size in memory. The network bounds its own weights; nothing else is held whole but for Parquet.
_MOST = {
    "run.json": 32 * _MB,
    "config.toml": 4 * _MB,
    "schema.json": 64 * _MB,
    "preprocess.json": 64 * _MB,
    "metrics.json": 64 * _MB,
    "fields.json": 512 * _MB,
}
_LARGEST = 1 << 36
_POINTER = 4096  # bytes of LATEST
_SHAPES: dict[str, type[BaseModel]] = {"metrics.json": MetricsShape, "fields.json": FieldsShape}


@dataclass(frozen=True)
class Run:
    """A completed run: where it is, what it says, how it was set. Heavy parts are read when asked for."""

    path: Path
    document: Mapping[str, Any]
    settings: Settings
    schema: Schema

    @property
    def id(self) -> str:
        """Name of the run, as given when it was made; the folder may have been renamed since."""
        return str(self.document["id"])

    def json(self, name: str) -> dict[str, Any]:
        """One of the run's JSON files as it is. Raises RunError when it is damaged."""
        data = self.bytes(name)
        try:
            document = parse_json(data)
        except ValueError:
            raise damaged(self.path, f"{name} is not JSON") from None
        if not isinstance(document, dict):
            raise damaged(self.path, f"{name} is not a JSON object")
        return document

    def document_of(self, name: str) -> dict[str, Any]:
        """metrics.json or fields.json, everything in it of the kind it should be, see `shapes`. Raises RunError."""
        document = self.json(name)
        try:
            require_shape(_SHAPES[name], document)
        except ValueError as error:
            raise damaged(self.path, f"{name}: {error}") from None
        return document

    def table(self, name: str) -> pa.Table:
        """One of the run's Parquet files. Raises RunError when it is damaged, or unpacks to far more than it is."""
        data = self.bytes(name)
        try:
            return read_parquet(data)
        except ValueError as error:
            raise damaged(self.path, f"{name} is not Parquet of ours: {reason_of(error)}") from None

    def verify(self) -> None:
        """Hold every file against its recorded checksum. Raises RunError for the first that is not as it was."""
        for name in self.document["files"]:
            with _told(self.path, name):
                found = file_sum(self.path, name, _MOST.get(name, _LARGEST))
            self._require_sum(name, found)

    def bytes(self, name: str, most: int = _LARGEST) -> bytes:
        """One of the run's files, checked against its recorded checksum. most: bytes that it may have."""
        data = _read(self.path, name, min(most, _MOST.get(name, _LARGEST)))
        self._require_sum(name, hashlib.sha256(data).hexdigest())
        return data

    def _require_sum(self, name: str, found: str) -> None:
        if found != self.document["files"].get(name):
            raise damaged(self.path, f"{name} is not the file this run was completed with")


def checksum_of(document: Any) -> str:
    """sha256 of run.json without its own checksum, whatever its order and white space."""
    return _sum_of(json.loads(to_json(document)))


def _sum_of(document: Any) -> str:
    is_object = isinstance(document, dict)
    rest = {key: value for key, value in document.items() if key != CHECKSUM} if is_object else document
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def find_run(given: str | None, environ: Mapping[str, str], here: Path) -> Path:
    """Which run a command means: --run, then RFCONV_RUN, then LATEST of the nearest parent folder.

    Raises RunError when there is none.
    """
    named = given or environ.get("RFCONV_RUN")
    if named:
        path = Path(named)
        listed = (folder / RUNS_FOLDER / named for folder in (here, *here.parents))
        for candidate in (path, *listed):
            if _is_folder(candidate):
                return candidate
        raise RunError(f"there is no run folder {named}", hint="rfconv runs lists the runs", code="run_not_found")
    for folder in (here, *here.parents):
        pointer = folder / RUNS_FOLDER / LATEST
        if _is_file(pointer):
            name = _pointed(pointer)
            path = pointer.parent / name
            if name not in ("", "..") and name == Path(name).name and _is_folder(path):
                return path
            raise RunError(
                f"{RUNS_FOLDER}/{LATEST} names {name!r}, which is not a run there",
                hint="choose one with --run; rfconv runs lists them",
                code="run_not_found",
            )
    raise RunError(
        f"no run yet: no {RUNS_FOLDER} folder here or above",
        hint="rfconv learn DATA --target COLUMN makes one",
        code="run_not_found",
    )


def open_run(path: Path) -> Run:
    """Load a run's small parts. Raises RunError when it is foreign, damaged, or of a newer format."""
    try:
        document = parse_json(_read(path, "run.json", _MOST["run.json"]))
        checksum = _sum_of(document)
    except (ValueError, RecursionError):
        raise damaged(path, "run.json is not JSON") from None
    if not isinstance(document, dict) or document.get("format") != RUN_FORMAT:
        raise RunError(f"{path.name} is not a run of rfconv", hint="rfconv runs lists the runs", code="foreign_run")
    if document.get("format_version") != FORMAT_VERSION:
        raise RunError(
            f"{path.name} has run format {reprlib.repr(document.get('format_version'))}; "
            f"this rfconv reads {FORMAT_VERSION}",
            hint="install a newer rfconv",
            code="newer_format",
        )
    if document.get(CHECKSUM) != checksum:
        raise damaged(path, "run.json is not as this run was completed")
    _require_sound(path, document)
    shell = Run(path, document, from_values({}), None)  # type: ignore[arg-type]
    try:
        settings = stored_settings(parse_settings(shell.bytes("config.toml")))
        schema = Schema.from_json(shell.json("schema.json"))
    except (ValueError, UsageError) as error:
        raise damaged(path, reason_of(error)) from None
    return Run(path, document, settings, schema)


def _require_sound(path: Path, document: Mapping[str, Any]) -> None:
    """Raises RunError where run.json is not of its shape, or lists files that do not lie in the run."""
    try:
        require_shape(RunShape, document)
    except ValueError as error:
        raise damaged(path, f"run.json: {error}") from None
    odd = next((name for name in document["files"] if not is_inner(name)), None)
    if odd is not None:
        raise damaged(path, f"run.json lists {reprlib.repr(odd)}, which is no file in it")


def latest_of(runs: Path) -> str:
    """The name that LATEST holds in a folder of runs; nothing where it cannot be read."""
    try:
        return _pointed(runs / LATEST)
    except RunError:
        return ""


def list_runs(runs: Path) -> list[Run]:
    """The runs in a folder, oldest first; what is not a whole run is passed over."""
    found = []
    for path in sorted(runs.iterdir()) if runs.is_dir() else []:
        if path.is_dir() and not path.name.startswith("."):
            try:
                found.append(open_run(path))
            except RunError:
                continue
    return found


def damaged(path: Path, why: str) -> RunError:
    """The error for a run whose files are not what they should be."""
    return RunError(
        f"the run {path.name} is damaged: {why}",
        hint="take another run (rfconv runs) or learn again",
        code="damaged_run",
    )


@contextlib.contextmanager
def fitting(run: Run, what: str) -> Iterator[None]:
    """Says of what fails inside, on files of the run that do not fit together, that the run is damaged.

    what: the files that are worked on. Raises RunError; errors that were made for a user pass as they are.
    """
    try:
        yield
    except RfconvError:
        raise
    except _MISFITS as error:  # kept as the cause, which -v shows
        told = f"{reason_of(error)} is missing" if isinstance(error, KeyError) else reason_of(error)
        raise damaged(run.path, f"{what}: {told}") from error


_MISFITS = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, AssertionError, pa.ArrowException)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long, a folder that may not be entered
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _pointed(pointer: Path) -> str:
    try:
        return read_file(pointer.parent, pointer.name, _POINTER).decode("utf-8", errors="replace").strip()
    except (OSError, ValueError) as error:
        raise RunError(
            f"{RUNS_FOLDER}/{LATEST} cannot be read: {reason_of(error)}",
            hint="choose a run with --run; rfconv runs lists them",
            code="run_not_found",
        ) from None


def _read(folder: Path, name: str, most: int) -> bytes:
    with _told(folder, name):
        return read_file(folder, name, most)


@contextlib.contextmanager
def _told(folder: Path, name: str) -> Iterator[None]:
    """Says of a file of the run that cannot be read why that is."""
    try:
        yield
    except FileNotFoundError:
        if name == "run.json":
            raise RunError(
                f"{folder.name} is not a run of rfconv: it has no run.json",
                hint="rfconv runs lists the runs",
                code="foreign_run",
            ) from None
        raise damaged(folder, f"{name} is missing") from None
    except OSError as error:
        raise damaged(folder, f"{name} {reason_of(error)}") from None
    except ValueError as error:
        raise damaged(folder, reason_of(error)) from None
