"""The image holds the software and nothing runs yet."""

from __future__ import annotations

import json
from typing import Any

import pytest

testinfra_hosts = ["ansible://builder"]


def test_the_versions_are_recorded(host: Any) -> None:
    recorded = json.loads(host.file("/usr/share/clusterctl/image.json").content_string)
    assert recorded == {
        "java": host.package("openjdk-17-jre-headless").version,
        "zookeeper": host.package("libzookeeper-java").version,
        "mesos": "1.11.0-1",
        "marathon": "1.11.24",
    }


@pytest.mark.parametrize(
    "program", ["/usr/sbin/mesos-master", "/usr/sbin/mesos-agent", "/opt/marathon/current/bin/marathon"]
)
def test_the_programs_are_there(host: Any, program: str) -> None:
    assert host.file(program).mode & 0o111


@pytest.mark.parametrize(("name", "uid"), [("zookeeper", 861), ("mesos", 862), ("marathon", 863), ("jenkins", 864)])
def test_users_have_fixed_numbers(host: Any, name: str, uid: int) -> None:
    user = host.user(name)
    assert (user.uid, user.gid) == (uid, uid)


def test_nothing_runs_and_nothing_would_start(host: Any) -> None:
    for unit in ("zookeeper", "mesos-master", "mesos-agent", "marathon"):
        assert not host.service(unit).exists
    assert not host.process.filter(comm="java")
    listening = {line.split()[3].rpartition(":")[2] for line in host.check_output("ss -Hltn").splitlines()}
    assert listening <= {"22"}


def test_packages_of_the_services_are_held(host: Any) -> None:
    held = host.check_output("apt-mark showhold").split()
    assert held == ["libslf4j-java", "libzookeeper-java", "mesos", "openjdk-17-jre-headless", "python3-kazoo"]


def test_marathon_has_a_java(host: Any) -> None:
    assert host.check_output("readlink -f /opt/marathon-java/current").startswith("/usr/lib/jvm/java-17-")
    assert host.run("/opt/marathon-java/current/bin/java -version").rc == 0


def test_connections_that_died_are_given_up(host: Any) -> None:
    for line in ("net.ipv4.tcp_retries2 = 6", "net.ipv4.tcp_keepalive_time = 5"):
        assert line in host.file("/etc/sysctl.d/60-clusterctl.conf").content_string
    lines = host.check_output("systemctl cat systemd-sysctl.service").splitlines()
    conditions = [line for line in lines if line.startswith("Condition")]
    # what is empty forgets all conditions before it
    assert conditions[-2:] == ["ConditionPathIsReadWrite=", "ConditionPathIsReadWrite=/proc/sys/net/ipv4"]


def test_zookeeper_has_a_java_of_its_own(host: Any) -> None:
    assert host.check_output("readlink -f /opt/zookeeper-java/current").startswith("/usr/lib/jvm/java-17-")
    assert host.run("/opt/zookeeper-java/current/bin/java -version").rc == 0


def test_no_desktop_came_with_java(host: Any) -> None:
    assert not host.package("openjdk-17-jre").is_installed
    assert not host.package("libgtk-3-0").is_installed


def test_cloud_init_accepts_its_settings(host: Any) -> None:
    assert host.file("/etc/cloud/cloud.cfg.d/95_clusterctl.cfg").exists
    assert host.run("cloud-init schema --config-file /etc/cloud/cloud.cfg.d/95_clusterctl.cfg").rc in (0, 1)
