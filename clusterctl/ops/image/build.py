"""``image build``: a base image with all software, built on the cloud itself (D6).

A builder server boots a stock cloud image, Ansible runs the install half of the roles on it, the server is stopped and
snapshotted. The image's properties record what went in, so unchanged inputs need no build.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clusterctl.ansible.playbook import run_playbook
from clusterctl.cloud.base import Cloud
from clusterctl.errors import InputError
from clusterctl.ops.image.builder import ImageBuilder
from clusterctl.ops.image.software import install_variables, software_facts, software_files, software_properties
from clusterctl.ops.kit.artifacts import file_digest
from clusterctl.ops.kit.lock import Guard
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.lifecycle.preflight import named_images, network_problems, source_problems
from clusterctl.resources import Flavor, Image, Network
from clusterctl.spec.artifacts import ImageSpec
from clusterctl.ssh.config import SshConfig, Target, ansible_ssh_args

FAMILY = "clusterctl_family"
INPUTS = "clusterctl_inputs"
BUILT = "clusterctl_built"
SOURCE = "clusterctl_source"


@dataclass(frozen=True)
class ImageReport:
    """The image, and whether it was built now."""

    id: str
    name: str
    family: str
    built: bool
    seconds: dict[str, float]
    properties: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """``{"id", "name", "family", "built", "seconds", "properties"}``."""
        return {
            "id": self.id,
            "name": self.name,
            "family": self.family,
            "built": self.built,
            "seconds": self.seconds,
            "properties": dict(self.properties),
        }


@dataclass(frozen=True)
class _Inputs:
    source: Image
    network: Network
    flavor: Flavor
    files: dict[str, Path]
    digest: str


@dataclass(frozen=True)
class Sources:
    """Where the parts of an image lie on this machine.

    Attributes:
        base: directory of ``artifacts.yml``, from which relative paths start.
        data: directory with ``roles/`` and ``playbooks/``.
        cache: directory for downloads.
    """

    base: Path
    data: Path
    cache: Path


def build_image(
    builder: ImageBuilder,
    sources: Sources,
    guard: Guard,
    *,
    force: bool = False,
    max_age_days: float | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> ImageReport:
    """The newest image of the family with the inputs of the builder's file; built if there is none.

    Args:
        guard: two builds of a family would take each other's builder for one that a killed build left.
        force: build even if an image of these inputs exists.
        max_age_days: build if the newest of these inputs is older: the packages of the distribution are no input, and
            what was fixed in them since is missing from it.

    Raises:
        InputError: a name is unknown to the cloud, or a digest is wrong; no server was made.
        LockedError: another build of the family is at work.
        ClusterctlError: the build failed; the builder was removed.
    """
    spec, cloud, progress = builder.spec, builder.cloud, builder.progress
    with progress.phase("inputs"):
        inputs = _inputs(spec, cloud, sources)
        same = [image for image in cloud.images(family=spec.family) if image.properties.get(INPUTS) == inputs.digest]
    old = max_age_days is not None and bool(same) and age_days(same[0], now()) > max_age_days
    if same and not force and not old:
        return _report(spec, same[0], progress, built=False)
    with guard.hold(builder.cluster, cloud):
        try:
            with progress.phase("builder"):
                builder.remove()  # what a killed build left
                server = builder.boot(inputs.source, inputs.flavor, inputs.network)
                ssh, target = builder.reach(server)
            with progress.phase("install"):
                _install(spec, inputs, sources.data, ssh.config, target, progress)
            with progress.phase("snapshot"):
                built = now()
                properties = {
                    FAMILY: spec.family,
                    INPUTS: inputs.digest,
                    BUILT: built.isoformat(timespec="seconds"),
                    SOURCE: inputs.source.name,
                    **software_properties(spec),
                }
                image = builder.snapshot(server, f"{spec.family}-{built:%Y%m%d-%H%M%S}", properties)
        finally:
            with progress.phase("remove builder"):
                builder.remove()
    return _report(spec, image, progress, built=True)


def age_days(image: Image, now: datetime) -> float:
    """Days since an image was built; of one that doesn't tell, since it came to be."""
    built = datetime.fromisoformat(image.properties.get(BUILT) or image.created)
    return (now - built.replace(tzinfo=built.tzinfo or UTC)).total_seconds() / 86400


def install_digest(data: Path) -> str:
    """sha256 over everything below ``data`` that decides what the image holds: the install half of the roles.

    Templates and the tasks that configure a node act after the boot and leave the image as it is.
    """
    later = {"configure.yml", "service.yml", "validate.yml", "pending.yml"}
    digest = hashlib.sha256()
    paths = [data / "playbooks" / "image.yml"]
    paths += [
        path
        for path in sorted((data / "roles").rglob("*"))
        if path.is_file()
        and not {"templates", "meta", "__pycache__"} & set(path.relative_to(data).parts)
        and path.name not in later
    ]
    for path in paths:
        digest.update(f"{path.relative_to(data)}\0{file_digest(path)}\n".encode())
    return digest.hexdigest()


def _inputs(spec: ImageSpec, cloud: Cloud, sources: Sources) -> _Inputs:
    files = software_files(spec, sources.base, sources.cache)
    problems: list[str] = []
    source = next(iter(named_images(cloud, spec.source_image, spec.source_owner)), None)
    if source is None:
        problems.append(f"source_image: found {spec.source_image!r}, and the cloud has no image of that name or id")
    network = cloud.network(spec.build.network, with_free_addresses=True)
    problems += network_problems("build.network", spec.build.network, network)
    problems += source_problems("build.access", spec.build.access, network)
    known = {key: flavor for flavor in cloud.flavors() for key in (flavor.id, flavor.name)}
    flavor = known.get(spec.build.flavor)
    if flavor is None:
        names = ", ".join(sorted({each.name for each in known.values()}))
        problems.append(f"build.flavor: found {spec.build.flavor!r}; allowed: {names}")
    if not cloud.has_keypair(spec.build.keypair):
        problems.append(f"build.keypair: found {spec.build.keypair!r}, and your user has no keypair of that name")
    if problems or source is None or network is None or flavor is None:
        raise InputError("\n".join(problems))
    facts = {
        "source": source.id,
        "disk_gib": flavor.disk_gib,  # an image is as large as its builder's disk, and no smaller one can boot it
        **software_facts(spec),
        "install": install_digest(sources.data),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return _Inputs(source=source, network=network, flavor=flavor, files=files, digest=digest)


def _install(
    spec: ImageSpec, inputs: _Inputs, data: Path, config: SshConfig, target: Target, progress: Progress
) -> None:
    host = {
        "ansible_host": target.address,
        "ansible_user": config.user,
        "ansible_ssh_common_args": ansible_ssh_args(config, target),
    }

    run_playbook(
        data / "playbooks" / "image.yml",
        inventory={"all": {"hosts": ["builder"]}, "_meta": {"hostvars": {"builder": host}}},
        config=data / "ansible.cfg",
        extra_vars=install_variables(spec, inputs.files),
        on_task=progress.note,
        hint="The builder is removed; correct the cause and run the same command again.",
    )


def _report(spec: ImageSpec, image: Image, progress: Progress, *, built: bool) -> ImageReport:
    kept = {key: value for key, value in image.properties.items() if key.startswith("clusterctl_")}
    return ImageReport(image.id, image.name, spec.family, built, dict(progress.seconds), kept)
