"""The event bus, and what of a leader's work is told on it."""

import json
from typing import Any

from lab.standins.marathon.marathon_standin.events import EventBus, Subscription
from lab.standins.marathon.marathon_standin.messages import Request
from tests.unit.standins.marathon.make import Leader, offer
from tests.unit.standins.marathon.test_api import send, with_app


def received(subscription: Subscription) -> list[tuple[str, Any]]:
    """Kind and content of all that waits; closes it."""
    subscription.offer("end", b"")
    found = []
    for text in subscription:
        if not text:
            break
        event, data, *rest = text.decode().split("\r\n")
        assert rest == ["", ""]
        found.append((event.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_events_have_kind_and_time_and_come_to_everybody() -> None:
    bus = EventBus(lambda: 1.5)
    one, two = bus.subscribe("10.0.0.1", ()), bus.subscribe("10.0.0.2", ["deployment_success", "end"])
    bus.publish("deployment_success", id="d")
    event = {"id": "d", "eventType": "deployment_success", "timestamp": "1970-01-01T00:00:01.500Z"}
    assert received(two) == [("deployment_success", event)]
    assert [kind for kind, _ in received(one)] == [
        "event_stream_attached",
        "event_stream_attached",
        "deployment_success",
    ]


def test_a_client_that_is_too_slow_is_cut_off() -> None:
    bus = EventBus(lambda: 0, limit=3)
    slow, quick = bus.subscribe("10.0.0.1", ()), bus.subscribe("10.0.0.2", ["event_stream_detached", "end"])
    for _ in range(4):
        bus.publish("any")
    assert bus.count == 1
    assert list(slow) == []
    assert [content["remoteAddress"] for _, content in received(quick)] == ["10.0.0.1"]


def test_a_client_that_leaves_is_forgotten() -> None:
    bus = EventBus(lambda: 0)
    subscription = bus.subscribe("10.0.0.1", ())
    bus.unsubscribe(subscription)
    assert bus.count == 0
    assert list(subscription) == []


def test_the_stream_is_server_sent_events_and_asks_for_them() -> None:
    leader = with_app()
    accept = {"accept": "text/event-stream"}
    assert leader.api.answer(Request("GET", "/v2/events")).status == 405
    response = leader.api.answer(Request("GET", "/v2/events?event_type=x", accept, client="10.0.0.9"))
    assert (response.status, response.content_type) == (200, "text/event-stream;charset=utf-8")
    assert leader.bus.count == 1
    assert response.stream is not None
    response.stream.close()
    assert leader.bus.count == 0


def test_a_deployment_is_told_from_request_to_success() -> None:
    leader = Leader()
    leader.subscribe()
    assert [event["kind"] for event in leader.events()] == ["scheduler_registered_event"]
    send(leader, "POST", "/v2/apps", {"id": "/shop/web", "cmd": "x"})
    leader.run_everything(offer())
    told = leader.events()
    assert [event["kind"] for event in told] == [
        "group_change_success",
        "deployment_info",
        "api_post_event",
        "deployment_step_success",
        "deployment_info",
        "instance_changed_event",
        "status_update_event",
        "instance_changed_event",
        "deployment_step_success",
        "deployment_success",
    ]
    assert told[0]["groupId"] == "/shop"
    assert told[2]["appDefinition"]["id"] == "/shop/web"
    assert told[3]["currentStep"] == {"actions": [{"action": "StartApplication", "app": "/shop/web"}]}
    assert (told[5]["condition"], told[7]["condition"]) == ("Provisioned", "Running")
    status = told[6]
    assert (status["taskStatus"], status["appId"], status["host"]) == ("TASK_RUNNING", "/shop/web", "a1")
    assert told[7]["instanceId"] + "._app.1" == status["taskId"]
    assert told[9]["id"] == told[9]["plan"]["id"] == told[1]["plan"]["id"]


def test_the_end_of_an_app_and_a_cancelled_deployment_are_told() -> None:
    leader = with_app()
    (task,) = leader.state.instances
    _, answer = send(leader, "PUT", "/v2/apps/web", {"instances": 9})
    leader.events()
    send(leader, "DELETE", f"/v2/deployments/{answer['deploymentId']}?force=true")
    assert [event["id"] for event in leader.events("deployment_failed")] == [answer["deploymentId"]]
    send(leader, "DELETE", "/v2/apps/web")
    leader.update(task, "TASK_KILLED")
    assert [event["appId"] for event in leader.events("app_terminated_event")] == ["/web"]


def test_a_stranger_that_ends_is_told() -> None:
    leader = Leader()
    leader.subscribe()
    leader.update("shop_web.instance-1-2._app.1", "TASK_FAILED")
    (event,) = leader.events("unknown_instance_terminated_event")
    assert (event["instanceId"], event["runSpecId"]) == ("shop_web.instance-1-2", "/shop/web")
