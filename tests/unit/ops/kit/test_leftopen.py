"""Whether a cluster was made open that the file closes, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from clusterctl.ops.kit.leftopen import ask_left_open, closed_check, told, way
from clusterctl.resources import Server
from clusterctl.secrets.derive import Keyring, new_key
from clusterctl.secrets.nodes import credentials_for
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import Part
from clusterctl.topology import Addresses
from tests.unit.ops.kit.nodes import Nodes
from tests.unit.specs import demo_spec, only_closed

CLOSED = demo_spec(security={})
SECRET = (Part.MESOS, Part.ZOOKEEPER, Part.MARATHON)


def server(number: int, group: str = "control") -> Server:
    return Server(
        id=f"id-{group}-{number}",
        name=f"demo-{group}-{number}",
        status="ACTIVE",
        group=group,
        node=f"demo-{group}-{number}",
        address=f"10.0.0.{number}",
        image_id=None,
        flavor="m1.small",
        services=tuple(CLOSED.groups[group].services),
        created="2026-01-01T00:00:00Z",
    )


SERVERS = [server(1), server(2), server(3), server(9, "builders")]


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    """All of them past their first boot, without any file."""
    made = Nodes.at(tmp_path, SERVERS)
    for each in made.of.values():
        each.boot = "done"
    return made


def found(nodes: Nodes, spec: ClusterSpec = CLOSED, servers: Sequence[Server] = SERVERS) -> set[Part]:
    return set(ask_left_open(spec, nodes.access, servers))


def close(nodes: Nodes, spec: ClusterSpec, *numbers: int) -> None:
    """Nodes get the files of a cluster file."""
    at = Addresses(((1, "10.0.0.1"),), ("10.0.0.1",), ("10.0.0.1",))
    for file in credentials_for(spec, "control", Keyring("demo", new_key()), at):
        for number in numbers:
            nodes.of[f"10.0.0.{number}"].files[file.path] = file.content.reveal()


@pytest.mark.parametrize("part", SECRET)
def test_a_cluster_without_files_is_open_in_what_the_file_closes(nodes: Nodes, part: Part) -> None:
    assert found(nodes, demo_spec(security=only_closed(part))) == {part}


def test_all_parts_are_told_together_and_agents_are_not_asked(nodes: Nodes) -> None:
    assert found(nodes) == set(SECRET)
    assert sorted(address for address, _ in nodes.asked) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_a_closed_cluster_is_not(nodes: Nodes) -> None:
    close(nodes, CLOSED, 1, 2, 3)
    assert found(nodes) == set()


def test_a_part_that_the_file_closes_newly_is(nodes: Nodes) -> None:
    close(nodes, demo_spec(security=only_closed("mesos")), 1, 2, 3)
    assert found(nodes) == {Part.ZOOKEEPER, Part.MARATHON}


def test_one_node_with_files_is_enough(nodes: Nodes) -> None:
    """``configure`` brings the others theirs again."""
    close(nodes, CLOSED, 2)
    assert found(nodes) == set()


@pytest.mark.parametrize(
    ("zoo_cfg", "master", "open_parts"),
    [
        (
            "quorum.auth.enableSasl=true\nquorum.auth.serverRequireSasl=false\n",
            "MESOS_CREDENTIALS=x\n",
            set(SECRET[:2]),
        ),
        (
            "quorum.auth.enableSasl=true\nquorum.auth.serverRequireSasl=true\n",
            "MESOS_ZK=file:x\nMESOS_CREDENTIALS=x\nMESOS_AUTHENTICATE_AGENTS=true\n",
            set(),
        ),
    ],
)
def test_a_cluster_on_its_way_is_not_closed_yet(nodes: Nodes, zoo_cfg: str, master: str, open_parts: set[Part]) -> None:
    """It has all secrets, and `secure` was killed: what it is to have at last must not come before its time."""
    close(nodes, CLOSED, 1, 2, 3)
    for number in (1, 2, 3):
        nodes.of[f"10.0.0.{number}"].files |= {"/etc/zookeeper/zoo.cfg": zoo_cfg, "/etc/default/mesos-master": master}
    assert found(nodes) == open_parts


def test_nodes_that_boot_or_say_nothing_tell_nothing(nodes: Nodes) -> None:
    for number, boot in ((1, None), (2, "running"), (3, "failed")):
        nodes.of[f"10.0.0.{number}"].boot = boot
    assert found(nodes) == set()
    nodes.of["10.0.0.3"].boot = "done"
    nodes.of["10.0.0.3"].up = False
    assert found(nodes) == set()
    nodes.of["10.0.0.3"].up = True
    assert found(nodes) == set(SECRET)


def test_nobody_is_asked_where_the_file_closes_nothing(nodes: Nodes) -> None:
    assert found(nodes, demo_spec()) == set()
    assert found(nodes, demo_spec(security=only_closed("network", "builds", "units"))) == set()
    assert found(nodes, servers=[]) == set()
    assert nodes.asked == []


def test_the_way_out_stands_beside() -> None:
    parts = (Part.MESOS, Part.MARATHON)
    assert told(CLOSED, parts) == "cluster demo was made open, and is not closed yet as the file says: mesos, marathon"
    assert way(parts).startswith("`clusterctl secure FILE` ")
    assert "'security: {insecure: [mesos, marathon]}'" in way(parts)
    assert not closed_check(CLOSED, parts).ok
    assert closed_check(CLOSED, ()).ok
