"""Runs ON an agent for Jenkins masters, as root: makes calls of their REST API with the tokens in their homes.

So a token never leaves its node. Self-contained, standard library only. The request is one line of JSON on standard
input (``standardinput.py``): ``{"timeout_s", "directory", "masters": [{"name", "address", "port", "calls": [...]}]}``.
A call is ``{"method", "path", "body"?, "type"?, "anonymous"?, "port"?}``; ``anonymous``: without the token.

Prints a list, one entry a master, in order: ``{"answers": [{"status", "headers", "body"}]}``, where ``status`` 0 means
no answer and ``body`` says why, or ``{"error": text}``. Redirects are not followed: many calls answer by one.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = Any

PARALLEL = 16
MAX_BYTES = 4 * 1024 * 1024
HEADERS = ("Location", "X-Jenkins", "X-Jenkins-Session", "X-Jenkins-JNLP-Port", "X-Error")
FIRST_UID, LAST_UID = 30001, 30999


def authorization(directory: str, name: str) -> str:
    """The header for a master's administrator; its files are read as the user of the home, links not followed."""
    home = Path(directory) / name
    found = home.lstat()
    if os.geteuid() != 0:
        return basic(home)
    if not FIRST_UID <= found.st_uid <= LAST_UID:
        raise PermissionError(0, f"belongs to uid {found.st_uid}, which is not a Jenkins master's", str(home))
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(found.st_gid)
    os.seteuid(found.st_uid)
    try:
        return basic(home)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def basic(home: Path) -> str:
    """``Basic ...`` from the marker and the token of a home."""
    admin = json.loads(read(home / ".clusterctl" / "master.json"))["admin"]
    token = read(home / ".clusterctl" / "token").strip()
    return "Basic " + base64.b64encode(f"{admin}:{token}".encode()).decode()


def read(path: Path) -> str:
    """A small regular file."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "is not a file", str(path))
        return file.read(65536)


def call(master: Json, header: str, wanted: Json, timeout_s: float) -> Json:
    """One call; its answer."""
    headers = {"Accept": "application/json, */*"}
    if not wanted.get("anonymous"):
        headers["Authorization"] = header
    if "body" in wanted:
        headers["Content-Type"] = wanted.get("type", "application/x-www-form-urlencoded")
    connection = http.client.HTTPConnection(master["address"], wanted.get("port", master["port"]), timeout=timeout_s)
    try:
        body = wanted["body"].encode() if "body" in wanted else None
        connection.request(wanted["method"], wanted["path"], body, headers)
        answer = connection.getresponse()
        text = answer.read(MAX_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return failed(error)
    finally:
        connection.close()
    kept = {name.lower(): value for name in HEADERS if (value := answer.getheader(name)) is not None}
    return {"status": answer.status, "headers": kept, "body": parsed(text, answer.getheader("Content-Type") or "")}


def failed(error: Exception) -> Json:
    """No answer, and why."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return {"status": 0, "headers": {}, "body": reason.lower()}


def parsed(text: str, kind: str) -> Json:
    """JSON, or the text itself."""
    if "json" not in kind:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def run(request: Json) -> Json:
    """The whole answer to a request."""
    headers = []
    for master in request["masters"]:  # one after the other: the user is changed for the whole process
        try:
            headers.append((authorization(request["directory"], master["name"]), ""))
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = getattr(error, "strerror", None) or error
            headers.append(("", f"no token: {getattr(error, 'filename', None) or ''} {reason}"))

    def one(master: Json, header: str, trouble: str) -> Json:
        if trouble and not all(each.get("anonymous") for each in master["calls"]):
            return {"error": trouble}
        return {"answers": [call(master, header, each, float(request["timeout_s"])) for each in master["calls"]]}

    with ThreadPoolExecutor(PARALLEL) as threads:
        futures = [threads.submit(one, master, *each) for master, each in zip(request["masters"], headers)]  # noqa: B905
        return [future.result() for future in futures]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(json.loads(sys.stdin.buffer.readline()))) + "\n")
