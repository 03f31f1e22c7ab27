"""What an index needs, computed; what was measured is in benchmarks/results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search import sizing
from search.__main__ import main
from search.sizing import GIB, MIB, cluster_for, edge_need, footprint, shards_for

GUIDE = Path(__file__).parents[2] / "docs" / "operations" / "vectors.md"
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def test_a_vector_takes_two_bytes_a_number_and_its_code_half_a_byte():
    one = footprint(dim=512)
    assert (one.vector, one.codes) == (1024, 264)


def test_without_a_graph_its_links_are_not_counted():
    assert footprint().in_memory - footprint(graphs=0).in_memory == sizing.GRAPH


def test_what_is_in_memory_is_on_disk_too():
    one = footprint()
    assert one.on_disk == one.vector + one.payload + one.field_indexes + one.in_memory


def test_an_edge_index_grows_by_the_bytes_of_its_points():
    small, large = edge_need(100_000), edge_need(200_000)
    assert large.memory - small.memory == 100_000 * footprint().in_memory


@pytest.mark.parametrize("points", [10**6, 10**7, 10**8, 10**9])
@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_every_node_has_room_for_its_part(points, replicas):
    found = cluster_for(points, replicas=replicas, node_memory=64 * GIB)
    assert found.memory_a_node <= sizing.USABLE * 64 * GIB
    assert found.nodes * (found.memory_a_node - sizing.NODE_FIXED) >= replicas * points * footprint(graphs=2).in_memory


def test_copies_lie_on_different_nodes_however_few_points_there_are():
    assert cluster_for(1_000, replicas=3).nodes == 3


def test_a_million_points_fit_one_small_node():
    found = cluster_for(10**6, node_memory=8 * GIB)
    assert (found.nodes, found.shards) == (1, 1)


def test_twice_the_copies_take_twice_the_disk():
    assert cluster_for(10**8, replicas=2).total.disk == 2 * cluster_for(10**8).total.disk


def test_shards_are_a_multiple_of_the_nodes_and_none_is_too_large():
    for nodes in (1, 2, 3, 7):
        shards = shards_for(10**9, nodes=nodes)
        assert shards % nodes == 0
        assert 10**9 / shards <= sizing.SHARD_POINTS


def test_a_node_too_small_for_the_system_is_refused():
    with pytest.raises(ValueError, match="no room"):
        cluster_for(1_000, node_memory=GIB)


def test_the_command_prints_edge_and_cluster(capsys):
    assert main(["size", "--points", "1000000", "--replicas", "2"]) == 0
    told = capsys.readouterr().out
    assert "Edge" in told
    assert "2 nodes" in told


@pytest.mark.parametrize("points", [0, -1])
def test_the_command_refuses_no_points(points):
    with pytest.raises(SystemExit):
        main(["size", "--points", str(points)])


@pytest.mark.parametrize(("points", "replicas"), [(10**6, 1), (10**7, 2), (10**8, 2), (10**9, 2)])
def test_the_operations_guide_prints_what_is_computed(points, replicas):
    found = cluster_for(points, replicas=replicas)
    memory, disk = (size / GIB for size in (found.total.memory + found.total.cache, found.total.disk))
    row = (
        f"| {points:,} × {replicas} | {memory:,.0f} GiB | {disk:,.0f} GiB | {found.nodes} "
        f"| {found.memory_a_node / GIB:.0f} / {found.disk_a_node / GIB:.0f} GiB | {found.shards} |"
    )
    assert row in GUIDE.read_text()


@pytest.mark.parametrize(("points", "resident_mib", "disk_mib"), [(20_000, 217, 141), (100_000, 372, 340)])
def test_edge_needs_what_was_measured(points, resident_mib, disk_mib):
    need = edge_need(points)
    assert (need.memory + need.cache) / MIB == pytest.approx(resident_mib, rel=0.1)
    assert need.disk / sizing.FREE_DISK / MIB == pytest.approx(disk_mib, rel=0.05)


@pytest.mark.parametrize("result", sorted(RESULTS.glob("search-*.json")), ids=lambda path: path.stem)
def test_the_arithmetic_agrees_with_what_was_measured(result):
    report = json.loads(result.read_text())
    product, need = report["stores"]["product"], edge_need(report["points"], graph=report["graph"])
    assert (need.memory + need.cache) / MIB == pytest.approx(product["RSS MiB"], rel=0.2)
    assert need.disk / sizing.FREE_DISK / MIB == pytest.approx(product["disk MiB"], rel=0.3)
