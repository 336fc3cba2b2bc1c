"""Mesos' checks: each rule broken once."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.health.check import Check
from clusterctl.health.facts import NodeFacts
from clusterctl.health.mesos import agent_checks, leading_master, master_checks
from tests.unit.health.clusters import agent, agents, all_facts, expect, facts, server, servers
from tests.unit.specs import demo, demo_spec


def failed(**changes: NodeFacts) -> dict[str, str]:
    checks = master_checks(expect(), all_facts(**changes)) + agent_checks(expect(), all_facts(**changes))
    return {check.name: check.detail for check in checks if not check.ok}


def with_agents(*found: dict[str, Any]) -> dict[str, str]:
    return failed(c1=facts(1, mesos_master={"agents": list(found)}))


def test_healthy() -> None:
    checks = master_checks(expect(), all_facts()) + agent_checks(expect(), all_facts())
    assert {check.name: (check.ok, check.detail) for check in checks} == {
        "mesos.masters": (True, "3 of 3 masters answer"),
        "mesos.leader": (True, "demo-control-1"),
        "mesos.redirect": (True, "all point to 10.0.0.1:5050"),
        "mesos.registrar": (True, "recovered on demo-control-1"),
        "mesos.log": (True, "3 replicas, all recovered"),
        "agents.registered": (True, "2 of 2 agents are registered and active"),
        "agents.unexpected": (True, "none"),
        "agents.attributes": (True, "as in the cluster file"),
        "agents.resources": (True, "reserved and sized as in the cluster file"),
    }


def test_nobody_is_elected() -> None:
    found = failed(c1=facts(1, mesos_master={"elected": False, "leader": None, "no_leader": "HTTP 503"}))
    assert found["mesos.leader"] == "elected: none; expected exactly one master"
    assert found["mesos.redirect"] == "no single elected master"
    assert found["agents.registered"] == "no leading master to ask"


def test_two_are_elected() -> None:
    found = failed(c2=facts(2, mesos_master={"elected": True}))
    assert found["mesos.leader"] == "elected: demo-control-1, demo-control-2; expected exactly one master"
    assert leading_master(expect(), all_facts(c2=facts(2, mesos_master={"elected": True}))) is None


@pytest.mark.parametrize(
    ("change", "saw"),
    [
        ({"leader": "10.0.0.3:5050"}, "10.0.0.3:5050"),
        ({"leader": None, "no_leader": "HTTP 503 No leader elected"}, "nobody (HTTP 503 No leader elected)"),
    ],
)
def test_a_standby_that_redirects_elsewhere(change: dict[str, Any], saw: str) -> None:
    detail = f"demo-control-2 (10.0.0.2): redirects to {saw}, expected 10.0.0.1:5050"
    assert failed(c2=facts(2, mesos_master=change)) == {"mesos.redirect": detail}


def test_registrar_and_log() -> None:
    found = failed(c1=facts(1, mesos_master={"registrar_recovered": False}))
    assert found == {"mesos.registrar": "demo-control-1 (10.0.0.1): its registrar has not recovered"}
    found = failed(c2=facts(2, mesos_master={"log_recovered": False, "ensemble_size": 2}))
    assert found == {
        "mesos.log": "demo-control-2 (10.0.0.2): its replica of the log has not recovered; "
        "demo-control-2 (10.0.0.2): sees 2 replicas, expected 3"
    }


def test_a_master_that_is_down() -> None:
    found = failed(c2=facts(2, mesos_master={"error": "connection refused"}, units={"mesos-master": "activating"}))
    detail = "demo-control-2 (10.0.0.2): connection refused (unit mesos-master is activating)"
    assert found == {"mesos.masters": detail}


def test_a_missing_agent() -> None:
    found = with_agents(agents()[0])
    assert found == {"agents.registered": "demo-builders-abc-1 (10.0.0.21): not registered at demo-control-1"}


@pytest.mark.parametrize(
    ("seen", "account"),
    [
        ({"error": "No route to host"}, "No route to host"),
        (
            {"mesos_agent": {"error": "connection refused"}, "units": {"mesos-agent": "failed"}},
            "connection refused (unit mesos-agent is failed)",
        ),
        ({"mesos_agent": {"master": None}}, "its agent runs and takes nobody for the leading master"),
    ],
)
def test_a_missing_agent_that_was_asked(seen: dict[str, Any], account: str) -> None:
    found = all_facts(c1=facts(1, mesos_master={"agents": agents()[:1]}))
    found["demo-builders-abc-1"] = NodeFacts.model_validate(seen)
    (check, *_) = agent_checks(expect(), found)
    assert check.detail == f"demo-builders-abc-1 (10.0.0.21): not registered at demo-control-1 ({account})"


@pytest.mark.parametrize(("drain", "word"), [("DRAINING", "draining"), ("DRAINED", "drained"), (None, "not active")])
def test_an_agent_that_is_not_active(drain: str | None, word: str) -> None:
    found = with_agents(agents()[0], agent("10.0.0.21", "jenkins-builder", None, active=False, drain=drain))
    assert found == {"agents.registered": f"demo-builders-abc-1 (10.0.0.21): registered, but {word}"}


def test_fewer_servers_than_wanted() -> None:
    checks = agent_checks(expect(of=servers()[:-1]), all_facts())
    found = {check.name: check.detail for check in checks if not check.ok}
    assert found == {
        "agents.registered": "1 of 2 agents have a server",
        "agents.unexpected": "agent S-10.0.0.21 at 10.0.0.21 is not a node of this cluster",
    }


def test_an_address_registered_twice() -> None:
    found = with_agents(*agents(), agent("10.0.0.21", "jenkins-builder", None, id="S-old"))
    assert found == {"agents.unexpected": "10.0.0.21 is registered more than once"}


def test_the_log_of_silent_masters_is_unknown() -> None:
    silent = {f"c{number}": facts(number, mesos_master={"error": "timed out"}) for number in (2, 3)}
    assert "1 of 3 masters report theirs" in failed(**silent)["mesos.log"]


def test_wrong_attributes() -> None:
    found = with_agents(agents()[0], agent("10.0.0.21", "other", None, attributes={"pool": "other", "rack": 1.0}))
    detail = "demo-builders-abc-1 (10.0.0.21): has attributes pool:other, rack:1, expected pool:jenkins-builder"
    assert found == {"agents.attributes": detail}


def test_an_attribute_that_reads_as_a_number_is_compared_as_the_number_that_mesos_makes_of_it() -> None:
    groups = demo()["groups"]
    groups["builders"]["attributes"] |= {"rack": "109"}
    wanted = expect(demo_spec(groups=groups))

    def attributes_of(rack: float | str) -> Check:
        builder = agent("10.0.0.21", "", None, attributes={"pool": "jenkins-builder", "rack": rack})
        seen = all_facts(c1=facts(1, mesos_master={"agents": [agents()[0], builder]}))
        return next(check for check in agent_checks(wanted, seen) if check.name == "agents.attributes")

    assert attributes_of(109.0).ok
    assert "rack:r1, expected pool:jenkins-builder, rack:109" in attributes_of("r1").detail
    assert not attributes_of(110.0).ok


def test_wrong_reservations() -> None:
    unreserved = agent("10.0.0.11", "jenkins-master", None)
    assert with_agents(unreserved, agents()[1]) == {
        "agents.resources": "demo-jenkins-abc-1 (10.0.0.11): is reserved for nobody, expected marathon"
    }
    taken = agent("10.0.0.21", "jenkins-builder", "marathon")
    assert with_agents(agents()[0], taken) == {
        "agents.resources": "demo-builders-abc-1 (10.0.0.21): has reservations for marathon, expected none"
    }
    half = agent("10.0.0.11", "jenkins-master", "marathon", unreserved={"cpus": 1.0, "mem": 0.0})
    assert with_agents(half, agents()[1]) == {
        "agents.resources": "demo-jenkins-abc-1 (10.0.0.11): offers cpus 1 unreserved, "
        "expected everything reserved for marathon"
    }


def test_wrong_sizes() -> None:
    small = agent("10.0.0.21", "jenkins-builder", None)
    small["unreserved"] |= {"mem": 1024.0, "ports": "[31000-31099]"}
    assert with_agents(agents()[0], small) == {
        "agents.resources": "demo-builders-abc-1 (10.0.0.21): has mem 1024, expected 1856; "
        "demo-builders-abc-1 (10.0.0.21): has ports [31000-31099], expected [31000-32000]"
    }


def test_many_missing_agents_are_not_all_named() -> None:
    many = [server(f"demo-builders-{n}", "builders", f"10.0.1.{n}", named=False) for n in range(20)]
    (check, *_) = agent_checks(expect(of=[*servers(), *many]), all_facts())
    assert check.detail.count("not registered") == 8
    assert check.detail.endswith("and 12 more")
