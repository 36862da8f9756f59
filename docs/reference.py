"""Writes commands.md and fields.md beside this file, from the program and from the schema: python docs/reference.py."""

import io
import os
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from rfconv_cli.export.document import load_schema
from rfconv_cli.export.meaning import MEANING

HERE = Path(__file__).parent
_NOTE = "Made by `python docs/reference.py`; a test holds it against the program.\n"


def commands() -> str:
    """The help of every command, as the program prints it at 100 columns."""
    from rfconv_cli.cli import app, config_app

    names = [["rfconv"], *(["rfconv", command] for command in _names(app))]
    names += [["rfconv", "config", command] for command in _names(config_app)]
    parts = [f"## {' '.join(words)}\n\n```\n{_help(words[1:])}\n```\n" for words in names]
    return "\n".join(["# Commands\n", _NOTE, *parts])


def fields() -> str:
    """Every key of fields.json with its type and meaning."""
    schema = load_schema()
    rows = [f"| `{path}` | {kind} | {_cell(MEANING.get(path, ''))} |" for path, kind in _paths(schema, schema, "")]
    head = (
        "Columns are numbered from 0, and given by number elsewhere. `rfconv config schema fields` prints the schema."
    )
    return "\n".join(["# fields.json\n", head + "\n", _NOTE, "| key | type | meaning |", "|---|---|---|", *rows, ""])


def _names(app: Any) -> list[str]:
    commands = [info.name or info.callback.__name__.replace("_", "-") for info in app.registered_commands]
    return commands + [info.name or "config" for info in app.registered_groups]


def _help(words: list[str]) -> str:
    from rfconv_cli.program import run_app

    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    shown = io.StringIO()
    with redirect_stdout(shown):
        run_app([*words, "--help"])
    os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)
    return "\n".join(line.rstrip() for line in shown.getvalue().strip().splitlines())


def _paths(schema: dict[str, Any], node: dict[str, Any], path: str) -> list[tuple[str, str]]:
    """(dotted path, type) of every key below a node, arrays passed through."""
    node = _resolved(schema, node)
    found = []
    for key, value in node.get("properties", {}).items():
        here, inner = f"{path}{key}", _resolved(schema, value)
        found.append((here, _kind(schema, value)))
        found += _paths(schema, inner.get("items", inner), f"{here}.")
    return found


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    options = [one for one in node.get("anyOf", []) if one != {"type": "null"}]
    return _resolved(schema, options[0]) if options else node


def _kind(schema: dict[str, Any], node: dict[str, Any]) -> str:
    inner = _resolved(schema, node)
    kinds = inner.get("type", "")
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    if {"type": "null"} in node.get("anyOf", []) and "null" not in kinds:
        kinds.append("null")
    if "enum" in inner or "const" in inner:
        return " or ".join(f"`{value}`" for value in inner.get("enum", [inner.get("const")]))
    if kinds == ["array"] and "items" in inner:
        return f"array of {_kind(schema, inner['items'])}"
    return " or ".join(kind for kind in kinds if kind) or "any"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    for name, text in {"commands.md": commands(), "fields.md": fields()}.items():
        (HERE / name).write_text(text, encoding="utf-8")
