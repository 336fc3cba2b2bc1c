"""The builder: the server on which an image is made, from its boot to its snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from clusterctl import resources as r
from clusterctl.cloud.base import Cloud
from clusterctl.errors import CloudError, ClusterctlError, NodeError
from clusterctl.ops.kit.access import connection, target_of
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.ops.lifecycle.destroy import remove
from clusterctl.resources import Flavor, Image, Network, Rule, Server, ServerRequest
from clusterctl.spec.artifacts import BUILDER_SUFFIX, ImageSpec
from clusterctl.ssh.client import Ssh, SshError, SshFailure
from clusterctl.ssh.config import Target
from clusterctl.ssh.console import console_tail, new_nonce, proof_of
from clusterctl.tiers import SSH_PORT, ssh_sources

# Prints the host keys in our own form: trimmed images leave out cloud-init's module that does it.
_BUILDER_DATA = """#cloud-config
runcmd:
- |
  for key in /etc/ssh/ssh_host_*_key.pub; do
    printf '\\nclusterctl NONCE: hostkey %s\\n' "$(cut -d' ' -f1,2 "$key")"
  done > /dev/console
"""


@dataclass(frozen=True)
class ImageBuilder:
    """A server with a mark of its own, which no cluster can have."""

    spec: ImageSpec
    cloud: Cloud
    progress: Progress = field(default_factory=Progress)
    waiter: Waiter = field(default_factory=Waiter)

    @property
    def cluster(self) -> str:
        """Whose mark its resources bear."""
        return f"{self.spec.family}{BUILDER_SUFFIX}"

    def remove(self) -> None:
        """Deletes it with all that was made for it, also what a killed build left."""
        remove(self.cluster, self.cloud, Progress(), self.waiter)

    def boot(self, source: Image, flavor: Flavor, network: Network) -> Server:
        """Makes it; returns once it is ACTIVE. Raises CloudError."""
        mark = r.owner_mark(self.cluster)
        access = self.spec.build.access
        sg = self.cloud.create_security_group(r.security_group_name(self.cluster), mark)
        rules = [Rule(SSH_PORT, SSH_PORT, cidr) for cidr in ssh_sources(access, network.cidrs)]
        self.cloud.create_rules(sg.id, rules, mark)
        nonce = new_nonce()
        self.cloud.create_servers(
            ServerRequest(
                name=f"{self.spec.family}-build",
                image_id=source.id,
                flavor_id=flavor.id,
                user_data=_BUILDER_DATA.replace("NONCE", nonce).encode(),
                metadata={
                    r.KEY_CLUSTER: self.cluster,
                    r.KEY_GROUP: "builder",
                    r.KEY_NODE: self.cluster,
                    r.KEY_SERVICES: "",
                    r.KEY_CONSOLE: proof_of(nonce),
                },
                tags=(mark,),
                keypair=self.spec.build.keypair,
                zone=self.spec.build.availability_zone,
                server_group_id=None,
                network_id=network.id,
                security_groups=(sg.id,),
            )
        )
        return self._in_status("ACTIVE", timeout_s=600)

    def reach(self, server: Server) -> tuple[Ssh, Target]:
        """A connection to it, its host key pinned from the console.

        Raises:
            NodeError: it doesn't answer in time, or refuses us; with the end of its console.
        """
        ssh, keys = connection(self.spec.build.cloud, self.cluster, self.spec.build.access, self.cloud)
        target = target_of(server)
        self.progress.note("waiting for its host key on the console")

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
            self.waiter.until(pinned, what="the builder to print its host key", timeout_s=600, every_s=3)
            self.waiter.until(ready, what="the builder to answer over SSH", timeout_s=300, every_s=3)
        except ClusterctlError as error:
            raise NodeError(
                f"{error.message}; the last lines of its console:\n{console_tail(self.cloud.console(server.id))}",
                hint=error.hint,
            ) from error
        return ssh, target

    def snapshot(self, server: Server, name: str, properties: Mapping[str, str]) -> Image:
        """Stops it, and makes an image of its disk. Raises ClusterctlError; no image is left then."""
        self.progress.note("stopping the builder")
        self.cloud.stop_server(server.id)  # a running one would be snapshotted with half-written files
        self._in_status("SHUTOFF", timeout_s=180)
        self.progress.note("taking the snapshot")
        image_id = self.cloud.create_snapshot(server.id, name, properties)
        found: list[Image | None] = [None]

        def active() -> bool:
            found[0] = self.cloud.image(image_id)
            if found[0] is None or found[0].status in ("killed", "deleted", "error"):
                raise CloudError(f"the snapshot {image_id} failed: {found[0].status if found[0] else 'it vanished'}")
            return found[0].status == "active"

        try:
            self.waiter.until(active, what="the snapshot to become active", timeout_s=1800)
        except ClusterctlError:
            self.cloud.delete_image(image_id)
            raise
        assert found[0] is not None  # noqa: S101  (active() raised otherwise)
        return found[0]

    def _in_status(self, status: str, *, timeout_s: float) -> Server:
        """It, once it has that status; one list call a tick."""
        found: list[Server] = []

        def reached() -> bool:
            found[:] = self.cloud.servers(self.cluster)
            if found and found[0].status == "ERROR":
                raise CloudError(f"the builder's build failed: {found[0].fault or 'no reason given'}")
            return bool(found) and found[0].status == status and found[0].task_state is None

        self.waiter.until(reached, what=f"the builder to be {status}", timeout_s=timeout_s)
        return found[0]
