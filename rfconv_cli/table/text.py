"""Bytes of a text table before its cells are looked at: encoding, first line, delimiter. Needs no Arrow."""

import re

from rfconv_cli.errors import DataError

_PRIVATE = re.compile("[\ue000-\uf8ff]")  # what Python makes of bytes cp932 leaves open: a sign of Latin-1 text
_LINE = re.compile(rb"[\r\n]*([^\r\n]*)")


def as_utf8(raw: bytes, name: str, encoding: str | None = None, above: int = 0) -> bytes:
    """The text in `raw` as UTF-8 without a mark in front. encoding: what it is said to be; None: UTF-8 or cp932.

    above: lines of the file before these.
    Raises DataError: not_text, encoding.
    """
    if encoding is not None:
        return _decoded(raw, name, encoding).encode()
    _refuse_binary(raw, name)
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if raw.isascii():
        return raw
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1 + above
    else:
        return raw
    try:
        text = raw.decode("cp932")
    except UnicodeDecodeError:
        text = None
    if text is None or _PRIVATE.search(text):
        raise DataError(
            f"{name} is neither UTF-8 nor cp932 (Shift_JIS) text: line {line} is the first that is not UTF-8",
            hint="--encoding latin-1, or what it is, or save it as UTF-8",
            code="encoding",
        )
    return text.encode("utf-8")


def _decoded(raw: bytes, name: str, encoding: str) -> str:
    try:
        text = raw.decode(encoding)
        text.encode()  # lone surrogates are no text
    except (UnicodeError, LookupError):  # LookupError: a codec that makes no text of bytes
        text = "\0"
    if "\0" in text:
        raise DataError(f"{name} is not {encoding} text", hint="leave out --encoding, or name another", code="encoding")
    return text.removeprefix("\ufeff")


def first_line(text: bytes, skipped: int = 0) -> bytes:
    """The first line that is not empty, after those skipped."""
    start, end = 0, b"\n" if b"\n" in text else b"\r"
    for _ in range(skipped):
        start = text.find(end, start) + 1
    line = _LINE.match(text, start)
    return line[1] if line else b""


def shown_delimiter(header: bytes) -> str:
    """The first of comma, semicolon and tab that a header has; a comma where it has none."""
    return next((mark for mark in (",", ";", "\t") if mark.encode() in header), ",")


def _refuse_binary(raw: bytes, name: str) -> None:
    if b"\0" not in raw and not re.search(rb"[\x01-\x08\x0e-\x19\x1c-\x1f]", raw[:65536]):
        return
    hint = "export the table as CSV"
    if raw[:4] == b"PAR1":
        hint = "it looks like Parquet: rename it to .parquet"
    elif raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        hint = "it looks like UTF-16: --encoding utf-16"
    elif raw[:4] == b"PK\x03\x04":
        hint = "it looks like a spreadsheet or zip archive: export the sheet as CSV"
    raise DataError(f"{name} is not text, though its name says so", hint=hint, code="not_text")
