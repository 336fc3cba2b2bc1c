"""Cluster files with a Jenkins tier, and manifests, for tests."""

from __future__ import annotations

from typing import Any

from clusterctl.jenkins.manifests import Manifest
from clusterctl.spec.artifacts import Artifact, Artifacts, Builder, ImageSpec, MarathonArtifact, PluginArtifact
from clusterctl.spec.model import AccessSettings, ClusterSpec
from tests.unit.specs import demo_spec

SHA = "0" * 64


def tier(settings: dict[str, Any] | None = None, **changes: Any) -> ClusterSpec:
    """The demo with a section ``jenkins`` of ``settings``; top-level keys replaced by ``changes``."""
    return demo_spec(jenkins={"allow_ephemeral_homes": True, **(settings or {})}, **changes)


def image(core: str = "2.319.3", mesos: str | None = "0.16", **changes: Any) -> ImageSpec:
    """``artifacts.yml`` with this core and plugin, and Java 11 for masters."""
    plugins = [PluginArtifact(name="credentials", version="1.22", src="c", sha256=SHA)]
    if mesos:
        plugins.append(PluginArtifact(name="mesos", version=mesos, src="m", sha256=SHA))
    plain = Artifact(version="1", src="x", sha256=SHA)
    artifacts = Artifacts(
        mesos=plain,
        marathon=MarathonArtifact(**plain.model_dump()),
        jenkins=Artifact(version=core, src="w", sha256=SHA),
        jenkins_plugins=tuple(plugins),
        jenkins_java=changes.pop("jenkins_java", None),
    )
    java = {"jenkins_java_package": "openjdk-11-jre-headless"} if artifacts.jenkins_java is None else {}
    build = Builder(cloud="c", flavor="f", network="n", keypair="k", access=AccessSettings(ssh_from=("network",)))
    return ImageSpec(**{"source_image": "debian", "build": build, "artifacts": artifacts, **java, **changes})


def plugin(name: str, version: str, core: str = "2.7.3", needs: str = "") -> Manifest:
    """Manifest of a plugin."""
    values = {"Short-Name": name, "Plugin-Version": version, "Jenkins-Version": core, "Plugin-Dependencies": needs}
    return Manifest({key: value for key, value in values.items() if value})
