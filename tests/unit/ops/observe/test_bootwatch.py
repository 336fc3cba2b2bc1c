"""Console reads during a boot: when, how many, and what they lead to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from clusterctl.errors import NodeError
from clusterctl.ops.observe.bootwatch import PATIENCE_S, SILENT_READS, BootWatch
from clusterctl.resources import Server
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from tests.unit.health.clusters import server, servers
from tests.unit.ssh.keys import ED25519, key_line, said

CONTROL = servers()[0]


@dataclass
class Boot:
    """A watch over consoles and ports that the test sets, with a clock of its own."""

    known: KnownHosts
    bastion: bool = False
    consoles: dict[str, str] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    now: float = 1000.0
    reads: list[tuple[float, str]] = field(default_factory=list)
    ports_asked: int = 0

    def __post_init__(self) -> None:
        self.keys = HostKeys(self.known, self._console, lambda _: None)
        self.watch = BootWatch(
            self._console, self.keys, ports_open=None if self.bastion else self._ports, clock=lambda: self.now
        )

    def _console(self, server_id: str) -> str:
        self.reads.append((self.now - 1000, server_id))
        return self.consoles.get(server_id, "")

    def _ports(self, addresses: Iterable[str], port: int) -> frozenset[str]:
        assert port == 22
        self.ports_asked += 1
        return frozenset(addresses) & self.open

    def run(
        self, seconds: float, *, unpinned: Iterable[Server] = (), silent: Iterable[Server] = (), every: float = 2.5
    ) -> None:
        end = self.now + seconds
        while self.now < end:
            self.watch.look([each for each in unpinned if not self.keys.pinned(each.id)], silent)
            self.now += every


@pytest.fixture
def boot(tmp_path: Path) -> Boot:
    return Boot(KnownHosts(tmp_path / "known_hosts"))


def test_no_read_before_the_port_answers(boot: Boot) -> None:
    boot.run(30, unpinned=[CONTROL])
    assert boot.reads == []
    boot.open.add("10.0.0.1")
    boot.consoles[CONTROL.id] = key_line(ED25519)
    boot.run(30, unpinned=[CONTROL])
    assert boot.reads == [(30.0, CONTROL.id)]
    assert boot.keys.pinned(CONTROL.id)


def test_intervals_grow_while_the_key_is_not_there(boot: Boot) -> None:
    boot.open.add("10.0.0.1")
    boot.run(200, unpinned=[CONTROL], every=1.0)
    assert [at for at, _ in boot.reads] == [0, 2, 6, *range(14, 200, 8)]


def test_a_server_that_is_built_is_left_alone(boot: Boot) -> None:
    boot.open.add("10.0.0.1")
    boot.run(300, unpinned=[replace(CONTROL, status="BUILD"), replace(CONTROL, id="x", address=None)])
    assert (boot.reads, boot.ports_asked) == ([], 0)


def test_a_silent_port_is_looked_into_after_a_while(boot: Boot) -> None:
    boot.run(PATIENCE_S + 1, unpinned=[CONTROL])
    assert [at for at, _ in boot.reads] == [PATIENCE_S]
    boot.consoles[CONTROL.id] = "[ 2.0] Kernel panic - not syncing: no init\n"
    with pytest.raises(NodeError, match="node demo-control-1 failed at step 'boot': Kernel panic"):
        boot.run(60, unpinned=[CONTROL])


def test_behind_a_bastion_no_port_is_asked(tmp_path: Path) -> None:
    boot = Boot(KnownHosts(tmp_path / "known_hosts"), bastion=True, consoles={CONTROL.id: key_line(ED25519)})
    boot.run(10, unpinned=[CONTROL])
    assert (boot.reads, boot.ports_asked) == ([(0.0, CONTROL.id)], 0)


def test_a_failed_boot_is_named_with_the_end_of_its_console(boot: Boot) -> None:
    boot.open.add("10.0.0.1")
    boot.consoles[CONTROL.id] = "\n".join(
        [
            *(f"line {number}" for number in range(50)),
            key_line(ED25519),
            said("step files failed: no space left on device"),
            said("failed files"),
        ]
    )
    with pytest.raises(NodeError) as caught:
        boot.run(1, unpinned=[CONTROL])
    message = caught.value.message.splitlines()
    assert message[0] == "node demo-control-1 failed at step 'files': no space left on device"
    assert message[1] == "The last lines of its console:"
    assert message[2] == "    line 43"
    assert message[-1] == "    clusterctl: failed files"
    assert boot.keys.pinned(CONTROL.id)  # one can have a look


def test_agents_are_looked_into_late_and_few_at_a_time(boot: Boot) -> None:
    agents = [server(f"a{n}", "builders", f"10.0.1.{n}", named=False) for n in range(SILENT_READS * 3)]
    boot.run(PATIENCE_S, silent=agents)
    assert boot.reads == []
    boot.run(7.5, silent=agents)
    assert [len([at for at, _ in boot.reads if at == tick]) for tick in (60.0, 62.5, 65.0)] == [SILENT_READS] * 3
    assert len({name for _, name in boot.reads}) == len(agents)


def test_a_failed_agent(boot: Boot) -> None:
    agent = server("demo-builders-x-1", "builders", "10.0.1.1", named=False)
    boot.consoles[agent.id] = "\n".join((said("step mesos-agent failed: exit-code"), said("failed mesos-agent")))
    with pytest.raises(NodeError, match="node demo-builders-x-1 failed at step 'mesos-agent': exit-code"):
        boot.run(PATIENCE_S + 5, silent=[agent])


def test_an_agent_is_not_pinned_twice_nor_read_when_it_was_heard(boot: Boot) -> None:
    agent = server("demo-builders-x-1", "builders", "10.0.1.1", named=False)
    boot.run(50, silent=[agent])
    boot.run(50, silent=[])
    assert boot.reads == []
