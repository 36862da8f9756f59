"""The run folder, found and loaded again: JSON, Parquet and safetensors, never pickle."""

import hashlib
import io
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rfconv_cli.config import Settings, from_values, stored_settings
from rfconv_cli.errors import RunError, UsageError
from rfconv_cli.files import to_json
from rfconv_cli.table.schema import Schema

RUN_FORMAT = "rfconv.run"
FORMAT_VERSION = 1
RUNS_FOLDER = "rfconv-runs"
LATEST = "LATEST"
CHECKSUM = "sha256"  # key of run.json


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
        """One of the run's JSON files. Raises RunError when it is damaged."""
        try:
            document = json.loads(self.bytes(name))
        except (ValueError, RecursionError):
            raise damaged(self.path, f"{name} is not JSON") from None
        if not isinstance(document, dict):
            raise damaged(self.path, f"{name} is not a JSON object")
        return document

    def table(self, name: str) -> pa.Table:
        """One of the run's Parquet files. Raises RunError when it is damaged."""
        try:
            return pq.read_table(io.BytesIO(self.bytes(name)))
        except (pa.ArrowException, OSError):
            raise damaged(self.path, f"{name} is not Parquet") from None

    def verify(self) -> None:
        """Read every file against its recorded checksum. Raises RunError for the first that is not as it was."""
        for name in self.document["files"]:
            self.bytes(name)

    def bytes(self, name: str) -> bytes:
        """One of the run's files, checked against its recorded checksum."""
        data = _read(self.path, name)
        if hashlib.sha256(data).hexdigest() != self.document["files"].get(name):
            raise damaged(self.path, f"{name} is not the file this run was completed with")
        return data


def checksum_of(document: Any) -> str:
    """sha256 of run.json without its own checksum, whatever its order and white space."""
    whole = json.loads(to_json(document))
    rest = {key: value for key, value in whole.items() if key != CHECKSUM} if isinstance(whole, dict) else whole
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
        document = json.loads(_read(path, "run.json"))
        checksum = checksum_of(document)
    except (ValueError, RecursionError):
        raise damaged(path, "run.json is not JSON") from None
    if not isinstance(document, dict) or document.get("format") != RUN_FORMAT:
        raise RunError(f"{path.name} is not a run of rfconv", hint="rfconv runs lists the runs", code="foreign_run")
    if document.get("format_version") != FORMAT_VERSION:
        raise RunError(
            f"{path.name} has run format {document.get('format_version')}; this rfconv reads {FORMAT_VERSION}",
            hint="install a newer rfconv",
            code="newer_format",
        )
    if not isinstance(document.get("files"), dict) or not isinstance(document.get("id"), str):
        raise damaged(path, "run.json lacks its list of files")
    if document.get(CHECKSUM) != checksum:
        raise damaged(path, "run.json is not as this run was completed")
    shell = Run(path, document, from_values({}), None)  # type: ignore[arg-type]
    try:
        settings = stored_settings(tomllib.loads(shell.bytes("config.toml").decode()))
        schema = Schema.from_json(shell.json("schema.json"))
    except (ValueError, UsageError) as error:
        raise damaged(path, str(error)) from None
    return Run(path, document, settings, schema)


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
        return pointer.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise RunError(
            f"{RUNS_FOLDER}/{LATEST} cannot be read: {(error.strerror or str(error)).lower()}",
            hint="choose a run with --run; rfconv runs lists them",
            code="run_not_found",
        ) from None


def _read(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if name == "run.json":
            raise RunError(
                f"{folder.name} is not a run of rfconv: it has no run.json",
                hint="rfconv runs lists the runs",
                code="foreign_run",
            ) from None
        raise damaged(folder, f"{name} is missing") from None
    except OSError as error:
        raise damaged(folder, f"{name} cannot be read ({(error.strerror or str(error)).lower()})") from None
