"""``clusterctl create`` of N agents against novaclient alone, and the calls that it sends; on the lab's zone ``fake``.

usage: agents.py [--agents N] [--rounds N] [--calls N...]

Three ways to N ACTIVE servers take turns, so that a drift of the machine meets all of them; each starts from an empty
project, and what is deleted in between is not timed:

raw: one multi-create of N by novaclient, then a list every 2 s until all are ACTIVE.
loop: N single creates by novaclient one after the other, then the same.
clusterctl: ``clusterctl create --no-wait``, the whole program from its start, of a cluster of one control node and N
  agents: N + 1 servers, security group with rules, port, preflight and lock included.

Then the calls of one ``create`` by kind and the memory it held, for each N of ``--calls``. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))

import labkit
import novaclient.client
import openstack
import scale
from measure import load, markdown, run, say

from clusterctl.cloud.openstack import open_cloud

TICK_S = 2.0
GROUP = "bench-raw"
PAGE = 50


def cluster_file(agents: int) -> Path:
    """A cluster of one control node and that many agents in zone ``fake``."""
    path = labkit.BUILD / f"bench-{agents}.yml"
    path.write_text(json.dumps(scale.content(agents)))
    return path


class Raw:
    """novaclient, as the raw ways use it."""

    def __init__(self) -> None:
        connection = openstack.connect(cloud=scale.CLOUD)
        self.nova = novaclient.client.Client("2.90", session=connection.session)
        image, network = connection.image.find_image("debian-12-fake"), connection.network.find_network("scale")
        flavor = connection.compute.find_flavor("ct.small")
        self._what: dict[str, Any] = {
            "image": image.id,
            "flavor": flavor.id,
            "nics": [{"net-id": network.id}],
            "availability_zone": "fake",
            "key_name": "ops",
        }

    def multi(self, count: int) -> None:
        """One call."""
        self.nova.servers.create(GROUP, min_count=count, max_count=count, **self._what)
        self._active(count)

    def loop(self, count: int) -> None:
        """A call a server."""
        for number in range(count):
            self.nova.servers.create(f"{GROUP}-{number}", **self._what)
        self._active(count)

    def _active(self, count: int) -> None:
        while True:
            states = [server.status for server in self.nova.servers.list()]
            if states.count("ACTIVE") == count:
                return
            assert "ERROR" not in states, "a server is in ERROR"
            time.sleep(TICK_S)

    def empty(self) -> None:
        """Deletes all servers of the project and waits until they are gone."""
        for server in self.nova.servers.list():
            server.delete()
        while self.nova.servers.list():
            time.sleep(TICK_S)


def timed(way: Callable[[], object]) -> float:
    """Seconds."""
    start = time.monotonic()
    way()
    return time.monotonic() - start


def compare(agents: int, rounds: int) -> str:
    """The three ways, in turns."""
    raw, file = Raw(), cluster_file(agents)
    assert not raw.nova.servers.list(), f"project {scale.CLOUD} has servers"
    seconds: dict[str, list[float]] = {"raw": [], "loop": [], "clusterctl": []}
    loads = []

    def ours() -> None:
        created = run([labkit.PROGRAM, "create", file, "--no-wait", "--json"])
        say(f"phases: {json.loads(created.output)['seconds']}")

    def take_away() -> None:
        run([labkit.PROGRAM, "destroy", file, "--yes", "--json"])

    ways: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        ("raw", lambda: raw.multi(agents), raw.empty),
        ("loop", lambda: raw.loop(agents), raw.empty),
        ("clusterctl", ours, take_away),
    ]
    for number in range(rounds):
        # another one begins each time: a way also meets what the cloud still cleans up after the one before
        for name, way, afterwards in ways[number % 3 :] + ways[: number % 3]:
            try:
                seconds[name].append(timed(way))
            finally:
                afterwards()
        loads.append(load())
        say(f"{[f'{name} {each[-1]:.1f} s' for name, each in seconds.items()]}, load {loads[-1]}")
    ratios = [mine / theirs for mine, theirs in zip(seconds["clusterctl"], seconds["raw"], strict=True)]
    medians = [f"{statistics.median(seconds[name]):.1f} s" for name in ("raw", "loop", "clusterctl")]
    return markdown(
        ["agents", "raw multi-create", "loop of creates", "`clusterctl create`", "ratio to raw", "rounds", "load"],
        [[agents, *medians, f"{statistics.median(ratios):.2f}", rounds, ", ".join(loads)]],
    )


def calls(numbers: list[int]) -> str:
    """Calls by kind of ``create``; memory of it and of ``status``; pages of a list, for each number of agents.

    Raises:
        AssertionError: the writing calls grow with the number, or a list takes more than ceil(N / page) of them.
    """
    seen: dict[int, dict[str, Any]] = {}
    memory: dict[str, list[str]] = {"`create`": [], "`status`": []}
    pages = []
    for number in numbers:
        file = cluster_file(number)
        try:
            created = run([labkit.PROGRAM, "create", file, "--no-wait", "--json"])
            status = run([labkit.PROGRAM, "status", file, "--json"])
            pages.append(lists(number + 1))
        finally:
            run([labkit.PROGRAM, "destroy", file, "--yes", "--json"])
        for name, each in (("`create`", created), ("`status`", status)):
            memory[name].append(f"{each.rss_mib:.0f} MiB")
        seen[number] = json.loads(created.output)
        say(f"{number} agents: {created.seconds:.1f} s, load {load()}")
    writes = [seen[number]["api_calls"]["write"] for number in numbers]
    assert len(set(writes)) == 1, f"writing calls grow: {writes}"
    kinds = sorted({kind for each in seen.values() for kind in each["api_calls"]["by_kind"]}, key=_reads_last)
    rows: list[list[object]] = [
        [f"`{kind}`", *(seen[number]["api_calls"]["by_kind"].get(kind, 0) for number in numbers)] for kind in kinds
    ]
    rows += [
        ["**writes**", *writes],
        ["**reads**, most of them looks at what is being built", *(seen[n]["api_calls"]["read"] for n in numbers)],
        [f"one list of servers in pages of {PAGE}", *pages],
        *([f"most memory of {name}", *of] for name, of in memory.items()),
        ["seconds", *(f"{sum(seen[number]['seconds'].values()):.0f}" for number in numbers)],
    ]
    return markdown(["call", *(f"{number} agents" for number in numbers)], rows)


def lists(servers: int) -> int:
    """List calls for the servers of the cluster, of which there are so many."""
    cloud = open_cloud(scale.CLOUD)
    cloud.page_size = PAGE
    found = cloud.servers("bench")
    number = cloud.calls.by_kind["GET /servers/detail"]
    assert (len(found), number) == (servers, math.ceil(servers / PAGE)), f"{len(found)} servers in {number} lists"
    return number


def _reads_last(kind: str) -> tuple[bool, str]:
    return kind.startswith("GET "), kind


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, nargs="*", default=[10, 50, 200])
    arguments = parser.parse_args()
    labkit.use_lab()
    if arguments.rounds:
        print(compare(arguments.agents, arguments.rounds), end="\n\n", flush=True)
    if arguments.calls:
        print(calls(arguments.calls), flush=True)


if __name__ == "__main__":
    main()
