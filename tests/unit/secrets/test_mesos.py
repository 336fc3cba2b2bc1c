"""Credentials and ACLs from the cluster file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from clusterctl.secrets.derive import Keyring
from clusterctl.secrets.epochs import FIRST
from clusterctl.secrets.mesos import (
    agent_acls,
    agent_credential,
    agent_http_credentials,
    login,
    master_acls,
    master_credentials,
    rate_limits,
)
from clusterctl.secrets.names import jenkins_principal, mesos_principals, names
from clusterctl.secrets.secret import Secret
from clusterctl.secrets.stages import Stage
from clusterctl.spec.model import ClusterSpec
from tests.unit.specs import demo_spec

KEYS = Keyring("demo", Secret("0b" * 32))
TIER = {"allow_ephemeral_homes": True, "max_masters": 2}


def tier() -> ClusterSpec:
    return demo_spec(jenkins=TIER)


def allowed(acls: dict[str, Any], action: str, principal: str, objects: str, wanted: str) -> bool:
    """As Mesos decides: the first rule that matches, else ``permissive``."""
    for rule in acls.get(action, []):
        of = rule[objects]
        if principal in rule["principals"]["values"] and (of.get("type") == "ANY" or wanted in of["values"]):
            return True
    return bool(acls["permissive"])


@pytest.mark.parametrize(
    ("action", "principal", "objects", "wanted", "expected"),
    [
        ("register_frameworks", "marathon", "roles", "marathon", True),
        ("register_frameworks", "marathon", "roles", "*", False),
        ("register_frameworks", "jenkins-001", "roles", "*", True),
        ("register_frameworks", "jenkins-001", "roles", "marathon", False),
        ("register_frameworks", "agent-builders", "roles", "*", False),
        ("register_frameworks", "operator", "roles", "*", False),
        ("run_tasks", "marathon", "users", "jm-001", True),
        ("run_tasks", "marathon", "users", "b-001", False),
        ("run_tasks", "marathon", "users", "root", False),
        ("run_tasks", "jenkins-001", "users", "b-001", True),
        ("run_tasks", "jenkins-001", "users", "b-002", False),
        ("run_tasks", "jenkins-001", "users", "jm-001", False),
        ("run_tasks", "jenkins-003", "users", "b-003", False),
        ("register_agents", "agent-builders", "agents", "any", True),
        ("register_agents", "jenkins-001", "agents", "any", False),
        ("reserve_resources", "agent-jenkins", "roles", "marathon", True),
        ("reserve_resources", "agent-jenkins", "roles", "*", True),
        ("reserve_resources", "agent-builders", "roles", "marathon", False),
        ("reserve_resources", "agent-builders", "roles", "*", True),
        ("view_tasks", "probe", "users", "b-001", True),
        ("view_tasks", "jenkins-001", "users", "b-001", False),
        ("view_flags", "probe", "flags", "", False),
        ("view_flags", "operator", "flags", "", True),
        ("drain_agents", "operator", "agents", "", True),
        ("drain_agents", "agent-jenkins", "agents", "", False),
        ("drain_agents", "probe", "agents", "", False),
        ("teardown_frameworks", "jenkins-001", "framework_principals", "jenkins-002", False),
        ("launch_standalone_containers", "operator", "users", "root", False),
    ],
)
def test_who_may_do_what(action: str, principal: str, objects: str, wanted: str, expected: bool) -> None:
    assert allowed(master_acls(tier()), action, principal, objects, wanted) is expected


def test_without_jenkins_there_are_only_marathons_apps() -> None:
    acls = master_acls(demo_spec(), ["jenkins"])
    assert acls["run_tasks"] == [{"principals": {"values": ["marathon"]}, "users": {"values": ["jenkins"]}}]
    assert len(acls["register_frameworks"]) == 1
    assert acls["permissive"] is False


def test_the_role_of_marathon_is_the_files() -> None:
    groups = demo_spec().model_dump(mode="json", exclude_unset=True)["groups"]
    groups["jenkins"]["reserve_for"] = "web"
    acls = master_acls(demo_spec(groups=groups, marathon={"role": "web"}))
    assert allowed(acls, "register_frameworks", "marathon", "roles", "web")
    assert not allowed(acls, "register_frameworks", "marathon", "roles", "marathon")
    assert allowed(acls, "reserve_resources", "agent-jenkins", "roles", "web")


def test_whoever_has_a_nodes_credential_looks_only() -> None:
    acls = agent_acls(tier(), ["jenkins"])
    assert acls["permissive"] is False
    assert {action.split("_")[0] for action in acls} - {"permissive"} == {"view", "get", "run"}
    assert acls["run_tasks"] == master_acls(tier(), ["jenkins"])["run_tasks"]
    assert not allowed(acls, "run_tasks", "node", "users", "root")


def test_everybody_has_a_secret_of_his_own() -> None:
    found = json.loads(master_credentials(tier(), KEYS).reveal())["credentials"]
    assert [entry["principal"] for entry in found] == list(mesos_principals(tier()))
    assert len({entry["secret"] for entry in found}) == len(found)
    by = {entry["principal"]: entry["secret"] for entry in found}
    assert json.loads(agent_credential("builders", KEYS).reveal()) == {
        "principal": "agent-builders",
        "secret": by["agent-builders"],
    }
    [node] = json.loads(agent_http_credentials(KEYS).reveal())["credentials"]
    assert node["principal"] == "node"
    assert node["secret"] not in by.values()


def test_in_a_turn_masters_know_everybody_but_marathon_under_two_names() -> None:
    turn = FIRST.at(Stage.OFFERED)
    found = json.loads(master_credentials(tier(), replace(KEYS, epochs=turn)).reveal())["credentials"]
    known = {entry["principal"] for entry in found}
    twice = ("jenkins-001", "jenkins-002", "agent-jenkins", "agent-builders", "operator", "probe")
    assert known == {"marathon", *twice, *(f"{who}.2" for who in twice)}
    assert len(known) == len(found)
    [(_, marathon)] = [pair for entry in found if (pair := tuple(entry.values()))[0] == "marathon"]
    assert marathon == KEYS.of("mesos/marathon", 2).reveal()
    for who in ("agent-builders", "agent-builders.2"):
        assert allowed(master_acls(tier(), epochs=turn), "register_agents", who, "agents", "")
        assert allowed(master_acls(tier(), epochs=turn), "reserve_resources", who, "roles", "*")
    for who in ("jenkins-002", "jenkins-002.2"):
        assert allowed(master_acls(tier(), epochs=turn), "register_frameworks", who, "roles", "*")
        for acls in (master_acls(tier(), epochs=turn), agent_acls(tier(), epochs=turn)):
            assert allowed(acls, "run_tasks", who, "users", "b-002")
            assert not allowed(acls, "run_tasks", who, "users", "b-001")
        assert who in [each["principal"] for each in rate_limits(tier(), turn)["limits"]]
        assert not allowed(master_acls(tier(), epochs=turn), "reserve_resources", who, "roles", "marathon")
    assert allowed(master_acls(tier(), epochs=turn), "drain_agents", "operator.2", "agents", "")
    assert not allowed(master_acls(tier(), epochs=turn), "drain_agents", "probe.2", "agents", "")
    over = master_acls(tier(), epochs=turn.over())
    assert not allowed(over, "register_agents", "agent-builders", "agents", "")
    assert allowed(over, "register_agents", "agent-builders.2", "agents", "")


def test_who_logs_in_says_his_name_of_the_epoch() -> None:
    turned = replace(KEYS, epochs=FIRST.next())
    assert login("operator", turned) == ("operator.2", KEYS.of("mesos/operator", 2))
    assert login("marathon", turned) == ("marathon", KEYS.of("mesos/marathon", 2))
    assert login("node", turned) == ("node.2", KEYS.of("mesos/agent-http", 2))
    assert json.loads(agent_credential("builders", turned).reveal())["principal"] == "agent-builders.2"


def test_the_lists_of_servers_stay_while_clients_change_over() -> None:
    """Else masters would be restarted for nothing."""
    offered, clients = (replace(KEYS, epochs=FIRST.at(stage)) for stage in (Stage.OFFERED, Stage.CLIENTS))
    assert master_credentials(tier(), offered) == master_credentials(tier(), clients)
    assert master_acls(tier(), epochs=offered.epochs) == master_acls(tier(), epochs=clients.epochs)


def test_names() -> None:
    all_names = names(tier())
    assert len(set(all_names)) == len(all_names)
    assert "mesos/jenkins-002" in all_names
    assert "mesos/jenkins-003" not in all_names
    assert len({KEYS[name].reveal() for name in all_names}) == len(all_names)
    with pytest.raises(ValueError, match="no slot 1000"):
        jenkins_principal(1000)


def test_each_tenant_has_a_share_of_messages_and_marathon_no_limit() -> None:
    assert rate_limits(tier()) == {
        "limits": [
            {"principal": "marathon"},
            {"principal": "jenkins-001", "qps": 200, "capacity": 10_000},
            {"principal": "jenkins-002", "qps": 200, "capacity": 10_000},
        ]
    }
    assert rate_limits(demo_spec()) == {"limits": [{"principal": "marathon"}]}


def test_no_limit_for_tenants() -> None:
    unlimited = demo_spec(jenkins=TIER, mesos={"tenant_qps": 0})
    assert rate_limits(unlimited)["limits"][1:] == [{"principal": "jenkins-001"}, {"principal": "jenkins-002"}]
