"""The stages by which `clusterctl secure` closes masters, agents and frameworks that serve, with the files that the
roles and the secrets give at each: on real daemons nothing is lost on the way.

Without LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH: daemons of several loopback addresses connect from one of them.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from clusterctl.paths import roles_dir
from clusterctl.render.templates import render_files
from clusterctl.resources import Flavor
from clusterctl.secrets.derive import Keyring, new_key
from clusterctl.secrets.mesos_files import mesos_files
from clusterctl.secrets.names import MARATHON, OPERATOR, mesos_secret
from clusterctl.secrets.stages import FILES, ON_THE_WAY, Position, Stage, Way
from clusterctl.secrets.wanted import Wanted
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import Part
from clusterctl.topology import Addresses
from clusterctl.variables import cluster_variables, group_variables
from tests.contract.mesos.cluster import AGENT_PORT, MASTER_PORT, Cluster, Daemon, request, wait_for
from tests.contract.mesos.framework import Framework
from tests.contract.mesos.netns import private_network
from tests.unit.specs import demo_spec

pytestmark = pytest.mark.mesos

USER = "nobody"  # whose apps Marathon may start here
SETTINGS = {"marathon_mesos_user": USER}
OTHERS = ["zookeeper", "marathon", "builds", "units", "network"]
FLAVORS = {"m1.small": Flavor("1", "m1.small", 2, 4096, 20)}
SECRETS = "/etc/clusterctl/secrets"
# What of the roles' files is about authentication
ABOUT = ("MESOS_AUTHENTICATE_", "MESOS_HTTP_", "MESOS_CREDENTIAL", "MESOS_ACLS", "MESOS_ROOT_SUBMISSIONS")
HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
# The groups of the two agents: the second one's resources are reserved
GROUPS = ("builders", "jenkins")


class Securing(Cluster):
    """Open; its daemons are restarted with the files of a stage."""

    def __init__(self, root: Path, work: Path) -> None:
        super().__init__(root, work)
        self.spec: ClusterSpec = demo_spec(security={"require": ["mesos"], "insecure": OTHERS}, settings=SETTINGS)
        self.keys = Keyring("demo", new_key())
        self.way = Way(self.spec, {Part.MESOS: Position(Stage.OPEN, Stage.OFFERED)})
        at = Addresses(tuple(enumerate(HOSTS, 1)), HOSTS, HOSTS)
        self.variables = cluster_variables(self.spec, at) | {"clusterctl_address": HOSTS[0]}
        for group in (*GROUPS, "control"):
            (work / group).mkdir()
            for file in mesos_files(Wanted(self.spec, group, self.keys, at)):
                path = work / group / Path(file.path).name
                path.touch(mode=0o600)
                path.write_text(file.content.reveal())
        self.login = self.basic(OPERATOR)
        # Tasks as the agent's own user: others don't reach the package
        self.agents[0].argv = [*self.agents[0].argv, "--no-switch_user"]
        self.agents[1].env["MESOS_SWITCH_USER"] = "false"
        self.plain = {daemon.name: dict(daemon.env) for daemon in (*self.masters, *self.agents)}

    def basic(self, principal: str) -> dict[str, str]:
        pair = f"{principal}:{self.keys[mesos_secret(principal)].reveal()}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def restart(self, daemon: Daemon, stage: Stage) -> None:
        """With the files of that stage."""
        daemon.kill()
        daemon.env = {**self.plain[daemon.name], **self._about(daemon, stage)}
        daemon.start()

    def _about(self, daemon: Daemon, stage: Stage) -> dict[str, str]:
        service = Service.MESOS_MASTER if daemon in self.masters else Service.MESOS_AGENT
        group = "control" if daemon in self.masters else GROUPS[self.agents.index(daemon)]
        values: Mapping[str, Any] = {**self.variables, **group_variables(self.spec, group, FLAVORS)}
        files = render_files(roles_dir(), [service.value], {**values, **self.way.variables(stage)})
        text = next(file.content for file in files if file.path == FILES[service])
        lines = [line for line in text.splitlines() if line.startswith(ABOUT)]
        return dict(line.replace(SECRETS, str(self.work / group)).split("=", 1) for line in lines)


@pytest.fixture(scope="module")
def securing(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Securing]:
    with private_network():
        made = Securing(root, tmp_path_factory.mktemp("securing"))
        made.start()
        yield made
        made.stop()


def status(cluster: Securing, path: str, port: int = MASTER_PORT, headers: Mapping[str, str] | None = None) -> int:
    return request(cluster.leader() if port == MASTER_PORT else HOSTS[0], port, path, None, headers)[0]


def subscribe(cluster: Securing) -> tuple[int, str]:
    """What a framework is answered that says that it is Marathon, and doesn't prove it."""
    info = {"user": USER, "name": "stranger", "roles": ["marathon"], "principal": MARATHON}
    connection = http.client.HTTPConnection(cluster.leader(), MASTER_PORT, timeout=10)
    body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}})
    connection.request("POST", "/api/v1/scheduler", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    found = answer.status, answer.readline().decode()
    connection.close()
    return found


def test_clients_that_say_who_they_are_come_after_masters_that_know_it(securing: Securing) -> None:
    """Why there is a first stage: an open master refuses an agent with a credential, which ends then."""
    securing.agent_ids()
    agent = securing.agents[1]
    try:
        securing.restart(agent, Stage.CLIENTS)
        restarts = agent.restarts
        wait_for("the agent's end", lambda: agent.restarts > restarts + 1, 60)
        assert "refused authentication" in agent.log.read_text(errors="replace")
    finally:
        securing.restart(agent, Stage.OFFERED)
    assert len(securing.agent_ids()) == 2


def test_an_open_cluster_is_closed_stage_by_stage_and_loses_no_task(securing: Securing) -> None:
    ids = securing.agent_ids()
    framework = Framework(securing, roles=("marathon",), user=USER, principal=MARATHON)
    count = securing.work / "count"
    task = framework.launch(f"while :; do echo $$ >> {count}; sleep 0.2; done", HOSTS[0])
    framework.wait_state(task, "TASK_RUNNING")
    assert subscribe(securing)[0] == http.HTTPStatus.OK
    began = time.monotonic()
    for stage in ON_THE_WAY:
        leader = securing.leader()
        order = sorted(zip(HOSTS, securing.masters, strict=True), key=lambda each: each[0] == leader)
        for host, master in order if stage is not Stage.CLIENTS else ():
            securing.restart(master, stage)
            securing.leader(other_than=host if host == leader else None)
            wait_for("both agents under their ids", lambda: securing.agent_ids() == ids, 60)
        if stage is Stage.CLIENTS:
            for agent in securing.agents:
                securing.restart(agent, stage)
                wait_for("both agents under their ids", lambda: securing.agent_ids() == ids, 60)
            framework.prove(securing.basic(MARATHON))
        wait_for("the framework's reconnection", lambda: connected(securing, framework), 60)
        print(f"{stage.name}: {time.monotonic() - began:.1f} s")
    assert set(framework.states(task)) == {"TASK_STARTING", "TASK_RUNNING"}
    lines = count.read_text().split()
    wait_for("the task, which counts on", lambda: len(count.read_text().split()) > len(lines))
    assert len(set(lines)) == 1, "the task was restarted"

    # closed
    assert status(securing, "/master/state") == http.HTTPStatus.UNAUTHORIZED
    assert status(securing, "/master/state", headers=securing.login) == http.HTTPStatus.OK
    assert status(securing, "/state", AGENT_PORT) == http.HTTPStatus.UNAUTHORIZED
    assert subscribe(securing)[0] == http.HTTPStatus.UNAUTHORIZED
    # and what may work, works
    another = framework.launch("exec sleep 1000", "agent-two")
    framework.wait_state(another, "TASK_RUNNING")
    framework.close()


def connected(securing: Securing, framework: Framework) -> bool:
    """Whether the leading master has the framework, under its id."""
    found = securing.operator({"type": "GET_FRAMEWORKS"})["get_frameworks"].get("frameworks", [])
    return any(each["framework_info"]["id"] == framework.id and each["connected"] for each in found)
