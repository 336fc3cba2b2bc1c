"""A Mesos agent."""

from __future__ import annotations

import re
import shlex
from typing import Any

testinfra_hosts = ["ansible://mesos_agent"]


def test_the_service_runs_and_comes_back(host: Any) -> None:
    service = host.service("mesos-agent")
    assert service.is_running
    assert service.is_enabled
    assert service.systemd_properties["Restart"] == "always"


def test_executors_outlive_it(host: Any) -> None:
    properties = host.service("mesos-agent").systemd_properties
    assert properties["KillMode"] == "process"
    assert properties["OOMPolicy"] == "continue"


def test_nothing_individual_stands_in_its_file(host: Any, address: str) -> None:
    text = host.file("/etc/default/mesos-agent").content_string
    masters = re.search(r"^MESOS_MASTER=(.*)$", text, re.MULTILINE)
    assert masters
    assert address not in text.replace(masters.group(0), "")


def test_it_offers_what_was_configured(get: Any, address: str, variables: dict[str, Any]) -> None:
    state = get(f"http://{address}:5051/state")
    wanted = dict(part.split(":", 1) for part in variables["mesos_agent_resources"].split(";"))
    assert state["resources"]["cpus"] == float(wanted["cpus"])
    assert state["resources"]["mem"] == float(wanted["mem"])
    assert state["resources"]["disk"] == float(wanted["disk"])
    assert state["resources"]["ports"] == wanted["ports"]
    role = variables["mesos_agent_default_role"]
    assert set(state["reserved_resources"]) == (set() if role == "*" else {role})
    named = ";".join(f"{name}:{text}" for name, text in sorted(state["attributes"].items()))
    assert named == variables["mesos_agent_attributes"]


def test_its_flags_are_ours(get: Any, address: str, variables: dict[str, Any]) -> None:
    flags = get(f"http://{address}:5051/flags")["flags"]
    assert flags["recover"] == "reconnect"
    assert flags["reconfiguration_policy"] == "additive"
    assert flags["work_dir"] == "/var/lib/mesos/agent"
    assert flags["master"] == variables["mesos_zk_url"]
    for line in variables["mesos_agent_flags"]:  # those of the cluster file
        name, _, value = "".join(shlex.split(line)).partition("=")
        if value.isalnum():  # others are told in another form
            assert flags[name.removeprefix("MESOS_").lower()] == value, name


def test_it_has_registered(get: Any, address: str, eventually: Any) -> None:
    url = f"http://{address}:5051/metrics/snapshot"
    assert eventually(lambda: get(url)["slave/registered"]) == 1


def test_builds_do_not_reach_control_nodes(host: Any, variables: dict[str, Any], eventually: Any) -> None:
    """What the rules hold off beyond that is tried in molecule/jenkins/confined."""
    masters, port = variables["mesos_master_addresses"], variables["mesos_master_port"]
    knock = f"nc -z -w 3 {masters[0]} {port}"
    with host.sudo():
        assert eventually(lambda: host.run(knock).rc, 0) == 0
        as_build = host.run(f"setpriv --reuid=b-001 --regid=b-001 --clear-groups {knock}")
    assert (as_build.rc != 0) == variables["builder_confined"]


def test_a_task_gains_nothing_by_setuid_programs(host: Any, variables: dict[str, Any]) -> None:
    """Its processes inherit what binds the agent; what that does is tried in tests/hosts."""
    process = host.service("mesos-agent").systemd_properties["MainPID"]
    status = dict(line.split(":\t", 1) for line in host.check_output(f"cat /proc/{process}/status").splitlines())
    assert (status["NoNewPrivs"] == "1") == variables["clusterctl_hardened"]
