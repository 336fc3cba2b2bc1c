"""Whether confinement is really there: what is missing is a failed check that names the command which mends it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clusterctl.health.confinement import confinement_checks
from clusterctl.health.expect import Confined, Expected, expected
from clusterctl.health.facts import NodeFacts
from tests.unit.health.clusters import expect, facts, servers
from tests.unit.specs import demo, demo_spec

HELD = {"no_new_privileges": True, "filtered": True, "own_mounts": True}
AGENT = expect().agents[0].name


def must(builds: bool = True, units: bool = True, mounts: bool = True) -> Expected:
    """The demo, of which everything is to be confined."""
    found = expect()
    confined = Confined(units=units)
    agents = tuple(replace(node, confined=Confined(builds, units, mounts)) for node in found.agents)
    return replace(found, control=tuple(replace(n, confined=confined) for n in found.control), agents=agents)


def seen(expected: Expected, **nodes: dict[str, Any]) -> dict[str, tuple[bool, str]]:
    """Name -> (ok, detail), of facts by 'c1' for a control node and 'a' for the first agent."""
    known = {
        (AGENT if name == "a" else f"demo-control-{name[1]}"): NodeFacts.model_validate(
            facts(1).model_dump() | {"confinement": confinement}
        )
        for name, confinement in nodes.items()
    }
    return {each.name: (each.ok, each.detail) for each in confinement_checks(expected, known)}


def test_all_is_there() -> None:
    found = seen(must(), c1={"units": {"zookeeper": HELD}}, a={"rules": "loaded", "units": {"mesos-agent": HELD}})
    assert found == {
        "builds.confined": (True, "on the 1 agents that were asked"),
        "units.hardened": (True, "on the 2 nodes that were asked"),
    }


def test_nothing_is_judged_that_nobody_asked_for() -> None:
    assert confinement_checks(must(), {AGENT: facts(1)}) == []
    assert seen(must(builds=False, units=False), a={"rules": "missing"}) == {}


@pytest.mark.parametrize(
    ("rules", "text", "first"),
    [
        ("missing", "its rules for tenants' users are not loaded", "`clusterctl configure FILE`, then "),
        (None, "its rules for tenants' users are not loaded", ""),
        ("changed", "its rules for tenants' users are not those that were loaded", ""),
        ("stale", "its rules for tenants' users are older than its configuration", ""),
    ],
)
def test_rules_that_are_not_there(rules: str | None, text: str, first: str) -> None:
    ok, detail = seen(must(), a={"rules": rules})["builds.confined"]
    restart = f"`clusterctl restart FILE mesos_agent --only {AGENT}`"
    assert (ok, detail) == (False, f"{expect().agents[0]}: {text}; {first}{restart}")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"no_new_privileges": False}, "may gain privileges"),
        ({"filtered": False}, "may make any system call"),
        ({"own_mounts": False}, "sees the node's whole file system writable"),
    ],
)
def test_processes_with_too_many_rights(changes: dict[str, bool], text: str) -> None:
    ok, detail = seen(must(), c2={"units": {"zookeeper": HELD, "mesos-master": HELD | changes}})["units.hardened"]
    assert not ok
    assert detail == (
        f"demo-control-2 (10.0.0.2): mesos-master {text}; `clusterctl configure FILE`, then `clusterctl restart FILE "
        "mesos_master --only demo-control-2`"
    )


def test_a_unit_that_mounts_itself_has_no_mounts_of_its_own() -> None:
    loose = {"rules": "loaded", "units": {"mesos-agent": HELD | {"own_mounts": False}}}
    assert not seen(must(), a=loose)["units.hardened"][0]
    assert seen(must(mounts=False), a=loose)["units.hardened"][0]


def test_what_can_not_be_looked_at_does_not_hold() -> None:
    found = seen(must(), a={"error": "permission denied"})
    assert [ok for ok, _ in found.values()] == [False, False]
    assert "can't be looked at: permission denied" in found["builds.confined"][1]


def test_what_the_file_says_is_expected() -> None:
    groups = demo()["groups"]
    groups["builders"] |= {"settings": {"mesos_agent_launcher": "linux"}}

    def confined(**more: Any) -> dict[str, Confined]:
        found = expected(demo_spec(**more), servers(), ())
        return {node.group: node.confined for node in (*found.control, *found.agents)}

    assert confined(groups=groups, security={"require": ["builds", "units"]}) == {
        "control": Confined(builds=False, units=True),
        "jenkins": Confined(builds=True, units=True),
        "builders": Confined(builds=True, units=True, mounts=False),
    }
    assert set(confined(security={"insecure": "all"}).values()) == {Confined()}
