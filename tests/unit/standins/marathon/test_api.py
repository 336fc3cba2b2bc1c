import json
from typing import Any

import pytest

from lab.standins.marathon.marathon_standin.messages import Request, Response
from tests.unit.standins.marathon.make import Json, Leader, kinds, launched, offer


def body_of(response: Response) -> Any:
    return json.loads(response.body)


def send(leader: Leader, method: str, target: str, body: Any = None) -> tuple[int, Any]:
    response, _ = leader.ask(method, target, b"" if body is None else json.dumps(body).encode())
    return response.status, body_of(response) if response.body.startswith((b"{", b"[")) else response.body.decode()


def subscribed(*flags: str) -> Leader:
    leader = Leader(*flags)
    leader.subscribe()
    return leader


def with_app(instances: int = 1, **fields: Any) -> Leader:
    """A leader with the app /web, deployed and running."""
    leader = subscribed()
    web = {"id": "/web", "cmd": "sleep 1", "cpus": 0.1, "instances": instances, **fields}
    assert send(leader, "POST", "/v2/apps", web)[0] == 201
    leader.run_everything(offer())
    assert send(leader, "GET", "/v2/deployments") == (200, [])
    return leader


def test_create_and_read() -> None:
    leader = subscribed()
    response, calls = leader.ask("POST", "/v2/apps", b'{"id": "web", "cmd": "sleep 1"}')
    created = body_of(response)
    assert response.status == 201
    assert response.headers["Location"] == "/web"
    assert created["deployments"] == [{"id": response.headers["Marathon-Deployment-Id"]}]
    assert (created["tasksRunning"], "tasks" in created) == (0, False)
    assert kinds(calls) == ["REVIVE"]
    (deployment,) = send(leader, "GET", "/v2/deployments")[1]
    assert deployment["affectedApps"] == ["/web"]
    assert (deployment["currentStep"], deployment["totalSteps"]) == (2, 2)
    assert [a["action"] for a in deployment["currentActions"]] == ["ScaleApplication"]
    leader.run_everything(offer())
    assert send(leader, "GET", "/v2/deployments")[1] == []
    status, answer = send(leader, "GET", "/v2/apps//web")
    assert status == 200
    assert (answer["app"]["tasksRunning"], answer["app"]["tasksStaged"]) == (1, 0)
    (task,) = answer["app"]["tasks"]
    assert (task["state"], task["host"], task["appId"], task["role"]) == ("TASK_RUNNING", "a1", "/web", "marathon")
    assert send(leader, "GET", "/v2/apps/web/tasks")[1]["tasks"] == [task]
    assert send(leader, "GET", "/v2/tasks?status=running")[1]["tasks"] == [task]
    assert send(leader, "GET", "/v2/tasks?status=staging")[1]["tasks"] == []
    assert send(leader, "GET", "/v2/tasks?status=dead")[1]["tasks"] == [task]  # no word for it: no filter


def test_lists_and_filters() -> None:
    leader = with_app()
    send(leader, "POST", "/v2/apps", {"id": "/jenkins/a", "cmd": "java"})

    def ids(query: str) -> list[str]:
        return [each["id"] for each in send(leader, "GET", f"/v2/apps{query}")[1]["apps"]]

    assert ids("") == ["/jenkins/a", "/web"]
    assert ids("?id=jenk") == ["/jenkins/a"]
    assert ids("?cmd=SLEEP") == ["/web"]
    (web,) = send(leader, "GET", "/v2/apps?id=web&embed=apps.tasks&embed=apps.lastTaskFailure")[1]["apps"]
    assert len(web["tasks"]) == 1
    jenkins, web = send(leader, "GET", "/v2/apps")[1]["apps"]
    assert "tasks" not in web
    assert (web["tasksRunning"], web["deployments"], len(jenkins["deployments"])) == (1, [], 1)
    (web,) = send(leader, "GET", "/v2/apps?id=web&embed=apps.taskStats&embed=nonsense&embed=app.readiness")[1]["apps"]
    assert web["tasksStats"]["totalSummary"]["stats"]["counts"] == {
        "staged": 0,
        "running": 1,
        "healthy": 0,
        "unhealthy": 0,
    }
    assert web["readinessCheckResults"] == []


def test_what_is_not_there_is_404() -> None:
    leader = subscribed()
    for method, target in (
        ("GET", "/v2/apps/none"),
        ("DELETE", "/v2/apps/none"),
        ("POST", "/v2/apps/none/restart"),
        ("GET", "/v2/apps/none/tasks"),
        ("DELETE", "/v2/apps/none/tasks"),
        ("GET", "/v2/apps/NONE"),
    ):
        status, answer = send(leader, method, target)
        assert status == 404, target
        assert answer["message"] in ("App '/none' does not exist", "App '/NONE' does not exist")
    assert send(leader, "DELETE", "/v2/deployments/x")[1] == {"message": "DeploymentPlan x does not exist"}
    assert send(leader, "DELETE", "/v2/queue/none/delay")[0] == 404
    assert send(leader, "GET", "/v2/groups/none")[1] == {"message": "Group '/none' does not exist"}
    assert send(leader, "DELETE", "/v2/info")[0] == 405
    assert send(leader, "GET", "/v2/nonsense") == (500, {"message": "URI not found"})  # sic
    assert send(leader, "GET", "/v2/pods/::status") == (501, {"message": "the stand-in lacks it: /v2/pods/::status"})


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 422), (b"{}", 422), (b'{"id": "/a"}', 422), (b'{"id": "/a", "cmd": "x", "mem": "1"}', 422)],
)
def test_bad_definitions(body: bytes, status: int) -> None:
    leader = subscribed()
    response, calls = leader.ask("POST", "/v2/apps", body)
    assert response.status == status
    assert body_of(response)["details"]
    assert (leader.state.apps, calls) == ({}, [])


def test_an_app_exists_once_and_is_no_group() -> None:
    leader = with_app()
    status, answer = send(leader, "POST", "/v2/apps", {"id": "/web", "cmd": "x"})
    assert (status, answer["message"]) == (409, "An app with id [/web] already exists.")
    assert send(leader, "POST", "/v2/apps", {"id": "/web/sub", "cmd": "x"})[0] == 422


def test_limits_of_apps_and_deployments() -> None:
    leader = subscribed("--max_apps", "1", "--max_running_deployments", "1")
    assert send(leader, "POST", "/v2/apps", {"id": "/a", "cmd": "x"})[0] == 201
    assert send(leader, "POST", "/v2/apps", {"id": "/b", "cmd": "x"})[0] == 422
    leader.state.remove_app("/a")
    assert send(leader, "POST", "/v2/apps", {"id": "/b", "cmd": "x"})[0] == 403


def test_put_creates_scales_and_changes_nothing_if_nothing_changed() -> None:
    leader = with_app()
    assert send(leader, "PUT", "/v2/apps/other", {"cmd": "x", "instances": 0})[0] == 201
    before = leader.state.apps["/web"]
    assert send(leader, "PUT", "/v2/apps/web", before.to_json() | {"version": None})[0] == 200
    assert leader.state.apps["/web"] == before
    assert send(leader, "GET", "/v2/deployments")[1] == []
    status, answer = send(leader, "PUT", "/v2/apps/web", {"instances": 3})
    assert (status, set(answer)) == (200, {"version", "deploymentId"})
    assert leader.scheduler.launcher.demand == {"/web": 2}
    assert send(leader, "PUT", "/v2/apps/web?force=true", {"id": "/elsewhere", "mem": 7})[0] == 200
    assert leader.state.apps["/web"].spec["mem"] == 7  # the address counts
    assert "/elsewhere" not in leader.state.apps
    assert send(leader, "PATCH", "/v2/apps/nobody", {"cmd": "x"})[0] == 404
    assert send(leader, "PATCH", "/v2/apps", [{"id": "/nobody", "cmd": "x"}])[0] == 404
    assert send(leader, "PUT", "/v2/apps/Bad", {"cmd": "x"})[0] == 422


def test_put_and_patch_keep_what_they_do_not_name() -> None:
    for method in ("PUT", "PATCH"):
        leader = with_app(mem=64)
        send(leader, method, "/v2/apps/web", {"env": {"A": "1"}})
        assert leader.state.apps["/web"].spec["mem"] == 64
    replaced = with_app(mem=64)
    send(replaced, "PUT", "/v2/apps/web?partialUpdate=false", {"cmd": "x"})
    assert replaced.state.apps["/web"].spec["mem"] == 128


def test_put_of_several_apps_is_one_deployment() -> None:
    leader = with_app()
    changes = [{"id": "/web", "instances": 2}, {"id": "/new", "cmd": "x"}]
    status, answer = send(leader, "PUT", "/v2/apps", changes)
    assert status == 200
    (deployment,) = send(leader, "GET", "/v2/deployments")[1]
    assert deployment["id"] == answer["deploymentId"]
    assert deployment["affectedApps"] == ["/new", "/web"]
    assert send(leader, "PUT", "/v2/apps", {"id": "/web"})[0] == 422
    assert send(leader, "PUT", "/v2/apps", [{"cmd": "x"}])[0] == 422


def test_a_deployment_locks_its_apps_unless_forced() -> None:
    leader = subscribed()
    send(leader, "POST", "/v2/apps", {"id": "/web", "cmd": "x"})
    (held,) = leader.state.deployments
    for method, target, body in (
        ("PUT", "/v2/apps/web", {"instances": 2}),
        ("DELETE", "/v2/apps/web?force=false", None),
        ("POST", "/v2/apps/web/restart", None),
    ):
        status, answer = send(leader, method, target, body)
        assert status == 409
        assert answer["deployments"] == [{"id": held}]
    assert send(leader, "PUT", "/v2/apps/web?force=True", {"instances": 2})[0] == 200
    assert held not in leader.state.deployments
    assert len(leader.state.deployments) == 1


def test_a_change_rolls_the_tasks() -> None:
    leader = with_app()
    (old,) = leader.state.instances
    leader.now += 60
    _, calls = leader.ask("PUT", "/v2/apps/web", b'{"cmd": "other"}')
    assert kinds(calls) == ["REVIVE"]  # the old one stays until the new one is up
    assert len(launched(leader.offers(offer(number=2)))) == 1
    (new,) = set(leader.state.instances) - {old}
    assert "KILL" in kinds(leader.update(new, "TASK_RUNNING"))
    leader.update(old, "TASK_KILLED")
    assert send(leader, "GET", "/v2/deployments")[1] == []
    assert set(leader.state.instances) == {new}


def test_delete_kills_and_forgets() -> None:
    leader = with_app()
    response, calls = leader.ask("DELETE", "/v2/apps/web")
    assert response.status == 200
    assert kinds(calls) == ["KILL"]
    assert send(leader, "GET", "/v2/apps/web")[0] == 404
    assert [d["currentActions"][0]["action"] for d in send(leader, "GET", "/v2/deployments")[1]] == ["StopApplication"]
    assert send(leader, "POST", "/v2/apps", {"id": "/web", "cmd": "x"})[0] == 409  # not while it stops
    (task,) = leader.state.instances
    leader.update(task, "TASK_KILLED")
    assert send(leader, "GET", "/v2/deployments")[1] == []
    left = {kind for kind, content in leader.repository.data.items() if content}
    assert left == {"roots", "versions"}  # former trees and definitions, to go back to


def test_delete_is_forced_unless_told_otherwise() -> None:
    leader = subscribed()
    send(leader, "POST", "/v2/apps", {"id": "/web", "cmd": "x"})
    assert send(leader, "DELETE", "/v2/apps/web")[0] == 200
    assert leader.state.apps == {}


def test_cancelling_a_deployment() -> None:
    leader = with_app()
    _, answer = send(leader, "PUT", "/v2/apps/web", {"instances": 3})
    status, reverting = send(leader, "DELETE", f"/v2/deployments/{answer['deploymentId']}")
    assert status == 200
    assert reverting["deploymentId"] != answer["deploymentId"]
    assert leader.state.apps["/web"].instances == 1
    _, answer = send(leader, "PUT", "/v2/apps/web", {"instances": 3})
    assert send(leader, "DELETE", f"/v2/deployments/{answer['deploymentId']}?force=true")[0] == 202
    assert leader.state.deployments == {}
    assert leader.state.apps["/web"].instances == 3


def test_cancelling_a_creation_deletes_the_app() -> None:
    leader = subscribed()
    _, answer = send(leader, "POST", "/v2/apps", {"id": "/web", "cmd": "x"})
    assert send(leader, "DELETE", f"/v2/deployments/{answer['deployments'][0]['id']}")[0] == 200
    assert leader.state.apps == {}


def test_killing_tasks() -> None:
    leader = with_app(instances=2)
    one, two = sorted(leader.state.instances)
    response, calls = leader.ask("DELETE", f"/v2/apps/web/tasks/{one}")
    assert body_of(response)["task"]["id"] == one
    assert kinds(calls) == ["KILL"]
    assert leader.scheduler.launcher.demand == {}  # first it must be gone
    leader.update(one, "TASK_KILLED")
    assert leader.scheduler.launcher.demand == {"/web": 1}
    ended = send(leader, "GET", "/v2/apps/web")[1]["app"]["tasks"]
    dead = next(task for task in ended if task["id"] == one)
    assert (dead["state"], dead["host"], dead["ports"]) == ("TASK_KILLED", "a1", [])  # until it is launched again
    assert send(leader, "DELETE", "/v2/apps/web/tasks/nobody")[0] == 404
    status, answer = send(leader, "DELETE", f"/v2/apps/web/tasks/{two}?scale=true")
    assert (status, set(answer)) == (200, {"version", "deploymentId"})
    assert leader.state.apps["/web"].instances == 1
    assert send(leader, "DELETE", f"/v2/apps/web/tasks/{two}?wipe=true&scale=true")[0] == 400


def test_killing_by_host_and_by_list() -> None:
    leader = with_app(instances=2)
    assert send(leader, "DELETE", "/v2/apps/web/tasks?host=elsewhere")[1] == {"tasks": []}
    assert len(send(leader, "DELETE", "/v2/apps/web/tasks?host=a")[1]["tasks"]) == 2  # a part of the name is enough
    ids = sorted(leader.state.instances)
    assert send(leader, "POST", "/v2/tasks/delete", {"ids": ["x"]}) == (400, {"message": "Invalid task id 'x'. [x]"})
    assert send(leader, "POST", "/v2/tasks/delete", {"ids": ["web.instance-0._app.1"]}) == (200, {"tasks": []})
    assert send(leader, "POST", "/v2/tasks/delete", [])[0] == 422
    assert len(send(leader, "POST", "/v2/tasks/delete", {"ids": ids})[1]["tasks"]) == 2


def test_queue_tells_count_delay_and_reasons() -> None:
    leader = subscribed()
    send(leader, "POST", "/v2/apps", {"id": "/web", "cmd": "x", "cpus": 8, "backoffSeconds": 30})
    leader.offers(offer("a"), offer("b", role="other"))
    (item,) = send(leader, "GET", "/v2/queue")[1]["queue"]
    assert (item["app"]["id"], item["count"], item["role"]) == ("/web", 1, "marathon")
    assert item["delay"] == {"timeLeftSeconds": 0, "overdue": True}
    summary = item["processedOffersSummary"]
    assert (summary["processedOffersCount"], summary["unusedOffersCount"]) == (2, 2)
    funnel = {each["reason"]: (each["declined"], each["processed"]) for each in summary["rejectSummaryLastOffers"]}
    assert funnel["UnfulfilledRole"] == (1, 2)
    assert funnel["InsufficientCpus"] == (1, 1)
    assert funnel["InsufficientMemory"] == (0, 0)


def test_resetting_a_delay() -> None:
    leader = with_app(backoffSeconds=30)
    (task,) = leader.state.instances
    leader.update(task, "TASK_FAILED")
    (item,) = send(leader, "GET", "/v2/queue")[1]["queue"]
    assert item["delay"] == {"timeLeftSeconds": 30, "overdue": False}
    assert send(leader, "GET", "/v2/apps/web")[1]["app"]["lastTaskFailure"]["state"] == "TASK_FAILED"
    assert send(leader, "DELETE", "/v2/queue/web/delay")[0] == 204
    assert send(leader, "GET", "/v2/queue")[1]["queue"][0]["delay"]["timeLeftSeconds"] == 0


def test_leader_ping_and_flags() -> None:
    leader = subscribed()
    assert send(leader, "GET", "/ping") == (200, "pong")
    assert send(leader, "GET", "/v2/leader") == (200, {"leader": "me:8080"})
    assert send(leader, "GET", "/v2/info")[1] == {"name": "marathon"}
    assert send(leader, "DELETE", "/v2/leader?backup=file:///x")[0] == 422
    assert not leader.abdicated
    assert send(leader, "DELETE", "/v2/leader")[1] == {"message": "Leadership abdicated"}
    assert leader.abdicated
    response = leader.api.answer(Request("PUT", "/v2/apps/web", {"content-type": "text/plain"}, b"x"))
    assert response.status == 415


def test_state_survives_a_change_of_leader() -> None:
    first = with_app(instances=2)
    send(first, "PUT", "/v2/apps/web", {"instances": 3})
    stored: dict[str, dict[str, Json]] = first.repository.data
    second = Leader(stored=stored, framework_id="fw-1")
    second.subscribe()
    assert second.state.apps == first.state.apps
    assert second.state.instances == first.state.instances
    assert second.state.deployments == first.state.deployments
    second.run_everything(offer(number=7))
    assert send(second, "GET", "/v2/deployments")[1] == []
    assert len(second.state.instances) == 3


def test_label_selectors() -> None:
    leader = subscribed()
    for name, labels in (("a", {"tier": "web"}), ("b", {"tier": "db"}), ("c", {})):
        send(leader, "POST", "/v2/apps", {"id": name, "cmd": "x", "labels": labels})
    for selector, found in (("tier", ["/a", "/b"]), ("tier%3D%3Dweb", ["/a"]), ("tier+notin+(web)", ["/b"])):
        answer = send(leader, "GET", f"/v2/apps?label={selector}")[1]
        assert [app["id"] for app in answer["apps"]] == found
    status, answer = send(leader, "GET", "/v2/apps?label=%3D")
    assert (status, "Can not parse label selector" in answer["message"]) == (422, True)


def test_versions_and_going_back() -> None:
    leader = with_app()
    (first,) = send(leader, "GET", "/v2/apps/web/versions")[1]["versions"]
    leader.now += 1
    send(leader, "PUT", "/v2/apps/web", {"cmd": "other"})
    versions = send(leader, "GET", "/v2/apps/web/versions")[1]["versions"]
    assert versions[1:] == [first]  # the newest first
    assert send(leader, "GET", f"/v2/apps/web/versions/{first}")[1]["cmd"] == "sleep 1"
    assert send(leader, "GET", "/v2/apps/web/versions/2001-01-01T00:00:00.000Z")[0] == 404
    assert send(leader, "GET", "/v2/apps/web/versions/yesterday")[0] == 422
    leader.now += 1
    assert send(leader, "PUT", "/v2/apps/web?force=true", {"version": first, "mem": 1})[0] == 422
    assert send(leader, "PUT", "/v2/apps/web?force=true", {"version": first})[0] == 200
    app = leader.state.apps["/web"]
    assert (app.spec["cmd"], app.version > versions[0]) == ("sleep 1", True)
    unknown = {"version": "2001-01-01T00:00:00.000Z"}
    assert send(leader, "PUT", "/v2/apps/web?force=true", unknown)[0] == 404


def test_as_many_versions_are_kept_as_the_flag_says() -> None:
    leader = subscribed("--zk_max_versions", "3", "--max_running_deployments", "100")
    for number in range(6):
        leader.now += 1
        send(leader, "PUT", "/v2/apps/web?force=true", {"cmd": f"x{number}"})
    assert len(send(leader, "GET", "/v2/apps/web/versions")[1]["versions"]) == 3
    assert len(leader.repository.data["roots"]) == len(leader.repository.data["versions"]) == 3


def test_the_queue_shows_unused_offers_if_asked() -> None:
    leader = subscribed()
    send(leader, "POST", "/v2/apps", {"id": "/web", "cmd": "x", "cpus": 8})
    leader.offers(offer("a", pool="x"))
    (item,) = send(leader, "GET", "/v2/queue?embed=lastUnusedOffers")[1]["queue"]
    (unused,) = item["lastUnusedOffers"]
    assert (unused["reason"], unused["offer"]["hostname"]) == (["InsufficientCpus"], "a")
    assert unused["offer"]["attributes"] == [{"name": "pool", "text": "x"}]
    assert {"name": "cpus", "role": "*", "scalar": 4} in unused["offer"]["resources"]
    assert "lastUnusedOffers" not in send(leader, "GET", "/v2/queue")[1]["queue"][0]


def test_what_marathon_throws_is_an_error_in_its_log_and_what_it_answers_is_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    leader = with_app()
    caplog.clear()
    send(leader, "GET", "/v2/apps/none")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    send(leader, "POST", "/v2/apps", {"id": "/web", "cmd": "x"})
    send(leader, "DELETE", "/v2/apps/none")
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert {record.name for record in errors} == {"mesosphere.marathon.api.MarathonExceptionMapper"}
    assert len(errors) == 2
