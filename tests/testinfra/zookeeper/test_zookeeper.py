"""A member of the ensemble."""

from __future__ import annotations

from typing import Any

testinfra_hosts = ["ansible://zookeeper"]


def test_the_service_runs_and_comes_back(host: Any) -> None:
    service = host.service("zookeeper")
    assert service.is_running
    assert service.is_enabled
    assert service.systemd_properties["Restart"] == "always"


def test_it_has_its_own_number(host: Any, variables: dict[str, Any]) -> None:
    assert host.file("/var/lib/zookeeper/myid").content_string.strip() == str(variables["zookeeper_myid"])


def test_it_lists_all_members(host: Any, variables: dict[str, Any]) -> None:
    lines = host.file("/etc/zookeeper/zoo.cfg").content_string.splitlines()
    wanted = [f"server.{each['id']}={each['address']}:2888:3888" for each in variables["zookeeper_servers"]]
    assert [line for line in lines if line.startswith("server.")] == wanted


def test_it_runs_without_privileges(host: Any, main_process: Any) -> None:
    java = main_process("zookeeper")
    assert "QuorumPeerMain" in java.command
    assert java.user == "zookeeper"
    data = host.file("/var/lib/zookeeper")
    assert (data.user, oct(data.mode)) == ("zookeeper", "0o750")


def test_it_serves(address: str, four_letters: Any, eventually: Any) -> None:
    assert eventually(lambda: four_letters(address, "srvr").get("Mode")) in ("leader", "follower")
    assert eventually(lambda: four_letters("127.0.0.1", "srvr").get("Mode")) in ("leader", "follower")


def test_no_admin_server_and_no_dynamic_reconfiguration(host: Any) -> None:
    # 2888 only on the leader
    ports = {line.split()[3].rpartition(":")[2] for line in host.check_output("ss -Hltn").splitlines()}
    assert {"2181", "3888"} <= ports
    lines = host.file("/etc/zookeeper/zoo.cfg").content_string.splitlines()
    assert {"admin.enableServer=false", "reconfigEnabled=false", "standaloneEnabled=false"} <= set(lines)
    assert host.run("ls /etc/zookeeper/*.dynamic*").rc != 0
