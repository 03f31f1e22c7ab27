"""What an index needs in memory, on disk and in machines, computed from the bytes of a point.

The bytes follow from the schema (float16 vectors, 4-bit codes, HNSW with 16 links, every filter field filled and indexed) and
were read off the files of an index of 100,000 points; docs/operations/vectors.md compares the sums with what was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from search.schema import DIM

MIB, GIB = 2**20, 2**30

CODE_EXTRA = 8  # scale and offset beside a vector's 4-bit numbers
GRAPH = 245  # links of m = 16, compressed; as much again where a server also links the points of each large app collection
PAYLOAD = 400  # ids and filter fields as stored
FIELD_INDEXES = 540  # fifteen fields; on disk, read when a filter names them
SCOPE_INDEX = 36  # the app collection's; in RAM
IDS = 29

EDGE_LOG = 96 * MIB  # the log of writes, in files of 32 MiB, with one in reserve
EDGE_FIXED = 200 * MIB  # interpreter, engine, log and the empty segment that takes writes
NODE_FIXED = 1 * GIB  # a server's own, and its system
USABLE = 0.75  # of a node's memory: optimising and the page cache need the rest
HOT_VECTORS = 0.1  # share of the float16 vectors that ranking reads again and again; the page cache should hold them
FREE_DISK = 2.0  # disk per byte stored: optimising writes a segment anew before it drops the old one
SHARD_POINTS = 25_000_000  # a shard is optimised as a whole: more take hours
SHARDS_A_NODE = 2  # so that an added node can take one over


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Bytes of one point by part."""

    vector: int
    codes: int
    graph: int
    payload: int = PAYLOAD
    field_indexes: int = FIELD_INDEXES
    scope_index: int = SCOPE_INDEX
    ids: int = IDS

    @property
    def in_memory(self) -> int:
        """What every question touches: without it in RAM, answers wait for the disk."""
        return self.codes + self.graph + self.scope_index + self.ids

    @property
    def on_disk(self) -> int:
        """All of it: what is in RAM is on disk too."""
        return self.vector + self.payload + self.field_indexes + self.in_memory


@dataclass(frozen=True, kw_only=True)
class Need:
    """Bytes in all. ``memory`` must be there, ``cache`` is what the page cache should hold besides; disk includes free space."""

    memory: int
    cache: int
    disk: int


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """``nodes`` alike; ``shards`` is ServerSettings.shard_number and fixed when a version is created."""

    nodes: int
    shards: int
    replicas: int
    memory_a_node: int
    disk_a_node: int
    total: Need


def footprint(*, dim: int = DIM, graphs: int = 1) -> Footprint:
    """``graphs``: 0 where points are scanned, 2 on a server."""
    return Footprint(vector=2 * dim, codes=dim // 2 + CODE_EXTRA, graph=graphs * GRAPH)


def edge_need(points: int, *, dim: int = DIM, graph: bool = True) -> Need:
    """One process with an Edge index; its resident memory is ``memory`` plus ``cache``: files it maps count as its own."""
    one = footprint(dim=dim, graphs=1 if graph else 0)
    disk = int(FREE_DISK * (EDGE_LOG + points * one.on_disk))
    return Need(memory=EDGE_FIXED + points * one.in_memory, cache=points * one.vector, disk=disk)


def cluster_for(points: int, *, replicas: int = 1, node_memory: int = 64 * GIB, dim: int = DIM) -> Cluster:
    """The fewest nodes of ``node_memory`` bytes that hold ``replicas`` copies of ``points``, each copy on another node."""
    one = footprint(dim=dim, graphs=2)
    memory, cache = (int(replicas * points * size) for size in (one.in_memory, HOT_VECTORS * one.vector))
    room = USABLE * node_memory - NODE_FIXED
    if room <= 0:
        raise ValueError(f"a node of {node_memory / GIB:.1f} GiB has no room for points")
    nodes = max(replicas, math.ceil((memory + cache) / room))
    disk = int(FREE_DISK * replicas * points * one.on_disk)
    return Cluster(
        nodes=nodes,
        shards=shards_for(points, nodes=nodes),
        replicas=replicas,
        memory_a_node=math.ceil((memory + cache) / nodes) + NODE_FIXED,
        disk_a_node=math.ceil(disk / nodes),
        total=Need(memory=memory + nodes * NODE_FIXED, cache=cache, disk=disk),
    )


def shards_for(points: int, *, nodes: int) -> int:
    """A multiple of the nodes, so that all carry alike: two each, more where those would grow too large."""
    if nodes == 1:
        return max(1, math.ceil(points / SHARD_POINTS))
    return nodes * max(SHARDS_A_NODE, math.ceil(points / SHARD_POINTS / nodes))
