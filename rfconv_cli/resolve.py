"""Where settings come from: flags, the environment, rfconv.toml, and the preset for the rest."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rfconv_cli.config import Settings, from_values, stored_settings
from rfconv_cli.errors import UsageError, nearest

CONFIG_FILE = "rfconv.toml"
ENVIRONMENT = "RFCONV_"
_LARGEST = 1 << 22  # bytes of a file of settings
_NO_SETTING = frozenset({"RFCONV_RUN"})  # names a run; see `run.find_run`


def resolve(flags: Mapping[str, Any], environ: Mapping[str, str] | None = None, folder: Path = Path()) -> Settings:
    """Settings by precedence: flag, then RFCONV_*, then rfconv.toml in `folder`, then the preset's default.

    Raises UsageError for an unknown key (with the nearest one) or a value out of range.
    """
    environ = os.environ if environ is None else environ
    given: dict[str, Any] = {**_from_file(folder / CONFIG_FILE), **_from_environment(environ)}
    given |= {key: value for key, value in flags.items() if value not in (None, (), [])}
    return from_values(given)


def changed(settings: Settings, flags: Mapping[str, Any]) -> Settings:
    """The settings with some of them said anew. Raises UsageError for a value out of range."""
    return stored_settings({**settings.model_dump(), **flags})


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it is larger than {_LARGEST >> 20} MB")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise UsageError(
            f"{path.name} cannot be read: {error}", hint=f"mend or remove {path.name}", code="bad_config"
        ) from None


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    known = {f"{ENVIRONMENT}{key.upper()}": key for key in Settings.model_fields}
    found: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.startswith(ENVIRONMENT) or name in _NO_SETTING:
            continue
        if name not in known:
            close = nearest(name, known)
            raise UsageError(
                f"the environment sets {name}, which is no setting; the nearest are {', '.join(close)}",
                hint=f"unset {name}, or call it {close[0]}",
                code="unknown_setting",
            )
        is_list = Settings.model_fields[known[name]].annotation == tuple[str, ...]
        found[known[name]] = tuple(text.split(",")) if is_list else text
    return found
