"""Where quotes are open in CSV bytes, as Arrow reads them: they open at a cell's start only, and two in them are one.

An inch mark in a cell (`5" pipe`) opens nothing.
"""

import re

import numpy as np
from numpy.typing import NDArray

_QUOTE = ord('"')
_BREAKS = (ord("\n"), ord("\r"))


def line_ends(block: bytes, delimiter: str) -> NDArray[np.int64]:
    """Where lines end outside of quotes: behind each LF, and behind each CR that no LF follows.

    block: begins outside of quotes, at a cell's start.
    """
    data = np.frombuffer(block, np.uint8)
    lf = data == _BREAKS[0]
    lone = data == _BREAKS[1]
    lone[:-1] &= ~lf[1:]
    ends = np.flatnonzero(lf | lone)
    if b'"' in block:
        ends = ends[~_open(data, ends, delimiter)]
    return ends + 1


def ends_open(text: bytes, delimiter: str) -> bool:
    """Whether a quote is open at the end of the text."""
    if b'"' not in text:
        return False
    data = np.frombuffer(text, np.uint8)
    return bool(_open(data, np.array([len(data)]), delimiter)[0])


def _open(data: NDArray[np.uint8], places: NDArray[np.int64], delimiter: str) -> NDArray[np.bool_]:
    """(places,) whether a quote is open there.

    Quotes come in runs. An odd run at a cell's start opens outside of quotes and closes inside; an odd run elsewhere
    closes inside and means nothing outside; an even run changes nothing.
    """
    quotes = np.flatnonzero(data == _QUOTE)
    first = np.flatnonzero(np.diff(quotes, prepend=-2) > 1)
    starts, lengths = quotes[first], np.diff(np.append(first, len(quotes)))
    before = data[np.maximum(starts - 1, 0)]
    at_start = (starts == 0) | np.isin(before, (ord(delimiter), *_BREAKS))
    odd = lengths % 2 == 1
    toggles = np.cumsum(odd & at_start)
    # what was toggled up to the last run that closes whatever is open
    closed = np.maximum.accumulate(np.where(odd & ~at_start, toggles, 0))
    is_open = np.append(False, (toggles - closed) % 2 == 1)
    return np.asarray(is_open[np.searchsorted(starts, places)], np.bool_)


def first_lines(text: bytes) -> int:
    """How many bytes empty lines take at the start."""
    found = re.match(rb"[\r\n]*", text)
    return found.end() if found else 0
