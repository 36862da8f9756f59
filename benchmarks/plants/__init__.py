"""Planted structures: tables made up so that the receptive fields which matter are known, and tables without any.

One function per plant, each returning a `Planted` (or a `Table`, where there is nothing to find). The same arguments
give the same table. Nothing here writes files or trains anything.
"""

from benchmarks.plants.geometric import grid, ring
from benchmarks.plants.graph import interactions, random_graph
from benchmarks.plants.nulls import null_additive, shuffled
from benchmarks.plants.table import Planted, Table

__all__ = ["Planted", "Table", "grid", "interactions", "null_additive", "random_graph", "ring", "shuffled"]
