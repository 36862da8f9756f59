"""Thrift's compact protocol, in which Parquet writes its footer and the headers of its pages; read, never trusted."""

from collections.abc import Iterator
from typing import Any

I32, I64, BYTES, LIST, STRUCT = 5, 6, 8, 9, 12  # kinds of values
_FIELDS = 1 << 16  # ids are numbers of 16 bits, and wrap


class Struct:
    """Reads a struct that stands at a place of some bytes."""

    _DEPTH = 8

    def __init__(self, data: bytes, place: int) -> None:
        self.data, self.place = data, place

    def read(self, depth: int = 0) -> tuple[dict[tuple[int, int], Any], int]:
        """Its values by their ids and kinds, and where it ends: numbers, bytes, structs and lists; None of others.

        By their kinds too, since Arrow passes over a field of another kind than it expects. Raises ValueError where it
        is damaged, or says a field twice: nobody should have to guess which of the two counts.
        """
        found: dict[tuple[int, int], Any] = {}
        field, seen = 0, set[int]()
        while kind := self._byte():
            field = field + (kind >> 4) if kind >> 4 else self._number()
            if field % _FIELDS in seen:
                raise ValueError("it says something twice")
            seen.add(field % _FIELDS)
            found[field % _FIELDS, kind & 15] = self._value(kind & 15, depth)
        return found, self.place

    def _value(self, kind: int, depth: int, *, listed: bool = False) -> Any:
        if depth > self._DEPTH:
            raise ValueError("it has odd pages")
        if kind in (1, 2):
            return self._byte() if listed else 2 - kind
        if kind in (4, 5, 6):
            return self._number()
        if kind == 12:
            return self.read(depth + 1)[0]
        if kind in (9, 10):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._plain_number()
            return [self._value(head & 15, depth + 1, listed=True) for _ in self._as_far(count)]
        if kind not in (3, 7, 8):  # a byte, a double, bytes; there are no maps in what Parquet writes
            raise ValueError("it has odd pages")
        size = {3: 1, 7: 8}.get(kind) or self._plain_number()
        self.place += size
        return self.data[self.place - size : self.place] if kind == 8 else None

    def _as_far(self, count: int) -> Iterator[int]:
        """As many, but no more than there are bytes."""
        return iter(range(min(count, len(self.data) - self.place)))

    def _byte(self) -> int:
        if self.place >= len(self.data):
            raise ValueError("it ends in a page")
        self.place += 1
        return self.data[self.place - 1]

    def _plain_number(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise ValueError("it has odd pages")

    def _number(self) -> int:
        value = self._plain_number()
        return (value >> 1) ^ -(value & 1)
