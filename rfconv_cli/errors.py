"""Errors a user can meet. Each knows its exit code, a stable code for `--json`, what happened and the way out.

Raise where the fact is known; `cli.main` catches once. Anything that is not an `RfconvError` is a bug in rfconv.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class RfconvError(Exception):
    """Base of every error shown to a user: one line of what happened, one line of what to do.

    `exit_code` is the process's exit status; `code` is stable across versions and safe to match on.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        # worker processes send exceptions back pickled, and pickle knows no keyword-only arguments
        return _rebuild, (type(self), self.message, self.hint, self.code)


def _rebuild(kind: type[RfconvError], message: str, hint: str, code: str) -> RfconvError:
    return kind(message, hint=hint, code=code)


class UsageError(RfconvError):
    """The command was typed wrongly: an unknown setting, a value out of range, flags that exclude each other."""

    exit_code = 2


class ArgumentError(UsageError, ValueError):
    """An argument in Python cannot be used; a ValueError too, which is what scikit-learn's callers expect."""

    def __init__(self, message: str, *, hint: str, code: str) -> None:
        super().__init__(message, hint=hint, code=code)
        self.add_note(hint)  # a traceback shows it below the message


class DataError(RfconvError):
    """The table cannot be used as it is."""

    exit_code = 3


class RunError(RfconvError):
    """The run folder is absent, damaged, foreign or of a newer format; or it cannot be written."""

    exit_code = 4


class TrainingError(RfconvError):
    """Training could give no result: it diverged, or memory would not suffice."""

    exit_code = 5


class LostProcessError(TrainingError):
    """One of the processes that learn together has ended."""


class GateError(RfconvError):
    """A gate the user set (`--fail-under`) did not hold."""

    exit_code = 6


def nearest(name: str, names: Iterable[str], limit: int = 3) -> list[str]:
    """The names most like `name`, best first, whatever their case; at most `limit`, at least one if any exist."""
    choices = list(names)
    folded = {choice.casefold(): choice for choice in reversed(choices)}
    close = [folded[match] for match in get_close_matches(name.casefold(), list(folded), n=limit, cutoff=0.5)]
    return close or choices[:limit]


def printable(text: str) -> str:
    """`text` without characters that could steer a terminal; line breaks stay."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
