"""Groups of columns: the graph that the fields span, and its communities. Knows no files and no pictures."""

from collections.abc import Sequence

import networkx as nx
import numpy as np

from rfconv_cli.fields.value import ReceptiveFields

_SEED = 0


def field_graph(fields: ReceptiveFields) -> "nx.Graph[str]":
    """The undirected graph of who is in whose field: nodes are column names, in sorted order.

    An edge's `weight` is the sum of the slot weights in both directions and all layers. Slot 0, a centre that fills one
    of its own slots, and slots of weight 0 join nothing.
    """
    graph: nx.Graph[str] = nx.Graph()
    names = sorted(fields.names)
    graph.add_nodes_from(names)
    centres, members, weights = _pairs(fields.reordered(names))
    graph.add_weighted_edges_from(
        (names[a], names[b], weight)
        for a, b, weight in zip(centres.tolist(), members.tolist(), weights.tolist(), strict=True)
    )
    return graph


def communities(fields: ReceptiveFields) -> list[list[str]]:
    """Columns that share fields, by Louvain's method: each group sorted by name, the largest group first.

    The result depends on names and weights only, never on the order of the columns; a column in no other's field and
    with no member is a group of its own.
    """
    named = field_graph(fields)
    names = list(named)
    # Louvain walks through sets of nodes: integers have one order in every process, strings do not.
    graph = nx.relabel_nodes(named, {name: i for i, name in enumerate(names)})
    found = nx.community.louvain_communities(graph, weight="weight", seed=_SEED)
    groups = [sorted(names[i] for i in group) for group in found]
    return sorted(groups, key=lambda group: (-len(group), group[0]))


def check_groups(groups: Sequence[Sequence[str]], names: Sequence[str]) -> None:
    """Raises ValueError when `groups` does not hold each column once."""
    if sorted(name for group in groups for name in group) != sorted(names):
        raise ValueError(f"groups must hold each of the {len(names)} columns once")


def _pairs(fields: ReceptiveFields) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(lower, upper, weight): each joined pair once, ascending, with its summed float64 weight."""
    columns = len(fields.names)
    members = fields.members[:, :, 1:]
    centres = np.broadcast_to(np.arange(columns)[None, :, None], members.shape)
    weights = fields.weights[:, :, 1:].astype(np.float64)
    joined = (members != centres) & (weights > 0)
    lower, upper = np.minimum(members, centres)[joined], np.maximum(members, centres)[joined]
    keys, inverse = np.unique(lower * columns + upper, return_inverse=True)
    return keys // columns, keys % columns, np.bincount(inverse, weights[joined], minlength=len(keys))
