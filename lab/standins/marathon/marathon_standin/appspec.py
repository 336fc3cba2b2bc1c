"""App definitions: a request body becomes a complete, canonical spec; what changed between two; versions."""

from __future__ import annotations

import copy
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .checks import FieldError, WrongType, list_of, text, whole
from .clock import version_after
from .config import Config
from .errors import invalid_json, not_valid
from .fields import FIELDS
from .groups import Roles

Spec = dict[str, Any]

# Fields of Marathon's app.raml that the stand-in can't give. Whatever is in neither list, and what GET adds to a
# definition (tasksRunning, deployments, ...), Marathon ignores, and so does the stand-in.
LACKING = frozenset(["check", "executorResources", "ipAddress", "resourceLimits"])
_DEPRECATED = {"uris": list_of(text), "ports": list_of(whole(0, 65535))}


@dataclass(frozen=True)
class App:
    """``spec`` is canonical; the versions are times as Marathon prints them, and order as text.

    ``config_version`` is the version that last changed anything but ``instances``: instances of an older one
    are to be replaced.
    """

    spec: Spec
    version: str
    scaling_version: str
    config_version: str

    @property
    def id(self) -> str:
        return str(self.spec["id"])

    @property
    def instances(self) -> int:
        return int(self.spec["instances"])

    def to_json(self) -> dict[str, Any]:
        """Return the definition as the API shows it."""
        return {
            **self.spec,
            "version": self.version,
            "versionInfo": {"lastScalingAt": self.scaling_version, "lastConfigChangeAt": self.config_version},
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> App:
        """Return the app that ``to_json`` was made of."""
        info = data["versionInfo"]
        spec = {key: value for key, value in data.items() if key not in ("version", "versionInfo")}
        return App(spec, data["version"], info["lastScalingAt"], info["lastConfigChangeAt"])


def read(body: Any) -> Spec:
    """Return the canonical form of the fields that ``body`` gives; null means not given. Raises ApiError."""
    if not isinstance(body, dict):
        raise invalid_json([("", "error.expected.jsobject")])
    types: list[tuple[str, str]] = []
    rules: list[tuple[str, str]] = []
    spec: Spec = {}
    for name, value in body.items():
        if value is None:
            continue
        check = _DEPRECATED.get(name) or FIELDS.get(name, (None,))[0]
        if check is None:
            if name in LACKING:
                rules.append((f"/{name}", "the stand-in lacks it"))
            continue
        try:
            spec[name] = check(value)
        except FieldError as exc:
            (types if isinstance(exc, WrongType) else rules).append((f"/{name}{exc.path}", str(exc)))
    if types:
        raise invalid_json(types)
    rules.extend(_translate_deprecated(spec))
    if rules:
        raise not_valid(rules)
    return spec


def _translate_deprecated(spec: Spec) -> list[tuple[str, str]]:
    """Replace uris by fetch and ports by portDefinitions, as Marathon has done since 1.5."""
    problems = []
    if "uris" in spec:
        uris = [{"uri": uri} for uri in spec.pop("uris")]
        if uris and spec.get("fetch"):
            problems.append(("/uris", "may not be set in conjunction with fetch"))
        if uris or "fetch" not in spec:
            spec["fetch"] = FIELDS["fetch"][0](uris)
    if "ports" in spec:
        ports = spec.pop("ports")
        fixed = [port for port in ports if port]
        if len(fixed) != len(set(fixed)):
            problems.append(("/ports", "ports must be unique"))
        if [port["port"] for port in spec.get("portDefinitions", [])] not in ([], ports):
            problems.append(("/ports", "cannot specify both ports and port definitions"))
        spec.setdefault("portDefinitions", FIELDS["portDefinitions"][0]([{"port": port} for port in ports]))
    return problems


def complete(
    given: Spec, previous: Spec | None, config: Config, used_ports: Collection[int], roles: Roles, merge: bool = True
) -> Spec:
    """Return the whole spec: ``given`` over ``previous`` (if ``merge``) over the defaults, service ports assigned.

    ``used_ports`` are the service ports of the other apps. Raises ApiError 422.
    """
    spec = copy.deepcopy({name: default for name, (_, default) in FIELDS.items() if default is not ...})
    spec["portDefinitions"] = [{"port": 0, "protocol": "tcp", "name": "default", "labels": {}}]
    spec["role"] = given.get("role", previous["role"] if previous and merge else roles.default)
    spec["acceptedResourceRoles"] = config.default_accepted_roles(spec["role"])
    spec.update(copy.deepcopy(previous) if previous and merge else {})
    spec.update(given)
    if "cmd" in given:  # an update from args to cmd or back replaces the other
        if "args" not in given:
            spec.pop("args", None)
    elif "args" in given:
        spec.pop("cmd", None)
    problems = _cross_checks(spec, roles)
    if problems:
        raise not_valid(problems)
    _assign_service_ports(spec, previous, config, used_ports)
    return spec


def _cross_checks(spec: Spec, roles: Roles) -> list[tuple[str, str]]:
    """Return the broken rules that concern more than one field."""
    problems = []
    if bool(spec.get("cmd")) == bool(spec.get("args")):
        problems.append(("/", "AppDefinition must either contain one of 'cmd' or 'args'"))
    if spec["role"] not in roles.valid:
        problems.append(("/role", f"got {spec['role']}, expected one of: [{', '.join(sorted(roles.valid))}]"))
    allowed = {"*", spec["role"]}
    accepted = spec["acceptedResourceRoles"]
    if not accepted or not set(accepted) <= allowed:
        names = ", ".join(sorted(allowed))
        problems.append(("/acceptedResourceRoles", f"acceptedResourceRoles can only contain {names}; got {accepted}"))
    for name in ("minimumHealthCapacity", "maximumOverCapacity"):
        if spec["upgradeStrategy"][name] > 1:
            problems.append((f"/upgradeStrategy/{name}", "is greater than 1"))
    for index, check in enumerate(spec["healthChecks"]):
        if check["protocol"] != "COMMAND" and "port" not in check:
            check.setdefault("portIndex", 0)
            if check["portIndex"] >= len(spec["portDefinitions"]):
                problems.append((f"/healthChecks({index})/portIndex", "the app has no such port"))
    if spec["requirePorts"] and any(port["port"] == 0 for port in spec["portDefinitions"]):
        problems.append(("/portDefinitions", "requirePorts needs ports that are not 0"))
    return problems


def _assign_service_ports(spec: Spec, previous: Spec | None, config: Config, used_ports: Collection[int]) -> None:
    """Give every port 0 a free service port; one that the app had at that place before is kept."""
    before = [port["port"] for port in (previous or {}).get("portDefinitions", [])]
    own = {port["port"] for port in spec["portDefinitions"]}
    dynamic = range(config.local_port_min, config.local_port_max + 1)
    for index, port in enumerate(spec["portDefinitions"]):
        if port["port"]:
            continue
        if index < len(before) and before[index] in dynamic and before[index] not in own:
            port["port"] = before[index]
        else:
            free = [number for number in dynamic if number not in used_ports and number not in own]
            if not free:
                raise not_valid([("/portDefinitions", "no service port is left between --local_port_min and _max")])
            port["port"] = random.choice(free)
        own.add(port["port"])


def new_app(spec: Spec, previous: App | None, now: float, restart: bool = False) -> App:
    """Return ``spec`` as the next version of ``previous``; ``restart`` makes every running instance an old one."""
    version = version_after(previous.version if previous else None, now)
    if previous is None:
        return App(spec, version, version, version)
    app = replace(previous, spec=spec, version=version)
    if without_instances(spec) != without_instances(previous.spec) or restart:
        return replace(app, config_version=version, scaling_version=version)
    if spec["instances"] != previous.instances:
        return replace(app, scaling_version=version)
    return previous


def without_instances(spec: Spec) -> Spec:
    return {key: value for key, value in spec.items() if key != "instances"}
