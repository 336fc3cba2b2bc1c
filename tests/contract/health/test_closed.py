"""The same cluster with Mesos closed, by the lines of the roles' templates and the files that nodes get.

All is on loopback addresses, where a sender's address is not the one that it is bound to: peers' addresses are
matched in ``tests/contract/mesos/test_acls.py``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusterctl.paths import roles_dir
from clusterctl.remote.masters import SshMasters
from clusterctl.remote.prober import SshProber
from clusterctl.render.roles import roles_of
from clusterctl.render.templates import render_files
from clusterctl.secrets.derive import Keyring, new_key
from clusterctl.secrets.logins import operator_logins, probe_logins
from clusterctl.secrets.nodes import credentials_for
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import addresses, topology
from clusterctl.variables import agent_variables, cluster_variables, node_variables
from tests.contract.health.world import FLAVOR, NODES, SPEC, World, WorldCluster
from tests.contract.loopback import ask, unpacked_marathon, unpacked_mesos
from tests.contract.mesos.cluster import AGENT_PORT, MASTER_PORT, request, wait_for
from tests.contract.mesos.netns import private_network
from tests.unit.specs import only_closed

pytestmark = pytest.mark.mesos

CLOSED = ClusterSpec.model_validate(
    {**SPEC.model_dump(by_alias=True, exclude_unset=True), "security": only_closed("mesos")}
)
DIRECTORY = "/etc/clusterctl/secrets"
# Of the lines that close Mesos; peers' addresses can't be matched here
NAMES = ("AUTHENTICATE", "CREDENTIAL", "ACLS", "ROOT_SUBMISSIONS", "AUTHENTICATORS", "_AUTHENTICATION")
AGENTS = ("builders", "jenkins-a", "jenkins-b")


class ClosedCluster(WorldCluster):
    """Each node's files are in a directory of its group; its services get the lines of their roles that name them."""

    def __init__(self, mesos: Path, marathon: Path, work: Path) -> None:
        super().__init__(mesos, marathon, work)
        self.keys = Keyring(CLOSED.cluster, new_key())
        for group in CLOSED.groups:
            for file in credentials_for(CLOSED, group, self.keys, self.at):
                path = self.secrets(group, file.path)
                path.parent.mkdir(exist_ok=True)
                path.write_text(file.content.reveal())
        for master in self.masters:
            master.env |= self.lines("control", "mesos-master")
        for group, agent in zip(AGENTS, self.agents, strict=True):
            agent.env |= self.lines(group, "mesos-agent")
        for each in self.marathons:
            each.env |= self.lines("control", "marathon") | {"MARATHON_MESOS_USER": "jenkins"}
        self.login = self.header("control", "mesos-operator.json")

    @property
    def at(self):  # type: ignore[no-untyped-def]
        """Addresses of the control services."""
        return addresses(topology(CLOSED), {name: address for name, (_, address) in NODES.items()})

    def secrets(self, group: str, path: str) -> Path:
        """Where a file of a node's is here."""
        return self.work / f"secrets-{group}" / path.removeprefix(f"{DIRECTORY}/")

    def header(self, group: str, name: str) -> dict[str, str]:
        found = json.loads(self.secrets(group, name).read_text())
        words = f"{found['principal']}:{found['secret']}".encode()
        return {"Authorization": f"Basic {base64.b64encode(words).decode()}"}

    def lines(self, group: str, unit: str) -> dict[str, str]:
        """The variables of a unit's environment file that have to do with who is who."""
        values = cluster_variables(CLOSED, self.at)
        if group == "control":
            values |= node_variables(CLOSED, topology(CLOSED).nodes[0], "127.0.0.1", None)
        else:
            values |= agent_variables(CLOSED, group, {"any": FLAVOR})
        services = CLOSED.groups[group].services
        files = {file.path: file.content for file in render_files(roles_dir(), roles_of(services), values)}
        pairs = (line.split("=", 1) for line in files[f"/etc/default/{unit}"].splitlines() if line[:1].isalpha())
        return {
            name: value.replace(DIRECTORY, str(self.secrets(group, DIRECTORY + "/x").parent))
            for name, value in pairs
            if any(word in name for word in NAMES)
        }


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    mesos = unpacked_mesos(tmp_path_factory.mktemp("mesos"))
    marathon = unpacked_marathon(tmp_path_factory.mktemp("marathon"))
    with private_network(), ClosedCluster(mesos, marathon, tmp_path_factory.mktemp("cluster")) as cluster:
        yield World(cluster)


def cluster_of(world: World) -> ClosedCluster:
    assert isinstance(world.cluster, ClosedCluster)
    return world.cluster


def prober(world: World, group: str) -> SshProber:
    """With the files of that group's nodes."""
    logins = {service: str(cluster_of(world).secrets(group, path)) for service, path in probe_logins(CLOSED).items()}
    boot = str(world.cluster.work / "boot.json")
    return SshProber(world.access.ssh, world.access.host_keys, boot_file=boot, logins=logins)


def test_the_lines_are_those_that_close_it(closed: World) -> None:
    cluster = cluster_of(closed)
    assert len(cluster.lines("control", "mesos-master")) == 9
    assert len(cluster.lines("builders", "mesos-agent")) == 5
    assert "MARATHON_MESOS_AUTHENTICATION_SECRET_FILE" in cluster.lines("control", "marathon")


def test_agents_and_marathon_register_and_the_probe_sees_them(closed: World) -> None:
    closed.access = closed.access.__class__(closed.access.ssh, closed.access.host_keys, prober(closed, "control"))
    wait_for("it to be healthy", lambda: not closed.verify(), 60)
    found = prober(closed, "builders").probe(
        [node for node in closed_expect(closed) if Service.MESOS_AGENT in node.services][:1]
    )
    assert next(iter(found.values())).mesos_agent.registered  # type: ignore[union-attr]


def closed_expect(world: World):  # type: ignore[no-untyped-def]
    """The cluster's nodes."""
    from clusterctl.health.expect import expected
    from tests.contract.health.world import servers

    expect = expected(CLOSED, servers(), [FLAVOR])
    return [*expect.control, *expect.agents]


def test_operators_calls_are_made(closed: World) -> None:
    logins = {
        service: str(cluster_of(closed).secrets("control", path)) for service, path in operator_logins(CLOSED).items()
    }
    nodes = [node for node in closed_expect(closed) if Service.MESOS_MASTER in node.services]
    masters = SshMasters(closed.access.ssh, closed.access.host_keys, nodes, logins)
    places = [f"127.0.0.{n}:{AGENT_PORT}" for n in (1, 2, 3)]
    agents, drains = masters.call([{"type": "GET_AGENTS"}, {"type": "AGENT_STATE", "places": places}])
    assert len(agents) == 3
    assert drains == [False, False, False]


@pytest.mark.parametrize("path", ["/master/state-summary", "/master/slaves", "/flags", "/metrics/snapshot"])
def test_nobody_else_is_answered(closed: World, path: str) -> None:
    assert {request(f"127.0.0.{n}", MASTER_PORT, path)[0] for n in (1, 2, 3)} == {401}
    assert request("127.0.0.1", AGENT_PORT, path.replace("/master/state-summary", "/state"))[0] in (401, 404)


def test_a_marathon_with_another_secret_gets_nowhere(closed: World) -> None:
    cluster = cluster_of(closed)
    secret = cluster.secrets("control", "marathon-mesos-secret")
    right = secret.read_text()
    cluster.leading_marathon()
    for each in cluster.marathons:
        closed.kill(each)
    marathon = cluster.marathons[0]
    secret.write_text("wrong")
    try:
        marathon.start(supervised=True)
        wait_for("Mesos to refuse it", lambda: "refused the subscription: 401" in marathon.log.read_text(), 60)
        marathon.kill()
    finally:
        secret.write_text(right)
        closed.restore()
    assert ask(cluster.leading_marathon(), "GET", "/v2/info").body["frameworkId"]
