"""What ``clusterctl.ops.grow.members`` relies on: real ZooKeepers and Mesos masters grow from 3 to 5 and shrink back by
rolling restarts, one member at a time, and nothing that was acknowledged is lost.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError

from clusterctl.health.zookeeper import NOT_SERVING
from clusterctl.topology import quorum
from tests.contract.mesos.cluster import JAVA, MASTER_PORT, ZK_PORT, Daemon, request, wait_for

pytestmark = pytest.mark.mesos
ZK_CONFIG = """\
tickTime=500
initLimit=20
syncLimit=10
clientPort={port}
clientPortAddress={address}
admin.enableServer=false
standaloneEnabled=false
reconfigEnabled=false
4lw.commands.whitelist=mntr
dataDir={data}
"""


ELECTION_S = 15.0  # more than an election and a synchronisation take (initLimit)


def address(n: int) -> str:
    return f"127.0.0.{n}"


class Ensemble:
    """ZooKeeper N on 127.0.0.N; each has the list of members that it was last started with.

    Args:
        options: of the JVMs.
        logs: transactions are logged in ``zkN-log``, not beside the snapshots.
    """

    def __init__(self, work: Path, options: Sequence[str] = (), *, logs: bool = False) -> None:
        self.work, self.options, self.logs = work, options, logs
        self.daemons: dict[int, Daemon] = {}

    def start(self, n: int, members: Sequence[int]) -> None:
        """Starts (again) with that list."""
        if n in self.daemons:
            self.daemons[n].kill()
        data = self.work / f"zk{n}"
        data.mkdir(exist_ok=True)
        (data / "myid").write_text(f"{n}\n")
        lines = "".join(f"server.{i}={address(i)}:2888:3888\n" for i in members)
        if self.logs:
            lines += f"dataLogDir={self.work}/zk{n}-log\n"
        (data / "zoo.cfg").write_text(ZK_CONFIG.format(port=ZK_PORT, address=address(n), data=data) + lines)
        argv = [JAVA, "-Xmx96m", "-XX:TieredStopAtLevel=1", *self.options, "-cp", "/usr/share/java/zookeeper.jar"]
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        self.daemons[n] = Daemon(f"zk{n}", [*argv, main, str(data / "zoo.cfg")], self.work / f"zk{n}.log")
        self.daemons[n].start()

    def remove(self, n: int) -> None:
        self.daemons.pop(n).kill()

    def mntr(self, n: int) -> dict[str, str]:
        return dict(line.split("\t", 1) for line in self._asked(n).splitlines() if "\t" in line)

    def _asked(self, n: int) -> str:
        with socket.create_connection((address(n), ZK_PORT), timeout=5) as connection:
            connection.sendall(b"mntr")
            text = b""
            while part := connection.recv(65536):
                text += part
        return text.decode()

    def leads(self, n: int) -> bool:
        """Whether it says so, whatever others do."""
        return self._state(n) == "leader"

    def voting(self) -> set[int]:
        """Those that run and have no leader (as ``health.zookeeper.votes``)."""
        found = set()
        for n in self.daemons:
            with suppress(OSError):
                found |= {n} if NOT_SERVING in self._asked(n) else set()
        return found

    def taking_part(self) -> set[int]:
        """Those that follow a leader, or lead."""
        return {n for n in self.daemons if self._state(n) in ("leader", "follower")}

    def leader(self) -> int | None:
        leaders = [n for n in self.daemons if self._state(n) == "leader"]
        return leaders[0] if len(leaders) == 1 else None

    def _state(self, n: int) -> str | None:
        try:
            return self.mntr(n).get("zk_server_state")
        except OSError:
            return None

    def synced(self, followers: int, left: Collection[int] = (), leaves: int | None = None) -> None:
        """The gate: one leader that counts so many synced followers (as ``health.zookeeper``).

        Args:
            left: are still to be restarted; these may be out, and others where members vote in vain.
            leaves: may lead.
        """
        since: list[float] = []

        def good() -> bool:
            if leaves is not None and self.leads(leaves):
                return True
            out = self.out()
            if self.in_vain(left):
                since.append(time.monotonic())
            else:
                since.clear()
            in_vain = bool(since) and since[-1] - since[0] > ELECTION_S
            return bool(out and out <= set(left)) or in_vain or self.whole(followers)

        try:
            wait_for(f"a leader with {followers} synced followers", good, 60)
        except AssertionError as error:
            raise AssertionError(f"{error}; { ({n: self._state(n) for n in self.daemons}) }") from None

    def whole(self, followers: int) -> bool:
        """Whether it is synced now. A leader may count one that was killed this moment, so all are asked."""
        leader = self.leader()
        counted = leader is not None and self.mntr(leader).get("zk_synced_followers") == str(followers)
        return counted and self.taking_part() == set(self.daemons)

    def out(self) -> set[int]:
        """Who takes no part, while the leader has all others (as ``gates.out``)."""
        serving = self.taking_part()
        leader = self.leader()
        counted = leader is not None and self.mntr(leader).get("zk_synced_followers") == str(len(serving) - 1)
        return set(self.daemons) - serving if counted else set()

    def in_vain(self, left: Collection[int]) -> bool:
        """Whether they may vote for ever unless one of these is restarted (as ``gates.in_vain``)."""
        if self.leader() is None:
            return bool(set(left) - self.taking_part())
        return bool(left and self.out()) and len(self.taking_part()) < quorum(len(self.daemons))

    def roll(self, members: Sequence[int], names: Sequence[int], followers: int, leaves: int | None = None) -> None:
        """Whoever is out first, then followers, the leader last; the gate after each (as ``Roll.members``).

        Args:
            leaves: is restarted where it was elected by those who still list it.
        """
        left = list(names)
        while left:
            leader = self.leader()
            out = self.out() if leader else set(self.daemons) - self.taking_part()
            n = min(out & set(left), default=None) or next((n for n in left if n != leader), left[0])
            self.start(n, members)
            left.remove(n)
            self.synced(followers, left, leaves)
            if leaves is not None and self.leads(leaves):
                self.step_down(leaves, range(1, leaves + 1))
                self.synced(followers, left)

    def step_down(self, n: int, members: Sequence[int]) -> None:
        """Comes back when the others have elected another: restarted at once it could win again."""
        self.daemons[n].kill()
        wait_for("another leader", self.leader)
        self.start(n, members)

    @contextmanager
    def frozen(self, n: int) -> Iterator[None]:
        """The others take a member for lost meanwhile."""
        pid = self.daemons[n].pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        for daemon in self.daemons.values():
            daemon.kill()


class Writer(threading.Thread):
    """Creates numbered nodes as fast as it can and remembers those that were acknowledged."""

    def __init__(self, hosts: str) -> None:
        super().__init__(daemon=True)
        self.client = KazooClient(hosts, timeout=4)
        self.acknowledged: list[str] = []
        self.ending = threading.Event()

    def run(self) -> None:
        self.client.start(180)
        number = 0
        while not self.ending.wait(0.02):
            number += 1
            path = f"/n{number:06d}"
            try:
                self.client.retry(self.client.ensure_path, path)
            except (KazooException, KazooTimeoutError):
                continue
            self.acknowledged.append(path)

    def end(self) -> None:
        self.ending.set()
        self.join()
        self.client.stop()
        self.client.close()


@pytest.fixture
def ensemble(network: None, tmp_path: Path) -> Iterator[Ensemble]:
    made = Ensemble(tmp_path)
    for n in (1, 2, 3):
        made.start(n, [1, 2, 3])
    made.synced(2)
    yield made
    made.stop()


def everything_is_there(writer: Writer, n: int) -> None:
    client = KazooClient(f"{address(n)}:{ZK_PORT}")
    client.start(90)
    try:
        client.sync("/")
        there = set(client.get_children("/"))
    finally:
        client.stop()
        client.close()
    lost = [path for path in writer.acknowledged if path[1:] not in there]
    assert (lost, len(writer.acknowledged) > 50) == ([], True)


def test_zookeeper_from_3_to_5_and_back(ensemble: Ensemble) -> None:
    writer = Writer(",".join(f"{address(n)}:{ZK_PORT}" for n in (1, 2, 3)))
    writer.start()
    for joins in (4, 5):
        members = range(1, joins + 1)
        ensemble.start(joins, members)
        ensemble.synced(joins - 1)  # it follows a leader that doesn't list it yet
        ensemble.roll(members, [n for n in members if n != joins], joins - 1)
    for leaves in (5, 4):
        if ensemble.leader() == leaves:
            ensemble.step_down(leaves, range(1, leaves + 1))
            ensemble.synced(leaves - 1)
        assert ensemble.leader() != leaves
        ensemble.roll(range(1, leaves), range(1, leaves), leaves - 1, leaves)
        assert ensemble.leader() != leaves, "a member that is no more listed leads"
        ensemble.remove(leaves)
        ensemble.synced(leaves - 2)
    writer.end()
    everything_is_there(writer, 1)


def test_who_joined_may_be_elected_before_all_list_it(ensemble: Ensemble) -> None:
    """The others stay out until they are restarted with the list that has it."""
    ensemble.start(4, [1, 2, 3, 4])
    ensemble.synced(3)
    old = ensemble.leader()
    assert old in (1, 2, 3)
    new = [n for n in (1, 2, 3) if n != old]
    ensemble.roll([1, 2, 3, 4], new, 3)
    assert ensemble.leader() == old
    with ensemble.frozen(old):
        wait_for("the newcomer to lead", lambda: ensemble.leads(4))
    wait_for("the one with the older list to be out", lambda: ensemble.out() == {old})
    ensemble.roll([1, 2, 3, 4], [old], 3)


@pytest.fixture
def four(network: None, tmp_path: Path) -> Iterator[tuple[Ensemble, int]]:
    """Of which the fourth is to leave, and its leader, which is another one."""
    made = Ensemble(tmp_path)
    try:
        for n in (1, 2, 3):
            made.start(n, [1, 2, 3, 4])
        made.synced(2)
        made.start(4, [1, 2, 3, 4])
        made.synced(3)
        led = made.leader()
        assert led in (1, 2, 3)
        yield made, led
    finally:
        made.stop()


def test_who_is_to_leave_may_be_elected_by_those_who_still_list_it(four: tuple[Ensemble, int]) -> None:
    """Who does not list it any more stays out until it is restarted and the others elect one of theirs."""
    ensemble, led = four
    rolled = next(n for n in (1, 2, 3) if n != led)
    ensemble.roll([1, 2, 3], [rolled], 3)
    ensemble.daemons[led].kill()
    wait_for("the others to vote", lambda: not ensemble.taking_part())
    ensemble.start(led, [1, 2, 3, 4])
    wait_for("the one that does not list the leader to be out", lambda: ensemble.out() == {rolled})
    assert ensemble.leader() == 4
    ensemble.step_down(4, [1, 2, 3, 4])
    ensemble.synced(3)
    assert ensemble.leader() != 4


def too_few(ensemble: Ensemble, shorter: Collection[int]) -> None:
    """Two have the list of three and lead without the two others, who come back."""
    longer = set(ensemble.daemons) - set(shorter)
    for n in longer:
        ensemble.daemons[n].kill()
    wait_for("one of the two to lead", lambda: ensemble.leader() in shorter and ensemble.taking_part() == set(shorter))
    for n in longer:
        ensemble.start(n, [1, 2, 3, 4])
    wait_for("both to vote", lambda: ensemble.voting() == longer)
    assert ensemble.out() == longer


def test_two_of_four_are_too_few_for_who_is_to_leave(four: tuple[Ensemble, int]) -> None:
    """They elect one of them. Whoever has the list of four stays out until the next is restarted."""
    ensemble, led = four
    shorter = [n for n in (1, 2, 3) if n != led]
    ensemble.roll([1, 2, 3], shorter, 3)
    too_few(ensemble, shorter)
    ensemble.roll([1, 2, 3], [led], 3, leaves=4)
    assert ensemble.leader() != 4


def test_two_of_four_are_too_few_for_who_has_joined(ensemble: Ensemble) -> None:
    """Also for one that was restarted with the list of four; where a roll ended there, it goes on with the others."""
    ensemble.start(4, [1, 2, 3, 4])
    ensemble.synced(3)
    led = ensemble.leader()
    assert led in (1, 2, 3)
    listed = next(n for n in (1, 2, 3) if n != led)
    ensemble.roll([1, 2, 3, 4], [listed], 3)
    shorter = [n for n in (1, 2, 3) if n != listed]
    too_few(ensemble, shorter)
    ensemble.roll([1, 2, 3, 4], shorter, 3)
    assert ensemble.taking_part() == {1, 2, 3, 4}


class Masters:
    """Mesos master N on 127.0.0.N, started again when it ends itself (on a lost election it may)."""

    def __init__(self, root: Path, work: Path) -> None:
        self.root, self.work = root, work
        self.daemons: dict[int, Daemon] = {}
        self.ending = threading.Event()
        self.supervisor = threading.Thread(target=self._supervise, daemon=True)
        self.supervisor.start()

    def _supervise(self) -> None:
        while not self.ending.wait(0.5):
            for daemon in list(self.daemons.values()):
                daemon.supervise()

    def start(self, n: int, of_quorum: int) -> None:
        if n in self.daemons:
            self.daemons.pop(n).kill()
        flags = [
            f"--zk=zk://{address(1)}:{ZK_PORT},{address(2)}:{ZK_PORT},{address(3)}:{ZK_PORT}/mesos",
            f"--quorum={of_quorum}",
            f"--ip={address(n)}",
            f"--hostname={address(n)}",
            "--no-hostname_lookup",
            f"--work_dir={self.work}/master{n}",
            "--logging_level=WARNING",
            "--zk_session_timeout=8secs",
        ]
        daemon = Daemon(f"master{n}", [str(self.root / "usr/sbin/mesos-master"), *flags], self.work / f"master{n}.log")
        daemon.start()
        self.daemons[n] = daemon

    def metrics(self, n: int) -> dict[str, float]:
        try:
            status, body = request(address(n), MASTER_PORT, "/metrics/snapshot")
        except OSError:
            return {}
        return dict(body) if status == 200 else {}

    def whole(self, size: int) -> int:
        """The gate: one elected, its registrar recovered, each log recovered and each replica seen; the leader."""

        def good() -> int | None:
            found = {n: self.metrics(n) for n in self.daemons}
            leaders = [n for n, seen in found.items() if seen.get("master/elected") == 1]
            recovered = all(seen.get("registrar/log/recovered") == 1 for seen in found.values())
            seen_by_all = all(seen.get("registrar/log/ensemble_size") == size for seen in found.values())
            if len(leaders) != 1 or not recovered or not seen_by_all:
                return None
            return leaders[0] if "registrar/registry_size_bytes" in found[leaders[0]] else None

        return wait_for(f"{size} masters whole", good, 90)

    def roll(self, of_quorum: int, size: int) -> None:
        left = list(self.daemons)
        while left:
            leader = self.whole(size)
            n = next((n for n in left if n != leader), left[0])
            self.start(n, of_quorum)
            self.whole(size)
            left.remove(n)

    def weights(self) -> dict[str, float]:
        """What the registry keeps of roles; asked of the leader."""
        leader = self.whole(len(self.daemons))
        _, body = request(address(leader), MASTER_PORT, "/api/v1", {"type": "GET_WEIGHTS"})
        return {each["role"]: each["weight"] for each in body["get_weights"].get("weight_infos", [])}

    def set_weight(self, role: str, weight: float) -> None:
        leader = self.whole(len(self.daemons))
        call = {"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": role, "weight": weight}]}}
        status, body = request(address(leader), MASTER_PORT, "/api/v1", call)
        assert status in (200, 202), body

    def stop(self) -> None:
        self.ending.set()
        self.supervisor.join()
        for daemon in self.daemons.values():
            daemon.kill()


def test_masters_from_3_to_5_and_back(ensemble: Ensemble, root: Path, tmp_path: Path) -> None:
    masters = Masters(root, tmp_path)
    try:
        for n in (1, 2, 3):
            masters.start(n, quorum(3))
        masters.set_weight("kept", 2.0)
        # the three are given the quorum of four (and five) before any new one starts
        masters.roll(quorum(4), 3)
        for n in (4, 5):
            masters.start(n, quorum(n))
            masters.whole(n)
        masters.set_weight("more", 3.0)
        assert masters.weights() == {"kept": 2.0, "more": 3.0}
        for n in (5, 4):
            masters.daemons.pop(n).kill()
            masters.whole(n - 1)
        masters.roll(quorum(3), 3)
        assert masters.weights() == {"kept": 2.0, "more": 3.0}
        # with quorum 2 the loss of one is borne
        masters.daemons.pop(masters.whole(3)).kill()
        masters.whole(2)
        masters.set_weight("last", 1.5)
        assert masters.weights() == {"kept": 2.0, "more": 3.0, "last": 1.5}
    finally:
        masters.stop()
