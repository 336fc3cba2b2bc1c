"""Files with secrets reach every node, control nodes first; one key is made, once, and found again ever after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from clusterctl.errors import ClusterctlError, InputError, NodeError
from clusterctl.ops.kit.delivery import PATIENCE_S, Delivery
from clusterctl.ops.kit.lock import Guard
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.resources import PortRequest, Server, owner_mark
from clusterctl.secrets.derive import Keyring
from clusterctl.secrets.epochs import FIRST, Epochs
from clusterctl.secrets.files import DIRECTORY
from clusterctl.secrets.nodes import COMPLETE_FILE, EPOCHS_FILE, KEY_FILE
from clusterctl.secrets.secret import Secret
from clusterctl.spec.model import ClusterSpec
from tests.memory.cloud import MemoryCloud
from tests.unit.ops.kit.nodes import Node, Nodes
from tests.unit.specs import demo_spec, only_closed

SPEC = demo_spec(security=only_closed("mesos"))
CONTROL = [f"10.0.0.{n}" for n in (1, 2, 3)]
AGENTS = ["10.0.0.11", "10.0.0.12"]
OTHER = "ab" * 32


def servers() -> list[Server]:
    groups = [*(("control", address) for address in CONTROL), ("jenkins", AGENTS[0]), ("builders", AGENTS[1])]
    return [
        Server(
            id=f"id-{address}",
            name=f"demo-{group}-{address[-1]}",
            status="ACTIVE",
            group=group,
            node=f"demo-{group}-{address[-1]}" if group == "control" else None,
            address=address,
            image_id=None,
            flavor="m1.small",
            services=tuple(SPEC.groups[group].services),
            created="2026-01-01T00:00:00Z",
        )
        for group, address in groups
    ]


class World:
    """A cluster that boots, and the commands that are at work on it one after another."""

    def __init__(self, directory: Path) -> None:
        self.servers = servers()
        self.nodes = Nodes.at(directory, self.servers)
        self.cloud = MemoryCloud()
        names = [f"demo-control-{n}" for n in (1, 2, 3)]
        self.cloud.create_ports([PortRequest(name, "n", (), owner_mark("demo")) for name in names])
        self.now = 0.0
        self.notes: list[str] = []

    def command(self) -> Delivery:
        """A new one."""
        waiter = Waiter(lambda: self.now, lambda _: None)
        return Delivery(self.cloud, self.nodes.access, Guard("create"), note=self.notes.append, waiter=waiter)

    def bring(self, delivery: Delivery, addresses: Sequence[str] = (*CONTROL, *AGENTS)) -> None:
        delivery.bring(SPEC, self.servers, [f"id-{address}" for address in addresses])

    def node(self, address: str) -> Node:
        return self.nodes.of[address]

    def served(self) -> list[str]:
        """Addresses of the nodes that have all their files."""
        return [address for address, node in self.nodes.of.items() if COMPLETE_FILE in node.files]

    def found(self) -> set[str]:
        """What control nodes hold as the cluster's key."""
        return {node.files[KEY_FILE] for node in self.nodes.of.values() if KEY_FILE in node.files}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_new_cluster_gets_one_key_and_every_node_its_files(world: World) -> None:
    world.bring(world.command())
    assert world.served() == [*CONTROL, *AGENTS]
    assert len(world.found()) == 1
    assert [KEY_FILE in world.node(address).files for address in AGENTS] == [False, False]
    assert world.notes == ["made the cluster's key; its control nodes keep it"]


def test_who_has_his_files_is_not_asked_again(world: World) -> None:
    delivery = world.command()
    world.bring(delivery)
    world.nodes.asked.clear()
    world.bring(delivery)
    assert world.nodes.asked == []


def test_nothing_is_made_while_control_nodes_may_still_speak_up(world: World) -> None:
    world.node(CONTROL[2]).up = False
    delivery = world.command()
    world.bring(delivery)
    assert world.served() == []
    world.node(CONTROL[2]).up = True
    world.bring(delivery)
    assert world.served() == [*CONTROL, *AGENTS]


def test_a_majority_is_enough_in_the_long_run(world: World) -> None:
    world.node(CONTROL[2]).up = False
    delivery = world.command()
    world.bring(delivery)
    world.now = PATIENCE_S
    world.bring(delivery)
    assert world.served() == [*CONTROL[:2], *AGENTS]
    assert delivery.failed.keys() == {"demo-control-3"}
    world.node(CONTROL[2]).up = True
    world.bring(delivery)
    assert world.node(CONTROL[2]).files[KEY_FILE] in world.found()
    assert (len(world.found()), delivery.failed) == (1, {})


def test_a_minority_never_is(world: World) -> None:
    for address in CONTROL[1:]:
        world.node(address).up = False
    delivery = world.command()
    world.bring(delivery)
    world.now = 10 * PATIENCE_S
    world.bring(delivery)
    assert world.served() == []


def test_a_resumed_command_finds_the_key_that_one_node_got(world: World) -> None:
    world.node(CONTROL[1]).files[KEY_FILE] = f"{OTHER}\n"
    world.bring(world.command())
    assert world.found() == {f"{OTHER}\n"}
    assert (world.served(), world.notes) == ([*CONTROL, *AGENTS], [])


def test_no_agent_gets_what_only_a_minority_of_control_nodes_could_tell_again(world: World) -> None:
    world.node(CONTROL[0]).files[KEY_FILE] = f"{OTHER}\n"
    for address in CONTROL[1:]:
        world.node(address).up = False
    delivery = world.command()
    world.bring(delivery)
    assert world.served() == CONTROL[:1]
    world.node(CONTROL[1]).up = True
    world.bring(delivery)
    assert world.served() == [*CONTROL[:2], *AGENTS]


def test_a_node_that_lost_its_disk_gets_the_same_key(world: World) -> None:
    world.bring(world.command())
    (key,) = world.found()
    for node in world.nodes.of.values():
        node.boot = "done"
    world.nodes.of[CONTROL[0]] = Node()
    world.bring(world.command(), CONTROL[:1])
    assert world.node(CONTROL[0]).files[KEY_FILE] == key
    assert world.served() == [*CONTROL, *AGENTS]


def test_a_lost_key_is_an_error_and_never_replaced(world: World) -> None:
    world.bring(world.command())
    for address in CONTROL:
        world.nodes.of[address] = Node(boot="done")
    with pytest.raises(ClusterctlError, match=r"no control node of cluster demo has its key .*demo-control-1, demo"):
        world.bring(world.command())
    assert world.found() == set()


def test_keys_that_differ_are_named(world: World) -> None:
    world.node(CONTROL[0]).files[KEY_FILE] = f"{OTHER}\n"
    world.node(CONTROL[2]).files[KEY_FILE] = f"{'cd' * 32}\n"
    with pytest.raises(ClusterctlError) as caught:
        world.bring(world.command())
    assert "demo-control-1 has" in caught.value.message
    assert "demo-control-3 has" in caught.value.message
    assert OTHER not in caught.value.message
    assert len(world.found()) == 2


def test_a_key_file_with_something_else_is_named(world: World) -> None:
    world.node(CONTROL[0]).files[KEY_FILE] = "secret?"
    with pytest.raises(InputError, match=f"demo-control-1:{KEY_FILE}: found 7 characters that are"):
        world.bring(world.command())


def test_two_commands_make_one_key(world: World) -> None:
    with Guard("create").hold("demo", world.cloud), pytest.raises(ClusterctlError, match="another command is at work"):
        world.bring(world.command())
    assert world.found() == set()


def test_a_key_from_elsewhere_is_kept_on_no_node(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = demo_spec(security=only_closed("mesos"), secrets={"from": "env", "variable": "THE_KEY"})
    monkeypatch.setenv("THE_KEY", OTHER)
    world.command().bring(spec, world.servers, [server.id for server in world.servers])
    assert (world.served(), world.found()) == ([*CONTROL, *AGENTS], set())
    assert [script for _, script in world.nodes.asked] == ["keyfile.py"] * 3 + ["place.py"] * 5


def turned(world: World) -> Epochs:
    """As the end of a `secrets rotate` leaves all nodes."""
    world.bring(world.command())
    for node in world.nodes.of.values():
        node.boot = "done"
    delivery, epochs = world.command(), FIRST.next("mesos/marathon")
    delivery.turn(epochs)
    delivery.settle(SPEC, world.servers)
    return epochs


def test_whoever_comes_after_a_turn_gets_the_secrets_of_its_epoch(world: World) -> None:
    epochs = turned(world)
    secret = world.node(CONTROL[1]).files[f"{DIRECTORY}/marathon-mesos-secret"]
    (key,) = world.found()
    assert secret == Keyring("demo", Secret(key.strip()), epochs)["mesos/marathon"].reveal()
    for address in (CONTROL[1], AGENTS[0]):
        world.nodes.of[address] = Node()
        world.bring(world.command(), [address])
    assert world.node(CONTROL[1]).files[f"{DIRECTORY}/marathon-mesos-secret"] == secret
    assert {path for paths in settled(world).values() for path in paths} == set()
    told = [json.loads(node.files[EPOCHS_FILE]) for node in world.nodes.of.values()]
    assert told == [{"all": 1, "of": {"mesos/marathon": 2}, "turning": [], "stage": "open"}] * 5


def test_nodes_that_are_behind_follow_the_furthest(world: World) -> None:
    turned(world)
    del world.node(CONTROL[0]).files[EPOCHS_FILE]
    assert EPOCHS_FILE in settled(world)["demo-control-1"]


def test_the_others_tell_the_epochs_where_no_control_node_does(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a recovery with a key that is kept elsewhere."""
    epochs = turned(world)
    spec = demo_spec(security=only_closed("mesos"), secrets={"from": "env", "variable": "THE_KEY"})
    monkeypatch.setenv("THE_KEY", OTHER)
    for address in CONTROL:
        world.nodes.of[address] = Node()
    assert world.command().keyring(spec, world.servers).epochs == epochs


def test_a_new_control_node_is_not_believed_while_the_others_may_speak_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows of no epochs."""
    turned(world)
    spec = demo_spec(security=only_closed("mesos"), secrets={"from": "env", "variable": "THE_KEY"})
    monkeypatch.setenv("THE_KEY", OTHER)
    world.nodes.of[CONTROL[0]] = Node()
    for address in CONTROL[1:]:
        world.node(address).up = False
    delivery = world.command()
    world.now = 10 * PATIENCE_S
    delivery.bring(spec, world.servers, [f"id-{CONTROL[0]}"])
    assert COMPLETE_FILE not in world.node(CONTROL[0]).files
    world.node(CONTROL[1]).up = True
    delivery.bring(spec, world.servers, [f"id-{CONTROL[0]}"])
    assert EPOCHS_FILE in world.node(CONTROL[0]).files


def test_epochs_of_a_newer_release_stop_everything(world: World) -> None:
    turned(world)
    world.node(CONTROL[2]).files[EPOCHS_FILE] = '{"form": 2}'
    with pytest.raises(ClusterctlError, match=f"demo-control-3:{EPOCHS_FILE}: is not what this release"):
        settled(world)


def test_an_open_cluster_is_left_alone(world: World) -> None:
    world.command().bring(demo_spec(), world.servers, [server.id for server in world.servers])
    assert world.nodes.asked == []


def settled(world: World, spec: ClusterSpec = SPEC, *, look: bool = False) -> dict[str, list[str]]:
    return world.command().settle(spec, world.servers, look=look)


def test_a_settled_cluster_changes_nothing_and_what_is_missing_comes_back(world: World) -> None:
    world.bring(world.command())
    assert {path for paths in settled(world).values() for path in paths} == set()
    del world.node(AGENTS[0]).files[COMPLETE_FILE]
    before = dict(world.node(AGENTS[0]).files)
    assert settled(world, look=True)["demo-jenkins-1"] == [COMPLETE_FILE]
    assert world.node(AGENTS[0]).files == before
    assert settled(world)["demo-jenkins-1"] == [COMPLETE_FILE]
    assert COMPLETE_FILE in world.node(AGENTS[0]).files


def test_other_settings_change_the_files_that_depend_on_them(world: World) -> None:
    world.bring(world.command())
    more = demo_spec(
        security=only_closed("mesos"),
        jenkins={"allow_ephemeral_homes": True, "max_masters": 2, "plugin": "1.x", "registration": "always"},
    )
    changed = settled(world, more)
    assert [path.rpartition("/")[2] for path in changed["demo-control-1"]] == [
        "mesos-master-credentials.json",
        "mesos-master-acls.json",
        "mesos-master-rate-limits.json",
        "complete",
    ]
    assert [path.rpartition("/")[2] for path in changed["demo-builders-2"]] == ["mesos-agent-acls.json", "complete"]


def test_only_the_named_nodes_are_settled(world: World) -> None:
    world.bring(world.command())
    for node in world.nodes.of.values():
        del node.files[COMPLETE_FILE]
    changed = world.command().settle(SPEC, world.servers, ["demo-control-2", "demo-builders-2"])
    assert set(changed) == {"demo-control-2", "demo-builders-2"}


def test_a_silent_cluster_gives_no_key(world: World) -> None:
    for node in world.nodes.of.values():
        node.up = False
    with pytest.raises(ClusterctlError, match=r"the key of cluster demo can't be read .*Connection refused"):
        settled(world)


def test_nodes_that_the_file_does_not_have_are_left_alone(world: World) -> None:
    world.servers = [*world.servers[:-1], replace(world.servers[-1], group="gone")]
    world.bring(world.command())
    assert world.served() == [*CONTROL, AGENTS[0]]


def test_a_silent_node_is_named_when_settling(world: World) -> None:
    world.bring(world.command())
    world.node(AGENTS[1]).up = False
    with pytest.raises(NodeError, match="1 of 5 nodes did not get their credentials"):
        settled(world)
