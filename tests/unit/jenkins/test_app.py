"""The app of a master: bound to its node, once, with its own ports and no secret."""

from __future__ import annotations

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.jenkins.app import app, framework_name, slot_of
from tests.unit.jenkins.specs import tier


def test_the_whole_definition() -> None:
    assert app(tier(), "alice", 7, "192.0.2.9") == {
        "id": "/jenkins/alice",
        "cmd": "exec /usr/lib/clusterctl/jenkins-start alice 7 current",
        "user": "jm-007",
        "cpus": 0.5,
        "mem": 1024,
        "instances": 1,
        "requirePorts": True,
        "portDefinitions": [
            {"port": 31012, "protocol": "tcp", "name": "http"},
            {"port": 31013, "protocol": "tcp", "name": "inbound"},
            {"port": 31994, "protocol": "tcp", "name": "libprocess"},
        ],
        "acceptedResourceRoles": ["marathon"],
        "constraints": [["hostname", "CLUSTER", "192.0.2.9"]],
        "unreachableStrategy": "disabled",
        "upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0},
        "taskKillGracePeriodSeconds": 60,
        "healthChecks": [
            {
                "protocol": "MESOS_HTTP",
                "path": "/login",
                "portIndex": 0,
                "gracePeriodSeconds": 300,
                "intervalSeconds": 30,
                "timeoutSeconds": 20,
                "maxConsecutiveFailures": 3,
            }
        ],
        "labels": {
            "MARATHON_SINGLE_INSTANCE_APP": "true",
            "clusterctl.jenkins": "alice",
            "clusterctl.jenkins.slot": "7",
            "clusterctl.cluster": "demo",
            "clusterctl.jenkins.release": "current",
        },
    }


def test_a_release_and_hibernation() -> None:
    found = app(tier(), "alice", 7, "192.0.2.9", release="2.319.3-0a1b2c3d", instances=0)
    assert found["cmd"].endswith(" alice 7 2.319.3-0a1b2c3d")
    assert found["instances"] == 0


def test_never_killed_by_its_check() -> None:
    found = app(tier({"master": {"check_failures": 0}}), "alice", 7, "192.0.2.9")
    assert found["healthChecks"][0]["maxConsecutiveFailures"] == 1_000_000


@pytest.mark.parametrize("slot", [0, 101])
def test_a_slot_beyond_the_file(slot: int) -> None:
    with pytest.raises(ClusterctlError, match=f"master alice has slot {slot}; allowed: 1 to 100"):
        app(tier(), "alice", slot, "192.0.2.9")


def test_a_release_is_a_plain_name() -> None:
    with pytest.raises(ClusterctlError, match=r"found release '\.\./x'"):
        app(tier(), "alice", 1, "192.0.2.9", release="../x")


def test_the_slot_is_read_back() -> None:
    assert slot_of(app(tier(), "alice", 7, "192.0.2.9")) == 7
    assert slot_of({"labels": {"clusterctl.jenkins.slot": "x"}}) is None
    assert slot_of({}) is None


def test_names_of_frameworks_differ() -> None:
    assert framework_name(tier({"framework_name": "ci.{name}"}), "alice") == "ci.alice"
