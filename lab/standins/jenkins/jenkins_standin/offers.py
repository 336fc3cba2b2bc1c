"""Matching offers and describing tasks: what both schedulers share. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from .cloud import Cloud, Template

Json = dict[str, Any]
TERMINAL = {
    "TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE",
    "TASK_GONE_BY_OPERATOR",
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """A node that wants a task. ``mem_mib`` is what Mesos is asked for."""

    name: str
    template: Template
    cpus: float
    mem_mib: float
    disk_mib: float


def request_for(name: str, template: Template, executors: int, generation: int) -> Request:
    """Return what a node asks of Mesos; 2.x has one executor always."""
    return Request(
        name=name,
        template=template,
        cpus=template.task_cpus(1 if generation == 2 else executors),
        mem_mib=template.task_mem_mib(executors, generation),
        disk_mib=template.disk_mib,
    )


def attributes(offer: Json) -> dict[str, str]:
    """Return the texts of an offer's attributes, "" for one of another type."""
    return {each["name"]: each.get("text", {}).get("value", "") for each in offer.get("attributes", [])}


def attributes_match(offer: Json, wanted: Mapping[str, str]) -> bool:
    found = attributes(offer)
    return all(found.get(name) == value for name, value in wanted.items())


def usable(offer: Json, role: str) -> list[Json]:
    """Return the offer's resources of the role or of ``*``."""
    return [resource for resource in offer["resources"] if resource.get("role", "*") in (role, "*")]


def scalar(resources: Sequence[Json], name: str) -> float:
    """Return the sum of a scalar resource, -1 if there is none."""
    found = [r["scalar"]["value"] for r in resources if r["name"] == name and r["type"] == "SCALAR"]
    return float(sum(found)) if found else -1.0


def take(resources: Sequence[Json], wanted: Mapping[str, float]) -> list[Json]:
    """Return parts of the resources that make up what is wanted, as far as there is so much."""
    taken, left = [], dict(wanted)
    for resource in resources:
        need = left.get(resource["name"], 0.0)
        if need > 0:
            part = min(need, resource["scalar"]["value"])
            left[resource["name"]] = need - part
            taken.append({**resource, "scalar": {"value": part}})
    return taken


def in_maintenance(offer: Json, now: float) -> bool:
    """Whether the offer's agent is in its maintenance window now; ``now`` in seconds since the epoch."""
    window = offer.get("unavailability")
    if window is None:
        return False
    start = window["start"]["nanoseconds"] / 1e9
    duration = window.get("duration", {}).get("nanoseconds", 0) / 1e9
    return bool(start < now < start + duration)


def joined(prefix: str, suffix: str) -> str:
    """Return prefix/suffix with one slash between (JenkinsScheduler.joinPaths)."""
    return prefix.removesuffix("/") + "/" + suffix.removeprefix("/")


def classic_task(cloud: Cloud, request: Request, offer: Json, jenkins_url: str, secret: str) -> Json:
    """Return the TaskInfo of 0.x and 1.x. ``secret`` is "" where security is off."""
    template = request.template
    option = f"-secret {secret}" if secret else ""
    url = joined(jenkins_url, f"computer/{request.name}/slave-agent.jnlp")
    command = (
        f"java -DHUDSON_HOME=jenkins -server -Xmx{template.heap_mib(cloud.generation)}m {template.jvm_args}"
        f" -jar ${{MESOS_SANDBOX-.}}/slave.jar {template.jnlp_args} {option} -jnlpUrl {url}"
    )
    jar = {"value": joined(jenkins_url, "jnlpJars/slave.jar"), "executable": False, "extract": False}
    return _task(f"task {request.name}", request, offer, command, [jar, *_uris(template)])


def second_task(cloud: Cloud, request: Request, offer: Json, jenkins_url: str, secret: str) -> Json:
    """Return the TaskInfo of 2.x, whose name is empty. URLs are resolved against Jenkins' (java.net.URL)."""
    template = request.template
    option = f"-secret {secret}" if secret else ""
    url = urljoin(jenkins_url, f"computer/{request.name}/slave-agent.jnlp")
    command = (
        f"java -DHUDSON_HOME=jenkins -server -Xmx{template.heap_mib(cloud.generation)}m {template.jvm_args}"
        f" -jar ${{MESOS_SANDBOX-.}}/agent.jar {template.jnlp_args} {option} -jnlpUrl {url}"
    )
    jar = {"value": urljoin(jenkins_url, "jnlpJars/agent.jar"), "executable": False, "extract": False, "cache": False}
    return _task("", request, offer, command, [*_uris(template), jar])


def _uris(template: Template) -> list[Json]:
    return [{"value": uri.value, "executable": uri.executable, "extract": uri.extract} for uri in template.uris]


def _task(name: str, request: Request, offer: Json, command: str, uris: list[Json]) -> Json:
    wanted = {"cpus": request.cpus, "mem": request.mem_mib, "disk": request.disk_mib}
    return {
        "name": name,
        "task_id": {"value": request.name},
        "agent_id": offer["agent_id"],
        "command": {"shell": True, "value": command, "uris": uris},
        "resources": take(offer["resources"], wanted),
    }


def launch(offer: Json, tasks: list[Json], refuse_s: float | None) -> Json:
    """Return the ACCEPT call."""
    accept: Json = {
        "offer_ids": [offer["id"]],
        "operations": [{"type": "LAUNCH", "launch": {"task_infos": tasks}}],
    }
    return {"type": "ACCEPT", "accept": accept | _filters(refuse_s)}


def decline(offer: Json, refuse_s: float | None) -> Json:
    """Return the DECLINE call; without a duration Mesos takes 5 s."""
    return {"type": "DECLINE", "decline": {"offer_ids": [offer["id"]]} | _filters(refuse_s)}


def _filters(refuse_s: float | None) -> Json:
    return {} if refuse_s is None else {"filters": {"refuse_seconds": refuse_s}}


def kill(task_id: str) -> Json:
    return {"type": "KILL", "kill": {"task_id": {"value": task_id}}}
