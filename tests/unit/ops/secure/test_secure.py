"""Rules of ``secure``, on a cluster that rolls can be tried on: order, gates, what it refuses, and that it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from clusterctl.ansible.playbook import PlaybookResult
from clusterctl.errors import CancelledError, ClusterctlError, InputError
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.run import Run
from clusterctl.ops.roll.ground import Rolling
from clusterctl.ops.roll.report import RollError
from clusterctl.ops.roll.steps import Roll
from clusterctl.ops.secure.secure import SecureReport, secure
from clusterctl.resources import PortRequest, owner_mark
from clusterctl.secrets.nodes import EPOCHS_FILE, KEY_FILE
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from tests.unit.health.clusters import CONTROL
from tests.unit.ops.clouds import guard
from tests.unit.ops.kit.nodes import Nodes
from tests.unit.ops.roll.world import AGENT, MARATHON, MASTER, ONE, ZK, Inline, World
from tests.unit.specs import demo_spec, only_closed

PARTS = ["zookeeper", "mesos", "marathon"]
CLOSED = demo_spec(security={"require": PARTS, "insecure": ["builds", "units", "network"]})
SERVICES = {"zookeeper": ZK, "mesos-master": MASTER, "mesos-agent": AGENT, "marathon": MARATHON}


class Closing(World):
    """Open at first; its files are those lines that the program looks at."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.texts: dict[tuple[Service, str], str] = {}
        for service, name in self.up:
            self.texts[service, name] = "MARATHON_ZK=zk://x\n" if service is MARATHON else "\n"
        self.running = dict(self.texts)
        self.stages: list[tuple[Any, ...]] = []
        self.frameworks: list[dict[str, Any]] = []

    def _mesos_master(self, name: str) -> dict[str, Any]:
        found = super()._mesos_master(name)
        if "frameworks" in found:
            found["frameworks"] = [*found["frameworks"], *self.frameworks]
        return found

    def _zookeeper(self, name: str) -> dict[str, Any]:
        # its tree is closed once all who use it run with credentials
        known = all(
            ("MARATHON_ZK=" not in text if service is MARATHON else "MESOS_ZK=file:" in text)
            for (service, _), text in self.running.items()
            if service in (MASTER, MARATHON)
        )
        return super()._zookeeper(name) | {"closed": known and "enableSasl" in self.running[ZK, name]}

    def run(self, playbook: str, names: Sequence[str], variables: Mapping[str, Any] | None = None) -> PlaybookResult:
        done = super().run(playbook, names, variables)
        if playbook == "restart":
            assert variables is not None
            for name in names:
                service = SERVICES[variables["roll_unit"].removesuffix(".service")]
                self.running[service, name] = self.texts[service, name]
            return done
        assert playbook == "site"
        given = dict(variables or {})
        self.stages.append((given["zookeeper_members_auth"], given["mesos_master_authentication_required"]))
        for service, name in self.texts:
            if name in names:
                self.texts[service, name] = self._text(service, given)
        notes = [
            (name, "Tell", f"restart pending: {', '.join(units)} (x)") for name in names if (units := self.late(name))
        ]
        return PlaybookResult(done.hosts, (), (), tuple(notes), "")

    def late(self, name: str) -> list[str]:
        """Units that run with older files."""
        units = {service: unit for unit, service in SERVICES.items()}
        keys = [key for key in self.texts if key[1] == name and self.texts[key] != self.running[key]]
        return [f"{units[service]}.service" for service, _ in keys]

    def _text(self, service: Service, given: Mapping[str, Any]) -> str:
        if service is ZK:
            auth = given["zookeeper_members_auth"]
            lines = {
                "enableSasl": True,
                "learnerRequireSasl": auth != "offered",
                "serverRequireSasl": auth == "required",
            }
            return "".join(f"quorum.auth.{name}={str(wanted).lower()}\n" for name, wanted in lines.items())
        if service is MASTER:
            required = "MESOS_AUTHENTICATE_AGENTS=true\n" if given["mesos_master_authentication_required"] else ""
            return f"{required}MESOS_ZK=file:///x\nMESOS_CREDENTIALS=file:///y\n"
        if service is AGENT:
            return "MESOS_CREDENTIAL=file:///x\n" if given["mesos_agent_authentication"] else "\n"
        if given["marathon_secured"]:
            return "JAVA_OPTS=/marathon-logback.xml\nMARATHON_MESOS_AUTHENTICATION=\n"
        return "MARATHON_ZK=zk://x\n"


class Ground:
    """Commands on that world, one after the other."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = Closing(builders=1)
        self.monkeypatch = monkeypatch
        self.nodes = Nodes.at(directory, self.world.cloud.listed)
        for node in self.nodes.of.values():
            node.boot = "done"
        self.nodes.closing = self._tell
        self.world.cloud.create_ports([PortRequest(name, "n", (), owner_mark("demo")) for name in CONTROL])
        self.asked: list[str] = []
        monkeypatch.setattr("clusterctl.ops.secure.secure.Roll", partial(Roll, executor=Inline))
        monkeypatch.setattr("clusterctl.ops.secure.secure.no_new_identity", lambda _run: None)

    def _tell(self, address: str, request: Mapping[str, Any]) -> dict[str, Any]:
        [name] = [name for name, its in self.world.address.items() if its == address]
        places = {"/etc/zookeeper/zoo.cfg": ZK, **{f"/etc/default/{unit}": of for unit, of in SERVICES.items()}}
        texts: dict[str, str | None] = {
            path: self.world.texts[places[path], name] for path in request["files"] if path in places
        }
        texts[EPOCHS_FILE] = self.nodes.of[address].files.get(EPOCHS_FILE)
        secrets = any(path.startswith("/etc/clusterctl") for path in self.nodes.of[address].files)
        return {"texts": texts, "secrets": secrets, "pending": self.world.late(name)}

    def secure(self, spec: ClusterSpec = CLOSED, *, no: bool = False) -> SecureReport:
        """`clusterctl secure`."""

        def consent(lines: Sequence[str]) -> None:
            self.asked = list(lines)
            if no:
                raise CancelledError("declined")

        command = Command("secure", "demo.yml")
        run = Run(spec, self.world.cloud, command, guard(), waiter=self.world.clock.waiter())
        access = self.nodes.access
        run.__dict__["access"] = type(access)(access.ssh, access.host_keys, self.world)
        rolling = Rolling(run, 60)
        rolling.__dict__["hosts"] = self.world
        return secure(rolling, consent, batch="1")

    def rolled(self) -> list[str]:
        """Services in the order of their rolls, each once a roll."""
        services = [event.split()[1] for event in self.world.events if event.startswith("restarted")]
        return [each for number, each in enumerate(services) if services[number - 1 : number] != [each]]


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    return Ground(tmp_path, monkeypatch)


def test_servers_offer_then_clients_say_who_they_are_then_servers_require_it(ground: Ground) -> None:
    report = ground.secure()
    assert ground.world.stages == [("offered", False), ("learners", False), ("required", True)]
    assert ground.rolled() == [
        *("zookeeper", "mesos_master"),
        *("zookeeper", "mesos_agent", "marathon"),
        *("zookeeper", "mesos_master"),
    ]
    assert ground.world.violations == []
    assert report.closed == sorted(PARTS, key=["mesos", "zookeeper", "marathon"].index)
    assert [len(stage["restarted"]) for stage in report.stages] == [6, 3 + 2 + 3, 6]
    assert "close Marathon: its API wants a password, from the first instance that is restarted on" in ground.asked


def test_what_else_changes_at_clients_costs_no_restart_of_its_own(ground: Ground) -> None:
    """Such as the units' hardening, which comes with the first files."""
    for name in ground.world.agents:
        ground.world.running[AGENT, name] = "without hardening"
    ground.secure()
    assert sorted(ground.world.acted("restarted", "mesos_agent")) == sorted(ground.world.agents)


def test_a_closed_cluster_is_left_alone(ground: Ground) -> None:
    ground.secure()
    ground.world.events.clear()
    ground.world.stages.clear()
    report = ground.secure()
    assert ground.rolled() == []
    assert ground.world.stages == [("required", True)]
    assert (report.restarted, report.to_json()["healthy"]) == (0, True)


def test_every_restart_may_be_the_last_of_its_run(ground: Ground) -> None:
    """Whichever restart fails: the command does what is left, no stage goes back, and no key is made twice."""
    failed: list[str] = []

    def fail(event: str) -> None:
        # each second restart fails once
        if event.startswith("restarted") and event not in failed:
            failed.append(event)
            if len(failed) % 2:
                raise KeyboardInterrupt

    ground.world.on_event = fail
    keys = set()
    for _ in range(40):
        try:
            ground.secure()
            break
        except RollError as error:
            assert "clusterctl secure demo.yml" in str(error.hint)
            keys.add(ground.nodes.of["10.0.0.1"].files[KEY_FILE])
    else:
        pytest.fail("never ended")
    assert len(failed) > 8
    assert len(keys) == 1
    stages = [stage for stage, _ in ground.world.stages]
    assert stages == sorted(stages, key=["offered", "learners", "required"].index)


def test_who_declines_has_changed_nothing(ground: Ground) -> None:
    with pytest.raises(CancelledError):
        ground.secure(no=True)
    assert (ground.world.events, ground.world.stages) == ([], [])
    assert not any(node.files for node in ground.nodes.of.values())


def test_frameworks_without_a_secret_are_named_before_anything_is_touched(ground: Ground) -> None:
    ground.world.frameworks = [{"id": "F-1", "name": "spark", "active": True}]
    with pytest.raises(ClusterctlError, match=r"nothing was touched: framework spark \(F-1\)"):
        ground.secure()
    assert (ground.world.events, ground.world.stages) == ([], [])


def test_those_that_came_with_one_later_are_no_reason_to_stop(ground: Ground) -> None:
    ground.secure()
    ground.world.frameworks = [{"id": "F-1", "name": "jenkins", "active": True}]
    assert ground.secure().restarted == 0


def test_nothing_is_opened(ground: Ground) -> None:
    ground.secure()
    ground.world.stages.clear()
    with pytest.raises(InputError, match="the file leaves zookeeper, marathon open"):
        ground.secure(demo_spec(security=only_closed("mesos")))
    assert ground.world.stages == []


def test_a_lost_key_is_not_made_anew(ground: Ground) -> None:
    ground.secure()
    for node in ground.nodes.of.values():
        node.files.pop(KEY_FILE, None)
    with pytest.raises(ClusterctlError, match="the key is lost"):
        ground.secure()


def test_control_nodes_that_are_silent_may_have_the_key(ground: Ground) -> None:
    ground.nodes.of[ground.world.address[ONE]].up = False
    with pytest.raises(ClusterctlError, match="1 of 5 nodes can't be asked how far they are; nothing was changed"):
        ground.secure()
    assert not any(node.files for node in ground.nodes.of.values())
