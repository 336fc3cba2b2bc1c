from typing import Any

import pytest

from lab.standins.marathon.marathon_standin.appspec import App, complete, new_app, read
from lab.standins.marathon.marathon_standin.clock import iso, version_after
from lab.standins.marathon.marathon_standin.errors import ApiError
from tests.unit.standins.marathon.make import ROLES, app, config


def error_of(body: Any, *flags: str) -> tuple[int, dict[str, list[str]]]:
    """Status and errors by path of what is wrong with a definition."""
    with pytest.raises(ApiError) as caught:
        complete(read(body), None, config(*flags), (), ROLES)
    return caught.value.status, {each["path"]: each["errors"] for each in caught.value.body["details"]}


def test_defaults_are_those_of_marathon_1_11() -> None:
    spec = complete(read({"id": "a", "cmd": "x"}), None, config(), (), ROLES)
    assert spec["id"] == "/a"
    assert (spec["cpus"], spec["mem"], spec["disk"], spec["instances"]) == (1, 128, 0, 1)
    assert (spec["backoffSeconds"], spec["backoffFactor"], spec["maxLaunchDelaySeconds"]) == (1, 1.15, 300)
    assert spec["unreachableStrategy"] == {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0}
    assert spec["upgradeStrategy"] == {"minimumHealthCapacity": 1, "maximumOverCapacity": 1}
    assert spec["role"] == "marathon"
    assert spec["acceptedResourceRoles"] == ["*", "marathon"]
    (port,) = spec["portDefinitions"]
    assert 10000 <= port["port"] <= 20000


@pytest.mark.parametrize("app_id", ["/jenkins/team-a", "jenkins/team-a/", "/a.b/c-1"])
def test_ids(app_id: str) -> None:
    assert read({"id": app_id})["id"] == "/" + app_id.strip("/")


@pytest.mark.parametrize(
    "app_id", ["", "/", "/a/tasks", "restart", "/x/versions", "/A", "/a_b", "/-a", "/a-", "/a//b", "/a..b", "a b"]
)
def test_wrong_ids(app_id: str) -> None:
    with pytest.raises(ApiError) as caught:
        read({"id": app_id})
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        ([], "", "jsobject"),
        ({"id": 7}, "/id", "jsstring"),
        ({"cpus": "1"}, "/cpus", "jsnumber"),
        ({"instances": 1.5}, "/instances", "jsnumber"),
        ({"instances": True}, "/instances", "jsnumber"),
        ({"env": {"A": 1}}, "/env/A", "jsstring"),
        ({"env": {"A": {"secret": "s"}}}, "/env/A", "jsstring"),
        ({"constraints": [["a", "UNIQUE"], 7]}, "/constraints/1", "jsarray"),
        ({"requirePorts": "yes"}, "/requirePorts", "jsboolean"),
    ],
)
def test_wrong_types_are_422(body: Any, path: str, says: str) -> None:
    status, details = error_of(body)
    assert status == 422
    assert says in details[path][0]


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        ({"cpus": 0}, "/cpus", "0.001 or more"),
        ({"mem": -1}, "/mem", "or more"),
        ({"instances": -1}, "/instances", "expected 0"),
        ({"gpus": 1}, "/gpus", "the stand-in lacks it"),
        ({"dependencies": ["/b"]}, "/dependencies", "the stand-in lacks it"),
        ({"constraints": [["a", "WHAT"]]}, "/constraints/0", "unknown operator"),
        ({"container": {"type": "DOCKER"}}, "/container/type", "stand-in allows 'MESOS'"),
        ({"container": {"docker": {"image": "x"}}}, "/container/docker", "the stand-in lacks it"),
        ({"healthChecks": [{"protocol": "PING"}]}, "/healthChecks/0/protocol", "'HTTP'"),
        ({"healthChecks": [{"protocol": "COMMAND"}]}, "/healthChecks/0/command", "COMMAND"),
        ({"healthChecks": [{"protocol": "MESOS_TCP"}] * 2}, "/healthChecks", "at most one"),
        ({"unreachableStrategy": {"inactiveAfterSeconds": 9}}, "/unreachableStrategy/expungeAfterSeconds", "below"),
        ({"killSelection": "ANY"}, "/killSelection", "YOUNGEST_FIRST"),
        ({"networks": [{"mode": "container"}]}, "/networks/0/mode", "'host'"),
        ({"fetch": [{"url": "x"}]}, "/fetch/0/url", "the stand-in lacks it; it has uri"),
        ({"resourceLimits": {"cpus": 1}}, "/resourceLimits", "the stand-in lacks it"),
        ({"tty": True}, "/tty", "the stand-in lacks it"),
        ({"uris": ["x"], "fetch": [{"uri": "y"}]}, "/uris", "in conjunction with fetch"),
        ({"ports": [1], "portDefinitions": [{"port": 2}]}, "/ports", "both ports and port definitions"),
        ({"ports": [1, 1]}, "/ports", "unique"),
        ({"args": ["x"]}, "/", "one of 'cmd' or 'args'"),
        ({"role": "dev"}, "/role", "expected one of: [marathon]"),
        ({"acceptedResourceRoles": ["dev"]}, "/acceptedResourceRoles", "can only contain *, marathon"),
        ({"acceptedResourceRoles": []}, "/acceptedResourceRoles", "can only contain"),
        ({"upgradeStrategy": {"minimumHealthCapacity": 2}}, "/upgradeStrategy/minimumHealthCapacity", "greater than 1"),
        ({"requirePorts": True}, "/portDefinitions", "not 0"),
        ({"healthChecks": [{"protocol": "MESOS_HTTP", "portIndex": 3}]}, "/healthChecks(0)/portIndex", "no such port"),
    ],
)
def test_broken_rules_are_422(body: dict[str, Any], path: str, says: str) -> None:
    status, details = error_of({"id": "/a", "cmd": "x", **body})
    assert status == 422
    assert says in details[path][0]


def test_neither_cmd_nor_args() -> None:
    assert error_of({"id": "/a"})[0] == 422


def test_deprecated_fields_are_translated() -> None:
    spec = read({"uris": ["http://x/y.tgz"], "ports": [0, 8080]})
    assert [artifact["uri"] for artifact in spec["fetch"]] == ["http://x/y.tgz"]
    assert [port["port"] for port in spec["portDefinitions"]] == [0, 8080]


def test_what_get_adds_and_what_nobody_knows_is_ignored() -> None:
    added = {"tasksRunning": 1, "deployments": [], "versionInfo": {}, "lastTaskFailure": None, "version": "x"}
    assert read({"id": "/a", "colour": "blue", "storeUrls": [], **added}) == {"id": "/a"}


def test_the_same_ports_may_be_given_in_both_forms() -> None:
    spec = read({"ports": [0, 80], "portDefinitions": [{"port": 0, "name": "http"}, {"port": 80}]})
    assert spec["portDefinitions"][0]["name"] == "http"


def test_health_checks_of_marathon_itself_have_its_defaults() -> None:
    http, tcp, mesos = read({"healthChecks": [{}, {"protocol": "TCP"}, {"protocol": "MESOS_TCP"}]})["healthChecks"]
    assert (http["protocol"], http["ignoreHttp1xx"], http["maxConsecutiveFailures"]) == ("HTTP", False, 3)
    assert (tcp["gracePeriodSeconds"], tcp["ipProtocol"]) == (300, "IPv4")
    assert "ignoreHttp1xx" not in mesos


def test_service_ports_are_unique_and_kept() -> None:
    narrow = config("--local_port_min", "10000", "--local_port_max", "10001")
    first = complete(read({"id": "/a", "cmd": "x"}), None, narrow, {10000}, ROLES)
    assert first["portDefinitions"][0]["port"] == 10001
    again = complete(read({"id": "/a", "cmd": "x", "ports": [0]}), first, narrow, {10000}, ROLES, merge=False)
    assert again["portDefinitions"][0]["port"] == 10001
    with pytest.raises(ApiError):
        complete(read({"id": "/b", "cmd": "x"}), None, narrow, {10000, 10001}, ROLES)


def test_an_update_keeps_what_it_does_not_name_and_a_replacement_does_not() -> None:
    before = app(mem=512, env={"A": "1"}).spec
    assert complete(read({"cpus": 2}), before, config(), (), ROLES)["mem"] == 512
    assert complete(read({"id": "/a", "cmd": "x"}), before, config(), (), ROLES, merge=False)["mem"] == 128


def test_cmd_and_args_replace_each_other() -> None:
    with_args = complete(read({"args": ["a", "b"]}), app().spec, config(), (), ROLES)
    assert "cmd" not in with_args
    assert "args" not in complete(read({"cmd": "x"}), with_args, config(), (), ROLES)


def test_versions_tell_scaling_from_change() -> None:
    first = app(now=1000)
    scaled = new_app({**first.spec, "instances": 3}, first, 2000)
    assert (scaled.version, scaled.config_version) == (iso(2000), iso(1000))
    changed = new_app({**scaled.spec, "cmd": "other"}, scaled, 3000)
    assert (changed.version, changed.config_version, changed.scaling_version) == (iso(3000),) * 3
    assert new_app(changed.spec, changed, 4000) is changed
    assert new_app(changed.spec, changed, 4000, restart=True).config_version == iso(4000)
    assert App.from_json(changed.to_json()) == changed


def test_versions_always_increase() -> None:
    assert version_after("2020-01-01T00:00:00.999Z", 0) == "2020-01-01T00:00:01.000Z"
    assert version_after(None, 0) == "1970-01-01T00:00:00.000Z"
    assert version_after(iso(5), 5) == "1970-01-01T00:00:05.001Z"
