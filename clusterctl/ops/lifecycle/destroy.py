"""``destroy``: deletes what carries the cluster's marks and nothing else, then lists again to prove it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError
from clusterctl.ops.kit.parallel import for_each
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.run import Run, counted
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.ops.lifecycle.removal import DELETABLE, DELETE_S, delete_servers
from clusterctl.resources import Observed
from clusterctl.secrets.stored import StoredKey

_SHOWN = 8  # of what is waited for


@dataclass(frozen=True)
class DestroyReport:
    """Counts by kind; ``left`` is read from the cloud afterwards.

    Attributes:
        kept_key: the name of the cluster's key in the key manager, if it stayed there.
    """

    deleted: dict[str, int]
    left: dict[str, int]
    kept_volumes: tuple[str, ...]
    kept_key: str | None = None

    def to_json(self) -> dict[str, Any]:
        """``{"deleted": {kind: count}, "left": {kind: count}, "kept_volumes": [name], "kept_key": name or null}``."""
        return {
            "deleted": self.deleted,
            "left": self.left,
            "kept_volumes": list(self.kept_volumes),
            "kept_key": self.kept_key,
        }


def destroy(run: Run, *, with_volumes: bool = False, timeout_s: float = DELETE_S) -> DestroyReport:
    """Deletes servers, then ports, volumes (only ``with_volumes``), server and security groups; at last the lock.

    A key in the key manager goes when no volume stays: what volumes hold is closed with secrets that were made from it.

    Args:
        timeout_s: for all waits together.

    Raises:
        LockedError: another command is at work on the cluster.
        ClusterctlError: ports of others are in its security group, nothing was deleted; or something was not deleted:
            the message says what exists and how to go on.
    """
    cluster, cloud = run.spec.cluster, run.cloud
    with run.progress.phase("observe"):
        observed, locks = _own(cloud.observe(cluster)), cloud.locks(cluster)
        _nobody_else(observed, cloud)
        keys = _stored_keys(run)
    wanted = [count for kind, count in observed.counts.items() if kind != "volumes" or with_volumes]
    key_goes = bool(keys) and (with_volumes or not observed.volumes)
    if not any(wanted) and not locks and not key_goes:
        return _report(observed, observed, keys, keys, {"locks": (0, 0)})
    with run.guard.hold(cluster, cloud), run.going_on():
        before, after = remove(cluster, cloud, run.progress, run.waiter.together(timeout_s), with_volumes)
        if not after.volumes:
            for key in keys:
                cloud.delete_cluster_key(key.id)
    counts = {"locks": (len(locks), len(cloud.locks(cluster)))}
    return _report(before, after, keys, _stored_keys(run), counts)


def _stored_keys(run: Run) -> list[StoredKey]:
    """Of a cluster whose file says that its key is in the key manager."""
    return run.cloud.cluster_keys(run.spec.cluster) if run.spec.secrets.source == "barbican" else []


def _own(observed: Observed) -> Observed:
    """Without the server groups that only have a name like ours: one with other members is somebody else's."""
    ours = {server.id for server in observed.servers}
    groups = tuple(group for group in observed.server_groups if set(group.members) <= ours)
    return replace(observed, server_groups=groups)


def _nobody_else(observed: Observed, cloud: Cloud) -> None:
    """Neutron would refuse to delete the security group when the servers are gone already.

    Raises:
        ClusterctlError: names the ports of others that are in it.
    """
    servers, ports = {server.id for server in observed.servers}, {port.id for port in observed.ports}
    for group in observed.security_groups:
        users = [p for p in cloud.users_of_group(group.id) if p.device_id not in servers and p.id not in ports]
        if users:
            named = ", ".join(
                f"{port.name or 'without a name'} ({port.id}, {port.address}, of {port.device_id or 'nobody'})"
                for port in users
            )
            raise ClusterctlError(
                f"ports of others are in the cluster's security group {group.name}: {named}; nothing was deleted",
                hint=f"`openstack port unset --security-group {group.id} {users[0].id}` takes a port out of it.",
            )


def _no_snapshots(cluster: str, cloud: Cloud) -> None:
    """Cinder deletes no volume that has snapshots, and these are backups. Raises ClusterctlError that names them."""
    if found := cloud.volume_snapshots(cluster):
        named = ", ".join(f"{each.name} ({each.id})" for each in found)
        raise ClusterctlError(
            f"the volumes of cluster {cluster} have snapshots: {named}; nothing was deleted",
            hint=f"`openstack volume snapshot delete {' '.join(each.id for each in found)}` deletes them. "
            "Without --volumes the volumes and their snapshots stay.",
        )


def remove(
    cluster: str, cloud: Cloud, progress: Progress, waiter: Waiter, with_volumes: bool = True
) -> tuple[Observed, Observed]:
    """Deletes all but the lock, which the caller holds; what was there, and what is left.

    Raises:
        ClusterctlError: something was not deleted; running it again goes on.
    """
    if with_volumes:
        _no_snapshots(cluster, cloud)
    with progress.phase("delete servers"):
        observed = _own(cloud.observe(cluster))
        ids = [server.id for server in observed.servers]
        delete_servers(cluster, ids, cloud, waiter)
    with progress.phase("delete the rest"):
        for_each(cloud.delete_port, (port.id for port in observed.ports))
        if with_volumes:
            held: list[str] = []

            def detached() -> bool:
                volumes = [each for each in cloud.volumes(cluster) if each.status not in DELETABLE]
                held[:] = [f"{each.name} ({each.id}) is {each.status}" for each in volumes]
                return not held

            waiter.until(
                detached,
                what=f"the volumes of {cluster} to be detached",
                timeout_s=DELETE_S,
                told=lambda: ", ".join(held[:_SHOWN]),
                hint="`openstack volume show ID` tells what holds one; freed, the same command goes on. Without "
                "--volumes they stay.",
            )
            for_each(cloud.delete_volume, (volume.id for volume in observed.volumes))
        for_each(cloud.delete_server_group, (group.id for group in observed.server_groups))
        # one after the other: a deletion takes along what others' rules say of the group
        for group in observed.security_groups:
            cloud.delete_security_group(group.id)
    with progress.phase("prove"):
        left: dict[str, Observed] = {}

        def nothing_left() -> bool:
            left["now"] = _own(cloud.observe(cluster))
            now = left["now"].counts
            return all(count == 0 for kind, count in now.items() if kind != "volumes" or with_volumes)

        waiter.until(
            nothing_left,
            what=f"the last resources of {cluster} to be gone",
            timeout_s=120,
            told=lambda: counted({kind: count for kind, count in left["now"].counts.items() if count}),
            hint="Run the same command again; what stays has a reason that the cloud's operators can see.",
        )
    return observed, left["now"]


def _report(
    before: Observed,
    after: Observed,
    keys_before: Sequence[StoredKey],
    keys_after: Sequence[StoredKey],
    more: Mapping[str, tuple[int, int]],
) -> DestroyReport:
    """``more`` are counts before and after, of what is not in ``Observed``."""
    was = before.counts | {kind: count for kind, (count, _) in more.items()}
    left = after.counts | {kind: count for kind, (_, count) in more.items()}
    if keys_before:
        was["keys"], left["keys"] = len(keys_before), len(keys_after)
    return DestroyReport(
        deleted={kind: max(0, count - left[kind]) for kind, count in was.items()},
        left=left,
        kept_volumes=tuple(sorted(volume.name for volume in after.volumes)),
        kept_key=keys_after[0].name if keys_after else None,
    )
