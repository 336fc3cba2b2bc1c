"""A master was started once: what it wrote is its own, and another master's user can't read it."""

from __future__ import annotations

from typing import Any

import pytest

testinfra_hosts = ["ansible://one-jenkins-1"]

START = (
    "setpriv --reuid={user} --regid={user} --clear-groups env HOST=10.99.0.12 PORT0=1 PORT1=2 PORT2=3 "
    "MESOS_SANDBOX=/tmp /usr/lib/clusterctl/jenkins-start {arguments}"
)


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
def test_another_masters_user_and_builds_can_not_read_it(path: str, host: Any) -> None:
    for user in ("jm-008", "b-007", "jenkins", "nobody"):
        found = host.run(f"setpriv --reuid={user} --regid=nogroup --clear-groups ls /srv/jenkins/alice/{path}")
        assert found.rc != 0
        assert "Permission denied" in found.stderr
    assert host.run(f"setpriv --reuid=jm-007 --regid=jm-007 --clear-groups ls /srv/jenkins/alice/{path}").rc == 0


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


def test_a_home_in_use_is_refused(host: Any) -> None:
    inner = START.format(user="jm-007", arguments="alice 7")
    found = host.run(f"flock /srv/jenkins/alice/.clusterctl/lock {inner}")
    assert found.rc == 75
    assert "another master holds its lock" in found.stderr
