"""A Jenkins tier in memory: Marathon, two nodes for masters with homes, and masters that answer as Jenkins does."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from clusterctl.errors import NodeError
from clusterctl.health.expect import Node, expected
from clusterctl.health.facts import NodeFacts
from clusterctl.jenkins.app import LABEL
from clusterctl.jenkins.home import MARKER, PRINCIPAL, TOKEN
from clusterctl.ops.jenkins.ground import Tier
from clusterctl.ops.jenkins.survey import LIVE
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.run import Run
from clusterctl.remote.jenkinsnodes import Asked, Reply
from clusterctl.remote.marathons import Answer, Call, MarathonError
from clusterctl.remote.masters import MasterError
from clusterctl.resources import Server
from clusterctl.spec.model import ClusterSpec
from tests.unit.health.clusters import FLAVORS, agent, all_facts, facts, server
from tests.unit.ops.clouds import Clock, demo_cloud, guard
from tests.unit.specs import demo

RELEASE = "2.319.3-0a1b2c3d"
CONTROL = ("demo-control-1", "demo-control-2", "demo-control-3")
NODES = {"demo-jenkins-1": "10.0.0.11", "demo-jenkins-2": "10.0.0.12"}


def jenkins_spec(**jenkins: Any) -> ClusterSpec:
    """The demo with a tier on two nodes with volumes; ``jenkins``: keys of that section."""
    data = demo(jenkins=jenkins)
    data["groups"]["jenkins"] |= {"count": 2, "volume": {"size": 10, "mount": "/srv/jenkins"}}
    return ClusterSpec.model_validate(data)


def jenkins_servers() -> list[Server]:
    return [
        *(server(name, "control", f"10.0.0.{number}", named=True) for number, name in enumerate(CONTROL, 1)),
        *(server(name, "jenkins", address, named=True) for name, address in NODES.items()),
    ]


class MemoryMarathon:
    """Implements ``remote.marathons.Marathon``.

    Attributes:
        apps: definitions by id.
        failing: names of masters whose tasks end at once.
        refusing: by id, the answer to every change of that app.
        down: no Marathon answers.
    """

    def __init__(self, clock: Clock) -> None:
        self.apps: dict[str, dict[str, Any]] = {}
        self.calls: list[Call] = []
        self.failing: set[str] = set()
        self.refusing: dict[str, Answer] = {}
        self.down = False
        self.restarted: list[str] = []
        self.stubborn: set[str] = set()  # names of masters whose tasks don't end
        self.launched: dict[str, int] = {}  # by id: how many tasks its app has had
        self.started_at = "2026-01-01T00:00:00Z"
        self._clock = clock
        self.on_change: Callable[[str], None] = lambda _: None

    @property
    def writes(self) -> list[Call]:
        return [call for call in self.calls if call.method != "GET"]

    def call(self, calls: Sequence[Call]) -> list[Answer]:
        if self.down:
            raise MarathonError("Marathon can't be asked:\nno Marathon has a running server")
        self.calls += calls
        return [self._one(call) for call in calls]

    def _one(self, call: Call) -> Answer:
        path = call.path.partition("?")[0].removeprefix("/v2/apps")
        if call.method == "GET" and not path:
            return Answer(200, {"apps": [self._shown(each) for each in self.apps.values()]})
        name = path.removesuffix("/restart")
        if name in self.refusing:
            return self.refusing[name]
        if call.method == "PUT":
            before = self.apps.get(path, {})
            self.apps[path] = before | call.body
            if self.apps[path]["instances"] and self.apps[path] != before:
                self._launch(path)
            return Answer(201, {"deploymentId": "d", "version": "v"})
        if name not in self.apps:
            return Answer(404, {"message": f"App '{name}' does not exist"})
        if call.method == "DELETE":
            del self.apps[name]
        else:
            self.restarted.append(name)
            self._launch(name)
        return Answer(200, {"deploymentId": "d", "version": "v"})

    def _launch(self, path: str) -> None:
        self.launched[path] = self.launched.get(path, 0) + 1
        self.on_change(path)

    def _shown(self, definition: Mapping[str, Any]) -> dict[str, Any]:
        name = definition.get("labels", {}).get(LABEL, "")
        runs = (definition["instances"] and name not in self.failing) or name in self.stubborn
        host = definition.get("constraints", [["", "", ""]])[0][2]
        task = {
            "id": f"{name}.{self.launched.get(definition['id'], 0)}",
            "host": host,
            "state": LIVE[2],
            "startedAt": self.started_at,
            "healthCheckResults": [{"alive": True}],
        }
        failure = {"state": "TASK_FAILED", "message": "exit status 3", "timestamp": "2026-01-01T00:00:00Z"}
        return {**definition, "tasks": [task] if runs else [], **({} if runs else {"lastTaskFailure": failure})}


@dataclass
class MemoryHome:
    """A home on a node."""

    marker: str
    user: str
    files: dict[str, str] = field(default_factory=dict)
    mode: int = 0o700
    mib: int = 40

    @property
    def uid(self) -> int:
        return 30000 + int(self.user.removeprefix("jm-"))


@dataclass
class MemoryMaster:
    """What a running master is asked for.

    Attributes:
        busy: running builds; one ends with every look at ``/computer``, unless it is an endless one.
        starting: looks until it has started.
        broken: what is wrong with it: ``login``, ``token``, ``inbound`` or ``builds``.
    """

    starting: int = 0
    busy: int = 0
    endless: bool = False
    quiet: bool = False
    broken: str = ""
    queue: int = 0
    jobs: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


class MemoryNodes:
    """Implements ``remote.jenkinsnodes.JenkinsNodes`` for homes and masters in memory."""

    def __init__(self, marathon: MemoryMarathon) -> None:
        self.homes_at: dict[str, dict[str, MemoryHome]] = {name: {} for name in NODES}
        self.aside: dict[str, dict[str, MemoryHome]] = {name: {} for name in NODES}
        self.masters: dict[str, MemoryMaster] = {}
        self.silent: dict[str, str] = {}  # node -> why it doesn't answer
        self.releases: dict[str, int] = {RELEASE: 10}
        self.current: str | None = RELEASE
        self.free_mib, self.size_mib = 9000, 10000
        self.starting = 1  # looks until a new master has started
        self.actions: list[tuple[str, str]] = []  # (node, action)
        self.refuse_unpack = ""
        self.refuse_volume = ""  # an action
        self.mounted = ""  # where a copy of a volume is
        self.copy: dict[str, MemoryHome] = {}  # the homes on it
        self.quiet_then: set[str] = set()  # masters that were quiet when the volume was flushed
        self.renewed = False  # whether the last unpacked home got new secrets
        self._marathon = marathon
        marathon.on_change = self._changed

    def master(self, name: str) -> MemoryMaster:
        return self.masters.setdefault(name, MemoryMaster())

    def _changed(self, path: str) -> None:
        self.masters[path.rpartition("/")[2]] = MemoryMaster(starting=self.starting)

    # --- homes ----------------------------------------------------------------

    def homes(self, requests: Mapping[str, Mapping[str, Any]], nodes: Sequence[Node]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, request in requests.items():
            assert name in [node.name for node in nodes]
            assert (request["directory"], request["mount"]) in (("/srv/jenkins",) * 2, (self.mounted,) * 2)
            self.actions.append((name, request["action"]))
            try:
                found[name] = self._action(name, request)
            except NodeError as error:
                found[name] = error
        return found

    def _action(self, node: str, request: Mapping[str, Any]) -> Any:
        if node in self.silent:
            raise NodeError(f"node {node}: {self.silent[node]}")
        return getattr(self, f"_{request['action']}")(node, request)

    def _survey(self, node: str, request: Mapping[str, Any]) -> Any:
        there = self.copy if request["directory"] == self.mounted else self.homes_at[node]
        return {
            "homes": [
                {"name": name, "uid": home.uid, "mode": home.mode, "marker": home.marker, "problem": ""}
                | {"principal": home.files.get(PRINCIPAL, "")}
                for name, home in sorted(there.items())
            ],
            "aside": sorted(self.aside[node]),
            "free_mib": self.free_mib,
            "size_mib": self.size_mib,
            "releases": self.releases,
            "current": self.current,
        }

    def _make(self, node: str, request: Mapping[str, Any]) -> Any:
        for each in request["homes"]:
            home = self.homes_at[node].setdefault(each["name"], MemoryHome(each["marker"], each["user"]))
            assert json.loads(home.marker)["slot"] == json.loads(each["marker"])["slot"]
            home.files |= each["files"]
        return []

    def _sizes(self, node: str, request: Mapping[str, Any]) -> Any:
        found = {name: self.homes_at[node].get(name) for name in request["names"]}
        found |= {name: self.aside[node].get(name) for name in request.get("aside", ())}
        return {name: home.mib if home else None for name, home in found.items()}

    def _purge(self, node: str, request: Mapping[str, Any]) -> None:
        for name in request["names"]:
            self.homes_at[node].pop(name, None)
        for name in request.get("aside", ()):
            self.aside[node].pop(name, None)

    def _set_aside(self, node: str, request: Mapping[str, Any]) -> str:
        home = self.homes_at[node].pop(request["name"])
        self.aside[node][f"{request['name']}-1"] = home
        return f"/srv/jenkins/.aside/{request['name']}-1"

    def _put_back(self, node: str, request: Mapping[str, Any]) -> str:
        self.homes_at[node][request["name"]] = self.aside[node].pop(Path(request["path"]).name)
        return f"/srv/jenkins/{request['name']}"

    def _login(self, node: str, request: Mapping[str, Any]) -> Any:
        assert request["name"] in self.homes_at[node]
        return {"admin": "admin", "password": "s3cret"}

    def pack(self, node: Node, request: Mapping[str, Any], into: IO[bytes]) -> Any:
        self.actions.append((node.name, "pack"))
        if node.name in self.silent:
            raise NodeError(f"node {node.name}: {self.silent[node.name]}")
        there = self.copy if request["directory"] == self.mounted else self.homes_at[node.name]
        home = there[request["name"]]
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as archive:
            for name, text in {MARKER: home.marker, TOKEN: "11", **home.files}.items():
                info = tarfile.TarInfo(name)
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))
        into.write(data.getvalue())
        digest = hashlib.sha256(data.getvalue()).hexdigest()
        return {"files": len(home.files) + 2, "bytes": len(data.getvalue()), "sha256": digest}

    def volume(self, node: Node, request: Mapping[str, Any]) -> Any:
        self.actions.append((node.name, request["action"]))
        if node.name in self.silent or request["action"] in self.refuse_volume:
            raise NodeError(f"node {node.name}: {self.silent.get(node.name) or self.refuse_volume}")
        if request["action"] == "mount":
            self.mounted = "/run/copy"
            return self.mounted
        if request["action"] == "unmount":
            self.mounted = ""
        else:
            assert request == {"action": "flush", "mount": "/srv/jenkins"}
            self.quiet_then = {name for name, master in self.masters.items() if master.quiet}
        return None

    def unpack(self, node: Node, request: Mapping[str, Any], archive: IO[bytes]) -> Any:
        self.actions.append((node.name, "unpack"))
        if self.refuse_unpack:
            raise NodeError(f"node {node.name}: {self.refuse_unpack}")
        assert request["name"] not in self.homes_at[node.name]
        data = archive.read()
        assert hashlib.sha256(data).hexdigest() == request["sha256"]
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as opened:
            files = {info.name: (opened.extractfile(info) or io.BytesIO()).read().decode() for info in opened}
        del files[MARKER], files[TOKEN]
        self.homes_at[node.name][request["name"]] = MemoryHome(request["marker"], request["user"], files)
        self.renewed = request["renew"]
        return {"bytes": len(data)}

    # --- Jenkins --------------------------------------------------------------

    def call(self, asked: Sequence[Asked]) -> dict[str, Any]:
        return {each.name: self._ask(each) for each in asked}

    def _ask(self, asked: Asked) -> Any:
        if asked.node.name in self.silent:
            return NodeError(f"node {asked.node.name}: {self.silent[asked.node.name]}")
        app = self._marathon.apps.get(f"/jenkins/{asked.name}", {"instances": 0})
        up = app["instances"] and asked.name not in self._marathon.failing
        if not up or asked.name not in self.homes_at[asked.node.name]:
            return [Reply(0, {}, "connection refused") for _ in asked.calls]
        master = self.master(asked.name)
        if master.starting:
            master.starting -= 1
            return [Reply(503, {}, "Please wait") for _ in asked.calls]
        return [self._reply(asked, master, call) for call in asked.calls]

    def _reply(self, asked: Asked, master: MemoryMaster, call: Mapping[str, Any]) -> Reply:  # noqa: PLR0911, PLR0912
        path = call["path"].partition("?")[0]
        master.asked.append(path)
        headers = {"x-jenkins": "2.319.3"}
        if "port" in call:
            assert call["port"] == asked.port + 1
            return Reply(0, {}, "connection refused") if master.broken == "inbound" else Reply(200, {}, "Jenkins")
        if path == "/login":
            return Reply(500 if master.broken == "login" else 200, headers, "")
        if master.broken == "token":
            return Reply(401, headers, "Unauthorized")
        if path == "/api/json":
            if "lastBuild" in call["path"]:
                return Reply(200, headers, {"jobs": master.jobs})
            return Reply(200, headers, {"mode": "NORMAL", "quietingDown": master.quiet, "jobs": [{"name": "a"}]})
        if path == "/computer/api/json":
            busy = master.busy
            master.busy -= bool(busy and not master.endless)
            last = {"displayName": "Built-In Node", "offline": False}
            return Reply(200, headers, {"busyExecutors": busy, "computer": [last]})
        if path == "/queue/api/json":
            return Reply(200, headers, {"items": [{"id": n, "why": "no agent"} for n in range(master.queue)]})
        if path == "/pluginManager/api/json":
            return Reply(200, headers, {"plugins": [{"shortName": "mesos", "version": "0.16", "active": True}]})
        if path == "/quietDown":
            master.quiet = True
            return Reply(302, headers, "")
        if path == "/cancelQuietDown":
            master.quiet = False
            return Reply(302, headers, "")
        if path == "/job/clusterctl-probe/doDelete":
            return Reply(404, headers, "")
        if path == "/createItem":
            return Reply(200, headers, "")
        if path == "/job/clusterctl-probe/build":
            return Reply(201, {**headers, "location": f"http://h:{asked.port}/queue/item/7/"}, "")
        if path == "/queue/item/7/api/json":
            waits = {"why": "no agents", "inQueueSince": 1000}
            return Reply(200, headers, waits | ({} if master.broken == "builds" else {"executable": {"number": 1}}))
        if path == "/job/clusterctl-probe/1/api/json":
            done = {"building": False, "result": "SUCCESS", "timestamp": 5500, "builtOn": "mesos-jenkins-1"}
            return Reply(200, headers, done)
        raise AssertionError(call)


class Probe:
    """A prober of the control nodes only; the agents are registered unless they are ``lost``."""

    def __init__(self) -> None:
        self.lost: set[str] = set()
        self.frameworks: list[str] = []

    def probe(self, _nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        agents = [agent(at, "jenkins-master", "marathon") for at in NODES.values() if at not in self.lost]
        frameworks = [{"id": f"f-{name}", "name": name, "active": True} for name in ("marathon", *self.frameworks)]
        return all_facts(c1=facts(1, mesos_master={"agents": agents, "frameworks": frameworks}))


class Mesos:
    """Implements ``remote.masters.Masters``; ``failure``: what the leader answers, '' for success."""

    def __init__(self) -> None:
        self.calls: list[Mapping[str, Any]] = []
        self.failure = ""

    def call(self, calls: Sequence[Mapping[str, Any]], agents: Sequence[str] = ()) -> list[Any]:
        if self.failure:
            raise MasterError(self.failure)
        self.calls += calls
        return [None for _ in calls]


class World:
    """All of it, and the tier that a verb is given."""

    def __init__(self, **jenkins: Any) -> None:
        self.spec = jenkins_spec(**jenkins)
        self.clock = Clock()
        self.marathon = MemoryMarathon(self.clock)
        self.nodes = MemoryNodes(self.marathon)
        self.prober = Probe()
        self.mesos = Mesos()
        self.cloud = demo_cloud()
        self.servers = jenkins_servers()
        self.notes: list[str] = []

    def tier(self, base: Path = Path("/nowhere")) -> Tier:
        command = Command("jenkins VERB", "demo.yml")
        return self.tier_at(Run(self.spec, self.cloud, command, guard(), Progress(self), self.clock.waiter()), base)

    def tier_at(self, run: Run, base: Path = Path("/nowhere")) -> Tier:
        vars(run)["access"] = SimpleNamespace(prober=self.prober)  # instead of what would connect to nodes
        return Tier(
            run=run,
            base=base,
            expect=expected(self.spec, self.servers, FLAVORS),
            marathon=self.marathon,
            mesos=self.mesos,
            jenkins=self.nodes,
        )

    @property
    def app_names(self) -> list[str]:
        return [path.removeprefix("/jenkins/") for path in self.marathon.apps]

    def started(self, _phase: str) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)

    def finished(self, _phase: str, _seconds: float) -> None: ...
