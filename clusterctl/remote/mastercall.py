"""Runs ON a control node, as ``python3 -I -S - REQUEST < mastercall.py``: makes calls of the leading Mesos master's
operator API (``/api/v1``) and prints one JSON object.

Self-contained, standard library only. A master that doesn't lead answers 307 with the leader's place, which is
followed. Lists are cut down here, so that little goes through ssh however large the cluster is.

Request: ``{"address", "port", "timeout_s", "calls": [operator call, ...], "agents": [id, ...], "logins": {}}``.
``agents`` are those whose tasks are wanted of GET_TASKS. ``logins`` may have the paths ``master`` and ``agent`` of
files ``{"principal", "secret"}`` on this node, which say who calls.

Answer: ``{"answers": [...]}``, one a call, or ``{"error": text, "made": number of the calls that were made before}``.
Two calls are ours, and ask hosts of agents themselves: ``{"type": "AGENT_STATE", "places": ["host:port", ...]}``, of
each whether it is still about to drain, or None if it doesn't answer; ``{"type": "HOST_ANSWERS", "places": ...}``, of
each whether anything there takes or refuses a connection.
"""

from __future__ import annotations

import base64
import errno
import http.client
import json
import socket
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Json = Any

HOST_TIMEOUT_S = 5.0  # the kernel sends a second SYN after 1 s and a third after 3 s
REDIRECTS = 3  # a second one is a change of leaders at that moment


class Refused(Exception):
    """A master answered, but not with success."""


def header(logins: dict[str, str], whom: str) -> dict[str, str]:
    """HTTP's Basic authentication as whom a file says, if there is one for ``master`` or ``agent``.

    None where it is not there yet: the answer tells.
    """
    if whom not in logins:
        return {}
    try:
        with open(logins[whom], encoding="utf-8") as file:  # noqa: PTH123 (importing pathlib takes time)
            found = json.load(file)
    except FileNotFoundError:
        return {}
    words = f"{found['principal']}:{found['secret']}".encode()
    return {"Authorization": f"Basic {base64.b64encode(words).decode()}"}


def post(place: str, call: Json, timeout_s: float, login: dict[str, str]) -> Json:
    """Makes one call at the leader, beginning at ``place`` (``host:port``); None for an empty answer."""
    body = json.dumps(call)
    headers = {"Content-Type": "application/json", "Accept": "application/json", **login}
    for _ in range(REDIRECTS + 1):
        # a standby points to a leader that is gone until ZooKeeper has given up the leader's session
        connection = http.client.HTTPConnection(place, timeout=min(timeout_s, HOST_TIMEOUT_S))
        try:
            connection.connect()
            connection.sock.settimeout(timeout_s)
            connection.request("POST", "/api/v1", body, headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
        if answer.status in (302, 307):
            # '//host:port/api/v1': Mesos leaves the protocol out
            place = (answer.getheader("Location") or "").split("//")[-1].split("/")[0]
            continue
        if answer.status not in (200, 202):
            raise Refused(f"{place}: HTTP {answer.status}: {' '.join(text.split())[:300] or 'no reason given'}")
        return json.loads(text) if text.strip() else None
    raise Refused(f"redirected more than {REDIRECTS} times")


def agent_drains(place: str, timeout_s: float, login: dict[str, str]) -> bool | None:
    """Whether an agent holds itself for draining (``drain_config`` in its ``/state``); None without an answer."""
    connection = http.client.HTTPConnection(place, timeout=timeout_s)
    try:
        connection.request("GET", "/state", headers={"Accept": "application/json", **login})
        answer = connection.getresponse()
        return "drain_config" in json.loads(answer.read()) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def host_answers(place: str) -> bool:
    """Whether a host takes or refuses a connection; one that is not there does neither.

    What fails on this node (no route, no free file) tells nothing of the host, which counts as one that answers.
    """
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=HOST_TIMEOUT_S).close()
    except TimeoutError:
        return False
    except OSError as error:
        return error.errno != errno.EHOSTUNREACH  # nobody answers ARP
    return True


def together(ask: Callable[[str], bool], places: list[str]) -> list[bool]:
    """Asks all at once."""
    found: dict[str, bool] = {}
    threads = [threading.Thread(target=lambda at: found.update({at: ask(at)}), args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[place] for place in places]


def make(place: str, call: Json, request: Json) -> Json:
    """One call of a request, and what is wanted of its answer."""
    timeout_s, logins = float(request["timeout_s"]), request.get("logins", {})
    if call["type"] == "AGENT_STATE":
        login = header(logins, "agent")
        return [agent_drains(each, timeout_s, login) for each in call["places"]]
    if call["type"] == "HOST_ANSWERS":
        return together(host_answers, call["places"])
    return cut(call, post(place, call, timeout_s, header(logins, "master")), request["agents"])


def cut(call: Json, answer: Json, agents: list[str]) -> Json:
    """What is wanted of an answer; that of a call that only acts is None."""
    if call["type"] == "GET_AGENTS":
        return [
            {
                "id": agent["agent_info"]["id"]["value"],
                "hostname": agent["agent_info"]["hostname"],
                "active": agent.get("active", False),
                "drain": agent.get("drain_info", {}).get("state"),
                "bound": sorted(set(bound(agent.get("total_resources", [])))),
            }
            for agent in answer["get_agents"].get("agents", [])
        ]
    if call["type"] == "GET_TASKS":
        return [
            {
                "id": task["task_id"]["value"],
                "name": task.get("name", ""),
                "agent": task["agent_id"]["value"],
                "framework": task["framework_id"]["value"],
                "state": task.get("state", ""),
            }
            for task in answer["get_tasks"].get("tasks", [])
            if task["agent_id"]["value"] in agents
        ]
    if call["type"] == "GET_METRICS":
        return {
            each["name"]: each.get("value", 0.0) for each in answer["get_metrics"].get("metrics", []) if wanted(each)
        }
    return None


def wanted(metric: Json) -> bool:
    """Without what Mesos counts of each framework, but for its offers: of hundreds it is megabytes."""
    name = metric["name"]
    return "/frameworks/" not in name or name.endswith("/offers/sent")


def bound(resources: list[Json]) -> Iterator[str]:
    """What only this identity of an agent has, in words: persistent volumes and dynamic reservations."""
    for resource in resources:
        role = (resource.get("reservations") or [{}])[-1].get("role", "?")
        if "persistence" in resource.get("disk", {}):
            yield f"a persistent volume of role {role}"
        elif any(each.get("type") == "DYNAMIC" for each in resource.get("reservations", [])):
            yield f"a dynamic reservation of role {role}"


def run(request: Json) -> Json:
    """The whole answer to a request."""
    answers: list[Json] = []
    place = f"{request['address']}:{request['port']}"
    try:
        for call in request["calls"]:
            answers.append(make(place, call, request))
    except (OSError, Refused, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        reason = str(error) if isinstance(error, Refused) else f"{place}: {type(error).__name__}: {error}"
        return {"error": reason, "made": len(answers)}
    return {"answers": answers}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(json.loads(sys.argv[1]))) + "\n")
