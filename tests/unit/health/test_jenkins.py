"""The checks of the Jenkins tier, on what Marathon and the nodes tell."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.health.expect import Expected, expected
from clusterctl.health.facts import NodeFacts
from clusterctl.health.jenkins import jenkins_checks
from tests.unit.health.clusters import FLAVORS, all_facts, facts
from tests.unit.ops.jenkins.world import jenkins_servers, jenkins_spec

HOMES = {"free_mib": 5000, "size_mib": 10000}


def app(name: str, slot: int, bound: str = "10.0.0.11", **changes: Any) -> dict[str, Any]:
    return {
        "id": f"/jenkins/{name}",
        "name": name,
        "slot": slot,
        "bound": bound,
        "instances": 1,
        "running": 1,
        "hosts": [bound],
        **changes,
    }


def home(name: str, slot: int | None, login: int = 200) -> dict[str, Any]:
    return {"name": name, "slot": slot, "login": login}


def node(*homes: dict[str, Any], **changes: Any) -> NodeFacts:
    return NodeFacts.model_validate({"boot": {"state": "done"}, "homes": HOMES | {"homes": homes} | changes})


def judged(
    apps: Any, first: NodeFacts | None, second: NodeFacts | None = None, expect: Expected | None = None, **master: Any
) -> dict[str, tuple[bool, str]]:
    found = all_facts(c2=facts(2, marathon={"jenkins": apps}), c1=facts(1, mesos_master=master))
    found |= {name: each for name, each in (("demo-jenkins-1", first), ("demo-jenkins-2", second)) if each}
    expect = expect or expected(jenkins_spec(), jenkins_servers(), FLAVORS)
    return {each.name: (each.ok, each.detail) for each in jenkins_checks(expect, found)}


GOOD = [app("alice", 1), app("bob", 2, "10.0.0.12")]


def test_all_is_well() -> None:
    assert judged(GOOD, node(home("alice", 1)), node(home("bob", 2))) == {
        "jenkins.placement": (True, "2 tasks of 2 apps, all on reserved agents"),
        "jenkins.masters": (True, "2 run"),
        "jenkins.homes": (True, "2 homes"),
        "jenkins.volumes": (True, "2 with more than 10% free"),
    }


def test_nothing_is_said_of_nodes_that_were_not_asked() -> None:
    assert list(judged(GOOD, None)) == ["jenkins.placement", "jenkins.masters"]
    assert judged([], None) == {}


def test_hibernating_masters_and_kept_homes_are_fine() -> None:
    asleep = app("alice", 1, instances=0, running=0, hosts=[])
    found = judged([asleep, GOOD[1]], node(home("alice", 1, 0), home("carol", 3, 0)), node(home("bob", 2)))
    assert found["jenkins.masters"] == (True, "1 run, 1 hibernate")
    assert found["jenkins.homes"] == (True, "3 homes; kept without an app: carol")


@pytest.mark.parametrize(
    ("apps", "first", "check", "detail"),
    [
        (
            [app("alice", 1, hosts=["10.0.0.12"])],
            node(home("alice", 1)),
            "jenkins.placement",
            "/jenkins/alice runs on 10.0.0.12, expected 10.0.0.11, where its home is",
        ),
        (
            [app("alice", 1, running=0, hosts=[])],
            node(home("alice", 1, 0)),
            "jenkins.masters",
            "/jenkins/alice has no running task",
        ),
        (
            [app("alice", 1)],
            node(home("alice", 1, 503)),
            "jenkins.masters",
            "/jenkins/alice: /login on demo-jenkins-1 (10.0.0.11): HTTP 503, expected 200",
        ),
        (
            [app("alice", 1)],
            node(home("alice", 1, 0)),
            "jenkins.masters",
            "/jenkins/alice: /login on demo-jenkins-1 (10.0.0.11): no answer, expected 200",
        ),
        ([app("alice", 1)], node(), "jenkins.homes", "/jenkins/alice has no home on 10.0.0.11"),
        (
            [app("alice", 1)],
            node(home("alice", 1), home("x", None)),
            "jenkins.homes",
            "x on demo-jenkins-1 does not belong to a master's user",
        ),
        (
            [app("alice", 1), app("bob", 1)],
            node(home("alice", 1), home("bob", 2)),
            "jenkins.homes",
            "slot 1 is of alice and bob",
        ),
        (
            [app("alice", 1)],
            node(home("alice", 1), free_mib=900),
            "jenkins.volumes",
            "demo-jenkins-1 (10.0.0.11): 900 of 10000 MiB free, expected 10% "
            "(`clusterctl jenkins prune FILE --all` deletes homes that were set aside)",
        ),
        (
            [app("alice", 1)],
            node(error="no such file or directory"),
            "jenkins.homes",
            "demo-jenkins-1 (10.0.0.11): no such file or directory",
        ),
    ],
)
def test_what_is_wrong_is_told(apps: Any, first: NodeFacts, check: str, detail: str) -> None:
    found = judged(apps, first)
    assert found[check] == (False, detail)
    assert [name for name, (ok, _) in found.items() if not ok] == [check]


def test_one_name_on_two_nodes() -> None:
    found = judged([app("alice", 1)], node(home("alice", 1)), node(home("alice", 1, 0)))
    assert found["jenkins.homes"] == (False, "alice has homes on demo-jenkins-1 and demo-jenkins-2")


def test_masters_that_are_always_registered_must_be() -> None:
    always = expected(jenkins_spec(registration="always"), jenkins_servers(), FLAVORS)
    frameworks = [{"id": "f1", "name": "jenkins-alice", "active": True}]
    nodes = (node(home("alice", 1)), node(home("bob", 2)))
    found = judged(GOOD, *nodes, expect=always, frameworks=frameworks)
    assert found["jenkins.frameworks"] == (
        False,
        "/jenkins/bob runs, and its framework jenkins-bob is not registered",
    )
    frameworks.append({"id": "f2", "name": "jenkins-bob", "active": True})
    assert judged(GOOD, *nodes, expect=always, frameworks=frameworks)["jenkins.frameworks"] == (True, "2 registered")
    # 2.x registers at the first build
    later = expected(jenkins_spec(registration="always", plugin="2.x", checkpoint=False), jenkins_servers(), FLAVORS)
    assert "jenkins.frameworks" not in judged(GOOD, *nodes, expect=later)
