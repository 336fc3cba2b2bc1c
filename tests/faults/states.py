"""States that a project gets into, by others or by the cloud itself: what commands say of them, and what they do.

Nothing runs on the servers of zone ``fake``: where a command waits for a healthy cluster at last, it ends with 1.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clusterctl.resources import PortRequest, Server, owner_mark
from tests.contract.cloud.lab import wait_for
from tests.faults.kills import Killer, Stage
from tests.faults.lab import Place
from tests.faults.project import admin

CREATE = ("create", "--no-wait")
SHORT = ("--timeout", "20")
SHOWN, WIDTH = 2, 200  # of what was said, in the table


@dataclass(frozen=True)
class Row:
    """What a command did in a state.

    Attributes:
        about: what its lines that count have in them; of others nothing is kept.
        expected: exit code.
        servers: by status, afterwards.
    """

    state: str
    made_by: str
    command: str
    expected: int
    exit_code: int | None
    said: tuple[str, ...]
    servers: Mapping[str, int]


@dataclass(frozen=True)
class States:
    """A cluster in a project of its own, with a volume, and its administrator's hands."""

    at: Place

    def run(self, state: str, made_by: str, words: tuple[str, ...], expected: int, about: str, **more: str) -> Row:
        """Runs a command through the program; keeps the lines with ``about`` (a pattern)."""
        at = self.at
        before = at.log.stat().st_size if at.log.exists() else 0
        client = Killer(at.proxy, at.cloud, at.cluster, at.clouds, at.log)
        code = client.run(Stage(words[0], (words[0], str(at.file), *words[1:])), environment=more)
        told = at.log.read_bytes()[before:].decode(errors="replace")
        lines = [line.strip() for line in told.splitlines() if re.search(about, line) and not line.startswith("$ ")]
        said = tuple(dict.fromkeys(short(line, at.file) for line in lines))[:SHOWN]
        command = " ".join((words[0], "FILE", *words[1:]))
        servers = Counter(server.status for server in at.cloud.servers(at.cluster))
        return Row(state, made_by, command, expected, code, said, dict(servers))

    def server(self, name: str) -> Server:
        """By what follows the cluster's name."""
        wanted = f"{self.at.cluster}-{name}"
        return next(each for each in self.at.cloud.servers(self.at.cluster) if wanted in (each.node, each.name))

    def status(self, name: str, status: str) -> None:
        """Waits until a server has it."""
        wait_for(f"{name} to be {status}", lambda: self.server(name).status == status)

    def set_state(self, name: str, state: str) -> None:
        """As an administrator, or a resize that failed, leaves a server; it runs or not as before."""
        url = f"/servers/{self.server(name).id}/action"
        _good(admin().compute.post(url, json={"os-resetState": {"state": state}}))

    def set_volume(self, status: str) -> None:
        """As a build that was cut off leaves the volume."""
        [volume] = self.at.cloud.volumes(self.at.cluster)
        _good(admin().block_storage.post(f"/volumes/{volume.id}/action", json={"os-reset_status": {"status": status}}))

    @contextmanager
    def full(self) -> Iterator[None]:
        """All quotas are as what is used; they are as before afterwards."""
        project, cloud = self.at.cloud._clients.project_id, admin()
        has = self.at.cloud.observe(self.at.cluster).counts
        used = cloud.network.get(f"/quotas/{project}/details.json").json()["quota"]
        network = {kind: used[kind]["used"] for kind in ("security_group", "security_group_rule", "port")}
        limits: list[tuple[Any, str, str, Mapping[str, int]]] = [
            (cloud.network, f"/quotas/{project}", "quota", network),
            (cloud.compute, f"/os-quota-sets/{project}", "quota_set", {"instances": has["servers"]}),
            (cloud.block_storage, f"/os-quota-sets/{project}", "quota_set", {"volumes": has["volumes"]}),
        ]
        before = []
        for service, url, key, values in limits:
            old = service.get(url).json()[key]
            before.append((service, url, key, {kind: old[kind] for kind in values}))
            _good(service.put(url, json={key: dict(values)}))
        try:
            yield
        finally:
            for service, url, key, values in before:
                _good(service.put(url, json={key: dict(values)}))


def short(line: str, file: Path) -> str:
    """A line for the table: without what is of this run only."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", line.replace(str(file), "FILE"))
    return text if len(text) <= WIDTH else f"{text[:WIDTH].rsplit(' ', 1)[0]} …"


def _good(answer: Any) -> None:
    assert answer.ok, f"{answer.status_code} {answer.text}"


def situations(at: Place) -> Iterator[Row]:
    """All of them, one after the other; nothing is left at the end."""
    states = States(at)
    yield states.run("none", "", CREATE, 0, "servers of its 5 nodes|are built")
    yield from another_operator(states)
    yield from shut_off(states)
    yield from in_error(states)
    yield from stuck_volume(states)
    yield from full_project(states)


def another_operator(states: States) -> Iterator[Row]:
    """Whose key pair has another name, from a machine that never saw the cluster."""
    text = states.at.file.read_text()
    states.at.file.write_text(yaml.safe_dump(yaml.safe_load(text) | {"keypair": "another-operators"}))
    try:
        with tempfile.TemporaryDirectory() as empty:
            how = "another `keypair` in the file, an empty `XDG_CACHE_HOME`"
            named = "nothing to do|key pair|keypair"
            yield states.run("a second operator", how, CREATE, 0, named, XDG_CACHE_HOME=empty)
            where = {"XDG_CACHE_HOME": empty}
            yield states.run("", "", ("inventory",), 0, "shows no ssh host key|can't reach|out of reach", **where)
    finally:
        states.at.file.write_text(text)


def shut_off(states: States) -> Iterator[Row]:
    """A control node's server."""
    states.at.cloud.stop_server(states.server("control-2").id)
    states.status("control-2", "SHUTOFF")
    yield states.run("a server is SHUTOFF", "stopped", CREATE, 0, "control-2: is SHUTOFF")
    yield states.run("", "", ("repair",), 3, "control-2: is shut off|does it")
    yield states.run("", "", ("repair", "--apply", *SHORT), 1, "is not healthy after|goes on from here")
    states.status("control-2", "ACTIVE")


def in_error(states: States) -> Iterator[Row]:
    """A control node's server, which may run still, and an agent's."""
    states.set_state("control-3", "error")
    states.set_state("jenkins-1", "error")
    yield states.run(
        "servers are in ERROR",
        "an administrator's `server set --state error`",
        CREATE,
        0,
        "(control-3|jenkins-1): is ERROR",
    )
    yield states.run("", "", ("repair",), 3, "(control-3|jenkins-1): is in ERROR")
    told = "control-3 can't be replaced|goes on from here|members serve"
    yield states.run("", "", ("repair", "--apply", "--yes", *SHORT), 1, told)
    for name in ("control-3", "jenkins-1"):
        states.set_state(name, "active")


def stuck_volume(states: States) -> Iterator[Row]:
    """Held for a build that is gone."""
    lost = states.server("jenkins-1").id
    states.at.cloud.delete_server(lost)
    wait_for("the server to be gone", lambda: all(s.id != lost for s in states.at.cloud.servers(states.at.cluster)))
    wait_for("its volume to be detached", lambda: states.at.cloud.volumes(states.at.cluster)[0].status == "available")
    states.set_volume("reserved")
    how = "its server deleted, then Cinder's state set"
    yield states.run("a volume stays `reserved`", how, CREATE, 1, "is reserved for a server that is gone")
    yield states.run("", "", ("repair",), 3, "is reserved for a server that is gone")
    states.set_volume("available")
    yield states.run("… the same command when it is freed", "", CREATE, 0, "servers made")


def full_project(states: States) -> Iterator[Row]:
    """All quotas used up: nothing can be made, and everything can be removed."""
    at = states.at
    base = at.cloud.observe(at.cluster).security_groups[0].id
    network = at.cloud.network("lab")
    assert network is not None
    at.cloud.create_ports([PortRequest(f"{at.cluster}-orphan", network.id, (base,), owner_mark(at.cluster))])
    text = at.file.read_text()
    with states.full():
        more = yaml.safe_load(text)
        more["groups"]["builders"]["count"] = 3
        at.file.write_text(yaml.safe_dump(more))
        yield states.run(
            "all quotas are used up", "set to what is used", CREATE, 1, "does not fit into|needed|exceeded"
        )
        at.file.write_text(text)
        yield states.run("", "", ("repair",), 3, "orphan: port")
        yield states.run("", "", ("repair", "--apply", *SHORT), 1, "is not healthy after|goes on from here")
        orphans = [port for port in at.cloud.ports(at.cluster) if port.name.endswith("-orphan")]
        assert not orphans, f"the lock or the deletion failed in a full project; see {at.log}"
        yield states.run("", "", ("destroy", "--yes", "--volumes"), 0, "^left: ")


def table(rows: Iterable[Row]) -> str:
    """In Markdown."""
    out = ["| state | made by | command | exit code | said | servers afterwards |", "|---|---|---|---|---|---|"]
    for row in rows:
        said = "<br>".join(line.replace("|", "\\|") for line in row.said)
        left = ", ".join(f"{count} {status}" for status, count in sorted(row.servers.items())) or "none"
        out.append(f"| {row.state} | {row.made_by} | `{row.command}` | {row.exit_code} | {said} | {left} |")
    return "\n".join(out)
