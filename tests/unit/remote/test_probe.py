"""The script that runs on nodes, against small servers on loopback that answer what the real ones do.

``tests/contract/health`` has it ask the real ones.
"""

from __future__ import annotations

import json
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clusterctl.health.facts import JenkinsApp, NodeFacts, Unknown
from clusterctl.remote import probe as script
from clusterctl.remote import probenode
from clusterctl.remote.prober import probe_script
from tests.unit.health.clusters import agents

ADDRESS = "127.0.0.1"


@contextmanager
def serving(answers: dict[str, bytes], heard: list[str] | None = None) -> Iterator[int]:
    """A server that answers by the first line of the request (``GET PATH``, ``mntr``); its port.

    Args:
        heard: gets all lines of the requests.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            lines = self.request.recv(65536).decode().split("\r\n")
            if heard is not None:
                heard.extend(lines)
            line = lines[0].removesuffix(" HTTP/1.0")
            self.request.sendall(answers.get(line, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))

    with socketserver.ThreadingTCPServer((ADDRESS, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def http(body: Any, status: str = "200 OK", *headers: str) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", *headers)
    return "\r\n".join((*lines, "", "")).encode() + data


def ask(service: str, port: int, **changes: Any) -> NodeFacts:
    request = {
        "address": ADDRESS,
        "timeout_s": 2,
        "boot_file": "/does/not/exist",
        "ports": {service: port},
        "units": {service: f"{service}.service"},
        **changes,
    }
    return NodeFacts.model_validate(script.probe(request))


LEADER = (
    b"zk_version\t3.8.0-${mvngit.commit.id}, built on 2024-12-29 17:54 UTC\nzk_server_state\tleader\n"
    b"zk_learners\t2\nzk_synced_followers\t2\n"
)


def test_zookeeper_leader() -> None:
    with serving({"mntr": LEADER}) as port:
        found = ask("zookeeper", port).zookeeper
    assert found is not None
    assert found.model_dump() == {
        "error": "",
        "state": "leader",
        "version": "3.8.0",
        "synced_followers": 2,
        "closed": False,
    }


@pytest.mark.parametrize(
    "answer",
    [
        "This ZooKeeper instance is not currently serving requests",
        "mntr is not executed because it is not in the whitelist.",
    ],
)
def test_zookeeper_that_does_not_serve(answer: str) -> None:
    with serving({"mntr": f"{answer}\n".encode()}) as port:
        found = ask("zookeeper", port).zookeeper
    assert found is not None
    assert found.error == answer


MASTER = {
    "GET /metrics/snapshot": http(
        {
            "master/elected": 1.0,
            "registrar/log/recovered": 1.0,
            "registrar/log/ensemble_size": 3.0,
            "registrar/registry_size_bytes": 743.0,
            "master/uptime_secs": 44.5,
        }
    ),
    "GET /master/redirect": http(b"", "307 Temporary Redirect", "Location: //10.0.0.1:5050"),
    "GET /version": http({"version": "1.11.0"}),
    "GET /master/state-summary": http(
        {
            "slaves": [
                {
                    **agent,
                    "reserved_resources": agent["reserved"],
                    "unreserved_resources": agent["unreserved"],
                    "TASK_RUNNING": 3,
                    "drain_info": {"state": "DRAINING"},
                }
                for agent in agents()
            ],
            "frameworks": [{"id": "f-1", "name": "marathon", "active": True, "connected": True, "TASK_RUNNING": 2}],
        }
    ),
    "GET /master/roles": http({"roles": [{"name": "marathon", "frameworks": ["f-1"]}, {"name": "*"}]}),
}


def test_leading_master() -> None:
    with serving(MASTER) as port:
        found = ask("mesos_master", port).mesos_master
    assert found is not None
    assert (found.error, found.elected, found.leader, found.version) == ("", True, "10.0.0.1:5050", "1.11.0")
    assert (found.log_recovered, found.registrar_recovered, found.ensemble_size) == (True, True, 3)
    assert found.agents is not None
    assert [agent.hostname for agent in found.agents] == ["10.0.0.11", "10.0.0.21"]
    assert found.agents[0].reserved["marathon"]["cpus"] == 2.0
    assert (found.agents[0].tasks, found.agents[0].drain) == (3, "DRAINING")
    (framework,) = found.frameworks
    assert (framework.id, framework.roles, framework.connected, framework.tasks) == ("f-1", ("marathon",), True, 2)


def test_standby_master_is_not_asked_for_agents() -> None:
    answers = MASTER | {
        "GET /metrics/snapshot": http({"master/elected": 0.0, "registrar/log/recovered": 1.0}),
        "GET /master/redirect": http(b"No leader elected", "503 Service Unavailable"),
    }
    with serving(answers) as port:
        found = ask("mesos_master", port).mesos_master
    assert found is not None
    assert (found.elected, found.registrar_recovered, found.agents) == (False, False, None)
    assert (found.leader, found.no_leader) == (None, "HTTP 503 No leader elected")


def test_agent() -> None:
    answers = {
        "GET /state": http({"id": "S-1", "version": "1.11.0", "master_hostname": "10.0.0.1", "attributes": {"r": 1.0}}),
        "GET /metrics/snapshot": http({"slave/registered": 1.0}),
    }
    with serving(answers) as port:
        found = ask("mesos_agent", port).mesos_agent
    assert found is not None
    assert (found.id, found.registered, found.master, found.attributes) == ("S-1", True, "10.0.0.1", {"r": "1.0"})


DEPLOYMENT = {
    "id": "d-1",
    "version": "2026-01-01T00:00:00.000Z",
    "affectedApps": ["/j"],
    "currentActions": [{"action": "StartApplication", "app": "/j"}],
}


def marathon(leader: str) -> dict[str, bytes]:
    tasks = [
        {"host": "10.0.0.11", "state": "TASK_RUNNING", "slaveId": "S-1"},
        {"host": "10.0.0.12", "state": "TASK_UNREACHABLE", "slaveId": "S-2"},
        {"host": "10.0.0.13", "state": "TASK_FAILED", "slaveId": "S-3"},
    ]
    labels = {"clusterctl.jenkins": "j", "clusterctl.jenkins.slot": "7"}
    bound = [["hostname", "CLUSTER", "10.0.0.11"]]
    app = {"id": "/j", "instances": 1, "tasksRunning": 1, "tasks": tasks, "labels": labels, "constraints": bound}
    return {
        "GET /ping": http(b"pong\n"),
        "GET /v2/leader": http({"leader": leader}),
        "GET /v2/info": http({"frameworkId": "f-1", "version": "1.11.24"}),
        "GET /v2/deployments": http([DEPLOYMENT]),
        "GET /v2/apps?embed=apps.tasks": http({"apps": [app, {**app, "id": "/other", "labels": {}}]}),
    }


def test_marathon_leader_tells_of_jenkins_masters() -> None:
    answers: dict[str, bytes] = {}
    with serving(answers) as port:
        answers |= marathon(f"{ADDRESS}:{port}")
        found = ask("marathon", port).marathon
    assert found is not None
    assert (found.error, found.framework_id) == ("", "f-1")
    assert [str(each) for each in found.deployments] == [
        "d-1 of /j since 2026-01-01T00:00:00.000Z: StartApplication /j"
    ]
    # a task whose agent is not heard of is nowhere
    assert [(ghost.app, ghost.host, ghost.agent) for ghost in found.ghosts] == [
        ("/j", "10.0.0.12", "S-2"),
        ("/other", "10.0.0.12", "S-2"),
    ]
    assert found.jenkins == (
        JenkinsApp(id="/j", name="j", slot=7, bound="10.0.0.11", instances=1, running=1, hosts=("10.0.0.11",)),
    )


def test_homes_of_jenkins_masters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("alice", ".aside", "lost+found"):
        (tmp_path / name).mkdir()
    me = tmp_path.stat().st_uid
    with serving({"GET /login": http(b"", "503 Loading")}) as port:
        monkeypatch.setattr(script, "MASTER_UID", me - 3)
        request = {"directory": str(tmp_path), "port": port - 4}
        found = ask("none", 1, ports={}, units={}, homes=request).homes
        monkeypatch.setattr(script, "MASTER_UID", me)
        other = ask("none", 1, ports={}, units={}, homes=request).homes
    assert found is not None
    assert other is not None
    assert [home.model_dump() for home in found.homes] == [{"name": "alice", "slot": 3, "login": 503}]
    assert [home.model_dump() for home in other.homes] == [{"name": "alice", "slot": None, "login": 0}]
    assert 0 <= found.free_mib <= found.size_mib


def test_homes_that_are_not_there() -> None:
    found = ask("none", 1, ports={}, units={}, homes={"directory": "/does/not/exist", "port": 1}).homes
    assert found is not None
    assert found.error == "no such file or directory"


@pytest.mark.parametrize("header", ["X-Marathon-Via: 1.1 10.0.0.1:8080", "Server: Marathon"])
@pytest.mark.parametrize("others", [["last"], None])
def test_while_its_password_turns_a_leader_may_want_the_other_one(
    header: str, others: list[str] | None, tmp_path: Path
) -> None:
    """An instance that runs passes on what its leader says; one that doesn't know us itself is an error as ever."""
    login = tmp_path / "login"
    told = {"principal": "clusterctl", "secret": "next", **({"others": others} if others else {})}
    login.write_text(json.dumps(told))
    with serving({"GET /ping": http(b"", "401 Unauthorized", header)}) as port:
        found = ask("marathon", port, logins={"marathon": str(login)}).marathon
    assert found is not None
    fits = others is not None and header.startswith("X-Marathon-Via")
    assert (found.turning, found.error) == ((True, "") if fits else (False, "/ping: HTTP 401"))


@pytest.mark.parametrize("status", ["500 Server Error", "502 Bad Gateway", "503 Service Unavailable"])
@pytest.mark.parametrize("path", ["/ping", "/v2/leader", "/v2/info", "/v2/deployments"])
def test_marathon_that_reaches_no_leader_runs_all_the_same(path: str, status: str) -> None:
    answers: dict[str, bytes] = {}
    with serving(answers) as port:
        answers |= marathon(f"{ADDRESS}:{port}") | {f"GET {path}": http(b"", status)}
        found = ask("marathon", port).marathon
    assert found is not None
    assert (found.error, found.leader, found.no_leader) == ("", None, f"{path}: HTTP {status[:3]}")


def test_marathon_that_answers_nonsense_is_an_error() -> None:
    answers: dict[str, bytes] = {}
    with serving(answers) as port:
        answers |= marathon(f"{ADDRESS}:{port}") | {"GET /v2/deployments": http(b"no", "404 Not Found")}
        found = ask("marathon", port).marathon
    assert found is not None
    assert found.error == "/v2/deployments: HTTP 404: no"


def test_apps_that_cannot_be_listed_leave_the_rest_known() -> None:
    answers: dict[str, bytes] = {}
    with serving(answers) as port:
        answers |= marathon(f"{ADDRESS}:{port}") | {"GET /v2/apps?embed=apps.tasks": http(b"no", "500 Oops")}
        found = ask("marathon", port).marathon
    assert found is not None
    assert (found.error, found.framework_id) == ("", "f-1")
    assert found.jenkins == Unknown(error="/v2/apps?embed=apps.tasks: HTTP 500: no")


def test_marathon_standby() -> None:
    with serving(marathon("10.0.0.1:8080")) as port:
        found = ask("marathon", port).marathon
    assert found is not None
    assert (found.leader, found.version, found.jenkins) == ("10.0.0.1:8080", "1.11.24", ())


def test_marathon_without_a_leader() -> None:
    with serving({"GET /ping": http(b"pong")}) as port:
        found = ask("marathon", port).marathon
    assert found is not None
    assert (found.error, found.leader, found.no_leader) == ("", None, "/v2/leader: HTTP 404")


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"GET /ping": http(b"", "401 Unauthorized")}, "/ping: HTTP 401"),
        ({"GET /ping": b"SSH-2.0-OpenSSH"}, "/ping: no HTTP answer"),
        ({"GET /ping": http(b""), "GET /v2/leader": http(b"<html>")}, "JSONDecodeError: Expecting value"),
        (
            marathon("x:1") | {"GET /v2/info": http(b"Not\n yours", "403 Forbidden")},
            "/v2/info: HTTP 403: Not yours",
        ),
    ],
)
def test_strange_answers_are_reported(answers: dict[str, bytes], error: str) -> None:
    with serving(answers) as port:
        found = ask("marathon", port).marathon
    assert found is not None
    assert found.error.startswith(error)


def test_a_service_that_hangs_costs_its_time_limit() -> None:
    class Silent(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1)  # the request; then the connection closes when the client has gone

    with socketserver.TCPServer((ADDRESS, 0), Silent) as server:  # listens, and nobody accepts
        found = ask("zookeeper", server.server_address[1], timeout_s=0.05).zookeeper
    assert found is not None
    assert found.error == "timed out"


def test_nobody_listens() -> None:
    with serving({}) as port:
        pass
    found = ask("zookeeper", port)
    assert found.zookeeper is not None
    assert found.zookeeper.error == "connection refused"
    assert found.boot.error == "no such file or directory"


def test_boot_file(tmp_path: Path) -> None:
    path = tmp_path / "boot.json"
    path.write_text('{"state": "running", "step": "files", "detail": ""}')
    boot = ask("zookeeper", 1, boot_file=str(path)).boot
    assert (boot.state, boot.step) == ("running", "files")
    path.write_text("{")
    assert ask("zookeeper", 1, boot_file=str(path)).boot.error.startswith("JSONDecodeError")


def test_units_of_silent_services_are_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text("#!/bin/sh\nshift\nfor unit; do echo failed; done\necho noise >&2\nexit 3\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert ask("zookeeper", 1).units == {"zookeeper.service": "failed"}
    monkeypatch.setenv("PATH", "/does/not/exist")
    assert ask("zookeeper", 1).units == {"error": "no such file or directory"}


def test_it_runs_as_it_does_on_a_node() -> None:
    """Alone, isolated, from standard input; without the modules that are slow to import."""
    request = {"address": ADDRESS, "timeout_s": 1, "boot_file": "/x", "ports": {}, "units": {}}
    code = probe_script() + b"\nassert not {'typing', 'http.client', 'pathlib', 'subprocess'} & set(sys.modules)\n"
    argv = [sys.executable, "-I", "-S", "-", json.dumps(request)]
    run = subprocess.run(argv, input=code, capture_output=True, timeout=30, check=False)
    assert (run.returncode, run.stderr) == (0, b"")
    assert NodeFacts.model_validate_json(run.stdout).boot.error == "no such file or directory"


def test_it_tells_the_nodes_time() -> None:
    """A process whose clock is an hour ahead."""
    request = {"address": ADDRESS, "timeout_s": 1, "boot_file": "/x", "ports": {}, "units": {}}
    shifted = "import time\nreal = time.time\ntime.time = lambda: real() + 3600"
    code = probe_script().decode().replace("import time", shifted, 1).encode()
    argv = [sys.executable, "-I", "-S", "-", json.dumps(request)]
    before = time.time()
    run = subprocess.run(argv, input=code, capture_output=True, timeout=30, check=True)
    clock = NodeFacts.model_validate_json(run.stdout).clock
    assert clock is not None
    assert before + 3600 <= clock.began_s <= clock.ended_s <= time.time() + 3600


def test_disks_once_each_and_only_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    paths = [str(tmp_path), str(tmp_path / "a"), str(tmp_path / "none")]
    [found] = ask("none", 1, ports={}, units={}, disks=paths).disks
    assert found.path == str(tmp_path)
    assert 0 <= found.free_mib <= found.size_mib


def test_a_held_answer_comes_when_its_digest_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    now, answers = [0.0], [{"boot": {"state": "running"}, "uptime_s": n} for n in range(3)]
    answers.append({"boot": {"state": "done"}, "uptime_s": 9})
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    first = probenode.held(lambda: dict(answers[0]), None)
    coming = iter(answers)
    found = probenode.held(lambda: dict(next(coming)), {"seen": first["digest"], "for_s": 15})
    assert found["boot"] == {"state": "done"}
    assert found["digest"] != first["digest"]
    assert now[0] == 3 * probenode.PAUSE_S


def test_a_held_answer_without_news_comes_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))

    def slow() -> dict[str, object]:
        now[0] += 1.0
        return {"boot": {}}

    seen = probenode.digest({"boot": {}})
    assert probenode.held(slow, {"seen": seen, "for_s": 5})["digest"] == seen
    assert now[0] == 7.0  # a look, twice its time in peace, and again: a third of the time at most is spent on looks


def test_the_digest_passes_over_what_changes_by_itself() -> None:
    answer = {"mesos_master": {"uptime_s": 1.5, "agents": [{"id": "a", "tasks": 1}]}, "disks": [{"free_mib": 5}]}
    later = {"mesos_master": {"uptime_s": 9.5, "agents": [{"id": "a", "tasks": 2}]}, "disks": [{"free_mib": 4}]}
    assert probenode.digest(answer) == probenode.digest(later)
    answer["mesos_master"]["agents"].append({"id": "b", "tasks": 0})  # type: ignore[index]
    assert probenode.digest(answer) != probenode.digest(later)
