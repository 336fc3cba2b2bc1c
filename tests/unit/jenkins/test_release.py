"""Two sets of war and plugins never have one name."""

from __future__ import annotations

from clusterctl.jenkins.release import mesos_plugin_version, release_name
from tests.unit.jenkins.specs import image


def test_the_name_tells_the_core_and_follows_every_digest() -> None:
    artifacts = image().artifacts
    name = release_name(artifacts)
    assert name is not None
    assert name.startswith("2.319.3-")
    assert release_name(image().artifacts) == name
    first, second = artifacts.jenkins_plugins
    swapped = artifacts.model_copy(update={"jenkins_plugins": (second, first)})
    assert release_name(swapped) == name
    changed = artifacts.model_copy(update={"jenkins_plugins": (first, second.model_copy(update={"sha256": "f" * 64}))})
    assert release_name(changed) != name


def test_without_a_war_there_is_none() -> None:
    artifacts = image().artifacts.model_copy(update={"jenkins": None, "jenkins_plugins": ()})
    assert (release_name(artifacts), mesos_plugin_version(artifacts)) == (None, None)
    assert mesos_plugin_version(image().artifacts) == "0.16"
