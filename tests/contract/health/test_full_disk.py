"""A ZooKeeper whose disk fills up while it runs: it stays up without taking part, and doesn't come back when there is
room, once it has begun a log that it couldn't write. `verify` tells it, and `repair` restarts it when there is room.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from clusterctl.ops.grow.operation import Operation
from clusterctl.ops.grow.repair import repair
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.run import Run
from clusterctl.ops.roll.drain import open_drains
from clusterctl.resources import Port
from clusterctl.services import Service
from tests.contract.health.world import NODES, SPEC, ListingCloud, World
from tests.contract.members.test_full_disk import before_start
from tests.contract.mesos.cluster import Daemon, wait_for
from tests.unit.ops.clouds import guard

pytestmark = [pytest.mark.mesos, pytest.mark.operate]

SIZE_MIB = 160


class CloudWithPorts(ListingCloud):
    """With what a cluster has that `repair` would make otherwise."""

    def ports(self, cluster: str) -> list[Port]:
        return [Port(f"p-{name}", name, at, name, used=True) for name, (of, at) in NODES.items() if of == "control"]


@dataclass
class Work:
    """Restarts of ZooKeepers, as the unit does them: the disk was full as a new log was begun, which is empty still."""

    daemons: dict[str, Daemon]
    data: dict[str, Path]
    done: list[tuple[Service, str]] = field(default_factory=list)

    def restart(self, service: Service, name: str) -> None:
        self.done.append((service, name))
        assert service is Service.ZOOKEEPER
        self.daemons[name].kill()
        before_start(self.data[name])
        self.daemons[name].start()

    def fresh_data(self, service: Service, name: str) -> None:
        raise AssertionError(f"{service} on {name}: nobody asked for that")


@dataclass
class Small:
    """A follower whose data lie on a file system of its own; full from ``fill`` on."""

    world: World
    index: int
    directory: Path

    @property
    def name(self) -> str:
        return f"loop-control-{self.index + 1}"

    def fill(self) -> None:
        with pytest.raises(OSError, match="No space left"), (self.directory / "fill").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(64 * 1024))

    def begun(self) -> bool:
        """Whether it began a log for which there was no room. Without one it comes back by itself, as if restarted."""
        newest = max((self.directory / "version-2").glob("log.*"), key=lambda path: int(path.suffix[1:], 16))
        return newest.stat().st_size == 0

    def out(self) -> bool:
        """Whether `verify` says that this member is out; nothing of the others."""
        found = self.world.verify().get("zookeeper.members", "")
        return found.startswith(f"{self.name} (") and "; " not in found


@pytest.fixture
def small(world: World) -> Iterator[Small]:
    index = next(index for index in (0, 1, 2) if index != world.zookeeper_leader())
    daemon, directory = world.cluster.zookeepers[index], world.cluster.work / f"zk{index + 1}"
    kept = directory.with_name(f"{directory.name}-kept")
    world.kill(daemon)
    copy(directory, kept)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", directory], check=True)
    try:
        copy(kept, directory)
        world.restore()
        assert world.wait().healthy
        yield Small(world, index, directory)
    finally:
        world.kill(daemon)
        (directory / "fill").unlink(missing_ok=True)
        copy(directory, kept)
        subprocess.run(["umount", directory], check=True)
        copy(kept, directory)
        shutil.rmtree(kept)
        world.restore()


def copy(source: Path, target: Path) -> None:
    """Makes ``target`` what ``source`` is; logs that were made large beforehand take no more room than they hold."""
    target.mkdir(exist_ok=True)
    subprocess.run(["find", target, "-mindepth", "1", "-delete"], check=True)
    subprocess.run(["cp", "-a", "--sparse=always", f"{source}/.", target], check=True)


def write_until(small: Small, hosts: Sequence[str]) -> None:
    """Writes to the ensemble until the member is out for good; what was written is taken away again."""
    client = KazooClient(",".join(f"{host}:2181" for host in hosts), timeout=20)
    client.start(30)
    try:
        client.retry(client.ensure_path, "/full")

        def out() -> bool:
            client.retry(client.create, "/full/x-", bytes(20_000), sequence=True)
            return small.begun() and small.out()

        wait_for("the member on the full disk to be out", out, 120)
        client.retry(client.delete, "/full", recursive=True)
    finally:
        client.stop()
        client.close()


def test_it_stays_out_is_told_and_is_restarted_by_repair(world: World, small: Small) -> None:
    daemon = world.cluster.zookeepers[small.index]
    small.fill()
    write_until(small, [host for host in world.cluster.hosts if host != world.cluster.hosts[small.index]])
    assert daemon.running, "systemd would have nothing to restart"
    before = daemon.pid
    (small.directory / "fill").unlink()

    cloud = CloudWithPorts(flavor_list=world.cloud.flavor_list, network_name="none")
    run = Run(SPEC, cloud, Command("repair", "loop.yml"), guard(), Progress())
    vars(run)["access"] = world.access
    work = Work({small.name: daemon}, {small.name: small.directory})
    operation = Operation(
        run,
        wait_healthy=lambda _spec, _fresh: world.wait(),
        drains=lambda servers: open_drains(SPEC, servers, world.access),
        left=lambda: 240.0,
    )
    # it was given the time in which what only starts would have come: it is out for good
    report = repair(operation, work, apply=True)
    assert work.done == [(Service.ZOOKEEPER, small.name)]
    assert any(line.startswith(f"{small.name}: zookeeper does not serve") for line in report.done), report.done
    assert report.healthy
    assert daemon.pid not in (None, before)
    assert world.verify() == {}
