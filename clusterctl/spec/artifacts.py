"""``artifacts.yml``: what is baked into the base image and where it comes from (D6, D9)."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from clusterctl.services import ARTIFACTS
from clusterctl.spec import limits
from clusterctl.spec.java import CLOSED_ZOOKEEPER_JAVA, ZOOKEEPER_JAVA, marathon_java, old_java, wrong_java
from clusterctl.spec.model import AccessSettings
from clusterctl.spec.types import Label, StrictModel, Text, matching, rule_error

Sha256 = Annotated[str, matching(re.compile(r"[0-9a-f]{64}"), "a sha256, 64 hex digits")]
Version = Annotated[
    str, Field(max_length=128), matching(re.compile(r"[0-9][A-Za-z0-9.+~-]*"), "a version such as 1.11.0-1")
]
PluginName = Annotated[
    str, Field(max_length=limits.TEXT), matching(re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*"), "a plugin's short name")
]
Package = Annotated[
    str, Field(max_length=limits.TEXT), matching(re.compile(r"[a-z0-9][a-z0-9+.-]+"), "a Debian package name")
]


class Artifact(StrictModel):
    """A file that no distribution packages. Without its digest there is no build."""

    version: Version
    src: Text = Field(description="URL (http, https), or path relative to this file")
    sha256: Sha256


JavaMajor = Annotated[int, Field(ge=8, le=99)]


class MarathonArtifact(Artifact):
    """Marathon, or what stands in for it."""

    java: tuple[JavaMajor, ...] = Field(
        default=(), strict=False, description="Java versions that this one runs on, such as [8, 11]; else its release's"
    )

    @property
    def runs_on(self) -> tuple[int, ...]:
        """Java versions; empty if nothing is known."""
        return self.java or marathon_java(self.version)


class PluginArtifact(Artifact):
    """A Jenkins plugin, ``.hpi`` or ``.jpi``."""

    name: PluginName = Field(description="its Short-Name, such as mesos or credentials")


class Artifacts(StrictModel):
    """The artifacts of an image."""

    mesos: Artifact = Field(description="Debian package with mesos-master and mesos-agent")
    marathon: MarathonArtifact = Field(description="tarball with bin/marathon below one top directory")
    marathon_java: Artifact | None = Field(
        default=None, description="tarball with bin/java below one top directory, for Marathon only"
    )
    zookeeper_java: Artifact | None = Field(
        default=None, description="tarball with bin/java below one top directory, for ZooKeeper only"
    )
    jenkins: Artifact | None = Field(default=None, description="jenkins.war; its version is its Jenkins-Version")
    jenkins_plugins: tuple[PluginArtifact, ...] = Field(
        default=(), strict=False, description="mesos and all that it needs: nothing is fetched besides these"
    )
    jenkins_java: Artifact | None = Field(
        default=None, description="tarball with bin/java below one top directory, for masters only"
    )

    @model_validator(mode="after")
    def _jenkins(self) -> Artifacts:
        for key in ("jenkins_plugins", "jenkins_java"):
            if getattr(self, key) and self.jenkins is None:
                raise rule_error("jenkins", f"'{key}' without 'jenkins': name the war, too", (key,))
        names = [plugin.name for plugin in self.jenkins_plugins]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise rule_error("plugin", f"found {name!r} twice; remove one", ("jenkins_plugins", number, "name"))
        return self

    def named(self) -> dict[str, Artifact]:
        """All that are there, by name; a plugin's is ``jenkins_plugins.NAME``."""
        single = {
            "mesos": self.mesos,
            "marathon": self.marathon,
            "marathon_java": self.marathon_java,
            "zookeeper_java": self.zookeeper_java,
            "jenkins": self.jenkins,
            "jenkins_java": self.jenkins_java,
        }
        plugins = {f"jenkins_plugins.{plugin.name}": plugin for plugin in self.jenkins_plugins}
        return {name: artifact for name, artifact in single.items() if artifact} | plugins

    @property
    def of_services(self) -> dict[str, Artifact]:
        """Those that services of nodes are upgraded with, by component (``services.ARTIFACTS``)."""
        return {name: getattr(self, name) for name in dict.fromkeys(ARTIFACTS.values())}


# Of the name under which a builder is marked: no cluster can have it
BUILDER_SUFFIX = ".build"


class Builder(StrictModel):
    """The server on which the image is built; it is removed afterwards, whatever happens."""

    cloud: Text
    flavor: Text
    network: Text
    keypair: Text
    availability_zone: Text | None = None
    access: AccessSettings
    cgroups: Literal["v1"] | None = Field(
        default=None,
        description="v1: its kernel is booted with cgroup v1, the only one that Mesos' isolators cgroups/* know",
    )


class ImageSpec(StrictModel):
    """The whole of ``artifacts.yml``."""

    family: Annotated[Label, Field(max_length=limits.CLUSTER_NAME - len(BUILDER_SUFFIX))] = "clusterctl-base"
    source_image: Text = Field(description="name or id of a Debian or Ubuntu cloud image")
    source_owner: Text | None = Field(
        default=None, description="id of the project whose image it is; by default your own, or by name a public one"
    )
    build: Builder
    artifacts: Artifacts
    java_package: Package = "openjdk-17-jre-headless"
    packages: tuple[Package, ...] = Field(
        default=(), strict=False, description="further Debian packages on every node, such as docker.io"
    )
    marathon_packages: tuple[Package, ...] = Field(default=(), strict=False)
    marathon_java_package: Package | None = Field(
        default=None, description="Debian package with Java for Marathon, if it is not java_package"
    )
    zookeeper_java_package: Package | None = Field(
        default=None, description="Debian package with Java for ZooKeeper, if it is not java_package"
    )
    zookeeper_open: bool = Field(
        default=False,
        description="clusters of this image leave ZooKeeper open (security.insecure), so that Java 8 is enough for it",
    )
    jenkins_java_package: Package | None = Field(
        default=None, description="Debian package with Java for Jenkins masters, if it is not java_package"
    )

    @property
    def zookeeper_java_least(self) -> int:
        """Oldest Java for ZooKeeper."""
        return ZOOKEEPER_JAVA if self.zookeeper_open else CLOSED_ZOOKEEPER_JAVA

    @model_validator(mode="after")
    def _one_java(self) -> ImageSpec:
        for name in ("marathon_java", "zookeeper_java", "jenkins_java"):
            package = f"{name}_package"
            if getattr(self, package) and getattr(self.artifacts, name):
                raise rule_error("java", f"found a package and artifacts.{name}; remove one", (package,))
        return self

    @model_validator(mode="after")
    def _marathon_java(self) -> ImageSpec:
        marathon, own = self.artifacts.marathon, self.artifacts.marathon_java
        wrong = wrong_java(
            marathon.version,
            marathon.runs_on,
            artifact=own.version if own else None,
            package=self.marathon_java_package or self.java_package,
        )
        if wrong:
            raise rule_error("java", wrong, self._where("marathon", ("artifacts", "marathon", "version")))
        return self

    @model_validator(mode="after")
    def _zookeeper_java(self) -> ImageSpec:
        own = self.artifacts.zookeeper_java
        old = old_java(
            self.zookeeper_java_least,
            artifact=own.version if own else None,
            package=self.zookeeper_java_package or self.java_package,
        )
        if old:
            raise rule_error("java", old, self._where("zookeeper", ("artifacts",)))
        return self

    def _where(self, service: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Where the file names a service's Java; ``default`` if it doesn't."""
        if getattr(self.artifacts, f"{service}_java"):
            return ("artifacts", f"{service}_java", "version")
        named = [key for key in (f"{service}_java_package", "java_package") if key in self.model_fields_set]
        return (named[0],) if named else default
