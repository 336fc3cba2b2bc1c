"""Runs ON a control node: makes calls of Marathon's REST API and prints one JSON object.

Self-contained, standard library only. The request is one line of JSON on standard input (``standardinput.py``):
``{"address", "port", "timeout_s", "calls": [{"method", "path", "body"?}, ...], "login"?}``; ``login`` is the path of a
file ``{"principal", "secret", "others"?}`` on this node, which says who calls, and which other secrets Marathon may
want while they are turned over. Answer: ``{"answers": [{"status", "body"}, ...]}``, one a call; ``body`` is parsed if
it is JSON. ``{"error": text, "made": number of the calls made before}`` if Marathon can't be asked, wants another
password, or can't reach the one that leads (502 to 504, and 500 of the versions whose proxy answers so).
"""

from __future__ import annotations

import base64
import http.client
import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = Any

# What an instance that doesn't lead answers while nobody does; of them a leader itself gives 500 with a message of JSON
NO_LEADER = (502, 503, 504)


class Refused(Exception):
    """An answer of an instance that reached no leader, or doesn't know us."""


def headers(path: str | None) -> list[dict[str, str]]:
    """HTTP's basic authentication as whom a file says, to be tried in this order; none without a file, or where it is
    not there yet.
    """
    if path is None:
        return [{}]
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 (importing pathlib takes time)
            found = json.load(file)
    except FileNotFoundError:
        return [{}]
    pairs = ["{}:{}".format(found["principal"], secret) for secret in [found["secret"], *found.get("others", [])]]
    return [{"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"} for pair in pairs]


def call(place: str, wanted: Json, timeout_s: float, logins: list[dict[str, str]]) -> Json:
    """Makes one call; its status and body. A call that is refused with 401 was not made."""
    for login in logins:
        status, text = attempt(place, wanted, timeout_s, login)
        if status != 401:
            break
    else:
        raise Refused("HTTP 401: it wants another password than this node has, or this node has none yet")
    parsed = parse(text)
    if status in NO_LEADER or (status == 500 and not isinstance(parsed, dict)):
        raise Refused("HTTP {}: {}".format(status, " ".join(text.split())[:200] or "no reason given"))
    return {"status": status, "body": parsed}


def attempt(place: str, wanted: Json, timeout_s: float, login: dict[str, str]) -> tuple[int, str]:
    """One request; status and text of the answer."""
    connection = http.client.HTTPConnection(place, timeout=timeout_s)
    body = wanted.get("body")
    try:
        connection.request(
            wanted["method"],
            wanted["path"],
            None if body is None else json.dumps(body),
            {"Content-Type": "application/json", "Accept": "application/json", **login},
        )
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
    finally:
        connection.close()
    return answer.status, text


def parse(text: str) -> Json:
    """JSON, or the text itself."""
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        return text


def run(request: Json) -> Json:
    """The whole answer to a request."""
    answers: list[Json] = []
    place = "{}:{}".format(request["address"], request["port"])
    try:
        logins = headers(request.get("login"))
        for each in request["calls"]:
            answers.append(call(place, each, float(request["timeout_s"]), logins))
    except Refused as error:
        return {"error": str(error), "made": len(answers)}
    except (OSError, http.client.HTTPException) as error:
        return {"error": f"{type(error).__name__}: {error}", "made": len(answers)}
    return {"answers": answers}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(json.loads(sys.stdin.buffer.readline()))) + "\n")
