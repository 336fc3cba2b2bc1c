"""What tenants' users reach from their node, tried as they; root tries the same, so that each thing is there to reach.

Slot 1 has HTTP and inbound ports 31000 and 31001, slot 7 has 31012 and 31013; their libprocess ports are 32000 and
31994 (docs/jenkins.md).
"""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from clusterctl.remote.prober import CONFINE, RULES_RECORD, probe_script

testinfra_hosts = ["ansible://one-jenkins-1"]

JENKINS, BUILDERS, CONTROL = "10.99.0.12", "10.99.0.13", "10.99.0.11"
METADATA = ("169.254.169.254", "fe80::a9fe:a9fe%eth0")
OUTSIDE = "198.51.100.9"
OWN = ("127.0.0.1", "::1")
# Prints those of the targets, HOST PORT each, that can be connected to
TRY = """
import json, socket, sys
def open_(host, port):
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
    except OSError:
        return False
    return True
targets = json.loads(sys.argv[1])
print(json.dumps([target for target in targets if open_(*target)]))
"""

Target = tuple[str, int]
Reached = Callable[[str, list[Target]], set[Target]]


@pytest.fixture
def reached(host: Any) -> Reached:
    """Which of the targets a user reaches from the host; all of them are there, as root sees."""

    def ask(user: str, targets: list[Target]) -> set[Target]:
        def of(who: str) -> set[Target]:
            command = f"python3 -c {shlex.quote(TRY)} {shlex.quote(json.dumps(targets))}"
            found = host.check_output(f"setpriv --reuid={who} --regid={who} --clear-groups {command}")
            return {(where, port) for where, port in json.loads(found)}

        assert of("root") == set(targets)
        return of(user)

    return ask


@pytest.mark.parametrize("user", ["b-001", "jm-007", "jenkins"])
def test_metadata_services_are_closed(user: str, reached: Reached) -> None:
    assert reached(user, [(METADATA[0], 80), (METADATA[1], 80), ("::ffff:169.254.169.254", 80)]) == set()


@pytest.mark.parametrize("user", ["b-001", "jenkins"])
def test_builds_reach_no_control_node(user: str, reached: Reached) -> None:
    targets = [(CONTROL, port) for port in (22, 80, 2181, 5050, 8080, 31500)]
    assert reached(user, [*targets, (f"::ffff:{CONTROL}", 5050)]) == set()


def test_masters_reach_what_frameworks_need_there(reached: Reached) -> None:
    targets = [(CONTROL, port) for port in (22, 80, 2181, 5050, 5051, 8080, 31500)]
    assert reached("jm-007", targets) == {(CONTROL, 2181), (CONTROL, 5050)}


@pytest.mark.parametrize("user", ["b-001", "jm-007", "jenkins"])
def test_only_the_own_agent_can_be_reached(user: str, reached: Reached) -> None:
    targets = [(JENKINS, 5051), (BUILDERS, 5051), (OUTSIDE, 5051)]
    assert reached(user, targets) == {(JENKINS, 5051)}


@pytest.mark.parametrize("user", ["b-001", "jm-007", "jenkins"])
def test_no_node_can_be_entered(user: str, reached: Reached) -> None:
    inside = [(where, 22) for where in (JENKINS, BUILDERS, *OWN)]
    # git by SSH, from elsewhere
    assert reached(user, [*inside, (OUTSIDE, 22)]) == {(OUTSIDE, 22)}


@pytest.mark.parametrize("where", [JENKINS, BUILDERS])
def test_builds_reach_their_own_master_and_no_other(where: str, reached: Reached) -> None:
    """By ports: whatever node hosts it."""
    targets = [(where, port) for port in (31000, 31001, 31012, 31013, 31994, 32000)]
    assert reached("b-001", targets) == {(where, 31000), (where, 31001)}
    assert reached("b-007", targets) == {(where, 31012), (where, 31013)}


def test_a_master_reaches_no_other(reached: Reached) -> None:
    targets = [(where, port) for where in (JENKINS, BUILDERS, *OWN) for port in (31000, 31001, 32000)]
    assert reached("jm-007", targets) == set()
    assert reached("jm-001", targets) >= {(JENKINS, 31000), ("127.0.0.1", 31000), (JENKINS, 32000)}


@pytest.mark.parametrize("user", ["b-001", "jm-007", "jenkins"])
def test_the_rest_is_open(user: str, reached: Reached) -> None:
    targets = [(OUTSIDE, 80), (BUILDERS, 80), ("127.0.0.1", 80), ("::1", 8080)]
    assert reached(user, targets) == set(targets)


def test_rules_are_replaced_as_a_whole(host: Any) -> None:
    with host.sudo():
        before = host.check_output("nft --stateless list table inet clusterctl")
        host.check_output("/usr/lib/clusterctl/confine")
        assert host.check_output("nft --stateless list table inet clusterctl") == before


def test_the_probe_tells_of_rules_that_are_not_as_they_were_loaded(host: Any) -> None:
    request = {"rules": RULES_RECORD, "confine": CONFINE, "units": []}
    text = base64.b64encode(probe_script()).decode()
    asked = {"address": JENKINS, "timeout_s": 1, "boot_file": "/x", "ports": {}, "units": {}, "confinement": request}
    command = f"echo {text} | base64 -d | python3 -I -S - {shlex.quote(json.dumps(asked))}"

    def seen() -> str:
        return str(json.loads(host.check_output(command))["confinement"]["rules"])

    with host.sudo():
        try:
            found = [seen()]
            for change in ("flush chain inet clusterctl tenants", "delete table inet clusterctl"):
                host.check_output(f"nft {change}")
                found.append(seen())
        finally:
            host.check_output(CONFINE)
        assert [*found, seen()] == ["loaded", "changed", "missing", "loaded"]


def test_builds_can_be_held_to_a_list(host: Any, reached: Reached) -> None:
    """``security: {builds: {egress: [198.51.100.0/24, ...]}}``."""
    host.check_output("/root/confine-strict")
    try:
        targets = [(OUTSIDE, 80), (OUTSIDE, 5051), (BUILDERS, 80), (BUILDERS, 31000), ("127.0.0.1", 80)]
        assert reached("b-001", targets) == {(OUTSIDE, 80), (BUILDERS, 31000), ("127.0.0.1", 80)}
        assert reached("jm-007", [(OUTSIDE, 80), (BUILDERS, 80)]) == {(OUTSIDE, 80), (BUILDERS, 80)}
        assert reached("b-001", [(METADATA[0], 80), (CONTROL, 5050)]) == set()
    finally:
        host.check_output("/usr/lib/clusterctl/confine")
