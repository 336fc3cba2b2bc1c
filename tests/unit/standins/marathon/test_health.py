"""Health checks: when they are due, what results mean, and the checks themselves against a server of this test."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from lab.standins.marathon.marathon_standin.checker import examine
from lab.standins.marathon.marathon_standin.health import Health, Probe, Result, must_die
from tests.unit.standins.marathon.make import Json, Leader, kinds, offer
from tests.unit.standins.marathon.test_api import send

CHECK = {
    "protocol": "HTTP",
    "path": "login",
    "intervalSeconds": 10,
    "gracePeriodSeconds": 30,
    "maxConsecutiveFailures": 2,
}


def checked(*checks: Json) -> tuple[Leader, str]:
    """A leader whose app's one task runs, not checked yet; and the task's id."""
    leader = Leader()
    leader.subscribe()
    send(leader, "POST", "/v2/apps", {"id": "/web", "cmd": "x", "healthChecks": list(checks)})
    leader.run_everything(offer())
    (task,) = leader.state.instances
    return leader, task


def wait(leader: Leader, seconds: float) -> list[Probe]:
    leader.wait(seconds)
    return leader.scheduler.drain_probes()


def result(leader: Leader, probe: Probe, alive: bool | None, cause: str = "") -> list[Json]:
    leader.scheduler.checked(Result(probe, alive, cause))
    return leader.settle()


def app_of(leader: Leader) -> Any:
    return send(leader, "GET", "/v2/apps/web")[1]["app"]


def test_the_first_check_comes_early_and_the_next_when_the_last_is_done() -> None:
    leader, task = checked(CHECK)
    assert wait(leader, 4) == []
    (probe,) = wait(leader, 1)
    port = leader.state.instances[task].host_ports[0]
    assert (probe.protocol, probe.host, probe.port, probe.path) == ("HTTP", "a1", port, "/login")
    assert wait(leader, 100) == []  # one at a time
    result(leader, probe, True)
    assert len(leader.scheduler.drain_probes()) == 1


def test_a_deployment_waits_for_health() -> None:
    leader, task = checked(CHECK)
    (probe,) = wait(leader, 5)
    assert len(leader.state.deployments) == 1
    assert app_of(leader)["tasks"][0]["healthCheckResults"] == [
        {"alive": False, "consecutiveFailures": 0, "instanceId": leader.state.instances[task].instance_id}
    ]
    leader.events()
    result(leader, probe, True)
    assert leader.state.deployments == {}
    app = app_of(leader)
    assert (app["tasksHealthy"], app["tasksUnhealthy"]) == (1, 0)
    (health,) = app["tasks"][0]["healthCheckResults"]
    assert (health["alive"], health["firstSuccess"] == health["lastSuccess"]) == (True, True)
    told = leader.events("health_status_changed_event", "instance_health_changed_event")
    assert [(event.get("alive"), event.get("healthy")) for event in told] == [(True, None), (None, True)]


def test_failures_in_the_grace_period_do_not_count() -> None:
    leader, _ = checked(CHECK)
    (probe,) = wait(leader, 5)
    assert result(leader, probe, False, "refused") == []
    assert app_of(leader)["tasks"][0]["healthCheckResults"][0]["consecutiveFailures"] == 0


def test_as_many_failures_as_allowed_and_one_more_kill_and_the_instance_is_launched_again() -> None:
    leader, task = checked(CHECK)
    (probe,) = wait(leader, 31)
    for number in (1, 2):
        assert result(leader, probe, False, "503 Busy") == []
        assert app_of(leader)["tasks"][0]["healthCheckResults"][0]["consecutiveFailures"] == number
        (probe,) = leader.scheduler.drain_probes() or wait(leader, 10)
    assert app_of(leader)["tasksUnhealthy"] == 1
    assert kinds(result(leader, probe, False, "503 Busy")) == ["KILL"]
    (event,) = leader.events("unhealthy_instance_kill_event")
    assert (event["taskId"], event["reason"], event["host"]) == (task, "503 Busy", "a1")
    leader.update(task, "TASK_KILLED")
    leader.offers(offer(number=2))
    assert list(leader.state.instances) == [task.removesuffix("1") + "2"]


def test_all_checks_must_hold() -> None:
    leader, _ = checked(CHECK, {"protocol": "TCP", "intervalSeconds": 10})
    http, tcp = wait(leader, 5)
    result(leader, http, True)
    assert len(leader.state.deployments) == 1
    result(leader, tcp, True)
    assert leader.state.deployments == {}
    assert len(app_of(leader)["tasks"][0]["healthCheckResults"]) == 2


def test_checks_on_the_agent_are_mesos_word() -> None:
    leader, task = checked({"protocol": "MESOS_HTTP"})
    assert wait(leader, 100) == []
    leader.update(task, "TASK_RUNNING", healthy=True)
    assert app_of(leader)["tasks"][0]["healthCheckResults"][0]["alive"] is True
    leader.update(task, "TASK_RUNNING", healthy=False)
    assert app_of(leader)["tasksUnhealthy"] == 1
    assert [event["alive"] for event in leader.events("health_status_changed_event")] == [True, False]


def test_results_of_what_is_gone_are_dropped() -> None:
    leader, task = checked(CHECK)
    (probe,) = wait(leader, 5)
    leader.update(task, "TASK_FAILED")
    assert result(leader, probe, True) == []
    leader.scheduler.checked(Result(Probe("x", 0, "TCP", "a1", 1, "/", 1, False), True))


def test_zero_failures_allowed_means_any_number() -> None:
    assert not must_die({"maxConsecutiveFailures": 0}, Health(failures=100))
    assert must_die({"maxConsecutiveFailures": 3}, Health(failures=3))


# --- the checks themselves ------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.rpartition("/")[2]))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def probe_of(protocol: str, port: int, path: str = "/200") -> Probe:
    return Probe("t", 0, protocol, "127.0.0.1", port, path, 5, ignore_1xx=False)


@pytest.mark.parametrize(("path", "alive"), [("/200", True), ("/302", True), ("/404", False), ("/503", False)])
def test_http(port: int, path: str, alive: bool) -> None:
    found = examine(probe_of("HTTP", port, path))
    assert found.alive is alive
    assert found.cause.startswith("" if alive else path.strip("/"))


def test_tcp_and_what_does_not_listen(port: int) -> None:
    assert examine(probe_of("TCP", port)).alive
    for protocol in ("TCP", "HTTP", "HTTPS"):
        found = examine(probe_of(protocol, 1))
        assert (found.alive, "refused" in found.cause) == (False, True)
    assert examine(probe_of("HTTPS", port)).alive is False  # no TLS there
