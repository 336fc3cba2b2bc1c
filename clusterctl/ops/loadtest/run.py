"""The load test of a cluster: the way to its masters, the check that nobody is disturbed, the test, the cleaning."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError
from clusterctl.health.expect import expected
from clusterctl.load.plan import LoadPlan
from clusterctl.load.result import LoadResult
from clusterctl.ops.kit.access import open_access
from clusterctl.ops.kit.delivery import Delivery
from clusterctl.ops.kit.lock import Guard
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.loadtest.clean import clean, left, other_work
from clusterctl.ops.loadtest.driver import run_frameworks
from clusterctl.ops.loadtest.logins import ClosedLogins, Logins
from clusterctl.ops.loadtest.masters import Endpoint, MasterMap, Registered
from clusterctl.ops.loadtest.tunnels import tunnels
from clusterctl.services import PORTS, Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import Part

_SHOWN = 10


@contextmanager
def masters_of(spec: ClusterSpec, cloud: Cloud) -> Iterator[list[Endpoint]]:
    """The masters of a cluster, reached through ssh.

    Raises:
        ClusterctlError: none can be reached; or Mesos is closed and the cluster's key can't be had.
    """
    servers, access = cloud.servers(spec.cluster), open_access(spec, cloud)
    nodes = expected(spec, servers, cloud.flavors()).running(Service.MESOS_MASTER)
    active = [node for node in nodes if node.status == "ACTIVE"]
    logins = Logins()
    if spec.secured(Part.MESOS):
        delivery = Delivery(cloud, access, Guard("loadtest"), note=lambda _text: None)
        logins = ClosedLogins(spec, delivery.keyring(spec, servers))
    with tunnels(access, active, PORTS[Service.MESOS_MASTER]) as endpoints:
        yield [replace(endpoint, logins=logins) for endpoint in endpoints]


def load_test(
    cluster: str, endpoints: Sequence[Endpoint], plan: LoadPlan, progress: Progress, *, beside_others: bool
) -> LoadResult:
    """Runs simulated frameworks on the masters.

    Args:
        beside_others: run although others use the cluster.

    Raises:
        ClusterctlError: others use the cluster, or see ``run_frameworks``.
    """
    if not beside_others:
        refuse_to_disturb(endpoints)
    with progress.phase("load test"):
        return run_frameworks(plan, MasterMap(endpoints), cluster, progress.note)


def refuse_to_disturb(endpoints: Sequence[Endpoint]) -> None:
    """Raises ClusterctlError where others use the cluster."""
    asyncio.run(_refuse_to_disturb(endpoints))


async def _refuse_to_disturb(endpoints: Sequence[Endpoint]) -> None:
    async with MasterMap(endpoints) as masters:
        found = other_work(await masters.frameworks())
    if found:
        more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        raise ClusterctlError(
            "the cluster is in use:\n" + "\n".join([*found[:_SHOWN], *more]),
            hint="A load test takes offers from them: --yes runs it anyway. `clusterctl loadtest clean FILE` "
            "removes what a killed test left.",
        )


def clean_up(endpoints: Sequence[Endpoint], *, even_at_work: bool) -> list[Registered]:
    """Removes what load tests left; what was removed.

    Args:
        even_at_work: remove also frameworks that are connected: a test that runs now, or one whose machine vanished
            without closing its connections.

    Raises:
        ClusterctlError: some are connected, or are left.
    """
    return asyncio.run(_clean_up(endpoints, even_at_work))


async def _clean_up(endpoints: Sequence[Endpoint], even_at_work: bool) -> list[Registered]:
    async with MasterMap(endpoints) as masters:
        working = sorted({each.run for each in await left(masters) if each.connected})
        if working and not even_at_work:
            raise ClusterctlError(
                f"load test {', '.join(working)} is at work: its frameworks are connected",
                hint="--yes removes them anyway.",
            )
        return await clean(masters)
