"""Clients that may be killed: real commands, each in a process of its own, forked from one that has imported everything
(``multiprocessing``'s fork server), so that a client begins at once.

``create`` and ``destroy`` are the program itself. ``scale`` is its operation with everything of the cloud real, and
with what needs daemons on the nodes simulated, since fake servers have none: every ACTIVE agent is registered and runs
no task, and the cluster is healthy when its servers are as wanted.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from clusterctl.cli import app
from clusterctl.cli.output import PlainReporter
from clusterctl.cloud.openstack import open_cloud
from clusterctl.counts import parse_counts
from clusterctl.health.judge import server_check
from clusterctl.ops.grow.operation import Operation
from clusterctl.ops.grow.scale import scale
from clusterctl.ops.grow.scale_checks import Options
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.lock import Guard
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.run import Run
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.ops.observe.verify import VerifyReport
from clusterctl.ops.roll.drain import Drains
from clusterctl.resources import Server
from clusterctl.spec import ClusterSpec, load_spec
from tests.unit.ops.mesos import MemoryMasters
from tests.unit.ops.operations import Nodes, Running

TIMEOUT_S = 300
Client = multiprocessing.context.ForkServerProcess


def start(words: Sequence[str], *, clouds: Path, log: Path, environment: Mapping[str, str] | None = None) -> Client:
    """A running client; its output is appended to ``log``.

    Args:
        words: of the command line, without the program's name.
        clouds: its clouds.yaml.
        environment: beside that of this process.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    variables = {"OS_CLIENT_CONFIG_FILE": str(clouds), **(environment or {})}
    client = context.Process(target=_main, args=(tuple(words), variables, str(log)))
    client.start()
    return client


def _main(words: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.environ.update(environment)
    print(f"$ clusterctl {' '.join(words)}", flush=True)
    if words[0] == "scale":
        _scale(Path(words[1]), words[2:])
        return
    sys.argv = ["clusterctl", *words]
    app.main()


def _scale(file: Path, words: Sequence[str]) -> None:
    spec = load_spec(file)
    cloud = open_cloud(spec.cloud)
    # the masters' memory: agents that are gone for good stay gone for the next client
    gone = file.with_suffix(".gone")

    def healthy(wanted: ClusterSpec, _fresh: bool) -> VerifyReport:
        Waiter().until(
            lambda: server_check(wanted, cloud.servers(wanted.cluster)).ok, what="the servers", timeout_s=TIMEOUT_S
        )
        return VerifyReport(checks=())

    command = Command("scale", str(file), tuple(words))
    run = Run(spec, cloud, command, Guard("scale"), Progress(PlainReporter()))
    vars(run)["access"] = SimpleNamespace(prober=FakeNodes(spec))  # the lab's containers run no services
    operation = Operation(
        run,
        healthy,
        drains=lambda servers: Drains(SimulatedMasters(servers, gone)),
        build_timeout_s=TIMEOUT_S,
    )
    scale(operation, parse_counts(words, spec), NoNodes(), lambda _told: None, Options())


class SimulatedMasters(MemoryMasters):
    """A leading master that knows the agents on all ACTIVE servers, but for those in the file ``gone``."""

    def __init__(self, servers: Sequence[Server], gone: Path) -> None:
        known = set(gone.read_text().split()) if gone.exists() else set()
        agents = {
            f"S-{server.id}": server.address
            for server in servers
            if server.status == "ACTIVE" and server.address and "mesos_agent" in server.services
        }
        super().__init__({agent: address for agent, address in agents.items() if agent not in known})
        self._file = gone

    def call(self, calls: Sequence[Mapping[str, Any]], agents: Sequence[str] = ()) -> list[Any]:
        """See ``MemoryMasters``."""
        before = len(self.gone)
        answers = super().call(calls, agents)
        with self._file.open("a") as file:
            file.writelines(f"{agent}\n" for agent in self.gone[before:])
        return answers


class FakeNodes(Nodes):
    """Services of ACTIVE servers; which agents the leading master knows its own API tells."""

    def __init__(self, spec: ClusterSpec) -> None:
        super().__init__(cast("Running", SimpleNamespace(spec=spec)))

    def _known(self) -> dict[str, object]:
        return {}


class NoNodes:
    """Scaling agents works on no node."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name}: agents are scaled without work on nodes")
