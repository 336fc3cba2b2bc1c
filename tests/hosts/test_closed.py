"""A cluster with ZooKeeper, Mesos and Marathon closed: nodes wait for their secrets, then systemd starts all."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clusterctl.health.expect import Node
from clusterctl.ops.secure.rotate import ROLLED
from clusterctl.remote.prober import probe_request, probe_script
from clusterctl.remote.standardinput import sent
from clusterctl.render.userdata import user_data
from clusterctl.secrets.derive import Keyring, new_key
from clusterctl.secrets.epochs import FIRST
from clusterctl.secrets.files import SecretFile
from clusterctl.secrets.logins import probe_logins
from clusterctl.secrets.mesos import login
from clusterctl.secrets.names import names
from clusterctl.secrets.nodes import credentials_for
from clusterctl.secrets.stages import ON_THE_WAY, Stage
from clusterctl.services import UNITS as UNITS_OF
from clusterctl.services import Service
from clusterctl.ssh.console import BootState
from clusterctl.topology import Addresses
from lab.hosts import nodes as test_nodes
from tests.attacks.judge import unexpected
from tests.attacks.positions import ends, plan, program
from tests.attacks.table import BUILD, Attack, Place, Scene
from tests.contract.mesos.cluster import wait_for

from .conftest import LABHOST, NONCE, ROOT, Lab

pytestmark = pytest.mark.hosts

UNITS = ("zookeeper", "zookeeper-tree", "mesos-master", "marathon")


class Closed:
    """One control node and one builder, booted, with their secrets."""

    def __init__(self, lab: Lab, file: Path) -> None:
        self.lab = lab
        self.cluster = test_nodes.cluster(file)
        self.keys = Keyring(self.cluster.spec.cluster, new_key())
        self.control, _, self.builder = self.cluster.nodes

    def boot(self) -> None:
        for node in (self.control, self.builder):
            data = user_data(node.services, self.cluster.all_variables(node), "embedded", NONCE)
            assert not [name for name in names(self.cluster.spec) if self.keys[name].reveal().encode() in data]
            self.lab.boot(node.name, node.address, data)

    def files(self, node: test_nodes.Node) -> list[SecretFile]:
        place = self.control.address
        at = Addresses(((1, place),), (place,), (place,))
        return credentials_for(self.cluster.spec, node.group, self.keys, at)

    def deliver(self, node: test_nodes.Node) -> Any:
        """As ``ops.kit.credentials`` does it, but for ssh."""
        fields = [
            {"path": f.path, "text": f.content.reveal(), "owner": f.owner, "group": f.group, "mode": f.mode}
            for f in self.files(node)
        ]
        return self.send(node, sent("place.py", {"files": fields}).command, sent("place.py", {"files": fields}).stdin)

    def send(self, node: test_nodes.Node, argv: list[str], stdin: bytes) -> Any:
        done = subprocess.run(
            [LABHOST, "sh", self.lab.name, node.name, *argv], input=stdin, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def sh(self, node: test_nodes.Node, command: str) -> str:
        return self.lab.run(node.name, "sh", "-c", command).stdout.strip()

    def probe(self, node: test_nodes.Node) -> dict[str, Any]:
        asked = Node(node.name, "id", node.group, node.address, node.services)
        request = json.dumps(probe_request(asked, logins=probe_logins(self.cluster.spec)))
        found: dict[str, Any] = self.send(node, ["python3", "-I", "-S", "-", request], probe_script())
        return found


@pytest.fixture(scope="module")
def closed(new_lab: Callable[[str], Lab], tmp_path_factory: pytest.TempPathFactory) -> Closed:
    text = re.sub("(?m)^security:.*\n", "", (ROOT / "molecule/shared/one.yml").read_text())
    file = tmp_path_factory.mktemp("closed") / "one.yml"
    file.write_text(f"{text}security: {{insecure: network}}\n")
    made = Closed(new_lab("closed"), file)
    made.boot()
    for node in (made.control, made.builder):
        wait_for(f"{node.name} to wait", lambda node=node: waits(made, node), 240)  # type: ignore[misc]
    assert made.sh(made.control, "systemctl is-active zookeeper mesos-master marathon").split() == ["inactive"] * 3
    for node in (made.control, made.builder):
        answer = made.deliver(node)
        assert "error" not in answer, answer
    reports = made.lab.reports([made.control.name, made.builder.name])
    assert {report.state for report in reports.values()} == {BootState.DONE}, reports
    return made


def waits(closed: Closed, node: test_nodes.Node) -> bool:
    return closed.sh(node, "systemctl is-active clusterctl-secrets") == "activating"


def healthy(closed: Closed) -> None:
    """Waits for it."""

    def seen() -> bool:
        found = closed.probe(closed.control)
        return (
            found["zookeeper"].get("closed") is True
            and found["mesos_master"].get("elected") is True
            and [agent["active"] for agent in found["mesos_master"].get("agents", [])] == [True]
            and any(each["connected"] for each in found["mesos_master"]["frameworks"])
            and bool(found["marathon"].get("framework_id"))
        )

    try:
        wait_for("a healthy node", seen, 120)
    except AssertionError as error:
        states = closed.sh(closed.control, f"systemctl status --no-pager -n 8 {' '.join(UNITS)}")
        raise AssertionError(f"{error}\n{closed.probe(closed.control)}\n{states}") from None


def test_everything_serves_and_the_tree_is_closed(closed: Closed) -> None:
    healthy(closed)
    assert closed.probe(closed.builder)["mesos_agent"]["registered"] is True
    assert closed.sh(closed.control, f"systemctl is-active {' '.join(UNITS)}").split() == ["active"] * 4
    assert closed.sh(closed.control, "/usr/lib/clusterctl/config-digest pending") == ""


def test_strangers_are_refused_and_operators_are_not(closed: Closed) -> None:
    asked = (
        "import http.client as h\n"
        f"c = h.HTTPConnection('{closed.control.address}', 8080)\n"
        "c.request('GET', '/v2/info')\nprint(c.getresponse().status)\n"
    )
    assert closed.sh(closed.control, f"/usr/bin/python3 -c {shlex.quote(asked)}") == "401"
    attempt = (
        "from kazoo.client import KazooClient as C; import kazoo.exceptions as e\n"
        f"c = C('{closed.control.address}:2181'); c.start()\n"
        "try: c.create('/mesos/x')\nexcept e.NoAuthError: print('refused')\nc.stop()\n"
    )
    assert closed.sh(closed.builder, f"/usr/bin/python3 -c {shlex.quote(attempt)}") == "refused"


def test_no_secret_is_where_others_can_read_it(closed: Closed) -> None:
    argv = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null"
    world = "find / -xdev -type f -perm -004 -newer /etc/clusterctl/secrets/complete -size -2048k 2>/dev/null"
    for node in (closed.control, closed.builder):
        told = {
            "journal": closed.sh(node, "journalctl --no-pager --output=cat"),
            "argv": closed.sh(node, argv),
            "systemctl show": closed.sh(node, "systemctl show '*'"),
            "console": closed.lab.console_text(node.name),
            "configuration": closed.sh(node, "cat /etc/default/* /etc/zookeeper/* /etc/systemd/system/*.service"),
            "files of today": closed.sh(node, f"{world} | xargs -r cat 2>/dev/null | tr -cd '[:print:]\\n'"),
        }
        assert "zookeeper" in told["argv"] or node is closed.builder
        for name in names(closed.cluster.spec):
            secret = closed.keys[name].reveal()
            assert not [where for where, text in told.items() if secret in text], (node.name, name)
        assert not [where for where, text in told.items() if closed.keys.key.reveal() in text]
        others = closed.sh(node, "find /etc/clusterctl/secrets -type f -perm /007")
        assert others == ""


def test_units_come_back_with_what_is_on_the_disk(closed: Closed) -> None:
    assert closed.sh(closed.control, "systemctl restart zookeeper && echo restarted") == "restarted"
    test_everything_serves_and_the_tree_is_closed(closed)


# Those of tests/attacks that a build can make without a third node
OF_A_BUILD = {
    *("container on its own agent", "forged task on its own agent", "flags of its agent", "flags of the masters"),
    *("framework in Marathon's role", "framework in role *", "framework as root", "write of the masters' log"),
    *("framework with a borrowed principal", "rogue agent with a stolen reservation"),
    *("ZooKeeper: create", "ZooKeeper: delete", "ZooKeeper: setAcl", "ZooKeeper: read"),
    *("Marathon: apps", "Marathon: an app as root", "SSH of a control node", "SSH of its own node"),
    *("its agent's API for executors", "user-data", "config drive", "console nonce"),
    *("secrets' names", "its agent's credential", "journal"),
}


def attacks_as(closed: Closed, node: test_nodes.Node, user: str, attacks: Sequence[Attack]) -> dict[str, str]:
    """Runs them as a user of a node; what ended otherwise than ``tests/attacks/table.py`` says."""
    latest = closed.sh(closed.builder, "readlink -f /var/lib/mesos/agent/meta/slaves/latest")
    own = Place(closed.builder.name, closed.builder.address, latest.rpartition("/")[2])
    at = closed.control.address
    scene = Scene((at,), at, at, at, own, own, own, 1, "/", 1, 1, 1, "eth0", "/bin/true")
    text = program(plan(attacks, scene, closed=True))
    become = ["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups"]
    told = closed.lab.run(node.name, *become, "sh", "-c", f"cd /tmp\n{text}")
    return unexpected(attacks, ends(told.stdout), closed=True) or ({"stderr": told.stderr} if told.returncode else {})


def test_attacks_of_a_builds_user_are_denied_as_the_table_says(closed: Closed) -> None:
    attacks = [attack for attack in BUILD if attack.name in OF_A_BUILD]
    assert len(attacks) == len(OF_A_BUILD)
    assert attacks_as(closed, closed.builder, "b-001", attacks) == {}


# What runs with older files when a stage's are there; then it is restarted, in this order
PENDING: dict[Stage, tuple[list[str], list[str]]] = {
    # agents know both principals of a Jenkins master first
    Stage.OFFERED: (["marathon", "mesos-master", "zookeeper"], ["mesos-agent"]),
    Stage.CLIENTS: (["marathon", "zookeeper"], ["mesos-agent"]),
    Stage.REQUIRED: (["mesos-master", "zookeeper"], ["mesos-agent"]),
}
ASKS = """\
import base64, http.client, json, sys
said = json.load(sys.stdin)
for port, path, pair in said:
    connection = http.client.HTTPConnection("{address}", port, timeout=10)
    login = "Basic " + base64.b64encode(pair.encode()).decode()
    connection.request("GET", path, headers={{"Authorization": login}})
    print(connection.getresponse().status)
"""


def test_secrets_turn_by_stages(closed: Closed) -> None:
    """Of `secrets rotate`, with the units' own account of what has to be restarted. The last test: others' keys go."""
    first = closed.keys
    framework = closed.probe(closed.control)["marathon"]["framework_id"]
    for stage in ON_THE_WAY:
        closed.keys = replace(first, epochs=FIRST.at(stage))
        for node, pending in zip((closed.control, closed.builder), PENDING[stage], strict=True):
            assert "error" not in closed.deliver(node)
            told = closed.sh(node, "/usr/lib/clusterctl/config-digest pending")
            assert sorted(unit.removesuffix(".service") for unit in told.split()) == pending, stage
        for service in ROLLED[stage]:
            node = closed.builder if service is Service.MESOS_AGENT else closed.control
            if UNITS_OF[service] in PENDING[stage][node is closed.builder]:
                closed.sh(node, f"systemctl restart {UNITS_OF[service]}")
                healthy(closed)
    assert closed.probe(closed.control)["marathon"]["framework_id"] == framework
    assert closed.sh(closed.control, "/usr/lib/clusterctl/config-digest pending") == ""
    asked = []
    for epochs in (FIRST, FIRST.next()):
        keys = replace(first, epochs=epochs)
        operator, secret = login("operator", keys)
        asked += [
            (5050, "/master/state", f"{operator}:{secret.reveal()}"),
            (8080, "/v2/info", f"clusterctl:{keys['marathon/http'].reveal()}"),
        ]
    code = ASKS.format(address=closed.control.address)
    done = subprocess.run(
        [LABHOST, "sh", closed.lab.name, closed.control.name, "/usr/bin/python3", "-c", code],
        input=json.dumps(asked).encode(),
        capture_output=True,
        check=False,
    )
    assert (done.stdout.decode().split(), done.stderr) == (["401", "401", "200", "200"], b"")
