"""The Mesos cloud in config.xml: every field of the plugin's classes is written, with a value of its kind.

XStream runs no constructor, so a missing element is null or zero and never the default of Jenkins' form.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from clusterctl.paths import roles_dir
from clusterctl.render.roles import roles_of
from clusterctl.render.templates import render_files
from tests.unit.render.conftest import Node

PLUGINS = ("0.x", "1.x", "2.x")
FIELDS: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "fields.yml").read_text())
KINDS = {
    "boolean": re.compile(r"true|false"),
    "int": re.compile(r"\d+"),
    "double": re.compile(r"\d+\.\d+"),
    "mode": re.compile(r"NORMAL|EXCLUSIVE"),
    "style": re.compile(r"Linux|Windows"),
    "text": re.compile(r".*"),
    "list": re.compile(r"\s*"),
}


def files_of(node: Node) -> dict[str, str]:
    services, variables = node
    return {file.path: file.content for file in render_files(roles_dir(), roles_of(services), variables)}


def cloud_of(plugin: str, nodes: dict[str, Node]) -> ET.Element:
    return ET.fromstring(files_of(nodes[f"masters-{plugin}"])[f"/etc/clusterctl/jenkins/mesos-{plugin}.xml"])


def check_fields(element: ET.Element, fields: dict[str, str]) -> None:
    wanted = [name for name, kind in fields.items() if kind != "absent"]
    assert [child.tag for child in element] == wanted
    for child in element:
        assert KINDS[fields[child.tag]].fullmatch(child.text or ""), f"{child.tag}: {child.text!r}"


@pytest.mark.parametrize("plugin", PLUGINS)
def test_every_element_is_written(plugin: str, nodes: dict[str, Node]) -> None:
    fields, cloud = FIELDS[plugin], cloud_of(plugin, nodes)
    assert cloud.tag == "org.jenkinsci.plugins.mesos.MesosCloud"
    check_fields(cloud, fields["cloud"])
    entries = cloud.find(fields["list"])
    assert entries is not None
    assert [entry.tag for entry in entries] == [fields["entry"]] * 2
    for entry in entries:
        check_fields(entry, fields["template"])
    (uri,) = entries[1].findall("additionalURIs/*")
    assert uri.tag == "org.jenkinsci.plugins.mesos.MesosSlaveInfo_-URI"
    check_fields(uri, fields["uri"])
    assert uri.findtext("value") == "http://x/y?a=1&b=2"


@pytest.mark.parametrize("plugin", PLUGINS)
def test_what_a_master_fills_in(plugin: str, nodes: dict[str, Node]) -> None:
    cloud = cloud_of(plugin, nodes)
    assert cloud.get("plugin") == "mesos@@VERSION@"
    assert cloud.findtext("name") == "MesosCloud"
    assert cloud.findtext("master") == "zk://192.0.2.10:2181,192.0.2.11:2181,192.0.2.12:2181/mesos"
    assert cloud.findtext("frameworkName") == "ci.@NAME@"
    assert cloud.findtext("jenkinsURL") == "@URL@"
    assert cloud.findtext("agentUser" if plugin == "2.x" else "slavesUser") == "@BUILD_USER@"
    assert cloud.findtext("frameworkId" if plugin == "2.x" else "cloudID") == (
        "@FRAMEWORK_ID@" if plugin == "2.x" else "@CLOUD_ID@"
    )


@pytest.mark.parametrize("plugin", ["0.x", "1.x"])
def test_builds_of_0_and_1(plugin: str, nodes: dict[str, Node]) -> None:
    cloud = cloud_of(plugin, nodes)
    assert (cloud.findtext("checkpoint"), cloud.findtext("onDemandRegistration")) == ("true", "false")
    assert cloud.findtext("declineOfferDuration") == "600"
    small, big = cloud.findall("slaveInfos/*")
    assert json.loads(small.findtext("slaveAttributesString") or "") == {"os": "debian", "pool": "builder"}
    assert small.findtext("jvmArgs") == "-Da=<&>"
    assert (small.findtext("defaultSlave"), big.findtext("defaultSlave")) == ("true", "false")
    assert (big.findtext("slaveCpus"), big.findtext("executorCpus")) == ("2.0", "0.5")
    assert big.findtext("slaveAttributesString") == ""


def test_builds_of_2(nodes: dict[str, Node]) -> None:
    small, big = cloud_of("2.x", nodes).findall("mesosAgentSpecTemplates/*")
    assert small.findtext("agentAttributes") == "os:debian,pool:builder"
    assert (small.findtext("mem"), big.findtext("cpus")) == ("768", "2.5")


def test_only_agents_for_masters_have_these_files(nodes: dict[str, Node]) -> None:
    for name in ("control", "jenkins", "builders"):
        assert not [path for path in files_of(nodes[name]) if "jenkins" in path]
    found = sorted(path for path in files_of(nodes["masters-1.x"]) if "jenkins" in path)
    assert found == [
        "/etc/clusterctl/jenkins/clusterctl.groovy",
        "/etc/clusterctl/jenkins/config.xml",
        "/etc/clusterctl/jenkins/java-options",
        "/etc/clusterctl/jenkins/mesos-1.x.xml",
        "/usr/lib/clusterctl/jenkins-start",
    ]


def test_options_are_one_a_line(nodes: dict[str, Node]) -> None:
    assert files_of(nodes["masters-0.x"])["/etc/clusterctl/jenkins/java-options"] == "-Xss1m\n-Dhello=a b\n"
