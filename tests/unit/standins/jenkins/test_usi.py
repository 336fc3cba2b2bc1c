"""The scheduler of 2.x."""

import pytest

from lab.standins.jenkins.jenkins_standin.offers import Json, request_for
from lab.standins.jenkins.jenkins_standin.usi import UsiScheduler
from tests.unit.standins.jenkins.make import SECOND, Clock, FakeHost, cloud, offer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakeHost:
    return FakeHost(clock)


@pytest.fixture
def made(fake: FakeHost) -> UsiScheduler:
    return UsiScheduler(cloud(SECOND, 2), "http://h:1/jenkins/", fake.host)


def want(made: UsiScheduler, name: str) -> None:
    made.request(request_for(name, cloud(SECOND, 2).templates[0], 1, 2))


def kinds(calls: list[Json]) -> list[str]:
    return [call["type"] for call in calls]


def test_revives_at_most_every_five_seconds(made: UsiScheduler, fake: FakeHost, clock: Clock) -> None:
    want(made, "n1")
    want(made, "n2")
    assert fake.taken() == [{"type": "REVIVE", "revive": {"roles": ["builds"]}}]
    clock.now += 4
    made.tick()
    assert fake.taken() == []
    clock.now += 1
    made.tick()
    made.tick()
    assert kinds(fake.taken()) == ["REVIVE"]


def test_several_tasks_an_offer_and_suppression(made: UsiScheduler, fake: FakeHost) -> None:
    for name in ("n1", "n2", "n3"):
        want(made, name)
    fake.taken()
    made.offers([offer(1, cpus=2.5, role="builds")])
    (accept,) = fake.taken()
    tasks = accept["accept"]["operations"][0]["launch"]["task_infos"]
    assert [task["task_id"]["value"] for task in tasks] == ["n1", "n2"]
    assert "filters" not in accept["accept"]
    made.offers([offer(2)])
    made.offers([offer(3)])
    assert kinds(fake.taken()) == ["ACCEPT", "SUPPRESS", "DECLINE"]
    made.subscribed()  # a new subscription is not suppressed
    made.offers([offer(4)])
    assert kinds(fake.taken()) == ["DECLINE", "SUPPRESS"]


def test_task_info(made: UsiScheduler, fake: FakeHost) -> None:
    want(made, "n1")
    fake.taken()
    made.offers([offer()])
    task = fake.taken()[0]["accept"]["operations"][0]["launch"]["task_infos"][0]
    assert task["name"] == ""
    assert {r["name"]: r["scalar"]["value"] for r in task["resources"]} == {"cpus": 1.0, "mem": 544.0}
    assert task["command"]["value"] == (
        "java -DHUDSON_HOME=jenkins -server -Xmx32m  -jar ${MESOS_SANDBOX-.}/agent.jar -noReconnect"
        " -secret secret-of-n1 -jnlpUrl http://h:1/jenkins/computer/n1/slave-agent.jnlp"
    )
    assert task["command"]["uris"][-1]["value"] == "http://h:1/jenkins/jnlpJars/agent.jar"


def test_url_without_a_final_slash_loses_its_path(fake: FakeHost) -> None:
    made = UsiScheduler(cloud(SECOND, 2), "http://h:1/jenkins", fake.host)
    want(made, "n1")
    fake.taken()
    made.offers([offer()])
    command = fake.taken()[0]["accept"]["operations"][0]["launch"]["task_infos"][0]["command"]
    assert command["uris"][-1]["value"] == "http://h:1/jnlpJars/agent.jar"


@pytest.mark.parametrize("unfit", [offer(cpus=0.9), offer(mem=543.0), offer(zone="b"), offer(role="other")])
def test_what_does_not_fit_is_declined(made: UsiScheduler, fake: FakeHost, unfit: Json) -> None:
    want(made, "n1")
    fake.taken()
    made.offers([unfit])
    assert fake.taken() == [{"type": "DECLINE", "decline": {"offer_ids": [{"value": "o1"}]}}]


def test_unknown_tasks_are_killed(made: UsiScheduler, fake: FakeHost) -> None:
    made.update({"task_id": {"value": "old"}, "state": "TASK_RUNNING"})
    made.update({"task_id": {"value": "older"}, "state": "TASK_FAILED"})
    assert fake.taken() == [{"type": "KILL", "kill": {"task_id": {"value": "old"}}}]


def test_updates_and_termination(made: UsiScheduler, fake: FakeHost) -> None:
    want(made, "n1")
    want(made, "n2")
    fake.taken()
    made.terminate("n2")
    assert fake.ended == ["n2"]
    made.offers([offer()])
    fake.taken()
    made.update({"task_id": {"value": "n1"}, "state": "TASK_RUNNING"})
    assert fake.running == ["n1"]
    made.terminate("n1")
    assert kinds(fake.taken()) == ["KILL"]
    made.update({"task_id": {"value": "n1"}, "state": "TASK_UNREACHABLE"})
    assert fake.ended == ["n2", "n1"]
