"""The fields of an app definition: what each may hold, and its canonical form (Marathon's app.raml, 1.11 defaults).

A check takes a JSON value and returns the canonical one; it raises WrongType (400) or BadValue (422).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from . import constraints

Check = Callable[[Any], Any]


class FieldError(Exception):
    """``path`` is relative to the field ("" or "/0/port")."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class WrongType(FieldError):
    """The JSON value is of another type than the field's; messages are Marathon's (play-json's) codes."""


class BadValue(FieldError):
    """The value breaks a rule, or asks for what the stand-in does not do."""


def number(minimum: float) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise WrongType("error.expected.jsnumber")
        if not minimum <= value < float("inf"):
            raise BadValue(f"got {value}, expected {minimum} or more")
        return value

    return check


def whole(minimum: int, maximum: int = 2**31 - 1) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise WrongType("error.expected.jsnumber")
        if not minimum <= value <= maximum:
            raise BadValue(f"got {value}, expected {minimum} to {maximum}")
        return value

    return check


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise WrongType("error.expected.jsstring")
    if not value:
        raise BadValue("must not be empty")
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongType("error.expected.jsboolean")
    return value


def one_of(*allowed: str) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise WrongType("error.expected.jsstring")
        if value not in allowed:
            raise BadValue(f"the stand-in allows {', '.join(map(repr, allowed))}; got {value!r}")
        return value

    return check


def text_map(value: Any) -> dict[str, str]:
    """env and labels: strings only (Marathon's secret references are not supported)."""
    if not isinstance(value, dict):
        raise WrongType("error.expected.jsobject")
    for key, item in value.items():
        if not isinstance(item, str):
            raise WrongType("error.expected.jsstring", f"/{key}")
    return value


def list_of(check: Check) -> Check:
    def check_list(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise WrongType("error.expected.jsarray")
        return [_at(f"/{index}", check, item) for index, item in enumerate(value)]

    return check_list


def _at(path: str, check: Check, value: Any) -> Any:
    try:
        return check(value)
    except FieldError as exc:
        raise type(exc)(str(exc), path + exc.path) from None


def record(fields: dict[str, tuple[Check, Any]]) -> Check:
    """An object with these fields and defaults; a default of ``...`` means that the field is left out."""

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise WrongType("error.expected.jsobject")
        for key in value:
            if key not in fields:
                raise BadValue(f"the stand-in does not support this field; it knows {', '.join(fields)}", f"/{key}")
        result = {}
        for key, (check_field, default) in fields.items():
            if value.get(key) is not None:
                result[key] = _at(f"/{key}", check_field, value[key])
            elif default is not ...:
                result[key] = default
        return result

    return check


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
        "protocol": (one_of("COMMAND", "MESOS_HTTP", "MESOS_TCP"), "HTTP"),
        "command": (record({"value": (text, "")}), ...),
        "path": (text, ...),
        "port": (whole(1, 65535), ...),
        "portIndex": (whole(0, 65535), ...),
        "gracePeriodSeconds": (whole(0), 300),
        "intervalSeconds": (whole(1), 60),
        "timeoutSeconds": (whole(1), 20),
        "delaySeconds": (whole(0), 15),
        "maxConsecutiveFailures": (whole(0), 3),
    }
)


def _health_check(value: Any) -> Any:
    check = _health_fields(value)
    if check["protocol"] == "HTTP":  # Marathon's default protocol, checked by Marathon itself
        raise BadValue("the stand-in has Mesos health checks only: COMMAND, MESOS_HTTP, MESOS_TCP", "/protocol")
    if (check["protocol"] == "COMMAND") != bool(check.get("command", {}).get("value")):
        raise BadValue("a command with a value belongs to protocol COMMAND, and to no other", "/command")
    return check


def _health_checks(value: Any) -> Any:
    checks = list_of(_health_check)(value)
    if len(checks) > 1:
        raise BadValue("at most one Mesos health check is allowed")
    return checks


def _unreachable(value: Any) -> Any:
    if value == "disabled":
        return value
    strategy = record({"inactiveAfterSeconds": (whole(0), 0), "expungeAfterSeconds": (whole(0), 0)})(value)
    if strategy["expungeAfterSeconds"] < strategy["inactiveAfterSeconds"]:
        raise BadValue("must not be below inactiveAfterSeconds", "/expungeAfterSeconds")
    return strategy


def _none(value: Any) -> Any:
    if value:
        raise BadValue("not supported by the stand-in")
    return value


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
    "secrets": (_none, {}),
    "readinessChecks": (_none, []),
}
