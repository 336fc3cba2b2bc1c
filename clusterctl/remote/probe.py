"""Runs ON a node, as ``python3 -I -S - REQUEST``: asks its services and prints one JSON object.

Sent together with ``probenode.py`` as one text (``prober.probe_script``). Standard library only, cheap on a slow VM:
HTTP is spoken over a socket, since importing ``http.client`` costs more than all of the answers. Nothing it meets makes
it fail: each part of the answer that could not be had is ``{"error": text}``. The shapes of request and answer are
``clusterctl.health.facts``.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time

from clusterctl.remote.probenode import Unexpected, boot, confinement, disks, held, login, part, unit_states

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing takes as long as a probe
    from collections.abc import Callable
    from typing import Any

    Json = Any

# States of tasks that are there (Mesos: TaskState)
LIVE = ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING")
# of tasks that Marathon lists on agents that are not heard of; they may come back, and are nowhere until then
LOST = ("TASK_UNREACHABLE", "TASK_LOST", "TASK_UNKNOWN", "TASK_DROPPED", "TASK_GONE", "TASK_GONE_BY_OPERATOR")
MASTER_UID = 30000  # of jm-NNN: this and the slot

CLOSED = "/run/clusterctl/zookeeper-closed"  # of zookeeper-tree.service

BUDGET_S = 40.0  # for all parts together: services that hang (10 s each) must not hide the next one


class Asker:
    """Bounded requests to the services of one address.

    ``logins`` are headers that say who asks, by port; of several the next one is tried where one is refused.
    """

    def __init__(self, address: str, timeout_s: float, logins: dict[int, list[str]] | None = None) -> None:
        self.address = address
        self.timeout_s = timeout_s
        self.logins = logins or {}
        self.end = time.monotonic() + BUDGET_S

    def exchange(self, port: int, request: bytes) -> bytes:
        """Sends ``request`` and reads to the end of the answer: end of file, or what Content-Length says."""
        end = min(self.end, time.monotonic() + self.timeout_s)
        with socket.create_connection((self.address, port), timeout=_left(end)) as connection:
            connection.sendall(request)
            answer = b""
            size = None
            while size is None or len(answer) < size:
                connection.settimeout(_left(end))
                part = connection.recv(1 << 18)
                if not part:
                    break
                answer += part
                if size is None and b"\r\n\r\n" in answer:
                    size = _http_size(answer)
            return answer

    def http(self, port: int, path: str) -> tuple[int, dict[str, str], bytes]:
        """GET: status, headers (names in lower case), body. Of refusals, the one that a leader gave through another."""
        refused = []
        for header in self.logins.get(port) or [""]:
            answer = self._http(port, path, header)
            if answer[0] != 401:
                return answer
            refused.append(answer)
        return max(refused, key=lambda answer: VIA in answer[1])

    def _http(self, port: int, path: str, header: str) -> tuple[int, dict[str, str], bytes]:
        lines = (
            f"GET {path} HTTP/1.0",
            f"Host: {self.address}:{port}",
            "Accept: application/json, */*",
            "Connection: close",
            *([header] if header else []),
        )
        request = "\r\n".join((*lines, "", ""))
        head, _, body = self.exchange(port, request.encode()).partition(b"\r\n\r\n")
        status_line, *fields = head.decode("latin-1").split("\r\n")
        words = status_line.split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
            raise Unexpected(f"{path}: no HTTP answer")
        headers = {}
        for line in fields:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return int(words[1]), headers, body

    def get(self, port: int, path: str) -> Json:
        """The JSON that a GET gives with status 200."""
        status, _, body = self.http(port, path)
        return _json(path, status, body)


def zookeeper(ask: Asker, port: int) -> Json:
    """``mntr`` (administrator's guide, four-letter words), whose lines are ``key TAB value``."""
    text = ask.exchange(port, b"mntr").decode("utf-8", "replace")
    found = dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    if "zk_server_state" not in found:
        # not in 4lw.commands.whitelist, or "not currently serving requests": no quorum
        raise Unexpected(" ".join(text.split())[:160] or "mntr: empty answer")
    return {
        "state": found["zk_server_state"],
        "version": found.get("zk_version", "").split("-")[0].split(",")[0],
        "synced_followers": _number(found.get("zk_synced_followers")),
        "closed": os.path.exists(CLOSED),  # noqa: PTH110 (importing pathlib takes time)
    }


def mesos_master(ask: Asker, port: int) -> Json:
    """Metrics of every master; agents, frameworks and roles as the leading one sees them."""
    metrics = ask.get(port, "/metrics/snapshot")
    status, headers, body = ask.http(port, "/master/redirect")
    location = headers.get("location", "")
    elected = metrics.get("master/elected") == 1
    found = {
        "elected": elected,
        "log_recovered": metrics.get("registrar/log/recovered") == 1,
        "ensemble_size": int(metrics.get("registrar/log/ensemble_size", 0)),
        # The registrar reports its size only once it has recovered, on the leader
        "registrar_recovered": "registrar/registry_size_bytes" in metrics,
        "leader": location.split("//")[-1].split("/")[0] if status in (302, 307) else None,
        "no_leader": "" if location else f"HTTP {status} {body.decode('utf-8', 'replace').strip()[:80]}",
        "version": ask.get(port, "/version").get("version", ""),
    }
    if elected:
        summary = ask.get(port, "/master/state-summary")
        found["agents"] = [_agent(agent) for agent in summary["slaves"]]
        roles = ask.get(port, "/master/roles")["roles"]
        found["frameworks"] = [
            {
                "id": framework["id"],
                "name": framework.get("name", ""),
                "active": framework.get("active", False),
                "connected": framework.get("connected", False),
                "roles": sorted(role["name"] for role in roles if framework["id"] in role.get("frameworks", [])),
                "tasks": framework.get("TASK_RUNNING", 0),
            }
            for framework in summary["frameworks"]
        ]
    return found


def mesos_agent(ask: Asker, port: int) -> Json:
    """What an agent says of itself."""
    state = ask.get(port, "/state")
    metrics = ask.get(port, "/metrics/snapshot")
    return {
        "id": state.get("id", ""),
        "version": state.get("version", ""),
        "registered": metrics.get("slave/registered") == 1,
        "master": state.get("master_hostname"),
        "attributes": {key: str(value) for key, value in state.get("attributes", {}).items()},
    }


VIA = "x-marathon-via"  # of answers that are passed on (RequestForwarder)
NO_LEADER = (500, 502, 503, 504)  # of Marathon's proxy: 500 where the connection to the leader broke off


def marathon(ask: Asker, port: int) -> Json:
    """An instance that does not lead proxies everything to the one that does, even ``/ping``.

    So an answer of ``NO_LEADER`` to any request comes from an instance that runs, but can't reach a leader. And while a
    turn of its password is under way, which callers have two of then, the leader may want the one that this instance
    refuses.
    """
    status, headers, _ = ask.http(port, "/ping")
    if status == 401 and VIA in headers and len(ask.logins.get(port, [])) > 1:
        return {"turning": True}
    if status in NO_LEADER:
        return {"no_leader": f"/ping: HTTP {status}"}
    if status != 200:
        raise Unexpected(f"/ping: HTTP {status}")
    found: dict[str, Json] = {}
    status, _, body = ask.http(port, "/v2/leader")
    if status != 200:
        found["no_leader"] = f"/v2/leader: HTTP {status}"
        return found
    leader = json.loads(body).get("leader")
    for path in ("/v2/info", "/v2/deployments"):
        status, _, body = ask.http(port, path)
        if status in NO_LEADER:  # it went meanwhile
            found["no_leader"] = f"{path}: HTTP {status}"
            return found
        answer = _json(path, status, body)
        if path == "/v2/info":
            found["framework_id"] = answer.get("frameworkId")
            found["version"] = answer.get("version", "")
        else:
            found["deployments"] = [_deployment(each) for each in answer]
    found["leader"] = leader
    if leader == f"{ask.address}:{port}":
        apps = part(lambda: ask.get(port, "/v2/apps?embed=apps.tasks")["apps"])
        known = isinstance(apps, list)
        found["jenkins"] = jenkins(apps) if known else apps
        found["ghosts"] = [ghost for app in apps for ghost in _ghosts(app)] if known else []
    return found


def _deployment(deployment: Json) -> Json:
    """One deployment; Marathon's version of it is the time at which it began."""
    actions = deployment.get("currentActions", [])
    return {
        "id": deployment.get("id", ""),
        "since": deployment.get("version", ""),
        "apps": deployment.get("affectedApps", []) + deployment.get("affectedPods", []),
        "actions": [f"{action.get('action', '')} {action.get('app', action.get('pod', ''))}" for action in actions],
    }


def jenkins(apps: list[Json]) -> Json:
    """The apps with our label, and where their live tasks are."""
    return [
        {
            "id": app["id"],
            "name": app["labels"]["clusterctl.jenkins"],
            "slot": _number(app["labels"].get("clusterctl.jenkins.slot")),
            "bound": next((c[2] for c in app.get("constraints", []) if c[:2] == ["hostname", "CLUSTER"]), ""),
            "instances": app.get("instances", 0),
            "running": app.get("tasksRunning", 0),
            "hosts": [task.get("host", "") for task in app.get("tasks", []) if task.get("state") in LIVE],
        }
        for app in apps
        if "clusterctl.jenkins" in app.get("labels", {})
    ]


def _ghosts(app: Json) -> Json:
    """Tasks that Marathon still lists, though their agent is not heard of any more."""
    return [
        {"app": app["id"], "host": task.get("host", ""), "agent": task.get("slaveId") or ""}
        for task in app.get("tasks", [])
        if task.get("state") in LOST
    ]


def homes(ask: Asker, directory: str, port: int) -> Json:
    """The homes of Jenkins masters: names and owners are seen from outside, and each slot has its own HTTP port."""
    space = os.statvfs(directory)
    found = []
    for entry in os.scandir(directory):
        if entry.name.startswith(".") or entry.name == "lost+found":
            continue
        slot = entry.stat(follow_symlinks=False).st_uid - MASTER_UID
        mine = 1 <= slot <= 999
        found.append({"name": entry.name, "slot": slot if mine else None, "login": 0})
        if mine:
            answer = part(lambda slot=slot: {"status": ask.http(port + 2 * (slot - 1), "/login")[0]})  # type: ignore[misc]
            found[-1]["login"] = answer.get("status", 0)
    return {
        "homes": sorted(found, key=lambda home: home["name"]),
        "free_mib": space.f_bavail * space.f_frsize // 2**20,
        "size_mib": space.f_blocks * space.f_frsize // 2**20,
    }


PROBES: dict[str, Callable[[Asker, int], Json]] = {
    each.__name__: each for each in (zookeeper, mesos_master, mesos_agent, marathon)
}


def probe(request: Json) -> Json:
    """The whole answer to a request."""
    logins = {request["ports"][name]: path for name, path in request.get("logins", {}).items()}
    headers = {port: login(path) for port, path in logins.items()}
    ask = Asker(request["address"], float(request["timeout_s"]), headers)
    answer: dict[str, Json] = {"boot": part(lambda: boot(request["boot_file"]))}
    silent = []
    for service, port in request["ports"].items():
        answer[service] = part(lambda service=service, port=port: PROBES[service](ask, port))  # type: ignore[misc]
        if "error" in answer[service]:
            silent.append(request["units"][service])
    answer["disks"] = disks(request.get("disks", []))
    if "homes" in request:
        answer["homes"] = part(lambda: homes(ask, request["homes"]["directory"], request["homes"]["port"]))
    if "confinement" in request:
        answer["confinement"] = part(lambda: confinement(request["confinement"]))
    answer["units"] = part(lambda: unit_states(silent)) if silent else {}
    return answer


def _json(path: str, status: int, body: bytes) -> Json:
    if status != 200:
        text = " ".join(body.decode("utf-8", "replace").split())[:120]
        raise Unexpected(f"{path}: HTTP {status}{': ' + text if text else ''}")
    return json.loads(body)


def _agent(agent: Json) -> Json:
    kept = ("id", "hostname", "active", "attributes", "version", "resources", "used_resources")
    found = {key: agent[key] for key in kept if key in agent}
    found["reserved"] = agent.get("reserved_resources", {})
    found["unreserved"] = agent.get("unreserved_resources", {})
    found["tasks"] = agent.get("TASK_RUNNING", 0)
    found["drain"] = agent.get("drain_info", {}).get("state")
    return found


def _http_size(answer: bytes) -> int | None:
    head, _, _ = answer.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(head) + 4 + int(line.split(b":")[1])
    return None


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _number(text: str | None) -> int | None:
    return None if text is None else int(float(text))


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps(held(lambda: probe(asked), asked.get("hold"))) + "\n")
