"""A master runs: as its own user, with what it wrote itself; and what others can read of it."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

testinfra_hosts = ["ansible://one-jenkins-1"]

START = (
    "setpriv --reuid={user} --regid={user} --clear-groups env HOST=10.99.0.12 PORT0=1 PORT1=2 PORT2=3 "
    "MESOS_SANDBOX=/tmp /usr/lib/clusterctl/jenkins-start {arguments}"
)
# Hosts have no curl
STATUS = """
import base64, http.client, sys
headers = {"Authorization": "Basic " + base64.b64encode(sys.argv[1].encode()).decode()} if sys.argv[1:] else {}
connection = http.client.HTTPConnection("10.99.0.12", 31012, timeout=30)
connection.request("GET", "/api/json", headers=headers)
print(connection.getresponse().status)
"""
TOKEN = "110123456789abcdef0123456789abcdef"  # noqa: S105


@pytest.fixture
def process(host: Any) -> str:
    """/proc/PID of the master's Java."""
    return f"/proc/{host.service('alice').systemd_properties['MainPID']}"


def test_it_is_java_of_its_user_with_the_options_and_no_secret(host: Any, process: str) -> None:
    command = host.check_output(f"tr '\\0' ' ' < {process}/cmdline")
    assert command.startswith("/opt/jenkins-java/current/bin/java -Xmx512m -Djava.awt.headless=true ")
    assert "-jar /opt/jenkins/2.319.3-test/jenkins.war --httpPort=31012 --webroot=/var/tmp/sandbox/war" in command
    assert host.check_output(f"stat --format=%U {process}") == "jm-007"
    environment = host.check_output(f"tr '\\0' '\\n' < {process}/environ")
    assert {"JENKINS_HOME=/srv/jenkins/alice", "LIBPROCESS_IP=10.99.0.12", "LIBPROCESS_PORT=31994"} <= set(
        environment.splitlines()
    )
    assert TOKEN not in command + environment


def test_its_ports_are_those_of_its_slot(host: Any) -> None:
    listening = {line.split()[3].rpartition(":")[2] for line in host.check_output("ss -Hltn").splitlines()}
    assert {"31012", "31013"} <= listening


def test_nobody_else_is_let_in(host: Any) -> None:
    def status(user: str) -> str:
        return str(host.check_output(f"python3 -c {shlex.quote(STATUS)} {user}"))

    assert status("") == "403"
    assert status(f"admin:{TOKEN[:-1]}0") == "401"
    assert status(f"admin:{TOKEN}") == "200"


def test_masters_have_a_java_of_their_own(host: Any) -> None:
    assert 'version "11.' in host.run("/opt/jenkins-java/current/bin/java -version").stderr
    assert 'version "17.' in host.run("java -version").stderr


def test_the_release_is_the_current_one(host: Any) -> None:
    assert host.file("/opt/jenkins/current").linked_to == "/opt/jenkins/2.319.3-test"
    assert host.file("/opt/jenkins/current/plugins/mesos.jpi").user == "root"


def test_its_configuration_has_the_cloud(host: Any) -> None:
    config = host.file("/srv/jenkins/alice/config.xml")
    assert (config.user, oct(config.mode)) == ("jm-007", "0o600")
    text = config.content_string
    assert '<org.jenkinsci.plugins.mesos.MesosCloud plugin="mesos@0.16">' in text
    assert "<frameworkName>jenkins-alice</frameworkName>" in text
    assert "<slavesUser>b-007</slavesUser>" in text
    assert "<master>zk://10.99.0.11:2181/mesos</master>" in text
    assert "<jenkinsURL>http://10.99.0.12:31012/</jenkinsURL>" in text


def test_plugins_and_the_script_for_the_administrator_are_there(host: Any) -> None:
    found = host.check_output("ls /srv/jenkins/alice/plugins /srv/jenkins/alice/init.groovy.d")
    assert {"credentials.jpi", "mesos.jpi", "clusterctl.groovy"} <= set(found.split())


@pytest.mark.parametrize(
    "path", ["", "config.xml", ".clusterctl/token", ".clusterctl/master.json", "init.groovy.d/clusterctl.groovy"]
)
def test_another_masters_user_and_builds_can_not_read_its_home(path: str, host: Any) -> None:
    for user in ("jm-008", "b-007", "jenkins", "nobody"):
        found = host.run(f"setpriv --reuid={user} --regid=nogroup --clear-groups ls /srv/jenkins/alice/{path}")
        assert found.rc != 0
        assert "Permission denied" in found.stderr
    assert host.run(f"setpriv --reuid=jm-007 --regid=jm-007 --clear-groups ls /srv/jenkins/alice/{path}").rc == 0


def test_another_masters_user_can_not_read_its_environment_and_sandbox(host: Any, process: str) -> None:
    for command in (f"cat {process}/environ", "ls /var/tmp/sandbox"):
        found = host.run(f"setpriv --reuid=jm-008 --regid=jm-008 --clear-groups {command}")
        assert found.rc != 0
        assert "Permission denied" in found.stderr


@pytest.mark.parametrize(
    ("user", "arguments", "expected"),
    [
        ("jm-008", "alice 7", "has no marker"),  # it can't even look
        ("jm-007", "alice 8", "its marker has slot 7, not 8"),
        ("jm-007", "carol 7", "has no marker"),
        ("jm-007", "alice 7 2.400", "there is no release 2.400"),
        ("root", "alice 7", "belongs to user 30007; this is 0"),
    ],
)
def test_a_wrong_start_is_refused(user: str, arguments: str, expected: str, host: Any) -> None:
    found = host.run(START.format(user=user, arguments=arguments))
    assert found.rc == 78
    assert expected in found.stderr


def test_a_second_master_on_its_home_is_refused(host: Any) -> None:
    found = host.run(START.format(user="jm-007", arguments="alice 7"))
    assert found.rc == 75
    assert "another master holds its lock" in found.stderr
