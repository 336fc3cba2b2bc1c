"""artifacts.yml: the parts of the Jenkins tier."""

from __future__ import annotations

import pytest

from clusterctl.errors import InputError
from clusterctl.spec.artifacts import ImageSpec
from clusterctl.spec.load import parse_model

ONE = f"{{version: '1', src: a, sha256: '{'0' * 64}'}}"
PLUGIN = f"{{name: mesos, version: '0.16', src: a.hpi, sha256: '{'1' * 64}'}}"
FILE = f"""\
source_image: debian-12
build: {{cloud: lab, flavor: f, network: n, keypair: k, access: {{ssh_from: network}}}}
artifacts:
  mesos: {ONE}
  marathon: {ONE}
"""


def error_of(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_model(text, ImageSpec, "a.yml")
    return caught.value.message


def test_all_artifacts_have_a_name() -> None:
    text = f"{FILE}  jenkins: {ONE}\n  jenkins_plugins: [{PLUGIN}]\n  jenkins_java: {ONE}\n"
    named = parse_model(text, ImageSpec, "a.yml").artifacts.named()
    assert list(named) == ["mesos", "marathon", "jenkins", "jenkins_java", "jenkins_plugins.mesos"]
    assert list(parse_model(FILE, ImageSpec, "a.yml").artifacts.named()) == ["mesos", "marathon"]


def test_plugins_and_java_need_a_war() -> None:
    assert "'jenkins_plugins' without 'jenkins'" in error_of(f"{FILE}  jenkins_plugins: [{PLUGIN}]\n")
    assert "'jenkins_java' without 'jenkins'" in error_of(f"{FILE}  jenkins_java: {ONE}\n")


def test_a_plugin_is_named_once() -> None:
    message = error_of(f"{FILE}  jenkins: {ONE}\n  jenkins_plugins: [{PLUGIN}, {PLUGIN}]\n")
    assert "artifacts.jenkins_plugins.1.name: found 'mesos' twice; remove one" in message


def test_masters_have_one_java() -> None:
    message = error_of(
        f"{FILE}  jenkins: {ONE}\n  jenkins_java: {ONE}\njenkins_java_package: openjdk-11-jre-headless\n"
    )
    assert "jenkins_java_package: found a package and artifacts.jenkins_java; remove one" in message


def test_cgroups_are_v1_or_not_named() -> None:
    build = FILE.replace("{cloud: lab,", "{cloud: lab, cgroups: v1,")
    assert parse_model(build, ImageSpec, "a.yml").build.cgroups == "v1"
    assert "a.yml:2:30: build.cgroups: found 'v2'; allowed: 'v1'" in error_of(build.replace("v1", "v2"))
