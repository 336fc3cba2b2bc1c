"""What an image holds: artifacts as checked files, what Ansible installs of them, and what the image says of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clusterctl.errors import InputError
from clusterctl.jenkins import manifests
from clusterctl.jenkins.combinations import image_problems
from clusterctl.jenkins.release import mesos_plugin_version, release_name
from clusterctl.ops.kit.artifacts import local_artifact
from clusterctl.releases import (
    IMAGE_CGROUPS,
    IMAGE_JENKINS_PLUGIN,
    IMAGE_JENKINS_RELEASE,
    IMAGE_SHA256,
    IMAGE_VERSION,
    IMAGE_ZOOKEEPER_OPEN,
)
from clusterctl.spec.artifacts import Artifact, ImageSpec
from clusterctl.spec.load import load_model, located


def load_artifacts(path: Path) -> ImageSpec:
    """The artifacts file at ``path``, whose parts go together by the versions that it names.

    Raises:
        InputError: they don't, or it breaks another rule; every mistake as ``file:line:column``.
    """
    spec = load_model(path, ImageSpec)
    if problems := image_problems(spec):
        raise located(path, problems)
    return spec


def software_files(spec: ImageSpec, base: Path, cache: Path) -> dict[str, Path]:
    """Each artifact as a local file with the digest that the file names; by name, plugins as ``jenkins_plugins.NAME``.

    Raises:
        InputError: a digest is wrong, or core and plugins don't go together by what the files' manifests say.
        ClusterctlError: a download failed.
    """
    files = {name: local_artifact(name, artifact, base, cache) for name, artifact in spec.artifacts.named().items()}
    if problems := _manifest_problems(spec, files):
        raise InputError("\n".join(problems), hint="Nothing was built: Jenkins would start without these plugins.")
    return files


def software_facts(spec: ImageSpec) -> dict[str, Any]:
    """What of ``artifacts.yml`` decides what an image holds; plain data. Without Jenkins nothing mentions it."""
    named = spec.artifacts.named()
    facts: dict[str, Any] = {
        "artifacts": {name: [artifact.version, artifact.sha256] for name, artifact in named.items()},
        "java_package": spec.java_package,
        "marathon_packages": list(spec.marathon_packages),
        **({"packages": list(spec.packages)} if spec.packages else {}),
    }
    packages = ("marathon_java_package", "zookeeper_java_package", "jenkins_java_package")
    facts |= {name: package for name in packages if (package := getattr(spec, name))}
    if spec.zookeeper_open:
        facts["zookeeper_open"] = True
    return facts | ({"cgroups": spec.build.cgroups} if spec.build.cgroups else {})


def install_variables(spec: ImageSpec, files: Mapping[str, Path]) -> dict[str, Any]:
    """Variables of ``playbooks/image.yml``."""

    def given(name: str, artifact: Artifact) -> dict[str, str]:
        return {"src": str(files[name]), "sha256": artifact.sha256, "version": artifact.version}

    artifacts = spec.artifacts
    variables: dict[str, Any] = {
        f"{name}_artifact": given(name, artifact) for name, artifact in artifacts.of_services.items()
    }
    variables |= {
        "common_java_package": spec.java_package,
        "common_further_packages": list(spec.packages),
        "marathon_packages": list(spec.marathon_packages),
        "marathon_java_package": spec.marathon_java_package or ("" if artifacts.marathon_java else spec.java_package),
        "marathon_java_versions": list(artifacts.marathon.runs_on),
        "zookeeper_java_least": spec.zookeeper_java_least,
        "common_cgroups": spec.build.cgroups or "",
    }
    if spec.zookeeper_java_package:
        variables["zookeeper_java_package"] = spec.zookeeper_java_package
    if artifacts.zookeeper_java:
        variables["zookeeper_java_artifact"] = given("zookeeper_java", artifacts.zookeeper_java)
    if artifacts.marathon_java:
        variables["marathon_java_artifact"] = given("marathon_java", artifacts.marathon_java)
    if artifacts.jenkins is None:
        return variables
    variables |= {
        "jenkins_artifact": given("jenkins", artifacts.jenkins),
        "jenkins_plugin_artifacts": [
            {"name": plugin.name, **given(f"jenkins_plugins.{plugin.name}", plugin)}
            for plugin in artifacts.jenkins_plugins
        ],
        "jenkins_release": release_name(artifacts),
        "jenkins_java_package": spec.jenkins_java_package or "",
    }
    if artifacts.jenkins_java:
        variables["jenkins_java_artifact"] = given("jenkins_java", artifacts.jenkins_java)
    return variables


def software_properties(spec: ImageSpec) -> dict[str, str]:
    """What the image says of its artifacts, as properties."""
    properties: dict[str, str] = {}
    for name, artifact in spec.artifacts.of_services.items():
        properties |= {IMAGE_VERSION.format(name): artifact.version, IMAGE_SHA256.format(name): artifact.sha256}
    release, plugin = release_name(spec.artifacts), mesos_plugin_version(spec.artifacts)
    if release and plugin:
        properties |= {IMAGE_JENKINS_RELEASE: release, IMAGE_JENKINS_PLUGIN: plugin}
    if spec.build.cgroups:
        properties[IMAGE_CGROUPS] = spec.build.cgroups
    if spec.zookeeper_open:
        properties[IMAGE_ZOOKEEPER_OPEN] = "true"
    return properties


def _manifest_problems(spec: ImageSpec, files: Mapping[str, Path]) -> list[str]:
    if spec.artifacts.jenkins is None:
        return []
    plugins = {}
    for plugin in spec.artifacts.jenkins_plugins:
        key = f"jenkins_plugins.{plugin.name}"
        plugins[plugin.name] = (plugin.version, manifests.read(files[key], f"artifacts.{key}"))
    war = manifests.read(files["jenkins"], "artifacts.jenkins")
    return manifests.problems(war, spec.artifacts.jenkins.version, plugins)
