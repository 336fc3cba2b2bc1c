"""Java for Marathon and ZooKeeper: the table, what overrides it, and where artifacts.yml is wrong."""

from __future__ import annotations

import pytest

from clusterctl.errors import InputError
from clusterctl.spec.artifacts import ImageSpec, MarathonArtifact
from clusterctl.spec.java import MARATHON_JAVA, marathon_java
from clusterctl.spec.load import parse_model

SHA = "0" * 64
HEAD = """\
source_image: debian-12
build: {cloud: lab, flavor: f, network: n, keypair: k, access: {ssh_from: network}}
"""


def text(*, top: str = "", version: str = "1.11.24", more: str = "", java: str = "") -> str:
    own = f", java: {java}" if java else ""
    return (
        f"{HEAD}{top}artifacts:\n"
        f"  mesos: {{version: 1.11.0-1, src: a, sha256: '{SHA}'}}\n"
        f"  marathon: {{version: '{version}', src: b, sha256: '{SHA}'{own}}}\n{more}"
    )


def error_of(written: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_model(written, ImageSpec, "a.yml")
    return caught.value.message


def unpacked(version: str) -> str:
    return f"  marathon_java: {{version: {version}, src: c, sha256: '{SHA}'}}\n"


@pytest.mark.parametrize("version", ["1.8.222", "1.9.146", "1.10.19", "1.11.24", "1.11.24-9ee9f3ceb"])
def test_releases_run_on_8_and_11(version: str) -> None:
    assert marathon_java(version) == (8, 11)


def test_a_release_that_the_table_has_not_is_not_judged() -> None:
    assert marathon_java("1.12.0") == marathon_java("1.1.1") == marathon_java("2") == ()
    assert "1.1" not in MARATHON_JAVA, "else 1.1 would answer for 1.11"
    parse_model(text(version="1.12.0"), ImageSpec, "a.yml")


def test_the_default_java_is_too_new() -> None:
    message = error_of(text())
    assert message.startswith("a.yml:5:23: artifacts.marathon.version: found Java 17 (openjdk-17-jre-headless); ")
    assert "allowed with Marathon 1.11.24: Java 8 or 11." in message
    assert "'marathon_java_package' or 'artifacts.marathon_java'" in message


@pytest.mark.parametrize(
    ("top", "more", "at"),
    [
        ("java_package: openjdk-17-jre-headless\n", "", "a.yml:3:15: java_package: found Java 17"),
        (
            "marathon_java_package: temurin-21-jre\n",
            "",
            "a.yml:3:24: marathon_java_package: found Java 21 (temurin-21-",
        ),
        ("", unpacked("17.0.9"), "a.yml:6:28: artifacts.marathon_java.version: found Java 17 (17.0.9)"),
        ("java_package: openjdk-11-jre\n", unpacked("21.0.1"), "a.yml:7:28: artifacts.marathon_java.version: found"),
    ],
)
def test_each_place_that_names_a_wrong_one_is_pointed_to(top: str, more: str, at: str) -> None:
    assert error_of(text(top=top, more=more)).startswith(at)


@pytest.mark.parametrize(
    ("top", "more"),
    [
        ("java_package: openjdk-11-jre-headless\n", ""),
        ("marathon_java_package: openjdk-8-jre-headless\n", ""),
        ("", unpacked("8u392")),
        ("marathon_java_package: default-jre-headless\n", ""),  # its name doesn't tell; the builder looks
    ],
)
def test_a_java_that_it_runs_on_is_taken(top: str, more: str) -> None:
    parse_model(text(top=top, more=more), ImageSpec, "a.yml")


def test_the_entry_overrides_the_table() -> None:
    parse_model(text(java="[17]"), ImageSpec, "a.yml")
    assert "allowed with Marathon 1.11.24: Java 8." in error_of(text(java="[8]"))
    assert "java.0: found '17'; allowed: a whole number" in error_of(text(java="['17']"))
    assert "java.0: found 7; allowed: 8 or more" in error_of(text(java="[7]"))
    assert MarathonArtifact(version="1.11.24", src="b", sha256=SHA).runs_on == (8, 11)


def test_marathon_has_one_java() -> None:
    message = error_of(text(top="marathon_java_package: openjdk-8-jre\n", more=unpacked("8u392")))
    assert "marathon_java_package: found a package and artifacts.marathon_java; remove one" in message


FITS_MARATHON = {"java": "[8, 11, 17]"}


def unpacked_zookeeper(version: str) -> str:
    return f"  zookeeper_java: {{version: {version}, src: c, sha256: '{SHA}'}}\n"


@pytest.mark.parametrize(
    ("top", "more", "at"),
    [
        ("java_package: openjdk-8-jre-headless\n", "", "a.yml:3:15: java_package: found Java 8 (openjdk-8-"),
        (
            "zookeeper_java_package: temurin-8-jre\n",
            "",
            "a.yml:3:25: zookeeper_java_package: found Java 8 (temurin-8-jre)",
        ),
        ("", unpacked_zookeeper("8u392"), "a.yml:6:29: artifacts.zookeeper_java.version: found Java 8 (8u392)"),
        ("", unpacked_zookeeper("1.8.0"), "a.yml:6:29: artifacts.zookeeper_java.version: found Java 8 (1.8.0)"),
    ],
)
def test_a_zookeeper_that_can_be_closed_needs_9(top: str, more: str, at: str) -> None:
    message = error_of(text(top=top, more=more, **FITS_MARATHON))
    assert message.startswith(at)
    assert "allowed with ZooKeeper: 9 or newer" in message
    assert "'zookeeper_java_package' or 'artifacts.zookeeper_java'" in message
    parse_model(text(top=f"zookeeper_open: true\n{top}", more=more, **FITS_MARATHON), ImageSpec, "a.yml")


def test_no_zookeeper_runs_on_7() -> None:
    message = error_of(text(top="zookeeper_open: true\nzookeeper_java_package: openjdk-7-jre\n", **FITS_MARATHON))
    assert "allowed with ZooKeeper: 8 or newer" in message
    assert message.count("zookeeper_open") == 0, "that is no way out here"


@pytest.mark.parametrize(
    ("top", "more"),
    [
        ("java_package: openjdk-8-jre-headless\nzookeeper_java_package: openjdk-17-jre-headless\n", ""),
        ("java_package: openjdk-8-jre-headless\n", unpacked_zookeeper("11.0.21")),
        ("zookeeper_java_package: default-jre\n", ""),  # its name doesn't tell; the builder looks
    ],
)
def test_a_java_that_zookeeper_runs_on_is_taken(top: str, more: str) -> None:
    parse_model(text(top=top, more=more, **FITS_MARATHON), ImageSpec, "a.yml")
