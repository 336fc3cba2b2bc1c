"""A node with secrets: its services wait for them, name their files and nothing of what is in them."""

from __future__ import annotations

import re
from typing import Any

from clusterctl.paths import roles_dir
from clusterctl.render.roles import roles_of
from clusterctl.render.templates import render_files, units
from clusterctl.secrets.derive import Keyring, new_key
from clusterctl.secrets.nodes import COMPLETE_FILE, credentials_for
from clusterctl.services import UNITS, Service
from clusterctl.topology import Addresses
from tests.unit.specs import demo_spec, only_closed

Node = tuple[tuple[Service, ...], dict[str, Any]]
CLOSED = {"closed-control": "control", "closed-builders": "builders", "closed-masters": "jenkins"}
_PATH = re.compile(r"/etc/clusterctl/secrets/[\w.-]+")


def texts(node: Node) -> dict[str, str]:
    services, variables = node
    return {file.path: file.content for file in render_files(roles_dir(), roles_of(services), variables)}


def test_services_wait_for_their_files(nodes: dict[str, Node]) -> None:
    for name in CLOSED:
        services, variables = nodes[name]
        assert "clusterctl-secrets.service" in units(roles_dir(), roles_of(services), variables)[:2]
        unit = texts(nodes[name])["/etc/systemd/system/clusterctl-secrets.service"]
        for service in services:
            for key in ("Before", "RequiredBy"):
                assert re.search(rf"^{key}=.*\b{UNITS[service]}\.service", unit, re.M), (name, key, service)
        assert COMPLETE_FILE in texts(nodes[name])["/usr/lib/clusterctl/await-secrets"]


def test_every_file_that_a_node_names_is_one_that_it_gets(nodes: dict[str, Node]) -> None:
    spec = demo_spec(security=only_closed("mesos"), jenkins={"allow_ephemeral_homes": True})
    keys, at = Keyring("demo", new_key()), Addresses((), (), ())
    for name, group in CLOSED.items():
        given = {file.path for file in credentials_for(spec, group, keys, at)}
        given |= {path.rpartition("/")[0] for path in given}
        named = {path for text in texts(nodes[name]).values() for path in _PATH.findall(text)}
        assert named <= given, name
        assert len(named) > 3, name


def test_a_restart_is_due_where_a_services_secrets_changed(nodes: dict[str, Node]) -> None:
    for name, units_ in {"closed-control": ["mesos-master", "marathon"], "closed-builders": ["mesos-agent"]}.items():
        for unit in units_:
            environment = texts(nodes[name])[f"/etc/default/{unit}"]
            text = texts(nodes[name])[f"/etc/systemd/system/{unit}.service"]
            recorded = next(line for line in text.splitlines() if "config-digest record" in line)
            assert set(_PATH.findall(environment)) == set(_PATH.findall(recorded)), unit


def test_an_open_node_knows_nothing_of_secrets(nodes: dict[str, Node]) -> None:
    for name in set(nodes) - {*CLOSED, "closed"}:
        assert not [path for path, text in texts(nodes[name]).items() if _PATH.search(text)], name


# What closes each daemon, beside the files that it is given; names of variables are those of Mesos and Marathon
CLOSING = {
    ("closed-control", "mesos-master"): {
        "MESOS_AUTHENTICATE_FRAMEWORKS=true",
        "MESOS_AUTHENTICATE_HTTP_FRAMEWORKS=true",
        "MESOS_HTTP_FRAMEWORK_AUTHENTICATORS=basic",
        "MESOS_AUTHENTICATE_AGENTS=true",
        "MESOS_AUTHENTICATE_HTTP_READONLY=true",
        "MESOS_AUTHENTICATE_HTTP_READWRITE=true",
        "MESOS_CREDENTIALS=file:///etc/clusterctl/secrets/mesos-master-credentials.json",
        "MESOS_ACLS=file:///etc/clusterctl/secrets/mesos-master-acls.json",
        "MESOS_RATE_LIMITS=file:///etc/clusterctl/secrets/mesos-master-rate-limits.json",
        "MESOS_ROOT_SUBMISSIONS=false",
        "LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH=1",
    },
    ("closed-builders", "mesos-agent"): {
        "MESOS_CREDENTIAL=file:///etc/clusterctl/secrets/mesos-agent-credential.json",
        "MESOS_HTTP_CREDENTIALS=file:///etc/clusterctl/secrets/mesos-agent-http-credentials.json",
        "MESOS_AUTHENTICATE_HTTP_READONLY=true",
        "MESOS_AUTHENTICATE_HTTP_READWRITE=true",
        "MESOS_ACLS=file:///etc/clusterctl/secrets/mesos-agent-acls.json",
        "LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH=1",
    },
    ("closed-control", "marathon"): {
        "MARATHON_MESOS_AUTHENTICATION=",
        "MARATHON_MESOS_AUTHENTICATION_SECRET_FILE=/etc/clusterctl/secrets/marathon-mesos-secret",
        "LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH=1",
    },
}


def test_everything_that_closes_mesos_is_there_and_nothing_of_it_where_mesos_is_open(nodes: dict[str, Node]) -> None:
    for (name, unit), lines in CLOSING.items():
        assert lines <= set(texts(nodes[name])[f"/etc/default/{unit}"].splitlines())
        opened = texts(nodes[name.removeprefix("closed-")])[f"/etc/default/{unit}"].splitlines()
        assert not lines & set(opened)


def test_with_tls_all_who_speak_libprocess_have_it(nodes: dict[str, Node]) -> None:
    for name, unit in (
        ("settings-control", "mesos-master"),
        ("settings-control", "marathon"),
        ("settings-builders", "mesos-agent"),
    ):
        lines = texts(nodes[name])[f"/etc/default/{unit}"].splitlines()
        assert {"LIBPROCESS_SSL_ENABLED=1", "LIBPROCESS_SSL_KEY_FILE=/etc/ssl/private/mesos.key"} <= set(lines)
        plain = texts(nodes[name.removeprefix("settings-")])[f"/etc/default/{unit}"]
        assert "LIBPROCESS_SSL" not in plain
