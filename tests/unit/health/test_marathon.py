"""Marathon's and Jenkins' checks: each rule broken once."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.health.facts import NodeFacts
from clusterctl.health.jenkins import jenkins_checks
from clusterctl.health.marathon import leading_marathon, marathon_checks, replaced_agents
from tests.unit.health.clusters import FRAMEWORK, agent, all_facts, expect, facts


def failed(**changes: NodeFacts) -> dict[str, str]:
    return {check.name: check.detail for check in marathon_checks(expect(), all_facts(**changes)) if not check.ok}


def with_framework(**changes: Any) -> dict[str, str]:
    framework = {"id": FRAMEWORK, "active": True, "connected": True, "roles": ["marathon"]} | changes
    return failed(c1=facts(1, mesos_master={"frameworks": [framework]}))


def test_healthy() -> None:
    assert {check.name: (check.ok, check.detail) for check in marathon_checks(expect(), all_facts())} == {
        "marathon.members": (True, "3 of 3 instances answer"),
        "marathon.leader": (True, "demo-control-2"),
        "marathon.framework": (True, "active in role marathon"),
        "marathon.deployments": (True, "none under way"),
    }


def test_deployments_are_told_but_are_no_failure() -> None:
    deployment = {"id": "d-1", "apps": ["/a"], "since": "2026-01-01T00:00:00Z", "actions": ["ScaleApplication /a"]}
    checks = marathon_checks(expect(), all_facts(c2=facts(2, marathon={"deployments": [deployment]})))
    told = "1 under way: d-1 of /a since 2026-01-01T00:00:00Z: ScaleApplication /a"
    assert (checks[-1].ok, checks[-1].detail) == (True, told)


def test_of_many_deployments_some_are_named() -> None:
    many = [{"id": f"d{number}", "apps": ["/a"]} for number in range(20)]
    checks = marathon_checks(expect(), all_facts(c2=facts(2, marathon={"deployments": many})))
    detail = checks[-1].detail
    assert detail.startswith("20 under way: d0 ")
    assert detail.endswith("; and 12 more")


def test_without_a_leader_nobody_can_tell_of_deployments() -> None:
    leaderless = {
        f"c{n}": facts(n, marathon={"leader": None, "no_leader": "HTTP 404", "framework_id": None}) for n in (1, 2, 3)
    }
    assert failed(**leaderless)["marathon.deployments"] == "no leading Marathon to ask"


def test_disagreement_about_the_leader() -> None:
    found = failed(c3=facts(3, marathon={"leader": "10.0.0.3:8080"}))
    assert "demo-control-3 (10.0.0.3): takes 10.0.0.3:8080 for the leader" in found["marathon.leader"]
    assert leading_marathon(expect(), all_facts(c3=facts(3, marathon={"leader": "10.0.0.3:8080"}))) is None


def test_a_leader_that_is_none_of_ours() -> None:
    strange = {f"c{number}": facts(number, marathon={"leader": "10.0.0.99:8080"}) for number in (1, 2, 3)}
    assert failed(**strange)["marathon.leader"].endswith("expected all to name one of the instances")


def test_no_leader() -> None:
    change = {"leader": None, "no_leader": "/v2/leader: HTTP 404", "framework_id": None}
    found = failed(**{f"c{number}": facts(number, marathon=change) for number in (1, 2, 3)})
    assert "takes nobody (/v2/leader: HTTP 404) for the leader" in found["marathon.leader"]
    assert found["marathon.framework"] == "framework ids: None; expected one and the same"


def test_an_instance_that_is_down() -> None:
    found = failed(c2=facts(2, marathon={"error": "timed out"}))
    assert found["marathon.members"] == "demo-control-2 (10.0.0.2): timed out"
    assert "marathon.leader" in found  # the others still name the dead one


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"id": "other"}, "framework f-0000 is not registered at demo-control-1"),
        ({"active": False}, "framework f-0000 is active=false, connected=true, expected both"),
        ({"connected": False}, "framework f-0000 is active=true, connected=false, expected both"),
        ({"roles": ["*"]}, "framework f-0000 has roles *; expected marathon"),
        ({"roles": []}, "framework f-0000 has roles none; expected marathon"),
    ],
)
def test_the_framework(changes: dict[str, Any], detail: str) -> None:
    assert with_framework(**changes) == {"marathon.framework": detail}


def test_two_framework_ids() -> None:
    found = failed(c3=facts(3, marathon={"framework_id": "f-0001"}))
    assert found == {"marathon.framework": "framework ids: f-0000, f-0001; expected one and the same"}


def test_no_master_to_ask() -> None:
    found = failed(c1=facts(1, mesos_master={"error": "connection refused"}))
    assert found["marathon.framework"] == "no leading Mesos master to ask"


def test_jenkins_masters_belong_on_reserved_agents() -> None:
    def placement(*hosts: str) -> list[tuple[bool, str]]:
        app = {"id": "/jenkins/ada", "instances": 1, "running": 1, "hosts": list(hosts)}
        found = all_facts(c2=facts(2, marathon={"jenkins": [app]}))
        checks = jenkins_checks(expect(), found)
        return [(check.ok, check.detail) for check in checks if check.name == "jenkins.placement"]

    assert placement("10.0.0.11") == [(True, "1 tasks of 1 apps, all on reserved agents")]
    wrong = "/jenkins/ada runs on 10.0.0.21, expected only agents reserved for marathon"
    assert placement("10.0.0.11", "10.0.0.21") == [(False, wrong)]
    assert jenkins_checks(expect(), all_facts()) == []
    unknown = all_facts(c2=facts(2, marathon={"jenkins": {"error": "HTTP 500"}}))
    assert jenkins_checks(expect(), unknown)[0].detail == "the leading Marathon does not list its apps: HTTP 500"


HERE = "10.0.0.11"  # where the agent S-10.0.0.11 is registered


def replaced(ghosts: list[dict[str, str]], **registered: Any) -> list[str]:
    changes = {"c2": facts(2, marathon={"ghosts": ghosts})}
    if registered:
        changes["c1"] = facts(1, mesos_master={"agents": [agent(HERE, "jenkins-master", "marathon", **registered)]})
    return replaced_agents(expect(), all_facts(**changes))


def test_an_agent_whose_address_another_one_has_is_replaced() -> None:
    ghosts = [{"app": "/jenkins/a", "host": HERE, "agent": "S-old"}, {"app": "/b", "host": HERE, "agent": "S-old"}]
    assert replaced(ghosts) == ["S-old"]


@pytest.mark.parametrize(
    ("ghost", "registered"),
    [
        ({"host": HERE, "agent": f"S-{HERE}"}, {}),  # it is back, and its tasks will be
        ({"host": HERE, "agent": "S-old"}, {"active": False}),  # whether the other one stays is not known
        ({"host": "10.0.0.12", "agent": "S-old"}, {}),  # a network that is down may be up again
        ({"host": HERE, "agent": ""}, {}),
    ],
)
def test_any_other_agent_may_come_back(ghost: dict[str, str], registered: dict[str, Any]) -> None:
    assert replaced([{"app": "/a", **ghost}], **registered) == []


def test_without_leaders_nobody_is_replaced() -> None:
    assert replaced_agents(expect(), {}) == []


def test_whom_the_leader_refuses_while_a_password_turns_is_no_problem_and_no_witness() -> None:
    turning = {f"c{n}": facts(n, marathon={"turning": True, "leader": None, "framework_id": None}) for n in (1, 3)}
    assert failed(**turning) == {}
    every = turning | {"c2": facts(2, marathon={"turning": True, "leader": None, "framework_id": None})}
    assert "marathon.leader" in failed(**every)
