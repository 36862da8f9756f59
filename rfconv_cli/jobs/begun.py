"""A `learn` that was begun: how it was asked for and what it has found out so far, in a hidden folder beside the runs.

The folder is there from the first row that was read until the run is complete, so what ended too soon can go on.
"""

import contextlib
import datetime as dt
import json
import os
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rfconv_cli.config import Settings, stored_settings
from rfconv_cli.errors import LostProcessError, RfconvError, RunError, UsageError
from rfconv_cli.files import cannot_write, write_json
from rfconv_cli.jobs.prepare import Notice
from rfconv_cli.locks import hold, is_held
from rfconv_cli.network.memo import DONE, STATE, Memo
from rfconv_cli.network.peers import Peers
from rfconv_cli.run import RUNS_FOLDER
from rfconv_cli.table.source import STANDARD_INPUT

FORMAT = "rfconv.begun"
_ABOUT, _SUFFIX = "begun.json", ".resume"
_PATHS = ("data", "test_data", "given")
_VERSIONS = ("rfconv-cli", "torch", "numpy", "scikit-learn", "pyarrow")  # other ones may end with other digits


@dataclass(frozen=True)
class Begun:
    """What a `learn` was asked. data, test_data, given: paths of tables and of a fields.json.

    created: when, ISO in UTC; identity, test_identity: fingerprints of the tables, once they were read; resumed: how
    often it went on after its process had ended.
    """

    data: Path
    target: str
    settings: Settings
    created: str
    test_data: Path | None = None
    given: Path | None = None
    identity: str | None = None
    test_identity: str | None = None
    resumed: int = 0


def now() -> str:
    """The time in UTC, ISO; of SOURCE_DATE_EPOCH where that is set, for runs that are to be the same byte for byte."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    time = dt.datetime.fromtimestamp(int(given), dt.UTC) if given.isdecimal() else dt.datetime.now(dt.UTC)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


@contextlib.contextmanager
def kept(begun: Begun, runs: Path, name: str, notice: Notice, peers: Peers) -> Iterator[Memo]:
    """A memo of what this learn finds out, kept where the block ends too soon and gone where it ends well.

    Gone too where going on would end as badly: a table that cannot be used, a training that diverges. A table from
    standard input cannot be read again, so nothing is kept of it. Of several processes the first keeps all. Raises
    RunError where the folder cannot be made.
    """
    if STANDARD_INPUT in (begun.data, begun.test_data):
        yield Memo(None, peers)
        return
    folder = runs / f".{name}{_SUFFIX}"
    if peers.rank:
        yield Memo(folder, peers)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    with hold(folder):
        try:
            write_json(folder / _ABOUT, _document(begun))
            yield Memo(folder, peers)
        except BaseException as error:
            hopeless = isinstance(error, RfconvError) and not isinstance(error, RunError | LostProcessError)
            if hopeless or not _found_out(folder):
                shutil.rmtree(folder, ignore_errors=True)
            else:  # a signal; a lost process; a full disk, where there may be room later
                where = "" if runs.name == RUNS_FOLDER else f" --runs {shlex.quote(str(runs))}"
                notice(f"what was found out is kept: rfconv learn --resume{where} goes on from here")
            raise
        shutil.rmtree(folder, ignore_errors=True)


def _found_out(folder: Path) -> bool:
    """Whether there is anything to go on from."""
    return any(path.suffix in (DONE, STATE) for path in folder.iterdir())


def waiting(runs: Path) -> list[Path]:
    """Folders of what was begun in `runs`, has no run yet and is not under way, the newest first."""
    found = (each for each in runs.glob(f".*{_SUFFIX}") if (each / _ABOUT).is_file()) if runs.is_dir() else ()
    left = (each for each in found if not (runs / _run_of(each)).exists() and not is_held(each))
    return sorted(left, key=lambda each: each.name, reverse=True)


def _run_of(folder: Path) -> str:
    return folder.name.removeprefix(".").removesuffix(_SUFFIX)


def newest(runs: Path, peers: Peers) -> tuple[Begun, str]:
    """What is to go on in `runs`, and the name of its run; the first process looks, and tells the others.

    Raises RunError where nothing is, or nothing can.
    """
    found = [] if peers.rank else waiting(runs)
    folder = Path(str(found[0])) if found else runs
    with contextlib.suppress(OSError):
        about = (folder / _ABOUT).read_bytes() if found else None
    name = peers.of_first(_run_of(folder).encode() if found else None)
    about = peers.of_first(about)
    if name is None:
        raise RunError(
            f"nothing to resume: no learn that ended too soon in {runs.name or runs.absolute()}",
            hint="rfconv learn DATA --target COLUMN begins one; --runs names another folder",
            code="nothing_to_resume",
        )
    folder = runs / f".{name.decode()}{_SUFFIX}"
    try:
        begun, versions = _read(about or b"")
    except (ValueError, KeyError, TypeError, RecursionError, UsageError):
        raise _cannot(folder, "what is known of it is damaged") from None
    there = versions_here()
    if versions != there:
        told = [f"{each} {was} is now {there.get(each)}" for each, was in versions.items() if was != there.get(each)]
        raise _cannot(folder, "; ".join(told) or "other packages are installed")
    return begun, name.decode()


def require_same(name: str, was: str | None, identity: str) -> None:
    """Raises RunError where a table is not the one that was begun with."""
    if was is not None and was != identity:
        raise RunError(
            f"{name} has changed since this learn was begun",
            hint="put the former file back, or learn anew without --resume",
            code="table_changed",
        )


def again(begun: Begun) -> Begun:
    """The same, once more resumed."""
    return replace(begun, resumed=begun.resumed + 1)


def _cannot(folder: Path, why: str) -> RunError:
    return RunError(
        f"{folder.name} cannot go on: {why}", hint=f"learn anew, and remove the folder {folder}", code="cannot_resume"
    )


def versions_here() -> dict[str, str]:
    """The packages that a learn's digits come from, and their versions."""
    return {name: version(name) for name in _VERSIONS}


def _document(begun: Begun) -> dict[str, Any]:
    plain = {name: value.absolute().as_posix() if isinstance(value, Path) else value for name, value in _plain(begun)}
    return {"format": FORMAT, "format_version": 1, "versions": versions_here(), **plain}


def _plain(begun: Begun) -> Iterator[tuple[str, Any]]:
    settings = begun.settings.model_dump(mode="json", exclude_none=True)
    yield from (asdict(replace(begun, settings=None)) | {"settings": settings}).items()  # type: ignore[arg-type]


def _read(about: bytes) -> tuple[Begun, dict[str, str]]:
    document = json.loads(about)
    if document.pop("format") != FORMAT or document.pop("format_version") != 1:
        raise ValueError(f"{_ABOUT} is of another format")
    versions = dict(document.pop("versions"))
    settings = stored_settings(document.pop("settings"))
    for name in _PATHS:
        document[name] = None if document[name] is None else Path(document[name])
    return Begun(settings=settings, **document), versions
