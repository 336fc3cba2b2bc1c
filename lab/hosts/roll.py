"""clusterctl's rolling upgrade on a lab of test hosts: the same code as the command's, with hosts in place of a cloud.

``roll.py LAB SPEC ARTIFACTS``: upgrades all services of the cluster file SPEC, whose nodes are the hosts of LAB. It
runs itself again in the network namespace of the lab, from which the hosts can be reached.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "openstack"), str(HERE.parent.parent)]

from labhosts import settings  # noqa: E402
from nodes import FLAVOR, Cluster, cluster  # noqa: E402

from clusterctl.cloud.base import Cloud  # noqa: E402
from clusterctl.errors import ClusterctlError  # noqa: E402
from clusterctl.ops.kit.command import Command  # noqa: E402
from clusterctl.ops.kit.lock import Guard  # noqa: E402
from clusterctl.ops.kit.progress import Progress  # noqa: E402
from clusterctl.ops.kit.run import Run  # noqa: E402
from clusterctl.ops.roll.ground import Rolling  # noqa: E402
from clusterctl.ops.upgrade.upgrade import Versions, upgrade_service  # noqa: E402
from clusterctl.resources import KEY_CONSOLE, Flavor, Image, Observed, Port, Server  # noqa: E402
from clusterctl.ssh.console import new_nonce, proof_of  # noqa: E402


class HostsCloud:
    """What a roll asks of a cloud: its reads, and notes on servers."""

    def __init__(self, of: Cluster, host_key: str) -> None:
        self._cluster = of
        self._host_key = host_key
        self._nonce = new_nonce()
        self._notes: dict[str, dict[str, str]] = {}

    def servers(self, _cluster: str) -> list[Server]:
        named = {name for name, group in self._cluster.spec.groups.items() if group.named}
        return [
            Server(
                id=node.name,
                name=node.name,
                status="ACTIVE",
                group=node.group,
                node=node.name if node.group in named else None,
                address=node.address,
                image_id=None,
                flavor="none",
                services=tuple(node.services),
                created="2000-01-01T00:00:00Z",
                metadata={KEY_CONSOLE: proof_of(self._nonce), **self._notes.get(node.name, {})},
            )
            for node in self._cluster.nodes
        ]

    def ports(self, name: str) -> list[Port]:
        return [Port(s.id, s.name, s.address or "", s.id) for s in self.servers(name) if s.node is not None]

    def flavors(self) -> list[Flavor]:
        return [Flavor("none", "none", **FLAVOR)]

    def set_metadata(self, server_id: str, metadata: Mapping[str, str]) -> None:
        self._notes.setdefault(server_id, {}).update(metadata)

    def images(self, **_: Any) -> list[Image]:
        return []

    def console(self, _server_id: str, _lines: int | None = None) -> str:
        return f"clusterctl {self._nonce}: hostkey {self._host_key}\n"

    def observe(self, name: str) -> Observed:
        return Observed(tuple(self.servers(name)), tuple(self.ports(name)))

    def rebuilt(self, _server_id: str) -> None:
        return None


class Printed:
    """A reporter that prints what happens."""

    def started(self, phase: str) -> None:
        print(f"== {phase}", flush=True)

    def finished(self, phase: str, seconds: float) -> None:
        print(f"== {phase}: {seconds:.1f} s", flush=True)

    def note(self, text: str) -> None:
        print(text, flush=True)


def within(lab: settings.Lab, script: str, arguments: Sequence[str]) -> int | None:
    """Runs ``script`` again in the network namespace of the lab; its exit status, or None if this is that run."""
    if "ROLL_INSIDE" in os.environ:
        return None
    # State of this run, and sockets of its connections, go away with the lab
    own = {f"XDG_{name}": str(lab.state / name) for name in ("CACHE_HOME", "STATE_HOME", "RUNTIME_DIR")}
    Path(own["XDG_RUNTIME_DIR"]).mkdir(exist_ok=True)
    environment = {**os.environ, **own, "CLUSTERCTL_SSH_KEY": str(lab.key), "ROLL_INSIDE": "1"}
    again = ["ip", "netns", "exec", lab.namespace, sys.executable, script, *arguments]
    return subprocess.run(again, env=environment, check=False).returncode


def hosts_cloud(lab: settings.Lab, of: Cluster) -> Cloud:
    """The hosts of a lab in place of a cloud."""
    return cast(Cloud, HostsCloud(of, " ".join(Path(f"{lab.host_key}.pub").read_text().split()[:2])))


def main(lab_name: str, spec: str, artifacts: str) -> int:
    """See the module. Exit status 0, or 1 with the reason on standard error."""
    lab = settings.lab(lab_name)
    if (status := within(lab, __file__, (lab_name, spec, artifacts))) is not None:
        return status
    of = cluster(Path(spec))
    cloud = hosts_cloud(lab, of)
    # The hosts have one operator: nobody else could hold a lock
    run = Run(of.spec, cloud, Command("upgrade", spec, ("all",)), Guard("upgrade"), Progress(Printed()), warn=print)
    rolling = Rolling(run, timeout_s=180)
    try:
        journal = upgrade_service(rolling, "all", (), Versions(Path(artifacts)), batch="50%", max_failures=0)
    except ClusterctlError as error:
        print(f"{error.message}\n{error.hint or ''}", file=sys.stderr)
        return 1
    print(json.dumps(journal.to_json(), indent=1, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
