"""Values for the tests: a configuration, offers, apps, instances, and a leader without ZooKeeper, Mesos and time."""

from collections.abc import Sequence
from typing import Any

from lab.standins.marathon.marathon_standin.api import LeaderApi
from lab.standins.marathon.marathon_standin.appspec import App, complete, new_app, read
from lab.standins.marathon.marathon_standin.config import Config
from lab.standins.marathon.marathon_standin.events import EventBus
from lab.standins.marathon.marathon_standin.flags import parse
from lab.standins.marathon.marathon_standin.groups import Roles
from lab.standins.marathon.marathon_standin.instance import RUNNING, Instance
from lab.standins.marathon.marathon_standin.messages import Request, Response
from lab.standins.marathon.marathon_standin.scheduler import Scheduler
from lab.standins.marathon.marathon_standin.state import Change, State, Stored

Json = dict[str, Any]
ROLES = Roles({"marathon"}, "marathon")


def config(*flags: str) -> Config:
    return parse(["--master", "127.0.0.1:5050", "--hostname", "me", "--mesos_role", "marathon", *flags])


def scalar(name: str, value: float, role: str = "*") -> Json:
    reservations = [] if role == "*" else [{"type": "STATIC", "role": role}]
    return {
        "name": name,
        "type": "SCALAR",
        "scalar": {"value": value},
        "allocation_info": {"role": "marathon"},
        **({"reservations": reservations} if reservations else {}),
    }


def ports(begin: int, end: int, role: str = "*") -> Json:
    resource = {**scalar("ports", 0, role), "type": "RANGES", "ranges": {"range": [{"begin": begin, "end": end}]}}
    del resource["scalar"]
    return resource


def text_attribute(name: str, value: str) -> Json:
    return {"name": name, "type": "TEXT", "text": {"value": value}}


def offer(hostname: str = "a1", role: str = "*", cpus: float = 4, number: int = 1, **attributes: str) -> Json:
    """An offer of one agent all of whose resources are of one reservation role."""
    return {
        "id": {"value": f"o-{hostname}-{number}"},
        "agent_id": {"value": f"agent-{hostname}"},
        "hostname": hostname,
        "allocation_info": {"role": "marathon"},
        "attributes": [text_attribute(name, value) for name, value in attributes.items()],
        "resources": [
            scalar("cpus", cpus, role),
            scalar("mem", 1024, role),
            scalar("disk", 1024, role),
            ports(31000, 31009, role),
        ],
    }


def app(app_id: str = "/a", now: float = 1000.0, **fields: Any) -> App:
    given = read({"id": app_id, "cmd": "sleep 1", "cpus": 1, "mem": 128, **fields})
    return new_app(complete(given, None, config(), (), ROLES), None, now)


def instance(number: int, of: App, **fields: Any) -> Instance:
    """A running instance of the app on a host of its own."""
    values: Json = {
        "id": f"i{number}",
        "app_id": of.id,
        "version": of.version,
        "role": "marathon",
        "agent_id": f"agent-h{number}",
        "hostname": f"h{number}",
        "state": RUNNING,
        "started_at": 1000.0 + number,
    }
    return Instance(**{**values, **fields})


class Memory:
    """A repository that remembers what was committed, in order, and its content."""

    def __init__(self) -> None:
        self.commits: list[list[Change]] = []
        self.data: dict[str, dict[str, Json]] = {}
        self.framework_id: str | None = None

    def commit(self, changes: Sequence[Change]) -> None:
        self.commits.append(list(changes))
        for kind, key, data in changes:
            if data is None:
                self.data.setdefault(kind, {}).pop(key, None)
            else:
                self.data.setdefault(kind, {})[key] = data

    def save_framework_id(self, framework_id: str) -> None:
        self.framework_id = framework_id


class Leader:
    """A scheduler whose clock, Mesos and client are the test."""

    def __init__(self, *flags: str, stored: Stored | None = None, framework_id: str | None = None) -> None:
        self.now = 1_000_000.0
        self.repository = Memory()
        self.state = State(self.repository, stored, framework_id)
        if "--reconciliation_initial_delay" not in flags:  # else it comes between what the tests count
            flags = (*flags, "--reconciliation_initial_delay", str(10**9))
        self.scheduler = Scheduler(self.state, config(*flags), lambda: self.now)
        self.abdicated = False
        self.bus = EventBus(lambda: self.now)
        self.told: list[tuple[str, Json]] = []
        self.api = LeaderApi(
            self.scheduler, lambda function: function(), self.bus, lambda: {"name": "marathon"}, self._abdicate
        )

    def _abdicate(self) -> None:
        self.abdicated = True

    def settle(self) -> list[Json]:
        """What the actor does after each message; the calls that went to Mesos."""
        self.scheduler.settle()
        self.state.flush()
        calls = self.scheduler.outbox.drain()
        self.told += self.scheduler.outbox.drain_events()
        return calls

    def event(self, kind: str, **content: Any) -> list[Json]:
        self.scheduler.event({"type": kind, **content})
        return self.settle()

    def subscribe(self) -> list[Json]:
        return self.event("SUBSCRIBED", subscribed={"framework_id": {"value": "fw-1"}})

    def offers(self, *offers: Json) -> list[Json]:
        return self.event("OFFERS", offers={"offers": list(offers)})

    def update(self, task_id: str, state: str, **more: Any) -> list[Json]:
        known = self.state.instances.get(task_id)
        agent = {"value": known.agent_id if known else "agent-x"}
        status = {"task_id": {"value": task_id}, "agent_id": agent, "state": state, "uuid": "dQ==", **more}
        return self.event("UPDATE", update={"status": status})

    def wait(self, seconds: float) -> list[Json]:
        self.now += seconds
        return self.settle()

    def ask(self, method: str, target: str, body: bytes = b"") -> tuple[Response, list[Json]]:
        """One request, and the calls to Mesos that came of it."""
        response = self.api.answer(Request(method, target, body=body))
        return response, self.settle()

    def events(self, *wanted: str) -> list[Json]:
        """The events told since the last call, of these kinds or of all; the kind is added as "kind"."""
        found = [{"kind": kind, **fields} for kind, fields in self.told if not wanted or kind in wanted]
        self.told.clear()
        return found

    def run_everything(self, *offers: Json) -> None:
        """Give offers, and report every launched task as running."""
        self.offers(*offers)
        for task_id in [i.id for i in self.state.instances.values() if i.state == "TASK_CREATED"]:
            self.update(task_id, "TASK_RUNNING")


def kinds(calls: Sequence[Json]) -> list[str]:
    return [call["type"] for call in calls]


def launched(calls: Sequence[Json]) -> list[Json]:
    """The TaskInfos in ACCEPT calls."""
    accepts = [call["accept"] for call in calls if call["type"] == "ACCEPT"]
    operations = [operation for accept in accepts for operation in accept["operations"]]
    return [task for operation in operations for task in operation["launch"]["task_infos"]]
