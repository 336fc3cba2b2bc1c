"""``artifacts.yml``: what is baked into the base image and where it comes from (D6, D9)."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from clusterctl.spec.model import Access, Label, StrictModel, Text, matching

Sha256 = Annotated[str, matching(re.compile(r"[0-9a-f]{64}"), "a sha256, 64 hex digits")]
Version = Annotated[str, matching(re.compile(r"[0-9][A-Za-z0-9.+~-]*"), "a version such as 1.11.0-1")]
Package = Annotated[str, matching(re.compile(r"[a-z0-9][a-z0-9+.-]+"), "a Debian package name")]


class Artifact(StrictModel):
    """A file that no distribution packages. Without its digest there is no build."""

    version: Version
    src: Text = Field(description="URL (http, https), or path relative to this file")
    sha256: Sha256


class Artifacts(StrictModel):
    """The artifacts of an image."""

    mesos: Artifact = Field(description="Debian package with mesos-master and mesos-agent")
    marathon: Artifact = Field(description="tarball with bin/marathon below one top directory")


class Builder(StrictModel):
    """The server on which the image is built; it is removed afterwards, whatever happens."""

    cloud: Text
    flavor: Text
    network: Text
    keypair: Text
    availability_zone: Text | None = None
    access: Access = Access()


class ImageSpec(StrictModel):
    """The whole of ``artifacts.yml``."""

    family: Label = "clusterctl-base"
    source_image: Text = Field(description="name or id of a Debian or Ubuntu cloud image")
    build: Builder
    artifacts: Artifacts
    java_package: Package = "openjdk-17-jre-headless"
    marathon_packages: tuple[Package, ...] = Field(default=(), strict=False)
