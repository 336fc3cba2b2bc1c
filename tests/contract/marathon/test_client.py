"""The PyPI client ``marathon`` 0.13 against the stand-in: each of its calls, with the outcome that 1.11.24 has.

Where the client is wrong about 1.11.24 itself, the test says how; both were read in the sources of the two.
"""

import http
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from marathon import MarathonApp
from marathon.exceptions import ConflictError, InternalServerError, MarathonHttpError, NotFoundError
from marathon.models import MarathonGroup, MarathonHealthCheck
from marathon.models.events import MarathonDeploymentSuccess, MarathonStatusUpdateEvent

from tests.contract.loopback import MarathonCluster
from tests.contract.marathon.client import Client, client_of, methods, runnable
from tests.contract.mesos.cluster import wait_for

pytestmark = pytest.mark.mesos

STREAMS = "marathon.http.event-streams.active.gauge"
PASSED_OVER: set[tuple[str, str]] = set()


@pytest.fixture(scope="module", autouse=True)
def client_runs() -> Iterator[None]:
    with runnable(PASSED_OVER):
        yield


@pytest.fixture
def client(cluster: MarathonCluster) -> Client:
    """Of a standby first: what it passes on must be as good as the leader's own."""
    leader = cluster.leading_marathon()
    return client_of([*(host for host in cluster.hosts if host != leader), leader])


def sleeper(**more: Any) -> MarathonApp:
    return MarathonApp(cmd="sleep 3600", cpus=0.1, mem=32, **more)


def test_an_app_from_creation_to_deletion(client: Client, cluster: MarathonCluster) -> None:
    created = client.create_app(
        "/shop/web", sleeper(instances=2, constraints=[("hostname", "LIKE", r"127\..*")], labels={"tier": "web"})
    )
    assert (created.id, created.instances, created.constraints[0].operator) == ("/shop/web", 2, "LIKE")
    with pytest.raises(ConflictError):
        client.create_app("/shop/web", sleeper())
    cluster.wait_deployed()
    assert len(client.list_tasks("/shop/web")) == len(client.list_endpoints()) == 2
    assert client.scale_app("/shop/web", instances=1)["deploymentId"]
    cluster.wait_deployed()
    assert client.scale_app("/shop/web", delta=1)["deploymentId"]
    cluster.wait_deployed()
    # what GET gives, changed and sent back: no call of this client is answered if booleans are not taken in any case
    app = client.get_app("/shop/web")
    app.mem = 48
    client.update_app("/shop/web", app, force=True)
    cluster.wait_deployed()
    assert client.get_app("/shop/web").mem == 48
    assert client.update_apps([MarathonApp(id="/shop/web", instances=1), sleeper(id="/shop/new")])["deploymentId"]
    cluster.wait_deployed()
    before = client.list_tasks("/shop/web")[0].id
    client.restart_app("/shop/web")
    cluster.wait_deployed()
    assert [task.id == before for task in client.list_tasks("/shop/web")] == [False]
    client.delete_app("/shop/web")
    with pytest.raises(NotFoundError):
        client.get_app("/shop/web")


def test_lists_filters_and_embeds(client: Client, cluster: MarathonCluster) -> None:
    client.create_app("/one", sleeper(labels={"tier": "web"}))
    client.create_app("/two", MarathonApp(cmd="exec sleep 3601", cpus=0.1, mem=32, labels={"tier": "db"}))
    cluster.wait_deployed()
    assert [app.id for app in client.list_apps(label="tier==web")] == ["/one"]
    assert [app.id for app in client.list_apps(label="tier in (web, db), tier != web")] == ["/two"]
    assert [app.id for app in client.list_apps(cmd="EXEC")] == ["/two"]
    assert [app.id for app in client.list_apps(app_id="on")] == ["/one"]
    (one,) = client.list_apps(
        app_id="/one",
        embed_tasks=True,
        embed_counts=True,
        embed_deployments=True,
        embed_readiness=True,
        embed_last_task_failure=True,
        embed_failures=True,
        embed_task_stats=True,
    )
    assert (one.tasks_running, len(one.tasks), one.deployments, one.last_task_failure) == (1, 1, [], None)
    assert client.get_app("/one", embed_task_stats=True).tasks[0].state == "TASK_RUNNING"
    # asked for as taskStats, told as tasksStats: the client does not know that name
    assert ("MarathonApp", "tasksStats") in PASSED_OVER


def test_versions_and_rollback(client: Client, cluster: MarathonCluster) -> None:
    client.create_app("/web", sleeper(env={"COLOUR": "blue"}))
    cluster.wait_deployed()
    (first,) = client.list_versions("/web")
    client.update_app("/web", MarathonApp(env={"COLOUR": "red"}))
    cluster.wait_deployed()
    assert len(client.list_versions("/web")) == 2
    assert client.get_version("/web", first).env == {"COLOUR": "blue"}
    assert client.rollback_app("/web", first, force=True)["deploymentId"]
    cluster.wait_deployed()
    assert client.get_app("/web").env == {"COLOUR": "blue"}


def test_groups(client: Client, cluster: MarathonCluster) -> None:
    group = MarathonGroup(id="/team", apps=[sleeper(id="web")], groups=[MarathonGroup(id="db", apps=[sleeper(id="x")])])
    first = client.create_group(group)["version"]
    cluster.wait_deployed()
    assert "/team" in [each.id for each in client.list_groups()]
    found = client.get_group("/team")
    assert ([app.id for app in found.apps], found.groups[0].apps[0].id) == (["/team/web"], "/team/db/x")
    assert ("MarathonGroup", "enforceRole") in PASSED_OVER
    client.scale_group("/team", 2)
    cluster.wait_deployed()
    assert [app.instances for app in client.list_apps(app_id="/team")] == [2, 2]
    client.update_group("/team", MarathonGroup(apps=[sleeper(id="other")]))
    cluster.wait_deployed()
    assert [app.id for app in client.list_apps(app_id="/team")] == ["/team/db/x", "/team/other"]
    # PUT of .../versions/VERSION went with Marathon 0.9 or so; since then the version is in the body
    with pytest.raises(MarathonHttpError) as refused:
        client.rollback_group("/team", first)
    assert refused.value.status_code == http.HTTPStatus.UNPROCESSABLE_ENTITY
    back = client._do_request("PUT", "/v2/groups/team", params={"force": True}, data=f'{{"version": "{first}"}}')
    assert back.json()["deploymentId"]
    cluster.wait_deployed()
    assert [(app.id, app.instances) for app in client.list_apps(app_id="/team")] == [
        ("/team/db/x", 1),
        ("/team/web", 1),
    ]
    client.delete_group("/team", force=True)
    assert client.list_apps(app_id="/team") == []


def test_killing_tasks(client: Client, cluster: MarathonCluster) -> None:
    client.create_app("/web", sleeper(instances=3))
    cluster.wait_deployed()
    one, *others = client.list_tasks("/web")
    assert client.kill_task("/web", one.id).id == one.id

    def relaunched() -> bool:
        tasks = {task.id: task.state for task in client.list_tasks("/web")}
        return tasks.get(one.id.removesuffix(".1") + ".2") == "TASK_RUNNING"

    wait_for("the same instance's next task", relaunched)
    assert client.kill_given_tasks([others[0].id, "web.instance-unknown._app.1"], scale=True, force=True)
    cluster.wait_deployed()
    assert client.get_app("/web").instances == 2
    assert len(client.kill_tasks("/web", host="127.0.0")) == 2  # by a part of the host's name
    with pytest.raises(MarathonHttpError) as refused:
        client.kill_tasks("/web", scale=True, wipe=True)
    assert refused.value.status_code == http.HTTPStatus.BAD_REQUEST


def test_deployments_and_the_queue(client: Client, cluster: MarathonCluster) -> None:
    client.create_app("/large", MarathonApp(cmd="sleep 1", cpus=64, mem=32))
    (deployment,) = client.list_deployments()
    assert (deployment.affected_apps, deployment.current_actions[0].action) == (["/large"], "ScaleApplication")
    with pytest.raises(ConflictError):
        client.scale_app("/large", instances=2)

    def refused() -> bool:
        (item,) = client.list_queue(embed_last_unused_offers=True)
        return bool(item.last_unused_offers)

    wait_for("an offer that was turned down", refused)
    (item,) = client.list_queue()
    assert (item.app.id, item.count, item.delay.overdue) == ("/large", 1, True)
    assert ("MarathonQueueItem", "role") in PASSED_OVER
    client.reset_delay("/large")
    back = client.delete_deployment(deployment.id)
    assert back["deploymentId"] != deployment.id
    cluster.wait_deployed()
    client.create_app("/large", MarathonApp(cmd="sleep 1", cpus=64, mem=32))
    (deployment,) = client.list_deployments()
    assert client.delete_deployment(deployment.id, force=True) == {}
    assert client.list_deployments() == []


class Listener:
    """Reads the client's event stream in a thread.

    Neither Marathon nor the stand-in sends a stream in chunks, and the client reads 512 bytes at a time: an event comes
    out once enough of the next ones are there. So what is waited for is brought on by something that goes on happening.
    """

    def __init__(self, client: Client, **arguments: Any) -> None:
        self._client = client
        self.found: list[Any] = []
        threading.Thread(target=self._read, kwargs=arguments, daemon=True).start()

    def _read(self, **arguments: Any) -> None:
        for event in self._client.event_stream(**arguments):
            self.found.append(event)

    def wait(self, what: str, condition: Callable[[Any], bool]) -> Any:
        """The first event that fulfils the condition, while the app /told comes and goes."""

        def one() -> Any:
            self._client.update_app("/told", sleeper(instances=len(self.found) % 2), force=True)
            return next((event for event in list(self.found) if condition(event)), None)

        return wait_for(what, one, 90)


def test_events(client: Client, cluster: MarathonCluster) -> None:
    chosen = [MarathonStatusUpdateEvent, MarathonDeploymentSuccess, "event_stream_attached"]
    some, all_ = Listener(client, event_types=chosen), Listener(client, raw=True)
    wait_for("both to listen", lambda: client.get_metrics()["gauges"][STREAMS] == {"value": 2})
    client.create_app("/told", sleeper())
    running = some.wait("a task", lambda event: getattr(event, "task_status", "") == "TASK_RUNNING")
    assert (running.app_id, running.host in cluster.hosts) == ("/told", True)
    assert some.wait("a deployment", lambda event: event.event_type == "deployment_success").id
    assert {event.event_type for event in some.found} <= {
        "status_update_event",
        "deployment_success",
        "event_stream_attached",
    }
    for kind in ("api_post_event", "group_change_success", "deployment_info", "deployment_step_success"):
        assert '"timestamp"' in all_.wait(kind, lambda line, kind=kind: f'"eventType": "{kind}"' in line)
    # http callbacks went with Marathon 1.5: its answer to an address that it does not know is 500
    for call in (client.create_event_subscription, client.delete_event_subscription):
        with pytest.raises(InternalServerError):
            call("http://127.0.0.1/callback")
    with pytest.raises(InternalServerError):
        client.list_event_subscriptions()


@pytest.mark.parametrize("protocol", ["HTTP", "TCP"])
def test_health_checks_by_marathon_itself(
    client: Client, cluster: MarathonCluster, tmp_path: Path, protocol: str
) -> None:
    up = tmp_path / "up"
    up.touch()
    # serves while the file is there
    serve = f"cd {tmp_path}; python3 -m http.server $PORT0 & while [ -e {up} ]; do sleep 0.2; done; kill $!; sleep 3600"
    check = MarathonHealthCheck(
        protocol=protocol,
        path="/",
        port_index=0,
        grace_period_seconds=10,
        interval_seconds=1,
        timeout_seconds=5,
        max_consecutive_failures=2,
    )
    client.create_app("/checked", MarathonApp(cmd=serve, cpus=0.1, mem=64, health_checks=[check]))
    cluster.wait_deployed(60)  # which waits for health
    app = client.get_app("/checked")
    assert (app.tasks_healthy, app.tasks[0].health_check_results[0].alive) == (1, True)
    assert app.health_checks[0].protocol == protocol
    first = app.tasks[0].id
    up.unlink()
    wait_for(
        "another task of the same instance",
        lambda: [task.id for task in client.list_tasks("/checked")] == [first.removesuffix(".1") + ".2"],
        60,
    )


def test_the_server_itself(client: Client, cluster: MarathonCluster) -> None:
    leader = cluster.leading_marathon()
    assert client.ping() == b"pong"
    assert client.get_leader() == {"leader": f"{leader}:8080"}
    info = client.get_info()
    assert (info.version, info.marathon_config.mesos_role, info.zookeeper_config.zk_max_versions) == (
        "1.11.24",
        "marathon",
        50,
    )
    assert client.get_metrics()["gauges"]["marathon.apps.active.gauge"] == {"value": 0}
    assert client.delete_leader() == {"message": "Leadership abdicated"}
    assert cluster.leading_marathon(other_than=leader)


def test_every_call_was_made(request: pytest.FixtureRequest) -> None:
    """Last, and only where all tests of this file run."""
    here = [item for item in request.session.items if item.path == request.path]
    tests = [name for name in globals() if name.startswith("test_")]
    if {item.originalname for item in here} != set(tests):
        pytest.skip("some tests of this file were not selected")
    assert methods() - Client.called == set()
    assert {
        ("MarathonApp", "tasksStats"),
        ("MarathonGroup", "enforceRole"),
        ("MarathonQueueItem", "role"),
    } == PASSED_OVER
