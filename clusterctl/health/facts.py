"""What the probe found on a node: the shapes of the JSON that ``probe.py`` prints.

Each part has ``error``: empty, or why nothing else is known of it.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

BOOT_FILE = "/var/lib/clusterctl/boot.json"


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    error: str = ""


class Unknown(_Facts):
    """Instead of a list that could not be had."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BootFacts(_Facts):
    """The post-install script's own file; ``state`` is ``running``, ``done`` or ``failed``."""

    state: str = ""
    step: str | None = None
    detail: str | None = None


class ZooKeeperFacts(_Facts):
    """Four-letter word ``mntr``. The leader alone counts its followers."""

    state: str = ""  # leader, follower, observer, standalone
    version: str = ""
    synced_followers: int | None = None
    closed: bool = False  # this member's zookeeper-tree.service has closed the tree to strangers


class AgentFacts(BaseModel):
    """An agent as the leading master knows it (``/master/state-summary``)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    hostname: str
    active: bool = False
    attributes: dict[str, str | float] = {}
    version: str = ""
    resources: dict[str, float | str] = {}
    used_resources: dict[str, float | str] = {}
    reserved: dict[str, dict[str, float | str]] = {}
    unreserved: dict[str, float | str] = {}
    tasks: int = 0
    drain: str | None = None  # DRAINING, DRAINED


class FrameworkFacts(BaseModel):
    """A framework as the leading master knows it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    name: str = ""
    active: bool = False
    connected: bool = False
    roles: tuple[str, ...] = ()
    tasks: int = 0


class MasterFacts(_Facts):
    """A Mesos master. ``leader`` is the ``host:port`` that it redirects to; agents and frameworks: the leader only."""

    elected: bool = False
    log_recovered: bool = False
    ensemble_size: int = 0
    registrar_recovered: bool = False
    leader: str | None = None
    no_leader: str = ""
    version: str = ""
    agents: tuple[AgentFacts, ...] | None = None
    frameworks: tuple[FrameworkFacts, ...] = ()


class MesosAgentFacts(_Facts):
    """A Mesos agent of itself."""

    id: str = ""
    version: str = ""
    registered: bool = False
    master: str | None = None
    attributes: dict[str, str] = {}


class JenkinsApp(BaseModel):
    """A Marathon app with the label ``clusterctl.jenkins``.

    Attributes:
        name: of the master, the label's value.
        slot: its label, None if it has none.
        bound: the host that it is bound to, '' if it is bound to none.
        hosts: of its live tasks.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    name: str = ""
    slot: int | None = None
    bound: str = ""
    instances: int = 0
    running: int = 0
    hosts: tuple[str, ...] = ()


class Deployment(BaseModel):
    """A deployment of Marathon under way; ``since`` is ISO 8601."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    since: str = ""
    apps: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()

    def __str__(self) -> str:
        doing = f": {', '.join(self.actions)}" if self.actions else ""
        return f"{self.id} of {', '.join(self.apps) or 'no app'} since {self.since or 'an unknown time'}{doing}"


class Ghost(BaseModel):
    """A task that Marathon lists on an agent that is not heard of any more."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    app: str
    host: str
    agent: str


class MarathonFacts(_Facts):
    """A Marathon. ``leader`` is the ``host:port`` that it takes for it; ``jenkins`` and ``ghosts``: the leader only.

    ``turning``: it runs, and its leader wants another password than it does, while that is turned over.
    """

    leader: str | None = None
    no_leader: str = ""
    framework_id: str | None = None
    version: str = ""
    deployments: tuple[Deployment, ...] = ()
    ghosts: tuple[Ghost, ...] = ()
    turning: bool = False
    jenkins: tuple[JenkinsApp, ...] | Unknown = ()


class HomeFacts(BaseModel):
    """A Jenkins master's home. ``login``: what ``/login`` answered at its port, 0 for nothing."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    slot: int | None = None  # of its owner; None: no master's user
    login: int = 0


class HomesFacts(_Facts):
    """The homes of Jenkins masters on a node, and the space there."""

    homes: tuple[HomeFacts, ...] = ()
    free_mib: int = 0
    size_mib: int = 0


class DiskFacts(BaseModel):
    """A file system, named by the first of the services' directories on it; what is free is so for services."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: str
    free_mib: int
    size_mib: int
    free_inodes: int = 0
    inodes: int = 0


class ClockFacts(BaseModel):
    """When a node was asked: by its own clock (seconds since 1970), and by one that the asker uses for all."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    began_s: float
    ended_s: float
    asked_s: float | None = None
    answered_s: float | None = None

    @property
    def ahead_s(self) -> tuple[float, float] | None:
        """How far the node's clock is ahead of the asker's, at least and at most: it began when it had been asked, and
        had ended when the answer came. None where the asker did not look at its clock.
        """
        if self.asked_s is None or self.answered_s is None:
            return None
        return self.ended_s - self.answered_s, self.began_s - self.asked_s


class ProcessFacts(BaseModel):
    """How a unit's main process is held, as the kernel tells."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    no_new_privileges: bool
    filtered: bool  # its system calls
    own_mounts: bool


class ConfinementFacts(_Facts):
    """``rules`` for tenants' users: loaded, missing, changed, stale; None where not asked for."""

    rules: str | None = None
    units: dict[str, ProcessFacts] = {}  # that run


class NodeFacts(_Facts):
    """Everything found on one node; ``error``: the node itself could not be asked. Services not asked for are None.

    ``digest`` is of all that matters to anybody who waits: as long as it stays, nothing has changed.
    """

    digest: str = ""
    boot: BootFacts = BootFacts()
    zookeeper: ZooKeeperFacts | None = None
    mesos_master: MasterFacts | None = None
    mesos_agent: MesosAgentFacts | None = None
    marathon: MarathonFacts | None = None
    homes: HomesFacts | None = None
    disks: tuple[DiskFacts, ...] = ()
    confinement: ConfinementFacts | None = None
    clock: ClockFacts | None = None
    units: dict[str, str] = {}  # systemd's state of the units of the services that gave an error

    def trouble(self, unit: str, part: _Facts | None) -> str:
        """Why a service gives no facts; empty if it does.

        Args:
            unit: its systemd unit.
        """
        if self.error:
            return "not reached"  # the check ``boot`` says why
        if part is None:
            return "not asked"
        if not part.error:
            return ""
        state = self.units.get(unit)
        return f"{part.error} (unit {unit} is {state})" if state else part.error
