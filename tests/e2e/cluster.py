"""A cluster under test: created, asked, hurt and destroyed through the program."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import labkit

T = TypeVar("T")
# Its one task appends a line a second on a builder; the pid tells whether it is still the same process
COUNTER = {
    "id": "/counter",
    "cmd": "while true; do echo $$ >> /tmp/counter; sleep 1; done",
    "cpus": 0.1,
    "mem": 32,
    "instances": 1,
    "constraints": [["pool", "CLUSTER", "jenkins-builder"]],
}
# The same, with the time of each line
TIMED_COUNTER = {**COUNTER, "cmd": "while true; do echo $$ $(date +%s.%N) >> /tmp/counter; sleep 1; done"}


class Cluster:
    """``with Cluster(file) as cluster``: created on entry, destroyed with its volumes on exit."""

    def __init__(self, file: Path, *options: str) -> None:
        self.file, self.options = file, options
        self.created: dict[str, Any] = {}

    def __enter__(self) -> Cluster:
        try:
            self.created = self.create()
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        left = self.destroy()["left"]
        assert sum(left.values()) == 0, f"destroy left {left}"

    def destroy(self) -> dict[str, Any]:
        """`clusterctl destroy --volumes`."""
        return labkit.clusterctl("destroy", self.file, "--yes", "--volumes")

    def create(self) -> dict[str, Any]:
        """`clusterctl create`, with the options given to us."""
        return labkit.clusterctl("create", self.file, *self.options)

    def status(self) -> dict[str, Any]:
        """`clusterctl status`."""
        return labkit.clusterctl("status", self.file)

    def verify(self, *options: str) -> dict[str, Any]:
        """`clusterctl verify`; an unhealthy cluster is an answer, not an error."""
        return labkit.clusterctl("verify", self.file, *options, check=False)

    def on(self, node: str, command: str) -> str:
        """Output of a shell command on a node."""
        done = subprocess.run(
            [labkit.PROGRAM, "ssh", self.file, node, "--", "sh", "-c", command],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout

    def node(self, name: str) -> dict[str, Any]:
        """Status of one node."""
        found: dict[str, Any] = next(each for each in self.status()["nodes"] if each["name"] == name)
        return found

    def marathon(self, method: str, path: str, body: dict[str, Any] | None = None, *, but: str = "") -> dict[str, Any]:
        """A call of Marathon's API, sent on the first node that runs it; ``but`` on this one."""
        nodes = [each for each in self.status()["nodes"] if each["name"] != but]
        node = next(each for each in nodes if "marathon" in each["services"])
        data = f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'" if body is not None else ""
        url = f"http://{node['address']}:8080{path}"
        # With the password, where the node has one
        login = "$(sudo ls /etc/clusterctl/secrets/marathon.curl 2>/dev/null || echo /dev/null)"
        curl = f'sudo curl -K "{login}" -sS --max-time 30 -X {method} {data} "{url}"'
        found: dict[str, Any] = json.loads(self.on(node["name"], curl))
        return found

    def tasks(self, app: str) -> list[dict[str, Any]]:
        """An app's tasks; where Marathon doesn't answer, one whose ``state`` says why.

        It ends when it loses its ZooKeeper, and takes some seconds to start: to be asked again, and told at last.
        """
        try:
            found: list[dict[str, Any]] = self.marathon("GET", f"/v2/apps/{app}/tasks")["tasks"]
        except subprocess.CalledProcessError as error:
            return [{"state": str(error)}]
        return found

    def counter(self) -> str:
        """Id of the one task of ``COUNTER``, which runs."""
        (found,) = eventually(
            "the counter runs",
            lambda: self.tasks("counter"),
            lambda tasks: [each["state"] for each in tasks] == ["TASK_RUNNING"],
            within_s=240,
        )
        return str(found["id"])

    def agents(self) -> dict[str, str]:
        """Address -> agent id, from the leading master."""
        leader = self.node(self.status()["leaders"]["mesos_master"])
        found = self.mesos(leader, "/master/slaves")["slaves"]
        return {each["hostname"]: each["id"] for each in found if each["active"]}

    def mesos(self, leader: dict[str, Any], path: str) -> dict[str, Any]:
        """GET of a master, sent on its node, with the operator's password where the node has one."""
        login = "$(sudo ls /etc/clusterctl/secrets/mesos-operator.curl 2>/dev/null || echo /dev/null)"
        url = f"http://{leader['address']}:5050{path}"
        found: dict[str, Any] = json.loads(self.on(leader["name"], f'sudo curl -K "{login}" -sS --max-time 10 "{url}"'))
        return found


def eventually(what: str, ask: Callable[[], T], good: Callable[[T], bool], *, within_s: float = 120) -> T:
    """The first answer that is good; asked anew at most once a second."""
    deadline = time.monotonic() + within_s
    while True:
        answer = ask()
        if good(answer):
            return answer
        assert time.monotonic() < deadline, f"{what}: still {answer!r} after {within_s} s"
        time.sleep(1)
