"""The Jenkins tier of a cluster under test, driven through the program and through each master's own API."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import labkit
import yaml

from tests.e2e.cluster import Cluster, eventually

HOMES = "/srv/jenkins"
# The stand-in's timers of a minute last ten seconds, so that a framework's leaving can be seen (its README)
QUICK = ["-Dstandin.minuteMillis=10000"]


def tier_file(name: str, *, zone: str = "container", builders: int = 2) -> Path:
    """The demo with an agent on which five masters have room, and two builders."""
    path = labkit.cluster_file("demo", zone, name=name)
    spec = yaml.safe_load(path.read_text())
    spec["groups"]["jenkins"]["flavor"] = labkit.ZONES[zone]["flavors"]["m1.large"]
    spec["groups"]["builders"]["count"] = builders
    spec["jenkins"]["master"] |= {"java_options": QUICK}
    path.write_text(json.dumps(spec, indent=1))  # JSON is YAML
    return path


class Tier:
    """The masters of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.created: dict[str, Any] = {}
        self._known: dict[str, dict[str, Any]] = {}
        self._numbers: dict[tuple[str, str], int] = {}  # items leave the queue's memory after five minutes

    def clusterctl(self, verb: str, *words: str) -> dict[str, Any]:
        """`clusterctl jenkins VERB FILE WORDS --json`."""
        found: dict[str, Any] = labkit.clusterctl("jenkins", verb, self.cluster.file, *words)
        return found

    def list(self) -> dict[str, dict[str, Any]]:
        """Name -> what `clusterctl jenkins list` tells of a master."""
        return {each["name"]: each for each in self.clusterctl("list")["masters"]}

    def nodes(self, group: str) -> list[str]:
        """Names of the nodes of a group."""
        return [node["name"] for node in self.cluster.status()["nodes"] if node["group"] == group]

    def home(self, name: str) -> str:
        """Path of a home on its node."""
        return f"{HOMES}/{name}"

    def pid(self, slot: int, node: str) -> int:
        """Of a master's JVM."""
        text = self.cluster.on(node, f"pgrep -u jm-{slot:03} -f 'jar /opt/jenkins'")
        [pid] = text.split()
        return int(pid)

    def frameworks(self) -> list[str]:
        """Names of the active frameworks of Jenkins masters, from the leading Mesos master."""
        leader = self.cluster.node(self.cluster.status()["leaders"]["mesos_master"])
        found = [
            each["name"] for each in self.cluster.mesos(leader, "/master/frameworks")["frameworks"] if each["active"]
        ]
        return sorted(name for name in found if name.startswith("jenkins-"))

    def moved(self) -> None:
        """Masters are asked anew where they are, and those that started anew count their queue from 1 again."""
        self._known.clear()
        self._numbers.clear()

    # --- a master's own API, asked on its node with its own token -------------------------------------------------
    def call(self, name: str, method: str, path: str, xml: str | None = None) -> str:
        """Body of an answer; headers come first where the method is POST."""
        if name not in self._known:  # a master stays where it is; else see ``moved``
            self._known = self.list()
        master = self._known[name]
        body = f"-H 'Content-Type: application/xml' --data-binary {shlex.quote(xml)}" if xml else ""
        token = f"$(cat {self.home(name)}/.clusterctl/token)"
        options = f"-gsS --max-time 30 -X {method} {'-D -' if method == 'POST' else ''} {body}"
        line = f'curl {options} -u "admin:{token}" "{master["url"].rstrip("/")}{path}"'
        return self.cluster.on(master["node"], f"sudo sh -c {shlex.quote(line)}")

    def job(self, name: str, job: str, shell: str) -> None:
        """A freestyle job with one shell step."""
        xml = (
            "<?xml version='1.0' encoding='UTF-8'?><project><assignedNode>mesos</assignedNode><canRoam>false</canRoam>"
            f"<builders><hudson.tasks.Shell><command>{shell}</command></hudson.tasks.Shell></builders></project>"
        )
        answer = self.call(name, "POST", f"/createItem?name={job}", xml)
        assert answer.split()[1] == "200", answer

    def build(self, name: str, job: str) -> str:
        """Asks for a build; path of its item in the queue."""
        answer = self.call(name, "POST", f"/job/{job}/build?delay=0sec")
        assert answer.split()[1] == "201", answer
        location = next(line.split()[1] for line in answer.splitlines() if line.lower().startswith("location:"))
        return "/queue/item/" + location.rstrip("/").rpartition("/")[2]

    def number(self, name: str, job: str, item: str, within_s: float = 180) -> int:
        """Number of the build that an item of the queue becomes; waits for it, and remembers it."""

        def started() -> int | None:
            found = json.loads(self.call(name, "GET", f"{item}/api/json"))
            return int(found["executable"]["number"]) if found.get("executable") else None

        key = (name, item)
        if key not in self._numbers:
            self._numbers[key] = eventually(f"{name}'s build of {job} starts", started, bool, within_s=within_s) or 0
        return self._numbers[key]

    def finished(self, name: str, job: str, item: str, *, within_s: float = 180) -> dict[str, Any]:
        """The build, once it is over."""
        number = self.number(name, job, item, within_s)
        return eventually(
            f"{name}'s build of {job} ends",
            lambda: dict(json.loads(self.call(name, "GET", f"/job/{job}/{number}/api/json"))),
            lambda found: found["result"] is not None,
            within_s=within_s,
        )

    def log(self, name: str, job: str, item: str) -> str:
        """Console text of a build."""
        return self.call(name, "GET", f"/job/{job}/{self.number(name, job, item)}/consoleText")

    def history(self, name: str, job: str) -> list[dict[str, Any]]:
        """All builds of a job, the newest first: number, result, start and log."""
        found = json.loads(self.call(name, "GET", f"/job/{job}/api/json?tree=builds[number]"))
        builds = []
        for number in (each["number"] for each in found["builds"]):
            path = f"/job/{job}/{number}"  # the stand-in's list of builds has their numbers only
            told = json.loads(self.call(name, "GET", f"{path}/api/json?tree=number,result,timestamp,duration"))
            builds.append({**told, "log": self.call(name, "GET", f"{path}/consoleText")})
        return builds

    def versions(self, name: str) -> dict[str, str]:
        """Versions of a master's core and of its plugins, as it tells them."""
        plugins = json.loads(self.call(name, "GET", "/pluginManager/api/json?tree=plugins[shortName,version]"))
        core = self.clusterctl("status", name)["core"]
        return {"core": core, **{each["shortName"]: each["version"] for each in plugins["plugins"]}}


def archive_of(report: dict[str, Any], name: str) -> Path:
    """The archive that `clusterctl jenkins backup --json` tells of."""
    return Path(report["done"][name].partition(" (")[0])


def purge(tier: Tier, name: str) -> None:
    """Deletes a master with its home, and looks that nothing of it is left."""
    node = tier.list()[name]["node"]
    tier.clusterctl("delete", name, "--purge", "--yes")
    assert name not in tier.list()
    assert name not in tier.cluster.on(node, f"sudo find {HOMES} -name '*{name}*'")
