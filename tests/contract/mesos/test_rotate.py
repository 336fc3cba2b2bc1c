"""The stages by which `clusterctl secrets rotate` turns the secrets of masters, agents and frameworks that serve, with
the files that nodes get at each: on real daemons no task is lost, and the last secrets are refused afterwards.

Without LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH: daemons of several loopback addresses connect from one of them.
"""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from clusterctl.secrets.epochs import FIRST, Epochs
from clusterctl.secrets.mesos import login
from clusterctl.secrets.mesos_files import AGENT_PROBE_FILE, OPERATOR_FILE, mesos_files
from clusterctl.secrets.names import MARATHON
from clusterctl.secrets.stages import ON_THE_WAY, Stage
from clusterctl.secrets.wanted import Wanted
from clusterctl.topology import Addresses
from tests.contract.mesos.cluster import AGENT_PORT, MASTER_PORT, request, wait_for
from tests.contract.mesos.framework import Framework
from tests.contract.mesos.netns import private_network
from tests.contract.mesos.test_secure import GROUPS, HOSTS, USER, Securing, connected

pytestmark = pytest.mark.mesos

Headers = Mapping[str, str]


def header(principal: str, secret: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{principal}:{secret}'.encode()).decode()}"}


class Rotating(Securing):
    """Closed."""

    def start(self) -> None:
        super().start()
        for daemon in (*self.masters, *self.agents):
            self.restart(daemon, Stage.REQUIRED)

    def bring(self, epochs: Epochs) -> None:
        """What `deliver` does."""
        self.keys = replace(self.keys, epochs=epochs)
        at = Addresses(tuple(enumerate(HOSTS, 1)), HOSTS, HOSTS)
        for group in (*GROUPS, "control"):
            for file in mesos_files(Wanted(self.spec, group, self.keys, at)):
                path = self.work / group / Path(file.path).name
                path.touch(mode=0o600)
                path.write_text(file.content.reveal())
        self.login = self.said(OPERATOR_FILE)

    def said(self, path: str) -> dict[str, str]:
        """Who clusterctl's calls on control nodes are now."""
        found = json.loads((self.work / "control" / Path(path).name).read_text())
        return header(found["principal"], found["secret"])

    def marathon(self) -> dict[str, str]:
        """Who Marathon is if it begins now."""
        return header(MARATHON, (self.work / "control" / "marathon-mesos-secret").read_text())


class Poller:
    """Asks the masters and an agent as clusterctl's own calls do, with what its node has; counts the answers."""

    def __init__(self, cluster: Rotating) -> None:
        self.cluster = cluster
        self.seen: Counter[tuple[str, int]] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        places = [("agent", HOSTS[0], AGENT_PORT, "/state", AGENT_PROBE_FILE)]
        places += [("master", host, MASTER_PORT, "/metrics/snapshot", OPERATOR_FILE) for host in HOSTS]
        while not self._stop.wait(0.2):
            for name, host, port, path, file in places:
                try:
                    status, _ = request(host, port, path, None, self.cluster.said(file))
                except (OSError, http.client.HTTPException, ValueError):  # it is being restarted
                    continue
                self.seen[name, status] += 1

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)


@pytest.fixture(scope="module")
def cluster(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotating]:
    with private_network():
        made = Rotating(root, tmp_path_factory.mktemp("rotating"))
        made.start()
        yield made
        made.stop()


def status(cluster: Rotating, path: str, port: int, headers: Headers) -> int:
    return request(cluster.leader() if port == MASTER_PORT else HOSTS[0], port, path, None, headers)[0]


def subscribe(cluster: Rotating, headers: Headers) -> int:
    """What a framework is answered that says that it is Marathon."""
    info = {"user": USER, "name": "other", "roles": ["marathon"], "principal": MARATHON}
    connection = http.client.HTTPConnection(cluster.leader(), MASTER_PORT, timeout=10)
    body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}})
    connection.request("POST", "/api/v1/scheduler", body, {"Content-Type": "application/json", **headers})
    found = connection.getresponse().status
    connection.close()
    return found


def roll_masters(cluster: Rotating, ids: dict[str, str]) -> None:
    """The leader last."""
    leader = cluster.leader()
    for host, master in sorted(zip(HOSTS, cluster.masters, strict=True), key=lambda each: each[0] == leader):
        cluster.restart(master, Stage.REQUIRED)
        cluster.leader(other_than=host if host == leader else None)
        wait_for("both agents under their ids", lambda: cluster.agent_ids() == ids, 60)


def roll_agents(cluster: Rotating, ids: dict[str, str]) -> None:
    for agent in cluster.agents:
        cluster.restart(agent, Stage.REQUIRED)
        wait_for("both agents under their ids", lambda: cluster.agent_ids() == ids, 60)


def test_the_secrets_of_a_cluster_turn_and_no_task_is_lost(cluster: Rotating) -> None:
    ids, first, old_marathon = cluster.agent_ids(), cluster.keys, cluster.marathon()
    old = {file: cluster.said(file) for file in (OPERATOR_FILE, AGENT_PROBE_FILE)}
    framework = Framework(cluster, roles=("marathon",), user=USER, principal=MARATHON, headers=old_marathon)
    count = cluster.work / "count"
    task = framework.launch(f"while :; do echo $$ >> {count}; sleep 0.2; done", HOSTS[0])
    framework.wait_state(task, "TASK_RUNNING")
    poller = Poller(cluster)
    began = time.monotonic()
    for stage in ON_THE_WAY:
        cluster.bring(FIRST.at(stage))
        if stage is not Stage.CLIENTS:
            roll_masters(cluster, ids)
        if stage is Stage.OFFERED:
            # the leader refuses a framework with the last secret, which ends then and begins anew
            assert subscribe(cluster, old_marathon) == http.HTTPStatus.UNAUTHORIZED
            framework.prove(cluster.marathon())
        else:
            roll_agents(cluster, ids)
        wait_for("the framework's reconnection", lambda: connected(cluster, framework), 60)
        print(f"{stage.name}: {time.monotonic() - began:.1f} s")
    poller.stop()

    # nothing lost, nobody refused
    assert set(framework.states(task)) == {"TASK_STARTING", "TASK_RUNNING"}
    lines = count.read_text().split()
    wait_for("the task, which counts on", lambda: len(count.read_text().split()) > len(lines))
    assert len(set(lines)) == 1, "the task was restarted"
    # a daemon that has just begun may answer 403 (its authenticator isn't there yet) or 503 (it recovers), turn or not
    print(poller.seen)
    assert not [name for name, answer in poller.seen if answer == http.HTTPStatus.UNAUTHORIZED], poller.seen
    assert {name for name, _ in poller.seen} == {"agent", "master"}
    another = framework.launch("exec sleep 1000", "agent-two")
    framework.wait_state(another, "TASK_RUNNING")

    # the last secrets are refused, in whatever epoch they are said
    for principal in ("operator", "probe", "agent-builders"):
        for name in (principal, f"{principal}.2"):
            said = header(name, login(principal, first)[1].reveal())
            assert (name, status(cluster, "/master/state", MASTER_PORT, said)) == (name, 401)
    assert status(cluster, "/master/state", MASTER_PORT, old[OPERATOR_FILE]) == http.HTTPStatus.UNAUTHORIZED
    assert status(cluster, "/master/state", MASTER_PORT, cluster.login) == http.HTTPStatus.OK
    assert status(cluster, "/state", AGENT_PORT, old[AGENT_PROBE_FILE]) == http.HTTPStatus.UNAUTHORIZED
    assert status(cluster, "/state", AGENT_PORT, cluster.said(AGENT_PROBE_FILE)) == http.HTTPStatus.OK
    assert subscribe(cluster, old_marathon) == http.HTTPStatus.UNAUTHORIZED
    framework.close()


def test_an_agent_with_the_last_secret_is_refused_afterwards(cluster: Rotating) -> None:
    """Runs after the turn."""
    agent, turned = cluster.agents[1], cluster.keys.epochs
    assert turned.stage is Stage.REQUIRED
    ids = cluster.agent_ids()
    try:
        cluster.bring(FIRST)
        cluster.login = header(*_revealed(cluster, turned))
        restarts = agent.restarts
        cluster.restart(agent, Stage.REQUIRED)
        wait_for("the agent's end", lambda: agent.restarts > restarts + 1, 60)
        assert "refused authentication" in agent.log.read_text(errors="replace")
    finally:
        cluster.bring(turned)
        cluster.restart(agent, Stage.REQUIRED)
    wait_for("both agents under their ids", lambda: cluster.agent_ids() == ids, 60)


def _revealed(cluster: Rotating, epochs: Epochs) -> tuple[str, str]:
    principal, secret = login("operator", replace(cluster.keys, epochs=epochs))
    return principal, secret.reveal()
