"""The sections ``security`` and ``secrets``: what is closed, and what is refused where."""

from __future__ import annotations

import json

import pytest

from clusterctl.errors import InputError
from clusterctl.spec.load import parse_model
from clusterctl.spec.model import ClusterSpec, json_schema
from clusterctl.spec.security import Part
from tests.unit.specs import DEMO, demo_spec

LINES = DEMO.count("\n")


def parse(text: str) -> ClusterSpec:
    return parse_model(f"{DEMO}{text}\n", ClusterSpec, "c.yml")


@pytest.mark.parametrize(
    ("text", "open_parts", "secrets"),
    [
        ("", (), True),
        ("security: {}", (), True),
        ("security: {require: [zookeeper, mesos]}", (), True),
        ("security: {require: zookeeper, insecure: [mesos]}", (Part.MESOS,), True),
        ("security: {insecure: network}", (Part.NETWORK,), True),
        ("security: {insecure: [marathon, mesos]}", (Part.MESOS, Part.MARATHON), True),
        ("security: {insecure: [marathon, mesos, zookeeper]}", (Part.MESOS, Part.ZOOKEEPER, Part.MARATHON), False),
        ("security: {insecure: all}", tuple(Part), False),
    ],
)
def test_all_is_closed_but_what_the_file_leaves_open(text: str, open_parts: tuple[Part, ...], *, secrets: bool) -> None:
    spec = parse(text)
    assert spec.security.open_parts == open_parts
    assert {part for part in Part if spec.secured(part)} == set(Part) - set(open_parts)
    assert spec.has_secrets == secrets


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("security: {insecure: [messo]}", "1:23", "found 'messo'; allowed: 'mesos', 'zookeeper', 'marathon', 'builds'"),
        ("security: {require: all}", "1:21", "found 'all'; allowed: 'mesos', 'zookeeper'"),
        ("security: {require: mesos, insecure: [mesos]}", "1:21", "found 'mesos', which security.insecure leaves open"),
        ("security: {require: mesos, insecure: all}", "1:21", "found 'mesos', which security.insecure leaves open"),
        ("security: {secure: mesos}", "1:12", "unknown key (did you mean 'insecure'?)"),
        ("secrets: {from: file}", "1:17", "'from: file' needs 'path'"),
        ("secrets: {from: env, path: /k}", "1:28", "found 'path' with 'from: env'; it is for 'file'"),
        ("secrets: {form: env}", "1:11", "unknown key (did you mean 'from'?)"),
        ("secrets: {from: vault}", "1:17", "found 'vault'; allowed: 'control', 'barbican', 'file', 'env', 'command'"),
        ("secrets: {from: env, variable: 1KEY}", "1:32", "allowed: the name of an environment variable"),
        ("secrets: {from: command, command: []}", "1:26", "allowed: at least 1 entry"),
        ("secrets: {from: file, path: key}", "1:29", "allowed: an absolute path"),
    ],
)
def test_what_is_refused_and_where(text: str, place: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    line, column = place.split(":")
    assert caught.value.message.startswith(f"c.yml:{LINES + int(line)}:{column}: ")
    assert expected in caught.value.message


def test_a_key_is_the_control_nodes_business_by_default() -> None:
    assert demo_spec().secrets.source == "control"
    assert parse("secrets: {from: command, command: [vault, read]}").secrets.command == ("vault", "read")


def test_editors_know_the_parts() -> None:
    text = json.dumps(json_schema())
    assert '"enum": ["mesos", "zookeeper", "marathon", "builds", "units", "network", "all"]' in text
    assert '"from": {' in text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "open"),
        ("security: {builds: {egress: open}}", "open"),
        ("security: {builds: {egress: []}}", ()),
        ("security: {builds: {egress: [192.0.2.7, 2001:DB8::/32]}}", ("192.0.2.7/32", "2001:db8::/32")),
        ("security: {builds: {egress: 192.0.2.0/24}}", ("192.0.2.0/24",)),
    ],
)
def test_what_builds_reach(text: str, found: object) -> None:
    assert parse(text).security.builds.egress == found


@pytest.mark.parametrize(
    ("egress", "expected"),
    [
        ("closed", "found 'closed'; allowed: 'open', or networks such as 192.0.2.0/24"),
        ("[192.0.2.0/24, open]", "found 'open'; allowed: 'open', or networks"),
        ("[192.0.2.1/24]", "has host bits set"),
        ("[5]", "found 5; allowed: 'open', or networks"),
        ("{a: b}", "allowed: 'open', or a list of networks"),
        ("7", "found 7; allowed: 'open', or a list of networks"),
        ("null", "found None; allowed: 'open', or a list of networks"),
    ],
)
def test_networks_that_are_none_are_refused(egress: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(f"security: {{builds: {{egress: {egress}}}}}")
    assert expected in caught.value.message
    assert f"c.yml:{LINES + 1}:" in caught.value.message
