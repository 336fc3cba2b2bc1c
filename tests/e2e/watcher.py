"""Runs on a node during a roll: a client of each service, and how long each had to wait.

    watcher.py ADDRESS,ADDRESS,... EVERY PATIENCE < LOGINS    (seconds) until SIGTERM; then prints one JSON object

LOGINS is a line of JSON, {"zookeeper": "user:password", "8080": {"principal", "secret"}, "5050": ...}, without what is
open. Instead of a login it may have the path of a file with one, which is read as soon as there is one.

A ZooKeeper client (python3-kazoo is in the lab's images) writes ten times a second, or every EVERY seconds if that is
more often. Every EVERY seconds all ZooKeepers are asked whether they run and whether their ensemble is whole, and
Marathons and masters for their leaders' answers; each has PATIENCE seconds to answer. A gap is the time between two
good answers. A ZooKeeper that refuses the connection is down; one that takes it and says nothing in time is silent, as
it can be on a busy machine: not a good answer, but not a member that is gone either.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError

STOP = threading.Event()


@dataclass
class Gaps:
    """Pure: what a row of answers comes to; times in seconds of one clock.

    Attributes:
        last: the last good answer; before the first one, the beginning.
        left: the last good answer before the first bad one.
        back: the first good answer after the last bad one; None while the last one was bad.
    """

    last: float
    good: int = 0
    bad: int = 0
    longest_s: float = 0.0
    left: float | None = None
    back: float | None = None

    def add(self, good: bool, now: float) -> None:
        """An answer came, or none in time."""
        if not good:
            self.left = self.last if self.left is None else self.left
            self.back = None
            self.bad += 1
            return
        if self.left is not None and self.back is None:
            self.back = now
        self.longest_s = max(self.longest_s, now - self.last)
        self.last = now
        self.good += 1

    def report(self, now: float) -> dict[str, Any]:
        """Counts; the longest gap, which may last; when the first bad answer was near, and when all was good again."""
        longest_s = max(self.longest_s, now - self.last if self.bad else 0.0)
        whole = {"left": self.left, "back": self.back}
        return {"good": self.good, "bad": self.bad, "longest_gap_s": round(longest_s, 2), **whole}


@dataclass
class Asker:
    """Whom a question goes to."""

    addresses: list[str]
    patience_s: float
    logins: dict[str, Any]
    agents: set[str] = field(default_factory=set)
    frameworks: set[str] = field(default_factory=set)

    def get(self, address: str, port: int, path: str) -> tuple[int, Any]:
        """Status, and the answer's JSON if that is 200."""
        connection = http.client.HTTPConnection(address, port, timeout=self.patience_s)
        headers = {"Accept": "application/json"}
        login = self.logins.get(str(port))
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

    def word(self, address: str, text: bytes) -> bytes:
        """A ZooKeeper's answer to a four-letter word."""
        with socket.create_connection((address, 2181), timeout=self.patience_s) as connection:
            connection.sendall(text)
            answer = b""
            while part := connection.recv(4096):
                answer += part
            return answer

    def state(self, address: str) -> str:
        """Of a ZooKeeper: running, silent or down. One that begins an election drops its connections: asked again."""
        for _ in range(2):
            try:
                if self.word(address, b"ruok") == b"imok":
                    return "running"
            except TimeoutError:
                return "silent"
            except ConnectionRefusedError:
                break
            except OSError:
                continue
        return "down"

    def first(self, port: int, path: str) -> Any:
        """The first good answer, None if nobody gives one; a client would go on to the next, too."""
        for address in self.addresses:
            try:
                status, answer = self.get(address, port, path)
            except (OSError, http.client.HTTPException, ValueError):
                continue
            if status == 200:
                return answer
        return None

    # --- the questions: name -> whether the answer is good
    def marathon(self) -> dict[str, bool]:
        return {"marathon_api": self.first(8080, "/v2/apps") is not None}

    def mesos(self) -> dict[str, bool]:
        """Whole: all agents and frameworks that were active at first are so again."""
        # those that don't lead redirect, or know no leader
        summary = self.first(5050, "/master/state-summary")
        if summary is None:
            return {"mesos_leader": False, "mesos_whole": False}
        agents, frameworks = (
            {each["id"] for each in summary[kind] if each.get("active")} for kind in ("slaves", "frameworks")
        )
        self.agents, self.frameworks = self.agents or agents, self.frameworks or frameworks
        return {"mesos_leader": True, "mesos_whole": self.agents <= agents and self.frameworks <= frameworks}

    def ensemble(self) -> dict[str, bool]:
        """Whole: one leads, and all others follow in step with it."""
        told = [
            dict(line.split("\t", 1) for line in self.word(address, b"mntr").decode().splitlines() if "\t" in line)
            for address in self.addresses
        ]
        states = sorted(each.get("zk_server_state", "") for each in told)
        followers = len(self.addresses) - 1
        in_step = [each["zk_synced_followers"] for each in told if "zk_synced_followers" in each]
        whole = states == ["follower"] * followers + ["leader"] and [int(float(each)) for each in in_step] == [
            followers
        ]
        return {"zookeeper_whole": whole}


class Gauge(threading.Thread):
    """Asks again and again; keeps the gaps of what the question answers."""

    def __init__(self, names: tuple[str, ...], ask: Callable[[], dict[str, bool]], every_s: float) -> None:
        super().__init__(daemon=True)
        self.ask, self.every_s = ask, every_s
        self.gaps = {name: Gaps(time.monotonic()) for name in names}
        self.errors: dict[str, int] = {}

    def run(self) -> None:
        while not STOP.wait(self.every_s):
            try:
                answers = self.ask()
            except (OSError, http.client.HTTPException, ValueError, KazooException, KazooTimeoutError) as error:
                answers = dict.fromkeys(self.gaps, False)
                name = type(error).__name__
                self.errors[name] = self.errors.get(name, 0) + 1
            now = time.monotonic()
            for name, good in answers.items():
                self.gaps[name].add(good, now)

    def report(self) -> dict[str, Any]:
        now = time.monotonic()
        return {name: {**gaps.report(now), "errors": self.errors} for name, gaps in self.gaps.items()}


def main() -> None:
    addresses = sys.argv[1].split(",")
    every_s, patience_s = (float(word) for word in sys.argv[2:4])
    logins = json.loads(sys.stdin.readline() or "{}")
    auth = [("digest", logins["zookeeper"])] if "zookeeper" in logins else []
    client = KazooClient(",".join(f"{address}:2181" for address in addresses), timeout=10, auth_data=auth)
    client.start(timeout=30)
    client.ensure_path("/watcher")
    asker = Asker(addresses, patience_s, logins)
    written = 0

    def write() -> dict[str, bool]:
        nonlocal written
        # at most one attempt: what is measured is the wait
        client.set("/watcher", str(written).encode())
        written += 1
        return {"zookeeper_writes": True}

    most_down = silent = 0

    def majority() -> dict[str, bool]:
        nonlocal most_down, silent
        states = [asker.state(address) for address in addresses]
        most_down = max(most_down, states.count("down"))
        silent += states.count("silent")
        return {"zookeeper_majority": states.count("running") > len(addresses) // 2}

    gauges = [
        Gauge(("zookeeper_writes",), write, min(0.1, every_s)),
        Gauge(("zookeeper_majority",), majority, every_s),
        Gauge(("zookeeper_whole",), asker.ensemble, every_s),
        Gauge(("marathon_api",), asker.marathon, every_s),
        Gauge(("mesos_leader", "mesos_whole"), asker.mesos, every_s),
    ]
    signal.signal(signal.SIGTERM, lambda *_: STOP.set())
    for gauge in gauges:
        gauge.start()
    print("ready", flush=True)
    STOP.wait()
    for gauge in gauges:
        gauge.join(5)
    found: dict[str, Any] = {}
    for gauge in gauges:
        found |= gauge.report()
    data, _ = client.get("/watcher")
    found["zookeeper_writes"]["acknowledged_and_kept"] = int(data) >= written - 1
    found["zookeeper_majority"] |= {"most_down": most_down, "silent": silent}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
