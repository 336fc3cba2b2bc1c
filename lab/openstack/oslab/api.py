"""What the lab's APIs say of its health, asked with the standard library: the lab comes before all else."""

import json
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any

from .settings import PASSWORD, ZONES, LabError, Settings

AGENTS = {"Linux bridge agent", "DHCP agent"}


def token(lab: Settings) -> str:
    """A token of the administrator."""
    user = {"name": "admin", "domain": {"id": "default"}, "password": PASSWORD}
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    url = f"http://{lab.gateway}:5000/v3/auth/tokens"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.headers["X-Subject-Token"])


def get(lab: Settings, secret: str, path: str) -> Any:
    request = urllib.request.Request(f"http://{lab.gateway}:{path}", headers={"X-Auth-Token": secret})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def missing(lab: Settings, since: datetime) -> list[str]:
    """What has not reported itself alive after `since`: compute hosts, schedulers, agents. Empty if all is well."""
    try:
        secret = token(lab)
        services = get(lab, secret, "8774/v2.1/os-services")["services"]
        agents = get(lab, secret, "9696/v2.0/agents")["agents"]
        volumes = get(lab, secret, f"8776/v3/{project(lab, secret)}/os-services")["services"]
    except (OSError, urllib.error.URLError, KeyError, ValueError) as error:
        return [f"APIs ({error})"]
    alive = {(s["binary"], s["host"]) for s in services if s["state"] == "up" and fresh(s["updated_at"], since)}
    up = [s for s in volumes if s["state"] == "up" and fresh(s["updated_at"], since)]
    alive |= {(s["binary"], s["host"].split("@")[0]) for s in up}
    alive |= {(a["agent_type"], a["host"]) for a in agents if works(a) and fresh(a["heartbeat_timestamp"], since)}
    needed = {("nova-compute", host) for hosts in ZONES.values() for host in hosts} | {(a, "oslab") for a in AGENTS}
    needed |= {(b, "oslab") for b in ("nova-scheduler", "nova-conductor", "cinder-scheduler", "cinder-volume")}
    return sorted(f"{what} on {host}" for what, host in needed - alive)


def works(agent: dict[str, Any]) -> bool:
    """Whether a Neutron agent is alive and has done its first round: the DHCP agent serves a subnet.

    Networks are no proof: an agent that starts anew counts those of its last run before it has asked for anything.
    """
    serves = agent["agent_type"] != "DHCP agent" or agent["configurations"].get("subnets", 0) > 0
    return bool(agent["alive"] and serves)


def project(lab: Settings, secret: str) -> str:
    """Id of the project that the token is for."""
    request = urllib.request.Request(
        f"http://{lab.gateway}:5000/v3/auth/tokens", headers={"X-Auth-Token": secret, "X-Subject-Token": secret}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["token"]["project"]["id"])


def fresh(stamp: str | None, since: datetime) -> bool:
    """Whether a service's time stamp (UTC without a zone, ISO 8601) is not before `since`."""
    return bool(stamp) and datetime.fromisoformat(str(stamp)).replace(tzinfo=UTC) >= since


def wait_until_alive(lab: Settings, since: datetime, deadline_s: float = 300) -> None:
    """Raises LabError if anything is missing at the deadline."""
    end = time.monotonic() + deadline_s
    while left := missing(lab, since):
        if time.monotonic() > end:
            raise LabError(f"not alive after {deadline_s:.0f} s: {', '.join(left)}")
        time.sleep(1)
