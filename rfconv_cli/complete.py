"""What a shell is told when the name of a column is to be completed: the names in DATA's header, never an error."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import typer

from rfconv_cli.errors import RfconvError, printable

_PLAIN = re.compile(r"\w[\w@%+=./-]*")  # no shell sees anything in such a name
_QUOTES = "'‘’‚‛"  # PowerShell takes each for a quote
_INSTRUCTION = "_RFCONV_COMPLETE"  # complete_bash, complete_zsh, …, as the shell's script sets it


class Word(str):
    """A name as one word of a command line. It begins as the name does: `'dew point'` with `dew`, not with a quote.

    typer drops words that do not begin with what was typed so far, of which the shell has taken the quotes away.
    """

    name: str

    def startswith(self, prefix: Any, *limits: Any) -> bool:
        """Whether the name does."""
        return self.name.startswith(prefix, *limits)


def columns(ctx: typer.Context, incomplete: str) -> list[Word]:
    """Names in the table of this command line that begin so, as they are typed in the shell that asks.

    Nothing where no table is named yet, or it cannot be read.
    """
    from rfconv_cli.resolve import resolve
    from rfconv_cli.table.dialect import Dialect, dialect_of
    from rfconv_cli.table.header import column_names

    # an option that waits for its value ends the parsing before words without one have been given their names
    data = ctx.params.get("data") or next(iter(ctx.args), None)
    if data is None:
        return []
    try:
        spoken = {name: value for name, value in ctx.params.items() if name in Dialect.__dataclass_fields__}
        names = column_names(Path(data), dialect_of(resolve(spoken)))
    except (RfconvError, OSError):
        return []
    shell = os.environ.get(_INSTRUCTION, "").rpartition("_")[2]
    words = (word_for(name, shell) for name in names if name.startswith(incomplete))
    return [word for word in words if word is not None]


def word_for(name: str, shell: str) -> Word | None:
    """The name as it is typed in a shell; None where it cannot be. Names are foreign text: none may run.

    bash and PowerShell put what they are given into the line as it is; zsh and fish quote it themselves. But what zsh
    is given, typer has it evaluate, with care for all but quotes and backslashes.
    """
    spelled = _spelled(name, shell)
    if spelled is None or name != printable(name) or "\n" in name:
        return None
    word = Word(spelled)
    word.name = name
    return word


def _spelled(name: str, shell: str) -> str | None:
    if _PLAIN.fullmatch(name):
        return name
    if shell == "bash":
        return _in_bash(name, _opened())
    if shell in ("powershell", "pwsh"):
        return None if ":::" in name or any(quote in name for quote in _QUOTES) else f"'{name}'"
    return None if shell == "zsh" and re.search(r"""["'\\]""", name) else name


def _in_bash(name: str, opened: str) -> str | None:
    """opened: the quote that the word begins with; bash closes it, and until then the name is what is in it."""
    if not opened:
        return shlex.quote(name)
    lives = "'" if opened == "'" else '"$`\\!'
    return None if any(character in name for character in lives) else name


def _opened() -> str:
    """The quote that the word to be completed begins with in bash, or nothing."""
    words, place = os.environ.get("COMP_WORDS", "").split("\n"), os.environ.get("COMP_CWORD", "")
    word = words[int(place)] if place.isdecimal() and int(place) < len(words) else ""
    return word[:1] if word[:1] in ("'", '"') else ""
