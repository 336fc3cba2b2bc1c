"""A Marathon (in the lab: the stand-in, which takes the same settings)."""

from __future__ import annotations

from typing import Any

testinfra_hosts = ["ansible://marathon"]


def test_the_service_runs_and_comes_back(host: Any, eventually: Any) -> None:
    service = host.service("marathon")
    # it ends itself when it loses ZooKeeper or its leadership, and systemd starts it again
    assert eventually(lambda: service.is_running)
    assert service.is_enabled
    assert service.systemd_properties["Restart"] == "always"
    assert service.systemd_properties["User"] == "marathon"


def test_it_has_its_own_address(host: Any, address: str) -> None:
    lines = host.file("/etc/default/marathon").content_string.splitlines()
    assert {f"MARATHON_HOSTNAME={address}", f"LIBPROCESS_IP={address}"} <= set(lines)


def test_the_settings_are_ours(get: Any, address: str, variables: dict[str, Any], eventually: Any) -> None:
    # Answered by the leader, whomever one asks
    info = eventually(lambda: get(f"http://{address}:8080/v2/info"))
    settings = info["marathon_config"]
    assert settings["master"] == variables["mesos_zk_url"]
    assert settings["mesos_role"] == variables["marathon_mesos_role"]
    assert settings["failover_timeout"] == variables["marathon_failover_timeout_s"]
    user = "xxxxxxxx:xxxxxxxx@" if variables["marathon_zk_credentials"] else ""
    assert info["zookeeper_config"]["zk"] == variables["marathon_zk_url"].replace("zk://", f"zk://{user}")


def test_it_knows_the_leader(get: Any, address: str, variables: dict[str, Any], eventually: Any) -> None:
    leader = eventually(lambda: get(f"http://{address}:8080/v2/leader")["leader"])
    assert leader.endswith(f":{variables['marathon_http_port']}")
