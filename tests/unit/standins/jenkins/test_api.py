"""The remote API's codes, on a Jenkins without sockets."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.standins.jenkins.jenkins_standin.core import Jenkins
from lab.standins.jenkins.jenkins_standin.http import Response
from tests.unit.standins.jenkins.make import Client, Clock, FakeChannel, FakeCloud, jenkins, job_xml, node, with_crumb

PARAMETERS = (
    "<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions>"
    "<hudson.model.StringParameterDefinition><name>WHO</name><defaultValue>all</defaultValue>"
    "</hudson.model.StringParameterDefinition></parameterDefinitions></hudson.model.ParametersDefinitionProperty>"
    "</properties>"
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def made(tmp_path: Path, clock: Clock) -> Jenkins:
    return jenkins(tmp_path, clock=clock)


@pytest.fixture
def client(made: Jenkins) -> Client:
    return with_crumb(Client(made))


def body(response: Response) -> Any:
    return json.loads(response.body)


def location(response: Response) -> str:
    """The path of where an answer points."""
    return response.headers["Location"].removeprefix("http://localhost:8080")


def online(made: Jenkins, name: str = "n1", executors: int = 1) -> FakeChannel:
    """Add a node with its agent connected."""
    channel = FakeChannel()
    made.add_node(FakeCloud(), node(name, executors))
    assert made.agent_connected(name, "", channel) is None
    return channel


def test_create_show_change_delete(made: Jenkins, client: Client, tmp_path: Path) -> None:
    assert (client.create("a", job_xml("true")).status, client.create("a", job_xml("true")).status) == (200, 400)
    assert client("GET", "/job/a/config.xml").body == job_xml("true").encode()
    shown = body(client("GET", "/job/a/api/json"))
    assert (shown["name"], shown["buildable"], shown["nextBuildNumber"], shown["color"]) == ("a", True, 1, "notbuilt")
    assert client("POST", "/job/a/config.xml", job_xml("false")).status == 200
    assert "false</command>" in (tmp_path / "jobs/a/config.xml").read_text()
    assert location(client("POST", "/job/a/doDelete")) == "/"
    assert client("GET", "/job/a/api/json").status == 404
    assert not (tmp_path / "jobs/a").exists()


@pytest.mark.parametrize(
    ("name", "content", "kind", "error"),
    [
        ("", "<project/>", "application/xml", "No name"),
        ("a%2Fb", "<project/>", "application/xml", "unsafe character"),
        ("..", "<project/>", "application/xml", "not an allowed name"),
        ("a", "<project/>", "text/plain", "Content-Type"),
        ("a", "<flow-definition/>", "application/xml", "freestyle jobs only"),
        ("a", "<project><triggers><hudson.triggers.TimerTrigger/></triggers></project>", "text/xml", "no triggers"),
        ("a", "<project><builders><hudson.tasks.Maven/></builders></project>", "text/xml", "shell steps only"),
        ("a", "<project><assignedNode>a &amp;&amp; b</assignedNode></project>", "text/xml", "single labels"),
        ("a", '<project><scm class="hudson.plugins.git.GitSCM"/></project>', "text/xml", "GitSCM"),
    ],
)
def test_refused_jobs_say_why(client: Client, name: str, content: str, kind: str, error: str) -> None:
    answer = client("POST", f"/createItem?name={name}", content, content_type=kind)
    assert answer.status == 400
    assert error in answer.headers["X-Error"]


def test_malformed_xml_is_500(client: Client) -> None:
    assert client.create("a", "<project>").status == 500


def test_copy(client: Client) -> None:
    client.create("a", job_xml("true"))
    assert client("POST", "/createItem?name=b&mode=copy&from=a").status == 200
    assert client("GET", "/job/b/config.xml").body == job_xml("true").encode()


def test_build_answers_201_and_folds_equal_items(client: Client) -> None:
    client.create("a", job_xml("true"))
    first = client("POST", "/job/a/build?delay=0sec")
    assert (first.status, location(first)) == (201, "/queue/item/1/")
    again = client("POST", "/job/a/build")
    assert (again.status, location(again)) == (201, "/queue/item/1/")
    item = body(client("GET", "/queue/item/1/api/json"))
    assert (item["_class"], item["task"]["name"]) == ("hudson.model.Queue$WaitingItem", "a")
    assert [each["id"] for each in body(client("GET", "/queue/api/json"))["items"]] == [1]


def test_parameters_201_then_303_then_another(client: Client) -> None:
    client.create("a", job_xml("true", more=PARAMETERS))
    assert client("POST", "/job/a/build").status == 400
    first = client("POST", "/job/a/buildWithParameters?WHO=x")
    same = client(
        "POST", "/job/a/buildWithParameters", "WHO=x&more=1", content_type="application/x-www-form-urlencoded"
    )
    other = client("POST", "/job/a/buildWithParameters")
    assert [(r.status, location(r)) for r in (first, same, other)] == [
        (201, "/queue/item/1/"),
        (303, "/queue/item/1/"),
        (201, "/queue/item/2/"),
    ]
    assert body(client("GET", "/queue/item/2/api/json"))["params"] == "\nWHO=all"
    client.create("plain", job_xml("true"))
    assert client("POST", "/job/plain/buildWithParameters").status == 500


def test_disabled_is_409(client: Client) -> None:
    client.create("a", job_xml("true"))
    assert client("POST", "/job/a/disable").status == 302
    assert client("POST", "/job/a/build").status == 409
    assert body(client("GET", "/job/a/api/json"))["color"] == "disabled"
    assert client("POST", "/job/a/enable").status == 302
    assert client("POST", "/job/a/build").status == 201


def test_quiet_period(made: Jenkins, client: Client, clock: Clock) -> None:
    client.create("a", job_xml("true"))
    client.create("b", job_xml("true", more="<quietPeriod>9</quietPeriod>"))
    client("POST", "/job/a/build")
    client("POST", "/job/b/build")
    kinds = []
    for _ in range(3):
        made.tick()
        kinds.append([item["_class"].partition("$")[2] for item in body(client("GET", "/queue/api/json"))["items"]])
        clock.now += 5
    assert kinds == [
        ["WaitingItem", "WaitingItem"],
        ["BuildableItem", "WaitingItem"],
        ["BuildableItem", "BuildableItem"],
    ]


def test_a_build_from_queue_to_log(made: Jenkins, client: Client, clock: Clock) -> None:
    client.create("a", job_xml("first", "second"))
    client("POST", "/job/a/build?delay=0sec")
    channel = online(made)
    made.tick()
    item = body(client("GET", "/queue/item/1/api/json"))
    assert item["_class"] == "hudson.model.Queue$LeftItem"
    assert item["executable"]["number"] == 1
    build = body(client("GET", "/job/a/1/api/json"))
    assert (build["building"], build["result"], build["builtOn"], build["queueId"]) == (True, None, "n1", 1)
    assert build["timestamp"] == clock.now * 1000
    computers = body(client("GET", "/computer/api/json"))
    assert (computers["busyExecutors"], computers["totalExecutors"]) == (1, 1)
    executable = computers["computer"][1]["executors"][0]["currentExecutable"]
    assert executable["url"].endswith("/job/a/1/")
    assert channel.scripts == {1: "first"}
    assert channel.environments[1]["BUILD_URL"] == "http://localhost:8080/job/a/1/"
    made.agent_log("n1", 1, b"output\n")
    more = client("GET", "/job/a/1/logText/progressiveText?start=0")
    assert more.headers["X-More-Data"] == "true"
    assert more.headers["X-Text-Size"] == str(len(more.body))
    clock.now += 2
    made.agent_exit("n1", 1, 0)
    assert channel.scripts[2] == "second"
    made.agent_exit("n1", 2, 0)
    build = body(client("GET", "/job/a/1/api/json"))
    assert (build["building"], build["result"], build["duration"]) == (False, "SUCCESS", 2000)
    log = client("GET", "/job/a/1/consoleText").body.decode()
    head = "Started by user anonymous\nRunning as SYSTEM\nBuilding remotely on n1 (mesos) in workspace /sandbox/"
    assert log.startswith(head)
    assert log.endswith("Finished: SUCCESS\n")
    rest = client("GET", f"/job/a/1/logText/progressiveText?start={len(more.body)}")
    assert "X-More-Data" not in rest.headers
    assert more.body + rest.body == log.encode()
    clock.now += 297  # 299 since it left; the node goes meanwhile
    made.tick()
    assert client("GET", "/queue/item/1/api/json").status == 200
    clock.now += 1
    made.tick()
    assert client("GET", "/queue/item/1/api/json").status == 404


def test_failure_abortion_and_loss(made: Jenkins, client: Client) -> None:
    client.create("a", job_xml("one", more="<concurrentBuild>true</concurrentBuild>"))
    channel = online(made, executors=3)
    for _ in range(3):
        client("POST", "/job/a/build?delay=0sec")
        made.tick()
    assert len(channel.scripts) == 3
    made.agent_exit("n1", 1, 2)
    assert client("POST", "/job/a/2/stop").status == 302
    assert channel.stopped == [2]
    made.agent_exit("n1", 2, 143)
    made.agent_lost("n1", channel)
    results = [body(client("GET", f"/job/a/{n}/api/json"))["result"] for n in (1, 2, 3)]
    assert results == ["FAILURE", "ABORTED", "FAILURE"]
    assert body(client("GET", "/job/a/api/json"))["color"] == "red"
    assert body(client("GET", "/computer/n1/api/json"))["offline"]
    assert client("POST", "/job/a/1/doDelete").status == 302
    assert client("GET", "/job/a/1/api/json").status == 404


def test_one_build_of_a_job_at_a_time(made: Jenkins, client: Client) -> None:
    client.create("a", job_xml("one"))
    online(made, executors=2)
    client("POST", "/job/a/build?delay=0sec")
    made.tick()
    client("POST", "/job/a/build?delay=0sec")
    made.tick()
    (item,) = body(client("GET", "/queue/api/json"))["items"]
    assert (item["_class"], item["blocked"]) == ("hudson.model.Queue$BlockedItem", True)
    assert item["why"] == "Build #1 is already in progress (ETA: N/A)"


def test_quieting_down_holds_the_queue(made: Jenkins, client: Client) -> None:
    client.create("a", job_xml("one"))
    channel = online(made)
    assert client("POST", "/quietDown").status == 302
    client("POST", "/job/a/build?delay=0sec")
    made.tick()
    assert channel.scripts == {}
    assert body(client("GET", "/api/json"))["quietingDown"] is True
    assert body(client("GET", "/queue/item/1/api/json"))["why"] == "Jenkins is about to shut down"
    client("POST", "/cancelQuietDown")
    made.tick()
    assert channel.scripts


def test_safe_exit_waits_for_builds_and_exit_does_not(made: Jenkins, client: Client) -> None:
    client.create("a", job_xml("one"))
    online(made)
    client("POST", "/job/a/build?delay=0sec")
    made.tick()
    assert client("POST", "/safeExit").status == 200
    assert made.tick()
    made.agent_exit("n1", 1, 0)
    assert not made.tick()
    client("POST", "/cancelQuietDown")
    client("POST", "/job/a/build?delay=0sec")
    assert made.tick()
    client("POST", "/exit")
    assert not made.tick()


def test_cancelling_an_item(client: Client) -> None:
    client.create("a", job_xml("one"))
    client("POST", "/job/a/build")
    assert client("POST", "/queue/cancelItem?id=1").status == 204
    item = body(client("GET", "/queue/item/1/api/json"))
    assert (item["_class"], item["cancelled"], item["executable"]) == ("hudson.model.Queue$LeftItem", True, None)
    assert client("POST", "/queue/cancelItem?id=7").status == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/job/none/api/json", 404),
        ("GET", "/nothing", 404),
        ("GET", "/quietDown", 405),
        ("GET", "/createItem", 405),
        ("PUT", "/createItem", 405),
        ("POST", "/scriptText", 501),
        ("GET", "/api/xml", 404),
        ("GET", "/api/json?tree=a[b", 400),
        ("GET", "/computer/none/slave-agent.jnlp", 404),
        ("GET", "/tcpSlaveAgentListener/", 404),
        ("POST", "/job/a/build?delay=soon", 404),
    ],
)
def test_codes(client: Client, method: str, path: str, status: int) -> None:
    assert client(method, path).status == status


def test_tree_python_and_head(client: Client) -> None:
    client.create("a", job_xml("one"))
    assert body(client("GET", "/api/json?tree=jobs[name],mode")) == {
        "_class": "hudson.model.Hudson",
        "jobs": [{"_class": "hudson.model.FreeStyleProject", "name": "a"}],
        "mode": "NORMAL",
    }
    assert (
        client("GET", "/api/python?tree=quietingDown").body
        == b"{'_class': 'hudson.model.Hudson', 'quietingDown': False}"
    )
    assert client("HEAD", "/").headers["X-Jenkins"] == "2.319.3"


def test_jobs_builds_and_queue_survive_a_restart(made: Jenkins, client: Client, tmp_path: Path) -> None:
    client.create("a", job_xml("one"))
    client.create("b", job_xml("one", label="nowhere"))
    channel = online(made)
    client("POST", "/job/a/build?delay=0sec")
    client("POST", "/job/b/build?delay=0sec")
    made.tick()
    made.shut_down()
    assert channel.closed
    again = jenkins(tmp_path, clock=Clock())
    other = with_crumb(Client(again))
    assert body(other("GET", "/job/a/1/api/json"))["result"] == "ABORTED"
    assert body(other("GET", "/job/a/api/json"))["nextBuildNumber"] == 2
    (item,) = body(other("GET", "/queue/api/json"))["items"]
    assert (item["id"], item["task"]["name"]) == (2, "b")
    assert (tmp_path / "queue.xml.bak").exists()
    other.create("c", job_xml("one"))
    assert location(other("POST", "/job/c/build")) == "/queue/item/3/"


def test_a_build_that_a_crash_cut_off_is_aborted(made: Jenkins, client: Client, tmp_path: Path) -> None:
    client.create("a", job_xml("one"))
    online(made)
    client("POST", "/job/a/build?delay=0sec")
    made.tick()
    other = Client(jenkins(tmp_path))
    assert body(other("GET", "/job/a/1/api/json"))["result"] == "ABORTED"


def test_deleting_a_job_stops_its_builds(made: Jenkins, client: Client) -> None:
    client.create("a", job_xml("one"))
    channel = online(made)
    client("POST", "/job/a/build?delay=0sec")
    made.tick()
    channel.on_stop = lambda number: made.agent_exit("n1", number, 143)
    assert client("POST", "/job/a/doDelete").status == 302
    assert channel.stopped == [1]
    assert client("GET", "/job/a/api/json").status == 404
    assert made.nodes["n1"].idle


def test_deleting_a_node_loses_its_build(made: Jenkins, client: Client) -> None:
    client.create("a", job_xml("one"))
    channel = online(made)
    client("POST", "/job/a/build?delay=0sec")
    made.tick()
    assert client("POST", "/computer/n1/doDelete").status == 302
    assert channel.closed
    assert body(client("GET", "/job/a/1/api/json"))["result"] == "FAILURE"
    assert client("GET", "/computer/n1/api/json").status == 404
    assert client("GET", "/computer/(built-in)/api/json").status == 200


def test_reload_reads_jobs_again(made: Jenkins, client: Client, tmp_path: Path) -> None:
    (tmp_path / "jobs/late").mkdir()
    (tmp_path / "jobs/late/config.xml").write_text(job_xml("one"))
    assert client("GET", "/job/late/api/json").status == 404
    assert client("POST", "/reload").status == 302
    assert client("GET", "/job/late/api/json").status == 200
