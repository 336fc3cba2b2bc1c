"""A cloud in memory that has what the demo names, and operations with injected clocks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.lock import Guard, Holder
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.run import Run
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.ops.lifecycle.create import CreateReport, create
from clusterctl.ops.observe.verify import VerifyReport
from clusterctl.resources import Flavor, Image
from clusterctl.spec.model import ClusterSpec
from tests.memory.cloud import MemoryCloud
from tests.memory.faults import When

FLAVOR = Flavor("f1", "m1.small", 2, 2048, 10)
IMAGE = Image("i1", "base-1", "active", "2026-01-01T00:00:00Z", 4, 0, {"clusterctl_family": "clusterctl-base"})


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


@dataclass
class Killed:
    """``kill -9`` at a call: it raises SystemExit before or after the call, and at every later one.

    So what a program does on its way out (``finally``) reaches the cloud no more.
    """

    call: int
    when: When
    dead: bool = False

    def __call__(self, number: int, _kind: str, when: When) -> BaseException | None:
        self.dead = self.dead or (number, when) == (self.call, self.when)
        return SystemExit(9) if self.dead else None


def guard(pid: int = 1, *, steal: bool = False) -> Guard:
    """Of process ``pid``; all others are known to be dead, unless their pid is 99."""
    return Guard(
        "test",
        steal=steal,
        process=lambda command: Holder("ann@ops1", pid, "1", "m", command),
        dead=lambda holder: holder.pid != 99,
        waiter=Clock().waiter(),
        now=lambda: datetime(2026, 1, 1, 1, tzinfo=UTC),
    )


def kill(cloud: MemoryCloud, call: int, when: When) -> None:
    """The next command dies at that call."""
    cloud.reset_calls()
    cloud.faults.append(Killed(call, when))


def revive(cloud: MemoryCloud) -> None:
    """The next command lives."""
    cloud.faults.clear()


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

    return create(run_of(cloud, spec, waiter=waiter), wait_healthy=wait_healthy)


def run_of(
    cloud: MemoryCloud, spec: ClusterSpec, command: str = "create", waiter: Waiter | None = None, **options: str
) -> Run:
    """A command at work on the demo."""
    given = Command(command, "demo.yml").having(**options)
    return Run(spec, cloud, given, guard(), Progress(), waiter or Clock().waiter())
