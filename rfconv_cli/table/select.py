"""Which columns the user asked for: exact names first, then globs."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from rfconv_cli.errors import UsageError, nearest


def not_chosen(names: Sequence[str], features: Iterable[str], exclude: Iterable[str]) -> Mapping[str, str]:
    """Column → why it was not chosen ("not selected" or "excluded"), for the columns the patterns leave out.

    A pattern that is a column's very name means that column, brackets and all (`temp[degC]`); others are globs as
    fnmatchcase reads them. No `features` means all. Raises UsageError pattern_matches_nothing.
    """
    wanted = [matching(pattern, names, "--features") for pattern in features]
    unwanted = [matching(pattern, names, "--exclude") for pattern in exclude]
    selected = set().union(*wanted) if wanted else set(names)
    excluded = set().union(*unwanted)
    reasons = {name: "not selected" for name in names if name not in selected}
    return reasons | {name: "excluded" for name in names if name in excluded}


def matching(pattern: str, names: Sequence[str], flag: str) -> set[str]:
    """The names that `pattern` means; `flag` is the one it came with. Raises UsageError pattern_matches_nothing."""
    if pattern in names:
        return {pattern}
    found = {name for name in names if fnmatchcase(name, pattern)}
    if not found:
        near = nearest(pattern, names)
        raise UsageError(
            f"{flag} {pattern!r} matches no column; the nearest names are {quoted(near)}",
            hint=f"{flag} {shell_word(near[0])}" if near else f"drop {flag}",
            code="pattern_matches_nothing",
        )
    return found


def quoted(names: Iterable[object], limit: int = 10) -> str:
    """'a', 'b', … : names or labels for a message, at most `limit` of them."""
    shown = list(names)
    return ", ".join(repr(name) for name in shown[:limit]) + (f" … ({len(shown)} in all)" if len(shown) > limit else "")


def shell_word(name: str) -> str:
    """The name as a shell reads it as one word, for a hint that can be pasted."""
    safe = name and all(letter.isalnum() or letter in "_-.,:/@%+" for letter in name)
    return name if safe else "'" + name.replace("'", "'\\''") + "'"
