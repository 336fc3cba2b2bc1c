"""Runs a plan of attacks: JSON lines ``{"name", "do", "args"}``; gives ``{"name", "outcome", "reason", "evidence"}``.

``outcome`` is ``through``, ``denied`` or ``broken`` (the attack itself is; a test fails then).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import mesos, node, zookeeper
from .outcome import Denied
from .wire import accepted, ask, login_of


def http(at: str, port: int, path: str, method: str = "GET", body: Any = None, login: str = "") -> str:
    """A request to a service."""
    return accepted(ask((at, port), method, path, body, login=login_of(login)))


# What waits for the network goes at once; the rest, and what ends an agent, one after the other
NETWORK: dict[str, Callable[..., str]] = {
    "container": mesos.container,
    "framework": mesos.framework,
    "operator": mesos.operator,
    "drain": mesos.drain,
    "forged_task": mesos.forged_task,
    "log_write": mesos.log_write,
    "rogue_agent": mesos.rogue_agent,
    "zk_create": zookeeper.create,
    "zk_delete": zookeeper.delete,
    "zk_set_acl": zookeeper.set_acl,
    "zk_read": zookeeper.read,
    "observer": zookeeper.observer,
    "http": http,
    "metadata": node.metadata,
    "enter": node.enter,
}
IN_TURN: dict[str, Callable[..., str]] = {
    "forged_farewell": mesos.forged_farewell,
    "read_file": node.read_file,
    "write_file": node.write_file,
    "end_process": node.end_process,
    "trace_process": node.trace_process,
    "journal": node.journal,
    "setuid": node.setuid,
    "user_namespace": node.user_namespace,
    "many_threads": node.many_threads,
}


def attempt(attack: dict[str, Any]) -> dict[str, str]:
    """One attack."""
    do = NETWORK.get(attack["do"]) or IN_TURN[attack["do"]]
    found = {"name": attack["name"], "outcome": "through", "reason": "", "evidence": ""}
    try:
        found["evidence"] = do(**attack["args"])
    except Denied as denied:
        found |= {"outcome": "denied", "reason": denied.reason, "evidence": denied.evidence}
    except Exception as error:  # noqa: BLE001 - told as what it is
        found |= {"outcome": "broken", "reason": type(error).__name__, "evidence": str(error)}
    return found


def main(path: str) -> None:
    """Runs the plan in a file."""
    with open(path) as file:  # noqa: PTH123
        plan = [json.loads(line) for line in file]
    with ThreadPoolExecutor(8) as pool:
        for result in pool.map(attempt, [attack for attack in plan if attack["do"] in NETWORK]):
            tell(result)
    for attack in plan:
        if attack["do"] in IN_TURN:
            tell(attempt(attack))


def tell(result: dict[str, str]) -> None:
    """Prints it at once: a later attack may end the build."""
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
