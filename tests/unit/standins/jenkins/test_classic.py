"""The scheduler of 0.x and 1.x: offers, requests, and when it leaves."""

import pytest

from lab.standins.jenkins.jenkins_standin.classic import ClassicScheduler
from lab.standins.jenkins.jenkins_standin.offers import Json, request_for
from tests.unit.standins.jenkins.make import CLASSIC, Clock, FakeHost, cloud, offer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakeHost:
    return FakeHost(clock)


def scheduler(fake: FakeHost, generation: int = 0, xml: str = CLASSIC, swallow: bool = False) -> ClassicScheduler:
    return ClassicScheduler(cloud(xml, generation), "http://h:1/", fake.host, {}, swallow)


def want(made: ClassicScheduler, name: str, executors: int = 1) -> None:
    made.request(request_for(name, cloud().templates[0], executors, 0))


def update(made: ClassicScheduler, name: str, state: str) -> None:
    made.update({"task_id": {"value": name}, "state": state})


def launched(call: Json) -> list[str]:
    (operation,) = call["accept"]["operations"]
    return [task["task_id"]["value"] for task in operation["launch"]["task_infos"]]


def test_a_request_revives(fake: FakeHost) -> None:
    want(scheduler(fake), "n1")
    assert fake.taken() == [{"type": "REVIVE"}]


def test_one_task_an_offer_with_the_first_request_that_fits(fake: FakeHost) -> None:
    made = scheduler(fake)
    for name in ("n1", "n2", "n3"):
        want(made, name)
    fake.taken()
    made.offers([offer(1), offer(2)])
    first, second = fake.taken()
    assert (launched(first), launched(second)) == (["n1"], ["n2"])
    assert first["accept"]["filters"] == {"refuse_seconds": 1.0}


def test_task_info(fake: FakeHost) -> None:
    made = scheduler(fake)
    want(made, "n1", executors=2)
    fake.taken()
    made.offers([offer()])
    task = fake.taken()[0]["accept"]["operations"][0]["launch"]["task_infos"][0]
    assert task["name"] == "task n1"
    amounts = {each["name"]: each["scalar"]["value"] for each in task["resources"]}
    assert amounts == pytest.approx({"cpus": 1.0, "mem": 660.0, "disk": 10.0})
    assert task["command"]["value"] == (
        "java -DHUDSON_HOME=jenkins -server -Xmx400m -Xms16m -jar ${MESOS_SANDBOX-.}/slave.jar -noReconnect"
        " -secret secret-of-n1 -jnlpUrl http://h:1/computer/n1/slave-agent.jnlp"
    )
    jar = {"value": "http://h:1/jnlpJars/slave.jar", "executable": False, "extract": False}
    assert task["command"]["uris"] == [jar]


@pytest.mark.parametrize(
    "unfit",
    [
        offer(cpus=0.7),
        offer(mem=549.0),
        offer(pool="master"),
        offer(role="marathon"),
        {**offer(), "attributes": []},
        {**offer(), "unavailability": {"start": {"nanoseconds": 0}, "duration": {"nanoseconds": 10**24}}},
    ],
    ids=["cpus", "mem", "attribute", "role", "none", "maintenance"],
)
def test_what_does_not_fit_is_declined_for_the_default_time(fake: FakeHost, unfit: Json) -> None:
    made = scheduler(fake)
    want(made, "n1")
    fake.taken()
    made.offers([unfit])
    assert fake.taken() == [{"type": "DECLINE", "decline": {"offer_ids": [{"value": "o1"}]}}]
    made.offers([offer()])
    assert launched(fake.taken()[0]) == ["n1"]


def test_agents_used_lately_come_first(fake: FakeHost) -> None:
    made = scheduler(fake)
    for name, agent in (("n1", "a1"), ("n2", "a2")):
        want(made, name)
        made.offers([offer(agent=agent)])
    want(made, "n3")
    fake.taken()
    made.offers([offer(1, agent="a3"), offer(2, agent="a1"), offer(3, agent="a2")])
    assert fake.taken()[0]["accept"]["offer_ids"] == [{"value": "o3"}]


@pytest.mark.parametrize(("generation", "kinds"), [(0, ["DECLINE"]), (1, ["DECLINE", "SUPPRESS"])])
def test_without_requests_offers_go_for_long_and_1x_suppresses(
    fake: FakeHost, generation: int, kinds: list[str]
) -> None:
    scheduler(fake, generation).offers([offer()])
    calls = fake.taken()
    assert [call["type"] for call in calls] == kinds
    assert calls[0]["decline"]["filters"] == {"refuse_seconds": 600.0}


def test_0x_declines_for_short_while_builds_wait(fake: FakeHost) -> None:
    fake.builds_wait = True
    scheduler(fake).offers([offer()])
    assert "filters" not in fake.taken()[0]["decline"]
    scheduler(fake, generation=1).offers([offer()])  # 1.x looks at its requests only
    assert fake.taken()[0]["decline"]["filters"] == {"refuse_seconds": 600.0}


def test_updates(fake: FakeHost) -> None:
    made = scheduler(fake)
    want(made, "n1")
    made.offers([offer()])
    update(made, "n1", "TASK_STARTING")
    update(made, "n1", "TASK_RUNNING")
    update(made, "other", "TASK_RUNNING")
    assert (fake.running, fake.ended) == (["n1"], [])
    update(made, "n1", "TASK_LOST")
    update(made, "n1", "TASK_LOST")
    assert fake.ended == ["n1"]


def test_terminating_kills_or_forgets(fake: FakeHost) -> None:
    made = scheduler(fake)
    want(made, "n1")
    made.offers([offer()])
    want(made, "n2")
    fake.taken()
    made.terminate("n1")
    assert fake.taken() == [{"type": "KILL", "kill": {"task_id": {"value": "n1"}}}]
    made.terminate("n2")
    assert fake.ended == ["n2"]
    made.offers([offer()])
    assert fake.taken()[0]["type"] == "DECLINE"


class TestLeaving:
    def test_not_in_the_first_minute(self, fake: FakeHost, clock: Clock) -> None:
        made = scheduler(fake)
        fake.has_nodes = False
        clock.now += 60
        made.supervise()
        assert fake.left == 0
        clock.now += 1
        made.supervise()
        assert fake.left == 1

    def test_not_with_nodes_or_requests(self, fake: FakeHost, clock: Clock) -> None:
        made = scheduler(fake)
        clock.now += 100
        made.supervise()
        fake.has_nodes = False
        want(made, "n1")
        made.supervise()
        assert fake.left == 0

    def test_on_a_termination_and_on_an_update(self, fake: FakeHost, clock: Clock) -> None:
        made = scheduler(fake)
        want(made, "n1")
        made.offers([offer()])
        clock.now += 100
        fake.has_nodes = False  # the node goes before its task is killed
        made.terminate("n1")
        assert fake.left == 1
        update(made, "n1", "TASK_KILLED")
        assert fake.left == 1  # what is unknown by now is ignored

    def test_never_if_registered_always(self, fake: FakeHost, clock: Clock) -> None:
        made = scheduler(fake, xml=CLASSIC.replace("<onDemandRegistration>true", "<onDemandRegistration>false"))
        fake.has_nodes = False
        clock.now += 100
        made.terminate("n1")
        assert fake.left == 0


def test_the_dead_thread_of_1x_swallows_the_first_offers(fake: FakeHost) -> None:
    made = scheduler(fake, generation=1, swallow=True)
    want(made, "n1")
    fake.taken()
    made.offers([offer(1)])
    assert fake.taken() == []
    made.offers([offer(2)])
    assert launched(fake.taken()[0]) == ["n1"]
