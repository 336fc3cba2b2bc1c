"""The attacks on a cluster of the default: each is denied, for the reason that ``table`` names."""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import labkit
import openstack
import pytest

from tests.attacks import search
from tests.attacks.judge import unexpected
from tests.attacks.positions import plan
from tests.attacks.scene import CLOSED, PORTS, Attacked, attack_file, attacked, scan
from tests.attacks.table import BUILD, CONTROL, DEVELOPER, LATE, ROOTED
from tests.e2e.cluster import eventually

pytestmark = pytest.mark.e2e
OPERATOR = "10.51.0.1/32"


@pytest.fixture(scope="module")
def made(container_image: dict[str, Any]) -> Iterator[Attacked]:
    with attacked(attack_file("attacks", CLOSED, os.environ["LAB_GATEWAY"])) as found:
        yield found


def test_a_build_gets_nowhere(made: Attacked) -> None:
    ends = made.positions.build("attacks", plan(BUILD, made.scene, closed=True))
    assert unexpected(BUILD, ends, closed=True) == {}


def test_a_developer_stays_within_his_master(made: Attacked) -> None:
    ends = made.positions.developer(plan(DEVELOPER, made.scene, closed=True), made.scene.masters.name)
    assert unexpected(DEVELOPER, ends, closed=True) == {}


def test_a_build_that_is_root_stays_on_its_node(made: Attacked) -> None:
    ends = made.positions.rooted(plan(ROOTED, made.scene, closed=True), made.scene.own.name)
    assert unexpected(ROOTED, ends, closed=True) == {}
    told = made.everywhere("journalctl --no-pager --output=cat --unit=mesos-master | grep rogue || true")
    assert "(rogue): Not authorized to register agent providing resources" in "".join(told.values())


def test_what_is_behind_the_network_asks_who_one_is(made: Attacked) -> None:
    ends = made.positions.on_control(plan(CONTROL, made.scene, closed=True), made.control[1])
    assert unexpected(CONTROL, ends, closed=True) == {}
    # the same call as the operator, who has the password
    assert "apps" in made.cluster.marathon("GET", "/v2/apps")


def test_nothing_of_it_had_an_effect(made: Attacked) -> None:
    told = made.everywhere("ls /var/tmp | grep attack- || true")
    assert {name: text for name, text in told.items() if text} == {}
    agents = made.cluster.agents()
    places = (made.scene.own, made.scene.other, made.scene.masters)
    assert {place.address: place.agent_id for place in places} == agents
    apps = [app["id"] for app in made.cluster.marathon("GET", "/v2/apps")["apps"]]
    assert not [app for app in apps if app.startswith("/a")], apps
    assert made.lives(made.scene.victim)


def test_a_forged_line_of_the_console_deceives_nobody(made: Attacked, tmp_path: Path) -> None:
    """A build can't write there (``user name space``); root of a builder can and knows the nonce, but comes late."""
    node = made.scene.own.name
    forged = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))).decode()
    line = f"hostkey ssh-ed25519 {forged}"
    script = f'echo "clusterctl $(cat /var/lib/clusterctl/console): {line}" > /dev/console'
    made.cluster.on(node, f"sudo sh -c {shlex.quote(script)}")
    cloud = openstack.connect(cloud=os.environ.get("OS_CLOUD", "lab"))
    [server] = [server for server in cloud.compute.servers() if server.name == node]
    eventually(
        "the console shows the forged line",
        lambda: str(cloud.compute.get_server_console_output(server)),
        lambda text: forged in text,
    )
    # an operator who never saw the node, so without a pinned key
    fresh = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [labkit.PROGRAM, "ssh", made.cluster.file, node, "--", "hostname"],
        env=fresh,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, node), done.stderr
    known = "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
    assert "ssh-ed25519" in known
    assert forged not in known


def test_a_stranger_sees_ssh_and_after_it_is_narrowed_nothing(made: Attacked) -> None:
    addresses = [node["address"] for node in made.nodes.values()]
    ssh = {(at, 22) for at in addresses}
    assert scan(addresses) == ssh
    spec = json.loads(made.cluster.file.read_text())
    spec["access"]["ssh_from"] = [OPERATOR]
    made.cluster.file.write_text(json.dumps(spec, indent=1))
    assert made.cluster.create()["healthy"]
    # Neutron's agents change their tables some seconds after the rule went
    eventually("strangers reach nothing", lambda: scan(addresses), lambda found: not found, within_s=60)
    assert scan(addresses, stranger=False) == ssh
    assert len(PORTS) > 1


def test_no_secret_is_anywhere_else(made: Attacked, container_image: dict[str, Any], tmp_path: Path) -> None:
    secrets = search.needles(made)
    found = {}
    seen = 0
    for name, text in search.places(made):
        assert text, name
        seen += 1
        if held := search.told_in(text, secrets):
            found[name] = held
    assert found == {}
    assert seen > 5 * len(made.nodes)
    assert search.in_image(container_image["name"], secrets) == 0


def test_nor_in_a_backup_or_on_the_operators_machine(made: Attacked, tmp_path: Path) -> None:
    secrets = search.needles(made)
    directory = Path(labkit.clusterctl("backup", made.cluster.file)["directory"])
    assert search.in_files(directory, secrets) == {}
    # a home is whole: its own password for Mesos is in it, and nobody else's
    made.tier.clusterctl("backup", "dev-001", "--force", "--directory", str(tmp_path))
    held = search.in_files(tmp_path, secrets)
    assert set().union(*held.values()) <= {"mesos/jenkins-001", "login jenkins-001"}, held
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "clusterctl"
    assert search.in_files(cache, secrets) == {}


@pytest.mark.operate
def test_what_was_connected_when_ssh_was_narrowed_is_so_still(made: Attacked) -> None:
    """Neutron's agents forget all connections of a rule's protocol with the rule. A build hears of its master again."""
    before = made.connection()
    heard = eventually("a build hears of its master", made.connection, lambda now: now != before, within_s=150)
    assert heard[0] == before[0] != "", "it is the same connection"
    assert made.lives(made.scene.victim)


@pytest.mark.operate
def test_a_build_fills_its_node_and_stops_nothing_else(made: Attacked) -> None:
    assert made.lives(made.scene.victim), "it was gone before"
    restarts = "systemctl show --property=NRestarts,ActiveState mesos-agent"
    before = made.cluster.on(made.scene.own.name, restarts)
    ends = made.positions.build("late", plan(LATE, made.scene, closed=True))
    assert unexpected(LATE, ends, closed=True) == {}
    assert made.cluster.on(made.scene.own.name, restarts) == before
    assert made.lives(made.scene.victim), "another tenant's build goes on"
    assert made.cluster.verify()["healthy"]
    assert set(made.cluster.agents()) == {
        place.address for place in (made.scene.own, made.scene.other, made.scene.masters)
    }
