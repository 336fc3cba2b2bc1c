"""A ZooKeeper whose disk fills up while it runs takes no part, which `verify` tells.

Whether it comes back when there is room depends on its log. One that had a log open comes back by itself. One that had
none yet, since nothing was written since it started, has begun one that it couldn't write: it stays up, stays out, and
`repair` restarts it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
TRIES = 8


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
    """A follower whose data lie on a file system of its own."""

    world: World
    index: int
    directory: Path

    @property
    def name(self) -> str:
        return f"loop-control-{self.index + 1}"

    @property
    def others(self) -> list[str]:
        """Addresses of the other members."""
        return [host for number, host in enumerate(self.world.cluster.hosts) if number != self.index]

    def restart(self) -> dict[str, int]:
        """The logs that were there before it started."""
        self.world.kill(self.world.cluster.zookeepers[self.index])
        before = self.logs()
        self.world.restore()
        assert self.world.wait().healthy
        return before

    def logs(self) -> dict[str, int]:
        """Name -> size."""
        return {path.name: path.stat().st_size for path in (self.directory / "version-2").glob("log.*")}

    def fill(self) -> None:
        with pytest.raises(OSError, match="No space left"), (self.directory / "fill").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(64 * 1024))

    def fill_before_it_logs(self) -> None:
        """Fills its disk when it has no log open since it started: the next transaction begins one.

        Sessions that end and begin are transactions. Where one came first, all is done again.
        """
        for _ in range(TRIES):
            before = self.restart()
            self.fill()
            if not any(size for name, size in self.logs().items() if name not in before):
                return
            self.make_room()
        pytest.fail(f"{TRIES} times something was written between its start and the end of its disk")

    def fill_while_it_logs(self) -> None:
        """Fills its disk when it has a log open."""
        before = self.restart()
        with client_of(self.others) as client:
            client.retry(client.ensure_path, "/full")
            client.retry(client.create, "/full/x-", b"", sequence=True)
            wait_for("its log", lambda: any(size for name, size in self.logs().items() if name not in before))
        self.fill()

    def make_room(self) -> None:
        (self.directory / "fill").unlink()

    def begun(self) -> bool:
        """Whether it began a log for which there was no room."""
        logs = self.logs()
        return logs[max(logs, key=lambda name: int(name.removeprefix("log."), 16))] == 0

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


@contextmanager
def client_of(hosts: Sequence[str]) -> Iterator[KazooClient]:
    """A started client of these members."""
    client = KazooClient(",".join(f"{host}:2181" for host in hosts), timeout=20)
    client.start(90)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def write_until(small: Small, out: Callable[[], bool]) -> None:
    """Writes to the ensemble until the member is out; what was written is taken away again."""
    with client_of(small.others) as client:
        client.retry(client.ensure_path, "/full")

        def written() -> bool:
            client.retry(client.create, "/full/x-", bytes(20_000), sequence=True)
            return out()

        wait_for("the member on the full disk to be out", written, 120)
        client.retry(client.delete, "/full", recursive=True)


def test_one_that_had_a_log_open_is_told_and_comes_back_by_itself(world: World, small: Small) -> None:
    small.fill_while_it_logs()
    write_until(small, small.out)
    small.make_room()
    assert world.wait().healthy
    assert world.verify() == {}


def test_one_that_began_a_log_stays_out_is_told_and_is_restarted_by_repair(world: World, small: Small) -> None:
    daemon = world.cluster.zookeepers[small.index]
    small.fill_before_it_logs()
    write_until(small, lambda: small.begun() and small.out())
    assert daemon.running, "systemd would have nothing to restart"
    before = daemon.pid
    small.make_room()

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
