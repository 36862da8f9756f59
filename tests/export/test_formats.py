"""The fields for other programs: what is written comes back, whatever the columns are called."""

import io
import re

import networkx as nx
import numpy as np
import pandas as pd
import pyarrow.csv as pa_csv
import pytest
from export_examples import AWKWARD_NAMES, clustered, learned, plain_names, support_for, surroundings
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA

from rfconv_cli import column_groups, load_fields, to_networkx
from rfconv_cli.errors import DataError
from rfconv_cli.export.document import fields_document
from rfconv_cli.export.formats import edge_table, graphml, markdown
from rfconv_cli.jobs.result import safe_for_sheets, table_bytes
from rfconv_cli.program import run_app

NAMES = st.lists(st.text(st.characters(blacklist_categories=["Cs"]), max_size=12), min_size=5, max_size=9, unique=True)


def document(names, depth: int = 1):
    fields = learned(names, depth=depth)
    return fields_document(fields, support=support_for(depth, len(names), 4), **surroundings(fields))


def edges_of(told) -> set[tuple[str, str, str, float]]:
    names = [column["name"] for column in told["columns"]]
    return {
        (names[e["from"]], names[e["to"]], ";".join(map(str, e["slots"])), round(e["weight"], 4)) for e in told["edges"]
    }


@settings(max_examples=30, deadline=None)
@given(NAMES)
def test_the_edge_list_comes_back_from_csv(names):
    told = document(names)
    text = table_bytes(edge_table(told), ".csv")
    options = pa_csv.ConvertOptions(column_types={"slots": "string", "from": "string", "to": "string"})
    parse = pa_csv.ParseOptions(newlines_in_values=True)
    read = pa_csv.read_csv(io.BytesIO(text), convert_options=options, parse_options=parse).to_pylist()
    assert {(r["from"], r["to"], r["slots"], round(r["weight"], 4)) for r in read} == edges_of(told)


def test_an_unknown_support_is_an_empty_cell():
    rows = edge_table(document(plain_names(6))).to_pylist()
    told = document(plain_names(6))["edges"]
    assert [row["support"] for row in rows] == [edge["support"] for edge in told]


def test_formulas_are_disarmed_for_sheets():
    names = ["=cmd()", "+1", "@x", "plain", "-2"]
    safe = safe_for_sheets(edge_table(document(names)))
    assert set(safe["from"].to_pylist()) == {"'=cmd()", "'+1", "'@x", "plain", "'-2"}


@settings(max_examples=30, deadline=None)
@given(NAMES)
def test_the_graph_comes_back_from_graphml_whatever_the_names(names):
    told = document(names)
    graph = nx.read_graphml(io.BytesIO(graphml(told)))
    column = nx.get_node_attributes(graph, "column")
    assert sorted(column.values()) == list(range(len(names)))
    found = {(column[a], column[b], d["slots"], round(d["weight"], 4)) for a, b, d in graph.edges(data=True)}
    ids = {name: i for i, name in enumerate(names)}
    assert found == {(ids[a], ids[b], slots, weight) for a, b, slots, weight in edges_of(told)}


def test_nodes_of_graphml_are_called_after_their_columns_and_know_their_group():
    told = document(plain_names(8))
    graph = nx.read_graphml(io.BytesIO(graphml(told)))
    assert set(graph) == set(plain_names(8))
    for group in told["groups"]:
        assert all(graph.nodes[plain_names(8)[i]]["group"] == group["id"] for i in group["columns"])


def test_names_that_xml_makes_alike_stay_apart():
    told = document(["a\x00", "a\x01", "b", "c", "a\ufffd"])
    graph = nx.read_graphml(io.BytesIO(graphml(told)))
    assert len(graph) == 5


def test_the_page_has_a_row_for_every_field_with_its_members():
    told = document(plain_names(6), depth=2)
    rows = [line for line in markdown(told).splitlines() if line.startswith("| sensor")]
    assert len(rows) == 12
    first = told["fields"][0]["members"]
    names = [column["name"].replace("_", "\\_") for column in told["columns"]]
    shown = ", ".join(f"{names[m['column']]} ({m['weight']:.2f})" for m in first[1:])
    assert rows[0] == f"| {names[0]} (layer 0) | {shown} |"


def test_no_name_is_markup_on_the_page():
    text = markdown(document(AWKWARD_NAMES))
    assert not re.search(r"(?<!\\)[<>`]", text)
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in table)
    assert "\x1b" not in text


def test_the_verdict_stands_first_on_the_page():
    told = document(plain_names(6))
    assert told["verdict"]["sentence"] in markdown(told).splitlines()[2].replace("\\", "")


def test_fields_are_loaded_from_a_file_a_run_and_an_export(request, tmp_path):
    run = request.getfixturevalue("learned")
    assert run_app(["export-fields", "-q", "--out", str(tmp_path / "out")]) == 0
    ways = [run, str(run), run / "fields.json", tmp_path / "out"]
    loaded = [load_fields(way) for way in ways]
    assert all(fields == loaded[0] for fields in loaded)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "rfconv.fields", "format_version": 99}'])
def test_what_is_no_fields_is_a_data_error(tmp_path, text):
    path = tmp_path / "fields.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"fields\.json gives no fields"):
        load_fields(path)
    with pytest.raises(DataError, match="no such file"):
        load_fields(tmp_path / "none")


def test_a_file_beyond_all_reason_is_not_read(tmp_path):
    path = tmp_path / "fields.json"
    with path.open("wb") as file:
        file.truncate((1 << 30) + 1)  # no byte of it is on the disk
    with pytest.raises(DataError, match="larger than 1 gb"):
        load_fields(path)


def test_the_graph_has_an_edge_for_each_member():
    fields = learned(plain_names(8), depth=2)
    graph = to_networkx(fields)
    told = fields_document(fields, **surroundings(fields))
    found = {(a, b, ";".join(map(str, d["slots"])), round(d["weight"], 4)) for a, b, d in graph.edges(data=True)}
    assert found == edges_of(told)
    assert list(graph) == list(fields.names)


def test_groups_fit_into_a_column_transformer():
    fields = clustered([6, 5, 5])
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 16)), columns=list(fields.names))
    groups = column_groups(fields)
    assert sorted(name for _, columns in groups for name in columns) == sorted(fields.names)
    made = ColumnTransformer([(name, PCA(1), columns) for name, columns in groups]).fit_transform(frame)
    assert made.shape == (40, len(groups))
    first = PCA(1).fit_transform(frame[groups[0][1]])
    np.testing.assert_allclose(np.abs(made[:, 0]), np.abs(first[:, 0]))
