"""What the benchmarks on the lab share: the demo with other counts, commands through a proxy that keeps the times of
calls, and when nodes had booted. Nodes' clocks are this machine's over containers, and near to it in virtual machines.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "lab"), str(ROOT)]

import labkit  # noqa: E402
import yaml  # noqa: E402
from measure import in_sequence, run  # noqa: E402

from lab.faultproxy.__main__ import clouds_through  # noqa: E402
from lab.faultproxy.proxy import Entry, FaultProxy  # noqa: E402
from tests.e2e.cluster import Cluster, eventually  # noqa: E402

CLOUD = "lab"
# When the last stage of cloud-init had ended, in Unix seconds; nothing before that
_BOOTED = """\
import json
print(json.load(open("/run/cloud-init/status.json"))["v1"]["modules-final"]["finished"] or "")
"""
# Of the last start of Marathon: when its process began and when it listened, in Unix seconds. The lines of the log are
# those of the stand-in and of Marathon
_MARATHON = """\
import datetime, json, subprocess
def told(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
show = ("systemctl", "show", "--timestamp=us+utc", "--value", "--property=ExecMainStartTimestamp", "marathon")
began = datetime.datetime.strptime(told(*show).strip(), "%a %Y-%m-%d %H:%M:%S.%f UTC")
log = told("journalctl", "--unit=marathon", "--output=short-unix", "--no-pager", "--quiet")
signs = ("Listening on ", "All services up and running")
serves = [float(line.split()[0]) for line in log.splitlines() if any(sign in line for sign in signs)]
print(json.dumps([began.replace(tzinfo=datetime.timezone.utc).timestamp(), serves[-1] if serves else None]))
"""


def demo_file(name: str, zone: str = "container", counts: Mapping[str, int] | None = None) -> Path:
    """Writes build/NAME-ZONE.yml: the demo, with other counts of some groups."""
    path = labkit.cluster_file("demo", zone, name=name)
    spec = yaml.safe_load(path.read_text())
    for group, count in (counts or {}).items():
        spec["groups"][group]["count"] = count
    path.write_text(json.dumps(spec, indent=1) + "\n")  # JSON is YAML
    return path


def image(zone: str = "container") -> None:
    """Lab, artifacts and the zone's image; quick where all is there."""
    labkit.lab_up()
    labkit.clusterctl("image", "build", labkit.artifacts_file(zone, labkit.build_artifacts()))


@dataclass(frozen=True)
class Ran:
    """A command that ended well; times in Unix seconds.

    Attributes:
        calls: of the cloud's API, authentication included, in the order in which they were answered.
        output: its JSON.
    """

    began: float
    ended: float
    calls: tuple[Entry, ...]
    output: dict[str, Any]

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.ended - self.began

    @property
    def first_server(self) -> float:
        """When the first server was asked for.

        Raises:
            ValueError: none was.
        """
        return unix(min(each.began for each in self.calls if _makes_servers(each)))

    @property
    def rounds(self) -> int:
        """Round trips in sequence: of all calls, or of those before the first server was asked for."""
        servers = [each.began for each in self.calls if _makes_servers(each)]
        before = [each for each in self.calls if not servers or each.ended <= min(servers)]
        return in_sequence((each.began, each.ended) for each in before)


def unix(monotonic: float) -> float:
    """The same moment by the other clock."""
    return monotonic + time.time() - time.monotonic()


def _makes_servers(call: Entry) -> bool:
    return call.request.startswith("POST ") and call.request.endswith("/servers")


@dataclass(frozen=True)
class Through:
    """Runs the program with the cloud behind a proxy."""

    proxy: FaultProxy
    environment: Mapping[str, str]

    def clusterctl(self, *words: str | Path, delay_s: float = 0.0, as_json: bool = True) -> Ran:
        """A command, with so much added to each call.

        Args:
            as_json: with ``--json``; not for those that print nothing else.

        Raises:
            RuntimeError: it failed.
        """
        self.proxy.reset()
        self.proxy.delay_s = delay_s
        began = time.monotonic()
        done = run([labkit.PROGRAM, *words, *(["--json"] if as_json else [])], self.environment)
        return Ran(unix(began), unix(began + done.seconds), tuple(self.proxy.log), json.loads(done.output))


@contextmanager
def through_proxy(cloud: str = CLOUD) -> Iterator[Through]:
    """A proxy before the APIs of the lab, whose environment we have."""
    clouds = json.loads(Path(os.environ["OS_CLIENT_CONFIG_FILE"]).read_text())
    with (
        tempfile.TemporaryDirectory() as name,
        FaultProxy(clouds["clouds"][cloud]["auth"]["auth_url"]) as proxy,
    ):
        path = Path(name) / "clouds.yaml"
        path.write_text(clouds_through(clouds, cloud, proxy.auth_url, None))
        yield Through(proxy, {"OS_CLIENT_CONFIG_FILE": str(path)})


def on_node(cluster: Cluster, node: str, code: str) -> str:
    """What a piece of Python prints on a node, as root."""
    return cluster.on(node, f"sudo python3 -c {shlex.quote(code)}").strip()


def booted(cluster: Cluster, nodes: Iterable[str]) -> dict[str, float]:
    """When cloud-init had finished on each node, in Unix seconds. Waits for those on which it hasn't."""
    names = list(nodes)

    def when(name: str) -> float:
        return float(eventually(f"{name} has booted", lambda: on_node(cluster, name, _BOOTED), bool))

    with ThreadPoolExecutor(4) as threads:
        return dict(zip(names, threads.map(when, names), strict=True))


def marathon_start(cluster: Cluster, node: str) -> tuple[float, float]:
    """When the last Marathon on a node was started and when it listened, in Unix seconds."""
    began, serves = json.loads(on_node(cluster, node, _MARATHON))
    if serves is None or serves < began:
        raise RuntimeError(f"the Marathon on {node} that was started last has not said that it serves")
    return began, serves
