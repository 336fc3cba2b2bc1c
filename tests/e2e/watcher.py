"""Runs on a node during a roll: a client of each service, and how long each had to wait.

    watcher.py ADDRESS,ADDRESS,... EVERY PATIENCE < LOGINS    (seconds) until SIGTERM; then prints one JSON object

LOGINS is a line of JSON, {"zookeeper": "user:password", "8080": {"principal", "secret"}, "5050": ...}, without what is
open. Instead of a login it may have the path of a file with one, which is read as soon as there is one.

A ZooKeeper client writes ten times a second (python3-kazoo is in the lab's images). Every EVERY seconds all ZooKeepers
are asked whether they run, and Marathons and masters for their leaders' answers; each has PATIENCE seconds to answer. A
gap is the time between two good answers. A ZooKeeper that refuses the connection is down; one that takes it and says
nothing in time is silent, as it can be on a busy machine: not a good answer, but not a member that is gone either.
"""

import base64
import http.client
import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError

STOP = threading.Event()
EVERY_S, PATIENCE_S = (float(word) for word in sys.argv[2:4])
LOGINS = json.loads(sys.stdin.readline() or "{}")


class Gauge(threading.Thread):
    """Asks again and again; remembers the longest time without a good answer."""

    def __init__(self, ask: Callable[[], bool], every_s: float) -> None:
        super().__init__(daemon=True)
        self.ask, self.every_s = ask, every_s
        self.good = self.bad = 0
        self.longest_s = 0.0
        self.last = time.monotonic()
        self.errors: dict[str, int] = {}

    def run(self) -> None:
        while not STOP.wait(self.every_s):
            try:
                good = self.ask()
            except (OSError, http.client.HTTPException, ValueError, KazooException, KazooTimeoutError) as error:
                good = False
                name = type(error).__name__
                self.errors[name] = self.errors.get(name, 0) + 1
            now = time.monotonic()
            if good:
                self.longest_s = max(self.longest_s, now - self.last)
                self.last = now
                self.good += 1
            else:
                self.bad += 1

    def report(self) -> dict[str, Any]:
        self.longest_s = max(self.longest_s, time.monotonic() - self.last if self.bad else 0.0)
        return {"good": self.good, "bad": self.bad, "longest_gap_s": round(self.longest_s, 2), "errors": self.errors}


def get(address: str, port: int, path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(address, port, timeout=PATIENCE_S)
    headers = {"Accept": "application/json"}
    login = LOGINS.get(str(port))
    if isinstance(login, str):
        login = json.loads(Path(login).read_text()) if Path(login).exists() else None
    if login:
        words = "{principal}:{secret}".format(**login).encode()
        headers["Authorization"] = f"Basic {base64.b64encode(words).decode()}"
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if answer.status == 200 else None
    finally:
        connection.close()


def word(address: str, text: bytes) -> bytes:
    """A ZooKeeper's answer to a four-letter word."""
    with socket.create_connection((address, 2181), timeout=PATIENCE_S) as connection:
        connection.sendall(text)
        answer = b""
        while part := connection.recv(4096):
            answer += part
        return answer


def state(address: str) -> str:
    """Of a ZooKeeper: running, silent or down. One that begins an election drops its connections: it is asked again."""
    for _ in range(2):
        try:
            if word(address, b"ruok") == b"imok":
                return "running"
        except TimeoutError:
            return "silent"
        except ConnectionRefusedError:
            break
        except OSError:
            continue
    return "down"


def any_of(addresses: list[str], ask: Callable[[str], bool]) -> bool:
    """Whether one of them gives a good answer; a client would go on to the next, too."""
    for address in addresses:
        try:
            if ask(address):
                return True
        except (OSError, http.client.HTTPException, ValueError):
            continue
    return False


def main() -> None:
    addresses = sys.argv[1].split(",")
    auth = [("digest", LOGINS["zookeeper"])] if "zookeeper" in LOGINS else []
    client = KazooClient(",".join(f"{address}:2181" for address in addresses), timeout=10, auth_data=auth)
    client.start(timeout=30)
    client.ensure_path("/watcher")
    written = 0

    def write() -> bool:
        nonlocal written
        # at most one attempt: what is measured is the wait
        client.set("/watcher", str(written).encode())
        written += 1
        return True

    most_down = silent = 0

    def majority() -> bool:
        nonlocal most_down, silent
        states = [state(address) for address in addresses]
        most_down = max(most_down, states.count("down"))
        silent += states.count("silent")
        return states.count("running") > len(addresses) // 2

    def marathon(address: str) -> bool:
        return get(address, 8080, "/v2/apps")[0] == 200

    def master(address: str) -> bool:
        # the others redirect, or know no leader
        return get(address, 5050, "/master/state-summary")[0] == 200

    gauges = {
        "zookeeper_writes": Gauge(write, 0.1),
        "zookeeper_majority": Gauge(majority, EVERY_S),
        "marathon_api": Gauge(lambda: any_of(addresses, marathon), EVERY_S),
        "mesos_leader": Gauge(lambda: any_of(addresses, master), EVERY_S),
    }
    signal.signal(signal.SIGTERM, lambda *_: STOP.set())
    for gauge in gauges.values():
        gauge.start()
    print("ready", flush=True)
    STOP.wait()
    for gauge in gauges.values():
        gauge.join(5)
    found = {name: gauge.report() for name, gauge in gauges.items()}
    data, _ = client.get("/watcher")
    found["zookeeper_writes"]["acknowledged_and_kept"] = int(data) >= written - 1
    found["zookeeper_majority"] |= {"most_down": most_down, "silent": silent}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
