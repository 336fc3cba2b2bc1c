"""A Mesos master."""

from __future__ import annotations

import shlex
from typing import Any

testinfra_hosts = ["ansible://mesos_master"]


def test_the_service_runs_and_comes_back(host: Any, eventually: Any) -> None:
    service = host.service("mesos-master")
    # it ends itself when it loses ZooKeeper or its leadership, and systemd starts it again
    assert eventually(lambda: service.is_running)
    assert service.is_enabled
    assert service.systemd_properties["Restart"] == "always"


def test_it_runs_without_privileges(main_process: Any) -> None:
    master = main_process("mesos-master")
    assert "mesos-master" in master.command
    assert master.user == "mesos"


def test_its_flags_are_ours(get: Any, address: str, variables: dict[str, Any]) -> None:
    flags = get(f"http://{address}:5050/flags")["flags"]
    secured = variables["mesos_master_zk_credentials"]
    assert flags["zk"] == ("/run/mesos-master/zk" if secured else variables["mesos_zk_url"])
    assert flags["quorum"] == str(variables["mesos_master_quorum"])
    assert flags["registry"] == "replicated_log"
    assert flags["cluster"] == variables["mesos_cluster_name"]
    assert flags["hostname"] == address
    for line in variables["mesos_master_flags"]:  # those of the cluster file
        name, _, value = "".join(shlex.split(line)).partition("=")
        if value.isalnum():  # others are told in another form
            assert flags[name.removeprefix("MESOS_").lower()] == value, name


def test_its_replicated_log_has_recovered(get: Any, address: str, eventually: Any) -> None:
    url = f"http://{address}:5050/metrics/snapshot"
    assert eventually(lambda: get(url)["registrar/log/recovered"]) == 1
