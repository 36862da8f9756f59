"""The fields as other programs take them: a CSV edge list's table, GraphML, Markdown. From the document alone."""

import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import networkx as nx
import pyarrow as pa

from rfconv_cli.errors import printable

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$])")


def edge_table(document: Mapping[str, Any]) -> pa.Table:
    """One row for each edge: from (the centre) and to (the member) by name, slots such as "1;3", weight, support."""
    names, edges = _names(document), document["edges"]
    return pa.table(
        {
            "from": pa.array([names[edge["from"]] for edge in edges], pa.string()),
            "to": pa.array([names[edge["to"]] for edge in edges], pa.string()),
            "slots": pa.array([";".join(map(str, edge["slots"])) for edge in edges], pa.string()),
            "weight": pa.array([edge["weight"] for edge in edges], pa.float64()),
            "support": pa.array([edge["support"] for edge in edges], pa.float64()),
        }
    )


def graphml(document: Mapping[str, Any]) -> bytes:
    """A directed graph, centre → member: nodes with their group and their sensor, edges with weight, slots and support.

    A node is called after its column. Characters that XML cannot hold become signs; two columns that would be called
    alike for it get their ids behind.
    """
    names = _distinct([_NO_XML.sub("\N{REPLACEMENT CHARACTER}", name) for name in _names(document)])
    group_of = {column: group["id"] for group in document["groups"] for column in group["columns"]}
    graph: nx.DiGraph[str] = nx.DiGraph()
    for column, name in zip(document["columns"], names, strict=True):
        source = _NO_XML.sub("\N{REPLACEMENT CHARACTER}", column["source"])
        graph.add_node(name, column=column["id"], group=group_of[column["id"]], source=source, lag=column["lag"])
    for edge in document["edges"]:
        known = {} if edge["support"] is None else {"support": float(edge["support"])}
        slots = ";".join(map(str, edge["slots"]))
        graph.add_edge(names[edge["from"]], names[edge["to"]], weight=float(edge["weight"]), slots=slots, **known)
    sink = io.BytesIO()
    nx.write_graphml(graph, sink)
    return sink.getvalue()


def markdown(document: Mapping[str, Any]) -> str:
    """A page to read: the verdict, the groups, and a table of every field with its members slot by slot."""
    names = [_escaped(name) for name in _names(document)]
    several = len({field["layer"] for field in document["fields"]}) > 1
    lines = [
        f"# Receptive fields for {_escaped(document['task']['target'])}",
        "",
        f"**{_escaped(document['verdict']['sentence'])}**",
        "",
        *(f"{_escaped(warning)}\n" for warning in document["warnings"]),
        f"Run {_escaped(document['run']['id'])}; {len(names):,} columns; "
        f"source of the fields: {_escaped(document['source'])}.",
        "",
        "## Groups",
        "",
        *(f"{group['id']}. {', '.join(names[i] for i in group['columns'])}" for group in document["groups"]),
        "",
        "## Fields",
        "",
        "| centre | members, slot by slot |",
        "|---|---|",
        *(_row(field, names, several) for field in document["fields"]),
    ]
    return "\n".join(lines) + "\n"


def _row(field: Mapping[str, Any], names: Sequence[str], several: bool) -> str:
    members = (member for member in field["members"] if not member["fixed"])
    shown = ", ".join(f"{names[member['column']]} ({member['weight']:.2f})" for member in members)
    layer = f" (layer {field['layer']})" if several else ""
    return f"| {names[field['centre']]}{layer} | {shown} |"


def _names(document: Mapping[str, Any]) -> list[str]:
    return [column["name"] for column in document["columns"]]


def _distinct(names: Sequence[str]) -> list[str]:
    """Each name once: those that stand there twice get their place behind, and so on until none does."""
    found = list(names)
    while len(set(found)) < len(found):
        times = Counter(found)
        found = [f"{name} #{i}" if times[name] > 1 else name for i, name in enumerate(found)]
    return found


def _escaped(text: str) -> str:
    """The text on one line, with nothing in it that Markdown or HTML would take for its own."""
    return _MARKUP.sub(r"\\\1", " ".join(printable(text).split())) or '""'
