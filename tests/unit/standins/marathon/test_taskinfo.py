from typing import Any

from lab.standins.marathon.marathon_standin.matcher import Fit, OpenOffer, match
from lab.standins.marathon.marathon_standin.taskinfo import environment, task_info
from tests.unit.standins.marathon.make import app, offer


def info(**fields: Any) -> dict[str, Any]:
    the_app, the_offer = app("/shop/db", **fields), OpenOffer(offer())
    fit = match(the_app, the_offer, [], False, lambda free: free[0])
    assert isinstance(fit, Fit)
    return task_info(the_app, the_offer, fit, "t1")


def variables(made: dict[str, Any]) -> dict[str, str]:
    return {v["name"]: v["value"] for v in made["command"]["environment"]["variables"]}


def test_command_and_identity() -> None:
    made = info(cmd="run it", user="jenkins")
    assert made["name"] == "db.shop"
    assert made["task_id"] == {"value": "t1"}
    assert made["agent_id"] == {"value": "agent-a1"}
    command = made["command"]
    assert (command["shell"], command["value"], command["user"]) == (True, "run it", "jenkins")


def test_args_run_without_a_shell() -> None:
    command = info(cmd=None, args=["/bin/echo", "hi"])["command"]
    assert (command["shell"], command["value"], command["arguments"]) == (False, "/bin/echo", ["/bin/echo", "hi"])


def test_environment_variables() -> None:
    definitions = [{"port": 0, "name": "http-main"}, {"port": 0}]
    seen = variables(info(portDefinitions=definitions, labels={"team.x": "a", "l": "v" * 600}, env={"HOST": "mine"}))
    assert (seen["PORT"], seen["PORT0"], seen["PORT1"], seen["PORTS"]) == ("31000", "31000", "31001", "31000,31001")
    assert seen["PORT_HTTP_MAIN"] == "31000"
    assert (seen["MARATHON_APP_ID"], seen["MARATHON_APP_RESOURCE_CPUS"]) == ("/shop/db", "1.0")
    assert (seen["MARATHON_APP_LABELS"], seen["MARATHON_APP_LABEL_TEAM_X"]) == ("TEAM_X", "a")
    assert seen["HOST"] == "mine"  # the app's own variables win


def test_no_ports_no_port_variables() -> None:
    seen = environment(app(portDefinitions=[]), "h", Fit([], []), "t1")
    assert not {name for name in seen if name.startswith("PORT")}


def test_fetch() -> None:
    (uri,) = info(fetch=[{"uri": "http://x/y.tgz", "extract": False, "destPath": "z"}])["command"]["uris"]
    assert uri == {"value": "http://x/y.tgz", "extract": False, "executable": False, "cache": False, "output_file": "z"}


def test_kill_grace_period() -> None:
    assert info(taskKillGracePeriodSeconds=3)["kill_policy"] == {"grace_period": {"nanoseconds": 3 * 10**9}}
    assert "kill_policy" not in info()


def test_health_checks() -> None:
    command = info(healthChecks=[{"protocol": "COMMAND", "command": {"value": "true"}, "intervalSeconds": 5}])
    assert command["health_check"]["command"] == {"shell": True, "value": "true"}
    assert command["health_check"]["interval_seconds"] == 5
    assert command["health_check"]["grace_period_seconds"] == 300
    web = info(healthChecks=[{"protocol": "MESOS_HTTP", "path": "/up"}])["health_check"]
    assert web["http"] == {"scheme": "http", "port": 31000, "path": "/up"}
    assert info(healthChecks=[{"protocol": "MESOS_TCP", "port": 22}])["health_check"]["tcp"] == {"port": 22}
