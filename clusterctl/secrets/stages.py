"""Pure: the way of an open cluster to a closed one, while it serves.

Three stages, of which each two neighbours get on with each other, also where a service crashes in between and comes
back with the files of the later one:

1. ``OFFERED``: ZooKeeper's members and Mesos masters know the secrets, and serve whoever has none.
2. ``CLIENTS``: members, agents and Marathon say who they are; agents and Marathon ask who calls them.
3. ``REQUIRED``: members and masters serve nobody who doesn't say who he is.

How far a node is, its own files tell; nothing else keeps count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from clusterctl.services import ENSEMBLES, ROLL_ORDER, UNITS, Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import WITH_SECRETS, Part


class Stage(IntEnum):
    """See the module; ``OPEN`` is before the first one."""

    OPEN = 0
    OFFERED = 1
    CLIENTS = 2
    REQUIRED = 3


ON_THE_WAY = (Stage.OFFERED, Stage.CLIENTS, Stage.REQUIRED)
TOLD: Mapping[Stage, str] = {
    Stage.OFFERED: "offer authentication",
    Stage.CLIENTS: "clients authenticate",
    Stage.REQUIRED: "require authentication",
}

# Whose restarts a stage brings, in order. What else clients' files change, such as units, waits for theirs
ROLLED: Mapping[Stage, tuple[Service, ...]] = {
    Stage.OFFERED: ENSEMBLES,
    Stage.CLIENTS: ROLL_ORDER,
    Stage.REQUIRED: ROLL_ORDER,
}

ZOO_CFG = "/etc/zookeeper/zoo.cfg"
# By service, the file of a node that tells how far it is; everybody there may read it
FILES: Mapping[Service, str] = {
    Service.ZOOKEEPER: ZOO_CFG,
    Service.MESOS_MASTER: "/etc/default/mesos-master",
    Service.MESOS_AGENT: "/etc/default/mesos-agent",
    Service.MARATHON: "/etc/default/marathon",
}
# The stages that files fit, the first and the last of them
_Span = tuple[Stage, Stage]
_MEMBER = {
    "offered": (Stage.OFFERED, Stage.OFFERED),
    "learners": (Stage.CLIENTS, Stage.CLIENTS),
    "required": (Stage.REQUIRED, Stage.REQUIRED),
}
_OPEN_SERVER = (Stage.OPEN, Stage.OPEN)
_OPEN_CLIENT = (Stage.OPEN, Stage.OFFERED)
_CLOSED_CLIENT = (Stage.CLIENTS, Stage.REQUIRED)


@dataclass(frozen=True)
class Closing:
    """How far a node is.

    Attributes:
        texts: of its services' files (``FILES``); empty for one that is not there.
        pending: units that run with older files than those.
        secrets: whether it has any file with secrets.
        epochs: text of its file of epochs (``secrets.epochs``), None if it has none.
    """

    texts: Mapping[Service, str] = field(default_factory=dict)
    pending: frozenset[str] = frozenset()
    secrets: bool = False
    epochs: str | None = None

    def spans(self, part: Part) -> list[_Span]:
        """The stages of ``part`` that the files of each of the node's services fit."""
        return [_SPANS[part, each](text.splitlines()) for each, text in self.texts.items() if (part, each) in _SPANS]

    def closed(self, part: Part) -> bool:
        """Whether its files are those of the last stage."""
        return all(last >= Stage.REQUIRED for _, last in self.spans(part))


def _client(told: str, *, closed: bool = True) -> Callable[[Sequence[str]], _Span]:
    """Of one that is open or closed, which a line tells that begins so, or that it is missing (``closed=False``)."""

    def span(lines: Sequence[str]) -> _Span:
        found = any(line.startswith(told) for line in lines)
        return _CLOSED_CLIENT if lines and found is closed else _OPEN_CLIENT

    return span


def _member(lines: Sequence[str]) -> _Span:
    told = dict(line.split("=", 1) for line in lines if line.startswith("quorum.auth.") and "=" in line)
    if told.get("quorum.auth.enableSasl") != "true":
        return _OPEN_SERVER
    if told.get("quorum.auth.serverRequireSasl") == "true":
        return _MEMBER["required"]
    return _MEMBER["learners" if told.get("quorum.auth.learnerRequireSasl") == "true" else "offered"]


def _master_in_tree(lines: Sequence[str]) -> _Span:
    known = any(line.startswith("MESOS_ZK=file:") for line in lines)
    return (Stage.OFFERED, Stage.REQUIRED) if known else _OPEN_SERVER


def _master(lines: Sequence[str]) -> _Span:
    if "MESOS_AUTHENTICATE_AGENTS=true" in lines:
        return Stage.REQUIRED, Stage.REQUIRED
    known = any(line.startswith("MESOS_CREDENTIALS=") for line in lines)
    return (Stage.OFFERED, Stage.CLIENTS) if known else _OPEN_SERVER


def _api(lines: Sequence[str]) -> _Span:
    # its flags are not logged then, since a password is among them
    return _CLOSED_CLIENT if any("/marathon-logback.xml" in line for line in lines) else _OPEN_CLIENT


_SPANS: Mapping[tuple[Part, Service], Callable[[Sequence[str]], _Span]] = {
    (Part.ZOOKEEPER, Service.ZOOKEEPER): _member,
    (Part.ZOOKEEPER, Service.MESOS_MASTER): _master_in_tree,
    (Part.ZOOKEEPER, Service.MARATHON): _client("MARATHON_ZK=", closed=False),
    (Part.MESOS, Service.MESOS_MASTER): _master,
    (Part.MESOS, Service.MESOS_AGENT): _client("MESOS_CREDENTIAL="),
    (Part.MESOS, Service.MARATHON): _client("MARATHON_MESOS_AUTHENTICATION="),
    (Part.MARATHON, Service.MARATHON): _api,
}


def closed_parts(spec: ClusterSpec) -> list[Part]:
    """Those parts with stages that the file closes."""
    return [part for part in WITH_SECRETS if spec.secured(part)]


@dataclass(frozen=True)
class Position:
    """How far a part of a cluster is.

    Attributes:
        written: no node's files are to go back behind this stage.
        left: the stage at which it has to go on; None: it has been through all.
    """

    written: Stage
    left: Stage | None


def position(part: Part, nodes: Iterable[Closing]) -> Position:
    """Of ``part``. A stage is over when all nodes have its files and none runs with older ones.

    If nodes were more than a stage apart, as by a node that was made anew meanwhile, the way begins where the hindmost
    is: a step back to a neighbouring stage does no harm.
    """
    nodes = list(nodes)
    spans = [span for each in nodes for span in each.spans(part)]
    lacking = next((stage for stage in ON_THE_WAY if any(last < stage for _, last in spans)), None)
    before = Stage((lacking or Stage.REQUIRED + 1) - 1)
    if lacking is not None and any(first >= lacking for first, _ in spans):
        return Position(lacking, lacking)  # begun
    units = {f"{UNITS[service]}.service" for of, service in _SPANS if of is part}
    if any(each.pending & units for each in nodes):
        # what is on the disk doesn't run everywhere yet
        return Position(before, max(before, Stage.OFFERED))
    return Position(before, lacking)


def kept_closed(spec: ClusterSpec, nodes: Iterable[Closing]) -> list[Part]:
    """Parts that the file leaves open, and of which a node has begun the way."""
    nodes = list(nodes)
    return [
        part
        for part in WITH_SECRETS
        if not spec.secured(part) and any(first > Stage.OPEN for each in nodes for first, _ in each.spans(part))
    ]


@dataclass(frozen=True)
class Way:
    """What lies before a cluster.

    Attributes:
        positions: by part that the file closes.
    """

    spec: ClusterSpec
    positions: Mapping[Part, Position]

    @property
    def stages(self) -> list[Stage]:
        """In order. The last one is always there: it brings whatever else nodes lack."""
        lowest = min((each.left for each in self.positions.values() if each.left), default=Stage.REQUIRED)
        return [stage for stage in ON_THE_WAY if stage >= lowest]

    @property
    def closing(self) -> list[Part]:
        """Parts with stages that are not closed yet."""
        return [part for part, each in self.positions.items() if each.left]

    def at(self, part: Part, stage: Stage) -> Stage:
        """Where ``part`` is at a stage of the whole: one that is further already does not go back."""
        return max(stage, self.positions[part].written)

    def variables(self, stage: Stage) -> dict[str, Any]:
        """Variables of roles that differ at a stage from what the file says, or say the same."""
        found: dict[str, Any] = {}
        if Part.ZOOKEEPER in self.positions:
            here = self.at(Part.ZOOKEEPER, stage)
            auth = next(name for name, (each, _) in _MEMBER.items() if each is here)
            found |= {"zookeeper_members_auth": auth, "marathon_zk_credentials": here >= Stage.CLIENTS}
        if Part.MESOS in self.positions:
            here = self.at(Part.MESOS, stage)
            found |= {"mesos_master_authentication_required": here >= Stage.REQUIRED}
            clients = ("mesos_agent_authentication", "marathon_mesos_authentication", "jenkins_authentication")
            found |= dict.fromkeys(clients, here >= Stage.CLIENTS)
        if Part.MARATHON in self.positions:
            found["marathon_secured"] = self.at(Part.MARATHON, stage) >= Stage.CLIENTS
        return found

    def judged(self, stage: Stage) -> ClusterSpec:
        """The cluster that the gates of a stage's rolls expect: ZooKeeper's tree is closed when all clients are known
        to it, which is so before the last stage.
        """
        if Part.ZOOKEEPER not in self.positions or self.at(Part.ZOOKEEPER, stage) >= Stage.REQUIRED:
            return self.spec
        security = self.spec.security
        opened = {
            "insecure": (*security.insecure, Part.ZOOKEEPER.value),
            "require": tuple(name for name in security.require if name != Part.ZOOKEEPER.value),
        }
        return self.spec.model_copy(update={"security": security.model_copy(update=opened)})


def way_of(spec: ClusterSpec, nodes: Iterable[Closing]) -> Way:
    """What the file closes against what the nodes are."""
    nodes = list(nodes)
    return Way(spec, {part: position(part, nodes) for part in closed_parts(spec)})
