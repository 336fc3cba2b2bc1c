"""``image build``: a base image with all software, built on the cloud itself (D6).

A builder server boots a stock cloud image, Ansible runs the install half of the roles on it, the server is stopped and
snapshotted. The image's properties record what went in, so unchanged inputs need no build.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clusterctl import resources as r
from clusterctl.ansible.playbook import run_playbook
from clusterctl.cloud.base import Cloud
from clusterctl.errors import CloudError, ClusterctlError, InputError, NodeError
from clusterctl.ops.image.software import install_variables, software_facts, software_files, software_properties
from clusterctl.ops.kit.access import target_of
from clusterctl.ops.kit.artifacts import file_digest
from clusterctl.ops.kit.lock import Guard
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.ops.lifecycle.destroy import remove
from clusterctl.ops.lifecycle.preflight import named_images, network_problems, source_problems
from clusterctl.plan import SSH_PORT, ssh_sources
from clusterctl.resources import Flavor, Image, Network, Rule, Server, ServerRequest
from clusterctl.spec.artifacts import BUILDER_SUFFIX, ImageSpec
from clusterctl.ssh.client import Ssh, SshError, SshFailure
from clusterctl.ssh.config import SshConfig, Target, ansible_ssh_args, control_directory, identity_from
from clusterctl.ssh.console import console_tail, new_nonce, proof_of
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts, known_hosts_path

FAMILY = "clusterctl_family"
INPUTS = "clusterctl_inputs"
BUILT = "clusterctl_built"
SOURCE = "clusterctl_source"

# Prints the host keys in our own form: trimmed images leave out cloud-init's module that does it.
_BUILDER_DATA = """#cloud-config
runcmd:
- |
  for key in /etc/ssh/ssh_host_*_key.pub; do
    printf '\\nclusterctl NONCE: hostkey %s\\n' "$(cut -d' ' -f1,2 "$key")"
  done > /dev/console
"""


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


def build_image(
    spec: ImageSpec,
    base: Path,
    cloud: Cloud,
    *,
    data: Path,
    cache: Path,
    progress: Progress,
    waiter: Waiter | None = None,
    force: bool = False,
    file: str = "artifacts.yml",
    guard: Guard | None = None,
) -> ImageReport:
    """The newest image of the family with the inputs of ``spec``; built if there is none.

    Args:
        base: directory of ``artifacts.yml``, from which relative paths start.
        data: directory with ``roles/`` and ``playbooks/``.
        cache: directory for downloads.
        force: build even if an image of these inputs exists.
        guard: two builds of a family would take each other's builder for one that a killed build left.

    Raises:
        InputError: a name is unknown to the cloud, or a digest is wrong; no server was made.
        LockedError: another build of the family is at work.
        ClusterctlError: the build failed; the builder was removed.
    """
    waiter = waiter or Waiter()
    with progress.phase("inputs"):
        inputs = _inputs(spec, base, cloud, data, cache)
        same = [image for image in cloud.images(family=spec.family) if image.properties.get(INPUTS) == inputs.digest]
    if same and not force:
        return _report(spec, same[0], progress, built=False)
    cluster = f"{spec.family}{BUILDER_SUFFIX}"
    guard = guard or Guard("image-build", unlock=f"clusterctl image build {file} --steal-lock", waiter=waiter)
    with guard.hold(cluster, cloud):
        try:
            with progress.phase("builder"):
                remove(cluster, cloud, Progress(), waiter)  # what a killed build left
                server = _boot(spec, cluster, inputs, cloud, waiter)
                ssh, target = _reach(spec, cluster, server, cloud, waiter, progress)
            with progress.phase("install"):
                _install(spec, inputs, data, ssh.config, target, progress)
            with progress.phase("snapshot"):
                image = _snapshot(spec, cluster, server, inputs, cloud, waiter, progress)
        finally:
            with progress.phase("remove builder"):
                remove(cluster, cloud, Progress(), waiter)
    return _report(spec, image, progress, built=True)


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


def _inputs(spec: ImageSpec, base: Path, cloud: Cloud, data: Path, cache: Path) -> _Inputs:
    files = software_files(spec, base, cache)
    problems: list[str] = []
    source = next(iter(named_images(cloud, spec.source_image)), None)
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
        "install": install_digest(data),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return _Inputs(source=source, network=network, flavor=flavor, files=files, digest=digest)


def _boot(spec: ImageSpec, cluster: str, inputs: _Inputs, cloud: Cloud, waiter: Waiter) -> Server:
    mark = r.owner_mark(cluster)
    sg = cloud.create_security_group(r.security_group_name(cluster), mark)
    nonce = new_nonce()
    sources = ssh_sources(spec.build.access, inputs.network.cidrs)
    cloud.create_rules(sg.id, [Rule(SSH_PORT, SSH_PORT, source) for source in sources], mark)
    cloud.create_servers(
        ServerRequest(
            name=f"{spec.family}-build",
            image_id=inputs.source.id,
            flavor_id=inputs.flavor.id,
            user_data=_BUILDER_DATA.replace("NONCE", nonce).encode(),
            metadata={
                r.KEY_CLUSTER: cluster,
                r.KEY_GROUP: "builder",
                r.KEY_NODE: cluster,
                r.KEY_SERVICES: "",
                r.KEY_CONSOLE: proof_of(nonce),
            },
            tags=(mark,),
            keypair=spec.build.keypair,
            zone=spec.build.availability_zone,
            server_group_id=None,
            network_id=inputs.network.id,
            security_groups=(sg.id,),
        )
    )
    return _in_status(cluster, "ACTIVE", cloud, waiter, timeout_s=600)


def _in_status(cluster: str, status: str, cloud: Cloud, waiter: Waiter, *, timeout_s: float) -> Server:
    """The builder once it has that status; one list call a tick."""
    found: list[Server] = []

    def reached() -> bool:
        found[:] = cloud.servers(cluster)
        if found and found[0].status == "ERROR":
            raise CloudError(f"the builder's build failed: {found[0].fault or 'no reason given'}")
        return bool(found) and found[0].status == status and found[0].task_state is None

    waiter.until(reached, what=f"the builder to be {status}", timeout_s=timeout_s)
    return found[0]


def _reach(
    spec: ImageSpec, cluster: str, server: Server, cloud: Cloud, waiter: Waiter, progress: Progress
) -> tuple[Ssh, Target]:
    """A connection to the builder, its host key pinned from the console."""
    access = spec.build.access
    known = KnownHosts(known_hosts_path(spec.build.cloud, cluster))
    keys = HostKeys(known, cloud.console, cloud.rebuilt)
    ssh = Ssh(SshConfig(access.user, known.path, control_directory(), bastion=access.bastion, identity=identity_from()))
    target = target_of(server)
    progress.note("waiting for its host key on the console")

    def pinned() -> bool:
        return keys.find(target)

    def ready() -> bool:
        try:
            # cloud-init holds the package manager's lock while it runs
            result = ssh.run(target, "cloud-init status --wait >/dev/null; cloud-init status", timeout_s=300)
        except SshError as error:
            if error.failure in (SshFailure.HOST_KEY, SshFailure.DENIED):
                raise
            return False
        return result.stdout.strip() != ""

    try:
        waiter.until(pinned, what="the builder to print its host key", timeout_s=600, every_s=3)
        waiter.until(ready, what="the builder to answer over SSH", timeout_s=300, every_s=3)
    except ClusterctlError as error:
        raise NodeError(
            f"{error.message}; the last lines of its console:\n{console_tail(cloud.console(server.id))}",
            hint=error.hint,
        ) from error
    return ssh, target


def _install(
    spec: ImageSpec, inputs: _Inputs, data: Path, config: SshConfig, target: Target, progress: Progress
) -> None:
    host = {
        "ansible_host": target.address,
        "ansible_user": config.user,
        "ansible_ssh_common_args": ansible_ssh_args(config, target),
    }

    def show(line: str) -> None:
        if line.startswith("TASK ["):
            progress.note(line.removeprefix("TASK [").split("]")[0])

    run_playbook(
        data / "playbooks" / "image.yml",
        inventory={"all": {"hosts": ["builder"]}, "_meta": {"hostvars": {"builder": host}}},
        config=data / "ansible.cfg",
        extra_vars=install_variables(spec, inputs.files),
        on_line=show,
        hint="The builder is removed; correct the cause and run the same command again.",
    )


def _snapshot(
    spec: ImageSpec,
    cluster: str,
    server: Server,
    inputs: _Inputs,
    cloud: Cloud,
    waiter: Waiter,
    progress: Progress,
) -> Image:
    progress.note("stopping the builder")
    cloud.stop_server(server.id)  # a running one would be snapshotted with half-written files
    _in_status(cluster, "SHUTOFF", cloud, waiter, timeout_s=180)
    built = datetime.now(UTC)
    properties = {
        FAMILY: spec.family,
        INPUTS: inputs.digest,
        BUILT: built.isoformat(timespec="seconds"),
        SOURCE: inputs.source.name,
        **software_properties(spec),
    }
    progress.note("taking the snapshot")
    image_id = cloud.create_snapshot(server.id, f"{spec.family}-{built:%Y%m%d-%H%M%S}", properties)
    found: list[Image | None] = [None]

    def active() -> bool:
        found[0] = cloud.image(image_id)
        if found[0] is None or found[0].status in ("killed", "deleted", "error"):
            raise CloudError(f"the snapshot {image_id} failed: {found[0].status if found[0] else 'it vanished'}")
        return found[0].status == "active"

    try:
        waiter.until(active, what="the snapshot to become active", timeout_s=1800)
    except ClusterctlError:
        cloud.delete_image(image_id)
        raise
    assert found[0] is not None  # noqa: S101  (active() raised otherwise)
    return found[0]


def _report(spec: ImageSpec, image: Image, progress: Progress, *, built: bool) -> ImageReport:
    kept = {key: value for key, value in image.properties.items() if key.startswith("clusterctl_")}
    return ImageReport(image.id, image.name, spec.family, built, dict(progress.seconds), kept)
