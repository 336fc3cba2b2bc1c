"""Pure: which artifacts the nodes of a cluster run, and which image gives new nodes the same.

An image's properties tell what was built into it. A server gets them into its metadata in the create call, and every
upgrade writes there what it has installed, so that nobody has to ask nodes, of which some may be dead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from clusterctl.resources import Image, Server
from clusterctl.services import ARTIFACTS

IMAGE_VERSION = "clusterctl_version_{}"
IMAGE_SHA256 = "clusterctl_sha256_{}"
# The war and plugins of an image together, and the version of the Mesos plugin among them
IMAGE_JENKINS_RELEASE = "clusterctl_jenkins_release"
IMAGE_JENKINS_PLUGIN = "clusterctl_jenkins_plugin"
# v1 where the image's kernel is booted so; without it the distribution's default
IMAGE_CGROUPS = "clusterctl_cgroups"
# true where ZooKeeper's Java may be too old for a closed one
IMAGE_ZOOKEEPER_OPEN = "clusterctl_zookeeper_open"
KEY_ARTIFACT = "clusterctl.artifact.{}"  # in a server's metadata: "<version> <sha256>"


@dataclass(frozen=True, order=True)
class Release:
    """One artifact; two of the same version can differ."""

    component: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.component} {self.version}"

    @property
    def mark(self) -> dict[str, str]:
        """For a server's metadata."""
        return {KEY_ARTIFACT.format(self.component): f"{self.version} {self.sha256}"}


Releases = Mapping[str, Release]  # by component


def of_image(image: Image) -> Releases:
    """What is in an image; nothing is known of one that `clusterctl image build` has not made."""
    found = {}
    for name in dict.fromkeys(ARTIFACTS.values()):
        version, sha256 = (image.properties.get(key.format(name)) for key in (IMAGE_VERSION, IMAGE_SHA256))
        if version and sha256:
            found[name] = Release(name, version, sha256)
    return found


def of_server(server: Server) -> Releases:
    """What a server's services run, as far as that is recorded; what it has without running it doesn't count."""
    found = {}
    for name in _components(server.services):
        version, _, sha256 = server.metadata.get(KEY_ARTIFACT.format(name), "").partition(" ")
        if sha256:
            found[name] = Release(name, version, sha256)
    return found


def marks(releases: Releases) -> dict[str, str]:
    """The metadata of a server that has these."""
    return {key: value for each in releases.values() for key, value in each.mark.items()}


def running(servers: Iterable[Server], services: Sequence[str]) -> dict[str, set[Release]]:
    """What a new node with ``services`` may run: what the servers with the same services do, by component.

    More than one of a component is an upgrade that has not come to its end. Where no server has a service yet, whatever
    others run of its component; a component of which nothing is recorded is left out.
    """
    listed = list(servers)
    found: dict[str, set[Release]] = {}
    for service in services:
        name = ARTIFACTS.get(service)
        known = [server for server in listed if name in of_server(server)] if name else []
        peers = [server for server in known if service in server.services] or known
        if name and peers:
            found.setdefault(name, set()).update(of_server(server)[name] for server in peers)
    return found


def after_upgrade(servers: Iterable[Server], new: Releases) -> list[Server]:
    """The servers as they will be recorded once they have these."""
    return [replace(server, metadata={**server.metadata, **marks(new)}) for server in servers]


def newest_fitting(images: Iterable[Image], wanted: Mapping[str, set[Release]]) -> Image | None:
    """The first image that has one of the wanted artifacts of every component."""
    return next((image for image in images if fits(image, wanted)), None)


def fits(image: Image, wanted: Mapping[str, set[Release]]) -> bool:
    """Whether the image has one of the wanted artifacts of every component."""
    has = of_image(image)
    return all(has.get(name) in releases for name, releases in wanted.items())


def _components(services: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for each in services if (name := ARTIFACTS.get(each))))
