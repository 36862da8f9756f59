"""The fields for other libraries: a networkx graph, and groups for scikit-learn's ColumnTransformer."""

import networkx as nx
import numpy as np

from rfconv_cli.export.groups import communities
from rfconv_cli.fields.value import ReceptiveFields


def to_networkx(fields: ReceptiveFields) -> "nx.DiGraph[str]":
    """A directed graph, centre → member. Nodes are column names in the order of `fields.names`.

    Of an edge: `weight`, the sum over slots and layers, and `slots`, a sorted list. Slot 0 joins nothing.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(fields.names)
    for layer, centre, slot in np.ndindex(*fields.members.shape):
        member = int(fields.members[layer, centre, slot])
        if slot and member != centre:
            ends = fields.names[centre], fields.names[member]
            before = graph.get_edge_data(*ends, default={"weight": 0.0, "slots": []})
            weight = before["weight"] + float(fields.weights[layer, centre, slot])
            graph.add_edge(*ends, weight=weight, slots=sorted({*before["slots"], slot}))
    return graph


def column_groups(fields: ReceptiveFields) -> list[tuple[str, list[str]]]:
    """(name, columns) of each group of columns that share fields, the largest first; each column is in one group.

    For scikit-learn: `ColumnTransformer([(name, PCA(1), columns) for name, columns in column_groups(fields)])`.
    """
    return [(f"group_{i}", group) for i, group in enumerate(communities(fields))]
