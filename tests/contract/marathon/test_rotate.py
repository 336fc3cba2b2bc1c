"""Marathon's password and its secret for ZooKeeper turn by the stages of `clusterctl secrets rotate`: its state stays
readable for whoever leads, and nothing is started anew."""

from __future__ import annotations

import base64
import http
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError

from clusterctl.health.expect import Node
from clusterctl.remote.prober import probe_request, probe_script
from clusterctl.remote.standardinput import sent
from clusterctl.secrets.epochs import FIRST, Epochs
from clusterctl.secrets.files import DIRECTORY
from clusterctl.secrets.marathon_files import HTTP_FILE
from clusterctl.secrets.stages import Stage
from clusterctl.secrets.zookeeper_files import MARATHON
from clusterctl.services import Service
from tests.contract.loopback import MARATHON_PORT, ask
from tests.contract.marathon.secured import SecuredCluster
from tests.contract.mesos.cluster import wait_for
from tests.contract.mesos.netns import private_network
from tests.contract.zookeeper.secured import NODE_PYTHON

pytestmark = pytest.mark.mesos

HAND_OVER = Path(__file__).parents[3] / "playbooks/files/hand_over.py"
NAMES = ("marathon/http", "zookeeper/marathon", "zookeeper/super", "zookeeper/quorum")
MEMBERS = (1, 2, 3)


class Rotating(SecuredCluster):
    """Marathons and ZooKeepers are restarted with the files of a stage."""

    def __init__(self, mesos: Path, marathon: Path, work: Path) -> None:
        self.unpacked = marathon
        super().__init__(mesos, marathon, work)

    def bring(self, epochs: Epochs) -> None:
        """What `deliver` does."""
        self.keys = self.ensemble.keys = replace(self.keys, epochs=epochs)
        self.files = self._secret_files(self.work)

    def roll_zookeepers(self) -> None:
        for n in MEMBERS:
            self.ensemble.start(n, MEMBERS)
            self.ensemble.serving(*MEMBERS)
            wait_for("a closed tree", lambda n=n: self.ensemble.close_tree(n).returncode == 0)  # type: ignore[misc]

    def restart(self, host: str) -> None:
        """A Marathon, with the files of now."""
        at = self.hosts.index(host)
        self.marathons[at].kill()
        self.marathons[at].env = self.marathon(at + 1, self.unpacked).env
        self.marathons[at].start(supervised=True)

    def log_in(self) -> None:
        """With the password of now."""
        self.login = json.loads(self.files[HTTP_FILE].read_text())
        pair = f"{self.login['principal']}:{self.login['secret']}"
        self.headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def probed(self, host: str) -> Any:
        """What the probe finds there, with the node's file."""
        asked = Node("node", "id", "control", host, (Service.MARATHON,))
        request = json.dumps(probe_request(asked, logins={Service.MARATHON: str(self.files[HTTP_FILE])}))
        return answer_of(["-I", "-S", "-", request], probe_script())["marathon"]

    def hand_over(self, host: str) -> str:
        """What the playbook does before a restart."""
        script = self.work / "hand_over.py"
        script.write_text(HAND_OVER.read_text().replace(DIRECTORY, str(self.work)))
        argv = [NODE_PYTHON, "-I", script, "marathon", f"{host}:{MARATHON_PORT}"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.strip()

    def called(self, host: str) -> Any:
        """What our calls are answered there."""
        call = {
            "address": host,
            "port": MARATHON_PORT,
            "timeout_s": 10,
            "calls": [{"method": "GET", "path": "/v2/apps"}],
        }
        script = sent("marathoncall.py", {**call, "login": str(self.files[HTTP_FILE])})
        return answer_of(script.command[1:], script.stdin)


def answer_of(argv: list[str], stdin: bytes) -> Any:
    done = subprocess.run([NODE_PYTHON, *argv], input=stdin, capture_output=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture
def cluster(mesos: Path, marathon: Path, tmp_path: Path) -> Iterator[Rotating]:
    with private_network(), Rotating(mesos, marathon, tmp_path) as made:
        assert made.ensemble.close_tree(1).returncode == 0
        made.leading_marathon()
        yield made
        made.ensemble.stop()  # those that were started anew


def app(name: str) -> dict[str, Any]:
    return {"id": f"/{name}", "cmd": "exec sleep 3600", "cpus": 0.1, "mem": 32}


def test_its_secrets_turn_and_its_tasks_go_on(cluster: Rotating) -> None:
    cluster.deploy(app("early"))
    old_login, old_pair = cluster.headers, cluster.files[MARATHON].read_text().strip()
    leader = cluster.leading_marathon()
    framework = ask(leader, "GET", "/v2/info", headers=cluster.headers).body["frameworkId"]

    cluster.bring(FIRST.at(Stage.OFFERED, *NAMES))
    cluster.roll_zookeepers()
    leader = cluster.leading_marathon()
    cluster.deploy(app("late"))  # made with the last secret after the ACLs were widened
    tasks = [cluster.tasks(f"/{name}") for name in ("early", "late")]

    cluster.bring(FIRST.at(Stage.CLIENTS, *NAMES))
    standbys = [host for host in cluster.hosts if host != leader]
    for host in standbys:
        assert cluster.hand_over(host) == f"{host}:{MARATHON_PORT} doesn't lead"
        cluster.restart(host)
        # It passes on what its leader says of the password that it takes itself; that is no failure
        wait_for(f"{host} to run", lambda host=host: cluster.probed(host).get("turning"))  # type: ignore[misc]
        assert cluster.called(host)["error"].startswith("HTTP 401")
        told = f"{host}:{MARATHON_PORT} doesn't lead, and its leader wants another password"
        assert cluster.hand_over(host) == told
        assert cluster.probed(leader)["leader"] == f"{leader}:{MARATHON_PORT}"
        assert cluster.called(leader)["answers"][0]["status"] == http.HTTPStatus.OK
    assert cluster.hand_over(leader) == f"{leader}:{MARATHON_PORT} gave up its leadership"
    cluster.restart(leader)
    cluster.log_in()
    cluster.leading_marathon(other_than=leader)
    assert [cluster.tasks(f"/{name}") for name in ("early", "late")] == tasks
    for host in cluster.hosts:
        wait_for("its framework id", lambda host=host: cluster.probed(host).get("framework_id") == framework)  # type: ignore[misc]
    cluster.roll_zookeepers()

    cluster.bring(FIRST.at(Stage.REQUIRED, *NAMES))
    cluster.roll_zookeepers()
    cluster.leading_marathon()
    cluster.deploy(app("new"))
    assert [cluster.tasks(f"/{name}") for name in ("early", "late")] == tasks
    for host in cluster.hosts:
        assert ask(host, "GET", "/ping", headers=old_login).status == http.HTTPStatus.UNAUTHORIZED
    # with the last secret nothing of its state is to be read
    known = cluster.ensemble.client(cluster.ensemble.of_super())
    paths = list(below(known, "/marathon/state"))
    known.stop()
    for name in ("early", "late", "new"):
        assert any(name in path for path in paths), paths
    last = cluster.ensemble.client(old_pair)
    for path in paths:
        with pytest.raises(NoAuthError):
            last.get(path)
    last.stop()


def below(client: KazooClient, path: str) -> Iterator[str]:
    """With the node itself."""
    yield path
    for name in client.get_children(path):
        yield from below(client, f"{path}/{name}")
