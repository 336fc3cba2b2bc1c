"""The fields of an app definition: what each may hold, and its canonical form (Marathon's app.raml, 1.11 defaults)."""

from __future__ import annotations

import re
from typing import Any

from . import constraints
from .checks import BadValue, Check, WrongType, flag, list_of, number, one_of, record, text, text_map, whole

MARATHON_PROTOCOLS = frozenset({"HTTP", "HTTPS", "TCP"})  # checked by Marathon itself, the others on the agent


def _constraint(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise WrongType("error.expected.jsarray")
    wrong = constraints.problem(value)
    if wrong:
        raise BadValue(wrong)
    return value


_artifact = record(
    {
        "uri": (text, ""),
        "extract": (flag, True),
        "executable": (flag, False),
        "cache": (flag, False),
        "destPath": (text, ...),
    }
)

_port = record(
    {
        "port": (whole(0, 65535), 0),
        "protocol": (one_of("tcp", "udp", "udp,tcp"), "tcp"),
        "name": (text, ...),
        "labels": (text_map, {}),
    }
)

_health_fields = record(
    {
        "protocol": (one_of("COMMAND", "MESOS_HTTP", "MESOS_TCP", "HTTP", "HTTPS", "TCP"), "HTTP"),
        "command": (record({"value": (text, "")}), ...),
        "path": (text, ...),
        "port": (whole(1, 65535), ...),
        "portIndex": (whole(0, 65535), ...),
        "ipProtocol": (one_of("IPv4"), "IPv4"),
        "ignoreHttp1xx": (flag, ...),
        "gracePeriodSeconds": (whole(0), 300),
        "intervalSeconds": (whole(1), 60),
        "timeoutSeconds": (whole(1), 20),
        "delaySeconds": (whole(0), 15),
        "maxConsecutiveFailures": (whole(0), 3),
    }
)


def _health_check(value: Any) -> Any:
    check = _health_fields(value)
    if (check["protocol"] == "COMMAND") != bool(check.get("command", {}).get("value")):
        raise BadValue("a command with a value belongs to protocol COMMAND, and to no other", "/command")
    if check["protocol"] in ("HTTP", "HTTPS"):
        check.setdefault("ignoreHttp1xx", False)
    return check


def _health_checks(value: Any) -> Any:
    checks = list_of(_health_check)(value)
    if sum(1 for check in checks if check["protocol"] not in MARATHON_PROTOCOLS) > 1:
        raise BadValue("at most one Mesos health check is allowed")
    return checks


def _unreachable(value: Any) -> Any:
    if value == "disabled":
        return value
    strategy = record({"inactiveAfterSeconds": (whole(0), 0), "expungeAfterSeconds": (whole(0), 0)})(value)
    if strategy["expungeAfterSeconds"] < strategy["inactiveAfterSeconds"]:
        raise BadValue("must not be below inactiveAfterSeconds", "/expungeAfterSeconds")
    return strategy


def _anything(value: Any) -> Any:
    return value


def _none(value: Any) -> Any:
    if value:
        raise BadValue("the stand-in lacks it")
    return value


RESERVED = ("restart", "tasks", "versions")  # PathId.scala: they are parts of the API's addresses
_SEGMENT = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"


def path_id(value: Any) -> str:
    """Return an app id as an absolute path, "/jenkins/team-a"."""
    if not isinstance(value, str):
        raise WrongType("error.expected.jsstring")
    absolute = "/" + value.strip("/")
    if not re.fullmatch(f"(/{_SEGMENT})+", absolute):
        raise BadValue(
            f"{value!r} is not an app id: names of lower-case letters, digits, dashes and dots, separated by /,"
            " each beginning and ending with a letter or digit"
        )
    if absolute.rpartition("/")[2] in RESERVED:
        raise BadValue(f"must not end with any of the following reserved keywords: {', '.join(RESERVED)}, ., ..")
    return absolute


# name -> (check, default). A default of ... means: absent unless given.
FIELDS: dict[str, tuple[Check, Any]] = {
    "id": (path_id, ...),
    "cmd": (text, ...),
    "args": (list_of(text), ...),
    "user": (text, ...),
    "instances": (whole(0), 1),
    "cpus": (number(0.001), 1),
    "mem": (number(0), 128),
    "disk": (number(0), 0),
    "gpus": (_none, 0),
    "env": (text_map, {}),
    "labels": (text_map, {}),
    "constraints": (list_of(_constraint), []),
    "acceptedResourceRoles": (list_of(text), ...),
    "role": (text, ...),
    "fetch": (list_of(_artifact), []),
    "portDefinitions": (list_of(_port), ...),
    "requirePorts": (flag, False),
    "healthChecks": (_health_checks, []),
    "backoffSeconds": (whole(0), 1),
    "backoffFactor": (number(1), 1.15),
    "maxLaunchDelaySeconds": (whole(0), 300),
    "taskKillGracePeriodSeconds": (whole(0), ...),
    "killSelection": (one_of("YOUNGEST_FIRST", "OLDEST_FIRST"), "YOUNGEST_FIRST"),
    "unreachableStrategy": (_unreachable, {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0}),
    "upgradeStrategy": (
        record({"minimumHealthCapacity": (number(0), 1), "maximumOverCapacity": (number(0), 1)}),
        {"minimumHealthCapacity": 1, "maximumOverCapacity": 1},
    ),
    "executor": (one_of("", "//cmd"), ""),
    "networks": (list_of(record({"mode": (one_of("host"), "host")})), [{"mode": "host"}]),
    "container": (record({"type": (one_of("MESOS"), "MESOS")}), ...),
    "dependencies": (_none, []),
    "tty": (_none, ...),
    "residency": (_anything, ...),  # deprecated, has had no effect since 1.7
    "secrets": (_none, {}),
    "readinessChecks": (_none, []),
}
