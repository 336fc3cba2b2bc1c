"""Rules of ``secrets rotate``, on a cluster that rolls can be tried on: whoever runs gets along with all others at all
times, the last secrets are known to nobody afterwards, and a killed run goes on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from clusterctl.ansible.playbook import PlaybookResult
from clusterctl.errors import CancelledError, ClusterctlError, InputError, NodeError
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.delivery import Delivery
from clusterctl.ops.kit.lock import Guard
from clusterctl.ops.kit.run import Run
from clusterctl.ops.roll.ground import Rolling
from clusterctl.ops.roll.report import RollError
from clusterctl.ops.roll.steps import Roll
from clusterctl.ops.secure.rotate import RotateReport, checked, rotate
from clusterctl.resources import PortRequest, owner_mark
from clusterctl.secrets.derive import Keyring
from clusterctl.secrets.epochs import FIRST, Epochs
from clusterctl.secrets.files import DIRECTORY
from clusterctl.secrets.mesos_files import JENKINS_DIRECTORY
from clusterctl.secrets.names import names
from clusterctl.secrets.nodes import EPOCHS_FILE, KEY_FILE
from clusterctl.secrets.secret import Secret
from clusterctl.secrets.stages import FILES, Stage
from clusterctl.secrets.zookeeper import digest_id
from clusterctl.services import UNITS, Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.ssh.process import Finished
from tests.unit.health.clusters import CONTROL
from tests.unit.ops.clouds import guard
from tests.unit.ops.kit.nodes import Node, Nodes
from tests.unit.ops.roll.world import AGENT, MARATHON, MASTER, ONE, ZK, Inline, World
from tests.unit.specs import demo_spec, only_closed

SPEC = demo_spec(security=only_closed("zookeeper", "mesos", "marathon"))
# What a unit remembers of its start (``config-digest record``), as far as it is secret
RECORDED: Mapping[Service, tuple[str, ...]] = {
    ZK: ("zookeeper.jaas", "zookeeper.options", "zookeeper-tree.json"),
    MASTER: (
        "mesos-master-zookeeper",
        "mesos-master-credentials.json",
        "mesos-master-acls.json",
        "mesos-master-rate-limits.json",
    ),
    AGENT: ("mesos-agent-credential.json", "mesos-agent-http-credentials.json", "mesos-agent-acls.json"),
    MARATHON: ("marathon.env", "marathon-zookeeper", "marathon-mesos-secret"),
}
CONFIGURED = {
    FILES[ZK]: "quorum.auth.enableSasl=true\nquorum.auth.learnerRequireSasl=true\nquorum.auth.serverRequireSasl=true\n",
    FILES[MASTER]: "MESOS_ZK=file:///x\nMESOS_AUTHENTICATE_AGENTS=true\n",
    FILES[AGENT]: "MESOS_CREDENTIAL=file:///x\n",
    FILES[MARATHON]: "MARATHON_MESOS_AUTHENTICATION=\nJAVA_OPTS=/marathon-logback.xml\n",
}
Files = Mapping[str, str]


class Turning(World):
    """Closed. It remembers what each service was started with, and looks after each restart who knows whom."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.nodes: Nodes
        self.running: dict[tuple[Service, str], Files] = {}
        self.apps: list[dict[str, Any]] = []
        self.tenants: dict[str, str] = {}  # Jenkins masters that run: what they read at their start
        self.quarrels: list[str] = []

    def disk(self, name: str) -> Files:
        files = self.nodes.of[self.address[name]].files
        return {path.removeprefix(f"{DIRECTORY}/"): text for path, text in files.items()}

    def start(self, service: Service, name: str) -> None:
        """With what its node has now."""
        self.running[service, name] = {file: self.disk(name)[file] for file in RECORDED[service]}

    def tenant(self, app: Mapping[str, Any]) -> str:
        """What a Jenkins master would read now."""
        [text] = [
            text
            for node in self.nodes.of.values()
            for path, text in node.files.items()
            if path == f"{JENKINS_DIRECTORY}/jm-{app['slot']:03d}"
        ]
        return text

    def restart_tenants(self, principals: Mapping[int, str]) -> list[str]:
        """See ``Tenants``."""
        late = [
            each
            for each in self.apps
            if each["running"] and not self.tenants[each["name"]].startswith(f"{principals[each['slot']]}:")
        ]
        for each in late:
            self._event(f"restarted jenkins {each['name']}")
            self.tenants[each["name"]] = self.tenant(each)
            self.quarrels += quarrels(self)
        return [each["name"] for each in late]

    def late(self, name: str) -> list[str]:
        """Units that run with older files."""
        disk = self.disk(name)
        started = [(service, had) for (service, its), had in self.running.items() if its == name]
        return [f"{UNITS[of]}.service" for of, had in started if any(disk[file] != text for file, text in had.items())]

    def run(self, playbook: str, names: Sequence[str], variables: Mapping[str, Any] | None = None) -> PlaybookResult:
        done = super().run(playbook, names, variables)
        assert playbook == "restart"
        assert variables is not None
        service = next(of for of, unit in UNITS.items() if variables["roll_unit"] == f"{unit}.service")
        for name in names:
            self.start(service, name)
        self.quarrels += quarrels(self)
        return done

    def _marathon(self, name: str) -> dict[str, Any]:
        found = super()._marathon(name)
        return found | {"jenkins": self.apps} if found.get("leader") == f"{self.address[name]}:8080" else found

    def _mesos_master(self, name: str) -> dict[str, Any]:
        found = super()._mesos_master(name)
        if "frameworks" in found:
            active = {"active": True, "connected": True, "roles": ["jenkins"]}
            running = [each for each in self.apps if each["running"]]
            found["frameworks"] += [{"id": each["id"], "name": f"jenkins-{each['name']}", **active} for each in running]
        return found

    def _zookeeper(self, name: str) -> dict[str, Any]:
        return super()._zookeeper(name) | {"closed": True}


def pairs(text: str) -> set[tuple[str, str]]:
    """Of a file of credentials."""
    return {(each["principal"], each["secret"]) for each in json.loads(text)["credentials"]}


def login(text: str) -> set[tuple[str, str]]:
    found = json.loads(text)
    return {(found["principal"], secret) for secret in (found["secret"], *found.get("others", []))}


def _logs_in(file: str, known: str, had: Files, knows: Files) -> bool:
    return login(had[file]) <= pairs(knows[known])


def quarrels(world: Turning) -> list[str]:
    """Who would be refused now by whom: of what runs, and of what would begin anew with what its node has."""
    found: list[str] = []

    def states(service: Service) -> Iterator[tuple[str, Files]]:
        for (of, name), had in world.running.items():
            if of is service:
                yield f"{name} as it runs", {**world.disk(name), **had}
                yield f"{name} if it began anew", world.disk(name)

    def see(what: str, told: Callable[[Files, Files], bool], who: Service, whom: Service) -> None:
        # one that begins anew meets those that run
        for client, had in states(who):
            for server, knows in states(whom):
                if "runs" in server and not told(had, knows):
                    found.append(f"{what}: {client}, {server}")

    def learner(had: Files) -> tuple[str, str]:
        at = had["zookeeper.jaas"].index("QuorumLearner")
        [(user, secret)] = re.findall(r'username="(\w+)"\s+password="([\w-]+)"', had["zookeeper.jaas"][at:])
        return user, secret

    def known(had: Files) -> set[tuple[str, str]]:
        return set(re.findall(r'user_(\w+)="([\w-]+)"', had["zookeeper.jaas"]))

    def owners(had: Files, path: str) -> set[str]:
        [node] = [each for each in json.loads(had["zookeeper-tree.json"])["nodes"] if each["path"] == path]
        return {who for _, scheme, who in node["acl"] if scheme == "digest"}

    def identity(pair: str) -> str:
        user, secret = pair.strip().split(":")
        return digest_id(user, Secret(secret))

    def agents_credential(had: Files) -> tuple[str, str]:
        credential = json.loads(had["mesos-agent-credential.json"])
        return (credential["principal"], credential["secret"])

    see("members", lambda a, b: learner(a) in known(b), ZK, ZK)
    see("masters in the tree", lambda a, b: identity(a["mesos-master-zookeeper"]) in owners(b, "/mesos"), MASTER, ZK)
    see(
        "Marathon in the tree",
        lambda a, b: (
            identity(a["marathon-zookeeper"]) in owners(b, "/marathon")
            or f"superDigest={identity(a['marathon-zookeeper'])}\n" in b["zookeeper.options"]
        ),
        MARATHON,
        ZK,
    )
    see("agents", lambda a, b: agents_credential(a) in pairs(b["mesos-master-credentials.json"]), AGENT, MASTER)
    for file in ("mesos-operator.json", "mesos-probe.json"):
        see(file, partial(_logs_in, file, "mesos-master-credentials.json"), MASTER, MASTER)
    for who in (MASTER, AGENT):
        see(
            "asking agents",
            partial(_logs_in, "mesos-agent-probe.json", "mesos-agent-http-credentials.json"),
            who,
            AGENT,
        )
    see(
        "asking Marathon",
        lambda a, b: (
            {f"{user}:{secret}" for user, secret in login(a["marathon-http.json"])}
            >= {b["marathon.env"].strip().partition("=")[2]}
        ),
        MARATHON,
        MARATHON,
    )
    rules = {MASTER: "mesos-master-acls.json", AGENT: "mesos-agent-acls.json"}
    for app in world.apps:
        for state in {world.tenants[app["name"]], world.tenant(app)} if app["running"] else ():
            principal, _, secret = state.partition(":")
            for (kind, node), had in world.running.items():
                if kind is MASTER and (principal, secret) not in pairs(had["mesos-master-credentials.json"]):
                    found.append(f"tenant: {app['name']} as {principal}, {node}")
                if kind in rules and not runs_builds(json.loads(had[rules[kind]]), principal, f"b-{app['slot']:03d}"):
                    found.append(f"builds: {app['name']} as {principal}, {node}")
    return found


def runs_builds(acls: Mapping[str, Any], principal: str, user: str) -> bool:
    """Whether tasks of that framework may run as that user."""
    return any(
        principal in rule["principals"]["values"] and user in rule["users"]["values"] for rule in acls["run_tasks"]
    )


class Ground:
    """Commands on that world, one after the other."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, spec: ClusterSpec = SPEC) -> None:
        self.world, self.spec = Turning(builders=1), spec
        self.nodes = self.world.nodes = Nodes.at(directory, self.world.cloud.listed)
        self.nodes.closing = self._tell
        self.world.cloud.create_ports([PortRequest(name, "n", (), owner_mark("demo")) for name in CONTROL])
        delivery = Delivery(self.world.cloud, self.nodes.access, Guard("create"), note=lambda _: None)
        servers = self.world.cloud.listed
        delivery.bring(spec, servers, [server.id for server in servers])
        for node in self.nodes.of.values():
            node.boot = "done"
            node.files |= CONFIGURED
        for service, name in self.world.up:
            self.world.start(service, name)
        self.asked: list[str] = []
        monkeypatch.setattr("clusterctl.ops.secure.rotate.Roll", partial(Roll, executor=Inline))

    def _tell(self, address: str, request: Mapping[str, Any]) -> dict[str, Any]:
        [name] = [name for name, its in self.world.address.items() if its == address]
        texts = {path: self.nodes.of[address].files.get(path) for path in request["files"]}
        return {"texts": texts, "secrets": True, "pending": self.world.late(name)}

    def rotate(self, *names: str, no: bool = False) -> RotateReport:
        """`clusterctl secrets rotate`."""

        def consent(lines: Sequence[str]) -> None:
            self.asked = list(lines)
            if no:
                raise CancelledError("declined")

        command = Command("secrets rotate", "demo.yml", names)
        run = Run(self.spec, self.world.cloud, command, guard(), waiter=self.world.clock.waiter())
        access = self.nodes.access
        run.__dict__["access"] = type(access)(access.ssh, access.host_keys, self.world)
        rolling = Rolling(run, 60)
        rolling.__dict__["hosts"] = self.world
        return rotate(rolling, names, consent, batch="1", tenants=self.world.restart_tenants)

    def rolled(self) -> list[str]:
        """Services in the order of their rolls, each once a roll."""
        services = [event.split()[1] for event in self.world.events if event.startswith("restarted")]
        return [each for number, each in enumerate(services) if services[number - 1 : number] != [each]]

    def keys(self, epochs: Epochs = FIRST) -> Keyring:
        return Keyring("demo", Secret(self.nodes.of["10.0.0.1"].files[KEY_FILE].strip()), epochs)

    def holding(self, secret: Secret) -> list[str]:
        """Who has a secret in a file, or runs with it; who knows its digest counts, too."""
        digests = {digest_id(user, secret) for user in ("super", "mesos", "marathon")}
        texts = [(name, text) for name in self.world.address for text in self.world.disk(name).values()]
        texts += [(name, text) for (_, name), had in self.world.running.items() for text in had.values()]
        return [name for name, text in texts if any(each in text for each in {secret.reveal(), *digests})]


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    return Ground(tmp_path, monkeypatch)


def test_servers_take_the_next_ones_then_clients_say_them_then_the_last_are_refused(ground: Ground) -> None:
    report = ground.rotate()
    assert ground.rolled() == [
        *("mesos_master", "zookeeper"),
        *("marathon", "mesos_agent", "zookeeper"),
        *("mesos_master", "mesos_agent", "zookeeper"),
    ]
    assert (ground.world.violations, ground.world.quarrels) == ([], [])
    assert [stage["stage"] for stage in report.stages] == ["offered", "clients", "required"]
    assert set(report.epochs.values()) == {2}
    assert set(report.epochs) == set(names(SPEC))
    for name in names(SPEC):
        assert ground.holding(ground.keys()[name]) == [], name
        assert ground.holding(ground.keys(FIRST.next())[name]), name
    told = [json.loads(node.files[EPOCHS_FILE]) for node in ground.nodes.of.values()]
    assert told == [{"all": 2, "of": {}, "turning": [], "stage": "open"}] * 5


def test_once_more_turns_once_more(ground: Ground) -> None:
    ground.rotate()
    assert set(ground.rotate().epochs.values()) == {3}
    assert ground.world.quarrels == []


# What has to be restarted in each stage, so that it turns
ALONE = {
    "marathon/http": [[], ["marathon"], []],
    "mesos/marathon": [["mesos_master"], ["marathon"], []],
    "mesos/operator": [["mesos_master"], [], ["mesos_master"]],
    "mesos/agent-builders": [["mesos_master"], ["mesos_agent"], ["mesos_master"]],
    "mesos/agent-http": [[], ["mesos_agent"], ["mesos_agent"]],
    "zookeeper/super": [[], [], ["zookeeper"]],
    "zookeeper/quorum": [["zookeeper"]] * 3,
    "zookeeper/mesos": [["zookeeper"], [], ["mesos_master", "zookeeper"]],
    "zookeeper/marathon": [["zookeeper"], ["marathon", "zookeeper"], ["zookeeper"]],
}


@pytest.mark.parametrize("name", ALONE)
def test_one_turns_alone(name: str, ground: Ground) -> None:
    before = ground.keys()
    report = ground.rotate(name)
    services = [list(dict.fromkeys(service for service, _ in stage["restarted"])) for stage in report.stages]
    assert services == ALONE[name]
    assert report.epochs == {name: 2}
    assert (ground.world.violations, ground.world.quarrels) == ([], [])
    assert ground.holding(before[name]) == []
    others = [each for each in names(SPEC) if each != name]
    assert all(ground.holding(before[each]) for each in others)


def test_every_restart_may_be_the_last_of_its_run(ground: Ground) -> None:
    """Whichever restart fails: the command does what is left, and the turn is one."""
    failed: list[str] = []

    def fail(event: str) -> None:
        if event.startswith("restarted") and event not in failed:
            failed.append(event)
            if len(failed) % 2:
                raise KeyboardInterrupt

    ground.world.on_event = fail
    stages: list[str] = []
    for _ in range(40):
        try:
            stages += [stage["stage"] for stage in ground.rotate().stages]
            break
        except RollError as error:
            assert "`clusterctl secrets rotate demo.yml`" in str(error.hint)
    else:
        pytest.fail("never ended")
    assert len(failed) > 8
    assert json.loads(ground.nodes.of["10.0.0.1"].files[EPOCHS_FILE])["all"] == 2
    assert ground.world.quarrels == []
    assert all(ground.holding(ground.keys()[name]) == [] for name in names(SPEC))


def stopped(event: str) -> None:
    """Ctrl-C at a restart."""
    if event.startswith("restarted"):
        raise KeyboardInterrupt


@pytest.mark.parametrize("after", range(1, 32, 3))
def test_every_delivery_may_be_the_last_of_its_run(after: int, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a delivery, some nodes have the files of a stage, and others don't."""
    nodes, left = ground.nodes, after
    call = Nodes.__call__

    def leaving(self: Nodes, argv: Sequence[str], *, stdin: bytes, timeout_s: float) -> Finished:
        nonlocal left
        if "place.py" in argv[-1]:
            left -= 1
            if left < 0:
                return Finished(255, "", "ssh: connect to host: Connection refused")
        return call(self, argv, stdin=stdin, timeout_s=timeout_s)

    monkeypatch.setattr(Nodes, "__call__", leaving)
    with pytest.raises(NodeError, match="did not get their credentials"):
        ground.rotate()
    assert quarrels(ground.world) == []
    monkeypatch.setattr(Nodes, "__call__", call)
    ground.rotate()
    told = {node.files[EPOCHS_FILE] for node in nodes.of.values()}
    assert [json.loads(text)["all"] for text in told] == [2]
    assert ground.world.quarrels == []


def test_marks_of_a_turn_that_is_over_are_no_reason_for_another(ground: Ground) -> None:
    ground.rotate()
    last = ground.nodes.of["10.0.0.2"]
    last.files[EPOCHS_FILE] = json.dumps({"all": 1, "of": {}, "turning": [], "stage": "required"})
    ground.world.events.clear()
    report = ground.rotate()
    assert (ground.rolled(), report.stages, set(report.epochs.values())) == ([], [], {2})
    assert ground.asked == ["finish a turn: nothing but its marks on nodes is left"]
    assert set(ground.rotate().epochs.values()) == {3}


def test_marks_of_an_older_key_are_none(ground: Ground) -> None:
    """Which `recover --new-key` leaves on agents."""
    for address in ("10.0.0.11", "10.0.0.12"):
        ground.nodes.of[address].files[EPOCHS_FILE] = json.dumps(FIRST.next().next().at(Stage.CLIENTS).to_json())
    report = ground.rotate()
    assert set(report.epochs.values()) == {2}
    assert ground.world.quarrels == []
    assert {json.loads(node.files[EPOCHS_FILE])["all"] for node in ground.nodes.of.values()} == {2}


def test_a_turn_of_others_is_finished_first(ground: Ground) -> None:
    ground.world.on_event = stopped
    with pytest.raises(RollError):
        ground.rotate("mesos/operator")
    ground.world.on_event = lambda _: None
    with pytest.raises(ClusterctlError, match=r"a turn of mesos/operator is under way \(offered\)") as caught:
        ground.rotate()
    assert "`clusterctl secrets rotate demo.yml mesos/operator` finishes it" in str(caught.value.hint)
    assert ground.rotate("mesos/operator").epochs == {"mesos/operator": 2}
    assert ground.rotate().epochs["mesos/operator"] == 3


def test_a_control_node_that_is_new_in_the_middle_gets_the_files_of_the_stage(ground: Ground) -> None:
    ground.world.on_event = stopped
    with pytest.raises(RollError):
        ground.rotate()
    ground.world.on_event = lambda _: None
    address = ground.world.address[ONE]
    ground.nodes.of[address] = Node(files=dict(CONFIGURED))
    servers = ground.world.cloud.listed
    delivery = Delivery(ground.world.cloud, ground.nodes.access, Guard("replace"), note=lambda _: None)
    delivery.bring(SPEC, servers, [server.id for server in servers if server.address == address])
    assert json.loads(ground.nodes.of[address].files[EPOCHS_FILE])["stage"] == "offered"
    for service in (ZK, MASTER, MARATHON):
        ground.world.start(service, ONE)
    ground.nodes.of[address].boot = "done"
    assert quarrels(ground.world) == []
    assert set(ground.rotate().epochs.values()) == {2}


@pytest.fixture
def tenants(ground: Ground) -> Ground:
    """With two Jenkins masters, of which one rests."""
    ground.spec = demo_spec(
        security=only_closed("zookeeper", "mesos", "marathon"),
        jenkins={"allow_ephemeral_homes": True, "max_masters": 3, "plugin": "1.x", "registration": "always"},
    )
    servers = ground.world.cloud.listed
    Delivery(ground.world.cloud, ground.nodes.access, Guard("configure"), note=lambda _: None).settle(
        ground.spec, servers
    )
    for service, name in ground.world.up:
        ground.world.start(service, name)
    ground.world.apps = [
        {"id": "/jenkins/alice", "name": "alice", "slot": 2, "instances": 1, "running": 1},
        {"id": "/jenkins/bob", "name": "bob", "slot": 3, "instances": 0, "running": 0},
    ]
    ground.world.tenants = {"alice": ground.world.tenant(ground.world.apps[0])}
    return ground


def test_running_jenkins_masters_restart_when_all_others_know_their_next_secrets(tenants: Ground) -> None:
    report = tenants.rotate()
    assert tenants.rolled() == [
        *("mesos_master", "mesos_agent", "zookeeper"),
        *("marathon", "mesos_agent", "zookeeper", "jenkins"),
        *("mesos_master", "mesos_agent", "zookeeper"),
    ]
    assert report.stages[1]["restarted"][-1] == ["jenkins", "alice"]
    assert (tenants.world.violations, tenants.world.quarrels) == ([], [])
    assert tenants.world.tenants["alice"].startswith("jenkins-002.2:")
    assert "Jenkins masters restart once no build runs on them: alice" in tenants.asked
    for slot in (1, 2, 3):
        assert tenants.holding(tenants.keys()[f"mesos/jenkins-00{slot}"]) == []
        assert tenants.holding(tenants.keys(FIRST.next())[f"mesos/jenkins-00{slot}"])


def test_one_of_a_jenkins_master_turns_alone(tenants: Ground) -> None:
    report = tenants.rotate("mesos/jenkins-002")
    services = [list(dict.fromkeys(service for service, _ in stage["restarted"])) for stage in report.stages]
    assert services == [["mesos_master", "mesos_agent"], ["jenkins"], ["mesos_master", "mesos_agent"]]
    assert tenants.world.quarrels == []
    assert tenants.rotate("mesos/jenkins-003").stages[1]["restarted"] == []
    assert tenants.rotate("mesos/operator").stages[1]["restarted"] == []


def test_while_a_jenkins_master_can_not_be_restarted_its_last_secret_is_good(tenants: Ground) -> None:
    def busy(event: str) -> None:
        if event == "restarted jenkins alice":
            raise ClusterctlError("1 of 1 Jenkins masters were not restarted", hint="Wait.")

    tenants.world.on_event = busy
    with pytest.raises(ClusterctlError, match="1 of 1 Jenkins masters were not restarted") as caught:
        tenants.rotate()
    assert "`clusterctl secrets rotate demo.yml`" in str(caught.value.hint)
    assert json.loads(tenants.nodes.of["10.0.0.1"].files[EPOCHS_FILE])["stage"] == "clients"
    tenants.world.on_event = lambda _: None
    assert quarrels(tenants.world) == []
    report = tenants.rotate()
    assert [stage["stage"] for stage in report.stages] == ["clients", "required"]
    assert report.stages[0]["restarted"] == [["jenkins", "alice"]]
    assert tenants.world.quarrels == []


def test_masters_do_not_wait_for_a_marathon_that_they_refuse(ground: Ground) -> None:
    """One that began anew in the middle has its next secret, which a leader with the last ones refuses."""
    unregistered, waited = Turning._marathon, list[bool]()

    def refused(self: Turning, name: str) -> dict[str, Any]:
        leader = self.leader(MASTER)
        known = pairs(self.running[MASTER, leader]["mesos-master-credentials.json"]) if leader else set()
        fits = ("marathon", self.disk(name)["marathon-mesos-secret"]) in known
        waited.append(not fits)
        return unregistered(self, name) if fits else {"no_leader": "/ping: HTTP 503"}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Turning, "_marathon", refused)
        ground.rotate()
    assert any(waited)
    assert ground.world.quarrels == []


def test_who_declines_has_changed_nothing(ground: Ground) -> None:
    before = [dict(node.files) for node in ground.nodes.of.values()]
    with pytest.raises(CancelledError):
        ground.rotate(no=True)
    assert (ground.world.events, [node.files for node in ground.nodes.of.values()]) == ([], before)
    assert (
        "by way of: servers take the next secrets, then clients use them, then the last ones are refused"
        in ground.asked
    )
    assert "Marathon ends once as Mesos' leading master changes, and begins again with its next secret" in ground.asked


def test_no_node_may_be_left_behind(ground: Ground) -> None:
    ground.nodes.of["10.0.0.11"].up = False
    with pytest.raises(NodeError, match="1 of 5 nodes can't be asked how far they are; nothing was changed"):
        ground.rotate()
    assert not any(EPOCHS_FILE in node.files for node in ground.nodes.of.values())


def test_names_that_are_none_are_refused_with_those_that_are() -> None:
    only_marathon = demo_spec(security=only_closed("marathon"))
    with pytest.raises(InputError, match=r"NAME: found 'marathon/htp', 'mesos/operator'; allowed: marathon/http"):
        checked(only_marathon, ["marathon/htp", "marathon/http", "mesos/operator"])
    with pytest.raises(InputError, match="closes nothing that has secrets"):
        checked(demo_spec(security={"insecure": "all"}), [])
    checked(SPEC, names(SPEC))
