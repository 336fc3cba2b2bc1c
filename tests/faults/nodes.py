"""Servers that Nova can't build, nodes that never report, and one of many whose boot fails."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from clusterctl.resources import KEY_CONSOLE
from clusterctl.ssh.console import new_nonce, proof_of
from lab.faultproxy.faults import Fault
from tests.faults.computes import a_broken_host
from tests.faults.kills import Killer, Stage, stages
from tests.faults.lab import Place
from tests.faults.project import admin

CONSOLE = """\
[   12.3] cloud-init[412]: Cloud-init v. 22.4.2 running 'modules:final'
clusterctl {nonce}: step zookeeper failed: zookeeper.service did not start
clusterctl {nonce}: failed zookeeper
"""


@dataclass(frozen=True)
class Seen:
    """What a command did in a situation.

    Attributes:
        told: what it printed.
        servers: name or group -> status, afterwards.
    """

    exit_code: int | None
    told: str
    servers: tuple[tuple[str, str], ...]
    seconds: float


def run(at: Place, *words: str) -> Seen:
    """Runs the program through the proxy as it is set."""
    began = time.monotonic()
    before = at.log.stat().st_size if at.log.exists() else 0
    client = Killer(at.proxy, at.cloud, at.cluster, at.clouds, at.log)
    code = client.run(Stage(words[0], (words[0], str(at.file), *words[1:])))
    told = at.log.read_bytes()[before:].decode(errors="replace")
    servers = tuple(sorted((s.node or s.group, s.status) for s in at.cloud.servers(at.cluster)))
    return Seen(code, told, servers, round(time.monotonic() - began, 1))


@contextmanager
def a_flavor_without_host(at: Place, name: str) -> Iterator[Callable[[], None]]:
    """A flavor of the project that no host can serve, until the function that is given is called."""
    compute, spec = admin().compute, "capabilities:hypervisor_type"
    flavor = compute.create_flavor(name=name, ram=1024, vcpus=1, disk=3, is_public=False)
    try:
        compute.flavor_add_tenant_access(flavor, at.cloud._clients.project_id)
        compute.create_flavor_extra_specs(flavor, {spec: "none-of-them"})
        yield lambda: compute.delete_flavor_extra_specs_property(flavor, spec)
    finally:
        compute.delete_flavor(flavor)


def hosts_of(at: Place) -> dict[str, str]:
    """Name of a server -> its compute host, which only an administrator sees."""
    found = admin().compute.servers(all_projects=True)
    return {server.name: server.compute_host for server in found if server.name.startswith(f"{at.cluster}-")}


def with_flavor(file: Path, group: str, flavor: str) -> None:
    """Changes the flavor of a group in the cluster file."""
    spec = yaml.safe_load(file.read_text())
    spec["groups"][group]["flavor"] = flavor
    file.write_text(json.dumps(spec))


# --- situations -----------------------------------------------------------------------------------------------------
def one_host_cannot_build(at: Place) -> tuple[Seen, str]:
    """``create`` where the first build fails on its host; and the name of that host."""
    with a_broken_host() as name:
        return run(at, "create", "--no-wait", "--json", "--timeout", "300"), name()


def no_host_can_build(at: Place) -> tuple[Seen, Seen]:
    """``create`` where no host serves the flavor of the builders; and again when one does."""
    with a_flavor_without_host(at, f"{at.cluster}-nowhere") as mend:
        with_flavor(at.file, "builders", f"{at.cluster}-nowhere")
        failed = run(at, "create", "--no-wait", "--timeout", "300")
        mend()
        return failed, run(at, "create", "--no-wait", "--timeout", "300")


def nodes_that_never_report(at: Place, timeout_s: int = 30) -> Seen:
    """``create`` that waits for nodes on which nothing runs."""
    return run(at, "create", "--timeout", str(timeout_s))


def one_boot_fails(at: Place) -> Seen:
    """``create`` where the console of one control node tells of a failed step. The console is simulated by the proxy:
    a fake server's says nothing.
    """
    victim = next(server.id for server in at.cloud.servers(at.cluster) if server.node == f"{at.cluster}-control-2")
    # the nonce of its user-data can't be read back: another one, as a member of the project could set it
    nonce = new_nonce()
    at.cloud.set_metadata(victim, {KEY_CONSOLE: proof_of(nonce)})

    def tell() -> None:
        console = {"output": CONSOLE.format(nonce=nonce)}
        at.proxy.add(Fault("status", match=f"POST */servers/{victim}/action", status=200, body=console, times=None))

    # a client resets the proxy when it starts; the console is read a minute later
    timer = threading.Timer(5, tell)
    timer.start()
    try:
        return run(at, "create", "--timeout", "150")
    finally:
        timer.join()


# --- the table ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Row:
    """A situation, how it was made, what was done about it."""

    what: str
    how: str
    seen: Seen


def situations(at: Place, killer: Killer) -> Iterator[Row]:
    """All of them, in a place without volumes; the file is as before afterwards."""
    text = at.file.read_text()
    *_, destroy = stages(at.file)
    seen, host = one_host_cannot_build(at)
    last = ", ".join(at_host for name, at_host in hosts_of(at).items() if name in seen.told)
    yield Row("a host can't build", f"Nova's fake driver refuses on {host}; at the last try: {last}", seen)
    # the cluster stands now: nobody answers on its nodes
    yield Row("no node ever reports", "fake servers run nothing; `--timeout 30`", nodes_that_never_report(at))
    yield Row("the boot of one node of many fails", "its console log simulated by the proxy", one_boot_fails(at))
    assert killer.run(destroy) == 0
    failed, again = no_host_can_build(at)
    yield Row("no host can build one group", "a flavor that no host serves", failed)
    yield Row("… the same command when a host can", "the flavor fixed", again)
    at.file.write_text(text)


def table(rows: Iterable[Row]) -> str:
    """In Markdown: the lines of progress that tell of new tries, and the error."""
    out = ["| situation | made by | exit code | said | servers afterwards |", "|---|---|---|---|---|"]
    for row in rows:
        said = "<br>".join(line.replace("|", "\\|") for line in _said(row.seen))
        servers = Counter(status for _, status in row.seen.servers)
        left = ", ".join(f"{count} {status}" for status, count in servers.items())
        out.append(f"| {row.what} | {row.how} | {row.seen.exit_code} | {said} | {left} |")
    return "\n".join(out)


def _said(seen: Seen) -> list[str]:
    """What counts of it: new tries; the error, its first lines and what it says to do."""
    lines = [line.strip() for line in seen.told.splitlines()]
    tries = [line for line in lines if line.startswith("try ")]
    error = [number for number, line in enumerate(lines) if line.startswith(("clusterctl: ", "-> "))]
    if not error:
        return tries
    message = lines[error[0] : error[-1]]
    return [*tries, *message[:3], *(["…"] if len(message) > 3 else []), re.sub(r"\S+\.yml", "FILE", lines[error[-1]])]
