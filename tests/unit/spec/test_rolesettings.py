"""``settings``: any variable of a role, and every mistake with its place."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.errors import InputError
from clusterctl.spec.load import parse_model
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.rolesettings import Settings
from tests.unit.specs import DEMO


def error_of(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_model(text, ClusterSpec, "c.yml")
    return caught.value.message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "mesos_agent_launchr: linux",
            "c.yml:23:3: settings.mesos_agent_launchr: unknown key (did you mean '",
        ),
        ("nothing_alike: 1", "settings.nothing_alike: unknown key; `clusterctl settings` lists all"),
        (
            "mesos_agent_launcher: linx",
            "c.yml:23:25: settings.mesos_agent_launcher: found 'linx'; allowed: 'posix'",
        ),
        ("mesos_agent_launcher:", "c.yml:23:3: settings.mesos_agent_launcher: found nothing; allowed: 'posix'"),
        (
            "mesos_agent_recovery_timeout_min: '15'",
            "c.yml:23:37: settings.mesos_agent_recovery_timeout_min: found",
        ),
        ("mesos_agent_recovery_timeout_min: true", "found True; allowed: a whole number"),
        ("mesos_agent_recovery_timeout_min: -1", "found -1; allowed: 0 or more"),
        ("mesos_master_recovery_agent_removal_limit_percent: 101", "found 101; allowed: 100 or less"),
        ("mesos_agent_executor_reregistration_timeout_s: 16", "found 16; allowed: 15 or less"),
        ("mesos_agent_executor_reregistration_timeout_s: 0", "found 0; allowed: 1 or more"),
        ("zookeeper_log_level: INFO", "found 'INFO'; allowed: 'trace', 'debug', 'info', 'warn', 'error'"),
        ("mesos_agent_flags: [A=b]", "is set by the key 'mesos.agent_flags'; write it there"),
        (
            "marathon_jvm_options: -Xss1m -Xmx2g",
            "found '-Xmx2g'; clusterctl sets -Xmx itself: use the key 'marathon.heap",
        ),
        ("zookeeper_jvm_options: -Dzookeeper.tcpKeepAlive=no", "itself: use the variable 'zookeeper_tcp_keep_alive'"),
        (
            "zookeeper_jvm_options: -Dzookeeper.skipACL=yes",
            "sets -Dzookeeper.skipACL itself: use the section 'security'",
        ),
        (
            "zookeeper_jvm_options: -Dzookeeper.DigestAuthenticationProvider.superDigest=super:x",
            "itself: use the section 'security'",
        ),
        ("zookeeper_jvm_options: -Djava.security.auth.login.config=/x", "itself: use the section 'security'"),
        ("zookeeper_jvm_options: -Dorg.slf4j.simpleLogger.defaultLogLevel=debug", "the variable 'zookeeper_log_level'"),
        ("marathon_jvm_options: -Dlogback.configurationFile=/x", "itself: use the section 'security'"),
        ("marathon_jvm_options: -XX:MaxHeapSize=2g", "itself: use the key 'marathon.heap_mib'"),
        (
            "marathon_jvm_options: -Djavax.net.ssl.keyStorePassword=x",
            "found -Djavax.net.ssl.keyStorePassword, a secret",
        ),
        ("zookeeper_java: java", "c.yml:23:19: settings.zookeeper_java: found 'java'; allowed: an absolute path"),
        ("marathon_jvm_options: [-Xss1m]", "settings.marathon_jvm_options: found a list; allowed: text"),
        (
            "marathon_jvm_options: '{{ lookup }}'",
            "found '{{ lookup }}'; allowed: one line",
        ),
        ('marathon_jvm_options: "-Da=\\"b\\""', "allowed: one line without quotes, '$'"),
        ('marathon_jvm_options: "a\\nb"', "allowed: one line without quotes, '$'"),
        ("zookeeper_heap_mib: 300", "c.yml:23:3: settings.zookeeper_heap_mib: is set by the key 'zookeeper.heap_mib'"),
        ("zookeeper_heap: 300", "unknown key (did you mean 'zookeeper_heap_mib'?)"),
        ("mesos_agent_attributes: 'a:b'", "is set by the key 'groups.NAME.attributes'; write it there"),
        ("zookeeper_myid: 1", "can't be set: it is computed from the nodes' addresses and numbers"),
        ("mesos_agent_port: 1", "can't be set: it is fixed, since the security group opens this port"),
        (
            "common_java_package: x",
            "of the image's build, not of the cluster file: it is java_package of",
        ),
        ("zookeeper_uid: 5", "is of the image's build, not of the cluster file: it is fixed in the image"),
    ],
)
def test_a_mistake_is_explained(line: str, expected: str) -> None:
    assert expected in error_of(f"{DEMO}settings:\n  {line}\n")


def test_every_mistake_is_told_at_once() -> None:
    lines = error_of(f"{DEMO}settings: {{zookeeper_java: x, mesos_agent_launcher: y, z: 1}}\n").splitlines()
    assert [line.split(":")[2] for line in lines] == ["28", "53", "56"]


def test_a_group_has_only_variables_of_its_roles() -> None:
    wrong = DEMO.replace("{pool: jenkins-builder}", "{pool: jenkins-builder}\n    settings: {zookeeper_java: /x/java}")
    assert (
        "c.yml:21:32: groups.builders.settings.zookeeper_java: is a variable of role zookeeper, and this group runs "
        "mesos_agent"
    ) in error_of(wrong)


def test_a_group_may_have_several() -> None:
    settings = (
        "settings: {mesos_agent_launcher: linux, mesos_agent_isolation: cgroups/mem, mesos_agent_logging_level: ERROR}"
    )
    spec = parse_model(DEMO.replace("attributes: {pool: jenkins-builder}", settings), ClusterSpec, "c.yml")
    assert len(spec.groups["builders"].settings.variables()) == 3


def test_groups_may_be_called_like_keys() -> None:
    wrong = DEMO.replace("  builders:", "  settings:").replace("flavor: m1.small", "flavour: m1.small")
    assert "groups.settings.flavour: unknown key (did you mean 'flavor'?)" in error_of(wrong)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"mesos_agent_launcher": "linux", "zookeeper_purge_interval_h": 0, "marathon_jvm_options": ""},
        {"zookeeper_jvm_options": "-Dzookeeper.snapCount=50000 -Dorg.slf4j.simpleLogger.log.x=debug"},
        {"zookeeper_classpath": "/a:/b/*", "zookeeper_jvm_options": "-Xlog:gc*:file=/var/log/gc-%p.log -Dx=y"},
    ],
)
def test_only_what_is_given_is_set(given: dict[str, Any]) -> None:
    found = Settings.model_validate(given)
    assert found.variables() == found.model_dump() == given
