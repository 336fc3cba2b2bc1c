"""The Mesos TaskInfo (v1 JSON) of one instance, with Marathon's environment (docs/task-environment-vars.md)."""

from __future__ import annotations

import re
from typing import Any

from .appspec import App
from .matcher import Fit, OpenOffer

_LABEL_LIMIT = 512  # longer label names and values get no environment variable


def task_info(app: App, offer: OpenOffer, fit: Fit, task_id: str) -> dict[str, Any]:
    """Return the TaskInfo to launch: a command task, run by the agent's command executor."""
    spec = app.spec
    info: dict[str, Any] = {
        "name": ".".join(reversed(app.id.strip("/").split("/"))),
        "task_id": {"value": task_id},
        "agent_id": {"value": offer.agent_id},
        "resources": list(fit.resources),
        "command": _command(app, offer, fit, task_id),
        "labels": {"labels": [{"key": key, "value": value} for key, value in spec["labels"].items()]},
        "discovery": _discovery(app, fit),
    }
    if "taskKillGracePeriodSeconds" in spec:
        info["kill_policy"] = {"grace_period": {"nanoseconds": spec["taskKillGracePeriodSeconds"] * 10**9}}
    if "container" in spec:
        info["container"] = {"type": "MESOS"}
    for check in spec["healthChecks"]:
        info["health_check"] = _health_check(check, fit)
    return info


def _command(app: App, offer: OpenOffer, fit: Fit, task_id: str) -> dict[str, Any]:
    spec = app.spec
    command: dict[str, Any] = {
        "environment": {
            "variables": [
                {"name": name, "type": "VALUE", "value": value}
                for name, value in environment(app, offer.place.hostname, fit, task_id).items()
            ]
        },
        "uris": [_uri(artifact) for artifact in spec["fetch"]],
    }
    if "cmd" in spec:
        command |= {"shell": True, "value": spec["cmd"]}
    else:
        command |= {"shell": False, "value": spec["args"][0], "arguments": spec["args"]}
    if "user" in spec:
        command["user"] = spec["user"]
    return command


def _uri(artifact: dict[str, Any]) -> dict[str, Any]:
    uri = {"value": artifact["uri"]} | {key: artifact[key] for key in ("extract", "executable", "cache")}
    return uri | ({"output_file": artifact["destPath"]} if "destPath" in artifact else {})


def environment(app: App, hostname: str, fit: Fit, task_id: str) -> dict[str, str]:
    """Return the task's environment variables; the app's own ``env`` wins."""
    spec = app.spec
    variables = {
        "MARATHON_APP_ID": app.id,
        "MARATHON_APP_VERSION": app.version,
        "MARATHON_APP_RESOURCE_CPUS": str(float(spec["cpus"])),
        "MARATHON_APP_RESOURCE_MEM": str(float(spec["mem"])),
        "MARATHON_APP_RESOURCE_DISK": str(float(spec["disk"])),
        "MARATHON_APP_RESOURCE_GPUS": "0",
        "MESOS_TASK_ID": task_id,
        "HOST": hostname,
    }
    variables |= _label_variables(spec["labels"])
    if fit.host_ports:
        variables["PORT"] = str(fit.host_ports[0])
        variables["PORTS"] = ",".join(map(str, fit.host_ports))
    for index, (port, definition) in enumerate(zip(fit.host_ports, spec["portDefinitions"], strict=True)):
        variables[f"PORT{index}"] = str(port)
        variables[f"PORT_{definition['port']}"] = str(port)
        if "name" in definition:
            variables["PORT_" + _sanitized(definition["name"])] = str(port)
    own: dict[str, str] = spec["env"]
    return variables | own


def _sanitized(name: str) -> str:
    return re.sub(r"[^A-Z0-9_]", "_", name.upper())


def _label_variables(labels: dict[str, str]) -> dict[str, str]:
    short = {k: v for k, v in labels.items() if len(k) <= _LABEL_LIMIT and len(v) <= _LABEL_LIMIT}
    named = {f"MARATHON_APP_LABEL_{_sanitized(key)}": value for key, value in short.items()}
    return {"MARATHON_APP_LABELS": " ".join(_sanitized(key) for key in short)} | named


def _discovery(app: App, fit: Fit) -> dict[str, Any]:
    ports = [
        {"number": port, "protocol": definition["protocol"]}
        | ({"name": definition["name"]} if "name" in definition else {})
        for port, definition in zip(fit.host_ports, app.spec["portDefinitions"], strict=True)
    ]
    return {"visibility": "FRAMEWORK", "name": app.id.strip("/").replace("/", "-"), "ports": {"ports": ports}}


def _health_check(check: dict[str, Any], fit: Fit) -> dict[str, Any]:
    result: dict[str, Any] = {
        "delay_seconds": check["delaySeconds"],
        "grace_period_seconds": check["gracePeriodSeconds"],
        "interval_seconds": check["intervalSeconds"],
        "timeout_seconds": check["timeoutSeconds"],
        "consecutive_failures": check["maxConsecutiveFailures"],
    }
    if check["protocol"] == "COMMAND":
        return result | {"type": "COMMAND", "command": {"shell": True, "value": check["command"]["value"]}}
    port = check["port"] if "port" in check else fit.host_ports[check["portIndex"]]
    if check["protocol"] == "MESOS_TCP":
        return result | {"type": "TCP", "tcp": {"port": port}}
    return result | {"type": "HTTP", "http": {"scheme": "http", "port": port, "path": check.get("path", "/")}}
