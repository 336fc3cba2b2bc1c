"""The table of combinations: what the cluster file and an image are held to."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from pydantic import ValidationError

from clusterctl.jenkins.combinations import (
    GENERATIONS,
    generation,
    generation_of,
    image_problems,
    table,
    tier_problems,
)
from clusterctl.spec.artifacts import Artifact, ImageSpec
from clusterctl.spec.jenkins import Plugin
from tests.unit.jenkins.specs import SHA, image, tier

PLUGINS: tuple[Plugin, ...] = ("0.x", "1.x", "2.x")


@pytest.mark.parametrize(
    ("plugin", "registration", "checkpoint"),
    list(itertools.product(PLUGINS, ("on_demand", "always"), (True, False))),
)
def test_the_cluster_file_takes_what_the_table_allows(plugin: Plugin, registration: str, checkpoint: bool) -> None:
    row = generation(plugin)
    allowed = registration in row.registrations and (row.checkpoint or not checkpoint)
    settings = {"plugin": plugin, "registration": registration, "checkpoint": checkpoint}
    if allowed:
        assert tier(settings).jenkins
    else:
        with pytest.raises(ValidationError):
            tier(settings)


@pytest.mark.parametrize(
    ("version", "plugin"),
    [
        ("0.15.1", None),
        ("0.16", "0.x"),
        ("0.17", "1.x"),
        ("0.18.1", "1.x"),
        ("1.0.0", "1.x"),
        ("2.0", "2.x"),
        ("3", None),
    ],
)
def test_a_version_belongs_to_one_generation(version: str, plugin: Plugin | None) -> None:
    row = generation_of(version)
    assert (row.plugin if row else None) == plugin


def test_the_published_pairs_go_together() -> None:
    assert image_problems(image("2.319.3", "0.16")) == []
    assert image_problems(image("2.319.3", "1.0.0")) == []
    assert image_problems(image("2.504.3", "2.0", jenkins_java_package="openjdk-21-jre-headless")) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (image("2.332.1", "0.16"), "found core 2.332.1 with plugin mesos 0.16; allowed: 2.263 or newer, below 2.328"),
        (image("2.249.1", "0.16"), "found core 2.249.1"),
        (image("2.516.1", "2.0", jenkins_java_package="openjdk-21-jre-headless"), "below 2.509"),
        (image("2.319.3", "0.14.1"), "found mesos 0.14.1; allowed: 0.16 or newer below 0.17; 0.17 or newer below 2.0"),
        (image("2.319.3", None), "there is no 'mesos'"),
        (
            image("2.319.3", jenkins_java_package="openjdk-17-jre-headless"),
            "jenkins_java_package: found Java 17; allowed with core 2.319.3: Java 8 or 11",
        ),
        (image("2.319.3", jenkins_java_package=None), "java_package: found Java 17"),
        (image("2.319.3", jenkins_java_package="default-jre"), "its Java version can't be told"),
        (
            image("2.319.3", jenkins_java=Artifact(version="17.0.9", src="j", sha256=SHA)),
            "artifacts.jenkins_java.version: found Java 17",
        ),
        (
            image(
                "2.504.3", "2.0", jenkins_java_package="openjdk-17-jre-headless", java_package="openjdk-11-jre-headless"
            ),
            "java_package: found Java 11, which builds run with; the build agent of core 2.504.3 needs Java 17",
        ),
    ],
)
def test_what_does_not_go_together_is_named(spec: ImageSpec, expected: str) -> None:
    (message,) = image_problems(spec)
    assert expected in message


def test_java_8_and_11_of_tarballs_run_a_master() -> None:
    for version in ("8u392", "11.0.21+9"):
        assert image_problems(image(jenkins_java=Artifact(version=version, src="j", sha256=SHA))) == []


def test_an_image_without_jenkins_has_no_rules() -> None:
    spec = image()
    without = spec.artifacts.model_copy(update={"jenkins": None, "jenkins_plugins": ()})
    assert image_problems(spec.model_copy(update={"artifacts": without})) == []


def test_an_image_must_have_the_plugin_that_the_cluster_file_names() -> None:
    jenkins = tier().jenkins
    assert jenkins
    assert tier_problems(jenkins, "0.16") == []
    (message,) = tier_problems(jenkins, "1.0.0")
    assert "jenkins.plugin is 0.x, and the mesos plugin is 1.0.0; allowed: 0.16 or newer, below 0.17" in message


def test_generations_follow_one_another() -> None:
    assert [row.below for row in GENERATIONS[:-1]] == [row.oldest for row in GENERATIONS[1:]]
    assert [row.ports for row in GENERATIONS] == [3, 3, 2]


def test_the_docs_show_the_table() -> None:
    assert table() in (Path(__file__).parents[3] / "docs" / "jenkins.md").read_text()
