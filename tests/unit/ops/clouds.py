"""A cloud in memory that has what the demo names, and operations with injected clocks."""

from __future__ import annotations

from clusterctl.cloud.memory import MemoryCloud
from clusterctl.ops.create import CreateReport, create
from clusterctl.ops.progress import Progress
from clusterctl.ops.verify import VerifyReport
from clusterctl.ops.waiting import Waiter
from clusterctl.resources import Flavor, Image
from clusterctl.spec.model import ClusterSpec

FLAVOR = Flavor("f1", "m1.small", 2, 2048, 10)
IMAGE = Image("i1", "base-1", "active", "2026-01-01T00:00:00Z", 4, 0, 1, {"clusterctl_family": "clusterctl-base"})


def demo_cloud() -> MemoryCloud:
    """An empty project."""
    return MemoryCloud(image_list=[IMAGE], flavor_list=[FLAVOR], network_name="lab")


class Clock:
    """A waiter whose sleep advances its own clock."""

    def __init__(self) -> None:
        self.now = 0.0

    def waiter(self) -> Waiter:
        def sleep(seconds: float) -> None:
            self.now += seconds

        return Waiter(clock=lambda: self.now, sleep=sleep)


def create_in(cloud: MemoryCloud, spec: ClusterSpec) -> CreateReport:
    """``create`` that takes a cluster for healthy as soon as all its servers are ACTIVE."""
    waiter = Clock().waiter()

    def wait_healthy(wanted: ClusterSpec, fresh: bool) -> VerifyReport:
        waiter.until(
            lambda: all(server.status == "ACTIVE" for server in cloud.servers(wanted.cluster)),
            what="servers",
            timeout_s=60,
        )
        return VerifyReport(checks=())

    return create(spec, cloud, progress=Progress(), wait_healthy=wait_healthy, waiter=waiter, file="demo.yml")
