"""Deleting servers so that they are surely gone: until then they hold their ports, volumes and identities."""

from __future__ import annotations

from collections.abc import Collection

from clusterctl.cloud.base import Cloud
from clusterctl.ops.kit.parallel import for_each
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.resources import Server

# Cinder states in which a volume may be deleted (Block Storage API, 'Delete a volume')
DELETABLE = ("available", "error", "error_restoring", "error_extending", "error_managing", "deleting")

DELETE_S = 600.0  # for servers to be gone


def delete_servers(
    cluster: str,
    ids: Collection[str],
    cloud: Cloud,
    waiter: Waiter,
    *,
    timeout_s: float = DELETE_S,
) -> None:
    """Deletes servers and waits until none of them is listed any more.

    Raises:
        ClusterctlError: a deletion failed, or they have not vanished in time.
    """
    wanted = set(ids)
    if not wanted:
        return
    for_each(cloud.delete_server, sorted(wanted))

    left: list[Server] = []

    def gone() -> bool:
        left[:] = [server for server in cloud.servers(cluster) if server.id in wanted]
        # Nova leaves a server in ERROR when its deletion fails on the host; asking again is the documented cure
        broken = [server.id for server in left if server.status == "ERROR" and server.task_state is None]
        for_each(cloud.delete_server, broken)
        return not left

    waiter.until(
        gone,
        what=f"{len(wanted)} servers of {cluster} to be gone",
        timeout_s=timeout_s,
        told=lambda: (
            f"{len(left)} left: " + ", ".join(f"{each.name} is {each.task_state or each.status}" for each in left[:8])
        ),
        hint="The cloud is still deleting them, or can't; run the same command again.",
    )
