"""Verbs that grow, shrink and mend, on a cloud in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusterctl.errors import CloudError
from clusterctl.ops.observe.verify import VerifyReport
from clusterctl.ops.roll.drain import Drains
from clusterctl.spec.model import ClusterSpec
from tests.memory.faults import Fault
from tests.unit.cli.test_app import run
from tests.unit.ops.operations import Running
from tests.unit.specs import OPEN_DEMO

Words = tuple[str, ...]
HOLDER = "clusterctl.lock=demo owner=bob@ops2 pid=7 command=scale"


class Program:
    """The program on a running demo cluster."""

    def __init__(self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.file, self._monkeypatch, self._capsys = file, monkeypatch, capsys
        self.running = Running()
        # nothing to wait for: the program's own waiter sleeps
        self.running.cloud.delete_ticks = self.running.cloud.build_ticks = 0
        file.write_text(OPEN_DEMO)
        access = SimpleNamespace(prober=self.running.nodes)
        monkeypatch.setattr("clusterctl.cloud.open_cloud", lambda _name: self.running.cloud)
        monkeypatch.setattr("clusterctl.ops.kit.run.open_access", lambda _spec, _cloud: access)
        monkeypatch.setattr("clusterctl.ops.observe.healthy.wait_healthy", self._healthy)
        monkeypatch.setattr("clusterctl.ops.grow.operation.open_drains", self._drains)

    def _healthy(self, spec: ClusterSpec, _cloud: object, _access: object, **_: object) -> VerifyReport:
        return self.running.wait_healthy(spec, fresh=True)

    def _drains(self, _spec: object, servers: Any, _access: object, _waiter: object) -> Drains:
        return self.running.drains(servers)

    def __call__(self, verb: str, *words: str) -> tuple[int, str, str]:
        """Exit code, output, messages."""
        code = run(verb, str(self.file), *words, monkeypatch=self._monkeypatch)
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(tmp_path / "demo.yml", monkeypatch, capsys)


def test_create_is_told_of_a_lock(program: Program) -> None:
    program.running.vanish("demo-control-1")
    program.running.cloud.create_lock("demo", HOLDER)
    code, _, told = program("create")
    assert code == 1
    assert "another command is at work on cluster demo: bob@ops2 (pid 7, `clusterctl scale`), for" in told
    assert f"`clusterctl unlock {program.file}`" in told


def test_create_without_waiting_says_what_is_not_known(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_args: object, **_options: object) -> VerifyReport:
        raise AssertionError

    monkeypatch.setattr("clusterctl.ops.observe.healthy.wait_healthy", never)
    program.running.vanish("demo-control-1")
    code, out, _ = program("create", "--no-wait")
    assert (code, out) == (
        0,
        "cluster demo: the servers of its 5 nodes are built; 1 servers made\n"
        f"their boot and services were not checked: `clusterctl verify {program.file}` shows whether they serve\n",
    )
    code, out, _ = program("create", "--no-wait", "--json")
    assert (code, json.loads(out)["healthy"]) == (0, None)


def test_unlock_by_word(program: Program) -> None:
    program.running.cloud.create_lock("demo", HOLDER)
    code, out, _ = program("unlock", "--yes", "--json")
    assert code == 0
    assert json.loads(out)["broken"][0].startswith("bob@ops2 (pid 7")
    assert not program.running.cloud.lock_records
    assert "was not locked" in program("unlock")[1]


def test_scale_tells_the_line_of_the_file_to_change(program: Program) -> None:
    code, out, _ = program("scale", "builders=3")
    assert code == 0
    assert "cluster demo: 2 servers made, 0 removed; healthy" in out
    assert f"change now in {program.file}, which is the desired state:\n  17: count: 3" in out
    assert program.file.read_text() == OPEN_DEMO


def test_scale_changes_the_file_if_asked(program: Program) -> None:
    program.file.write_text(OPEN_DEMO.replace("    count: 1\n", "    count: 1  # one is enough\n"))
    code, out, _ = program("scale", "builders=3", "--write", "--json")
    assert code == 0
    report = json.loads(out)
    assert report["groups"] == {"builders": {"from": 1, "to": 3}}
    assert report["file"] == {"written": True, "lines": ["17: count: 3  # one is enough"]}
    assert "    count: 3  # one is enough" in program.file.read_text()
    assert program("scale", "builders=3", "--json")[0] == 0
    code, out, _ = program("create", "--json")
    assert (code, json.loads(out)["api_calls"]["write"]) == (0, program.running.cloud.calls.write)


def test_scale_in_asks(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program("scale", "builders=2", "--write")
    monkeypatch.setattr("typer.confirm", lambda *_args, **_options: False)
    code, _, told = program("scale", "builders=1")
    assert code == 1
    assert "group builders: 2 -> 1 nodes\n- demo-builders-" in told
    assert "declined; nothing was done" in told
    assert len(program.running.servers("builders")) == 2
    code, out, _ = program("scale", "builders=1", "--yes")
    assert code == 0
    assert "0 servers made, 1 removed; healthy" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["builders"], "found 'builders'"),
        (["control=4"], "control=4: found 4 zookeeper nodes"),
        (["builders=2", "--remove", "x"], "--remove"),
    ],
)
def test_wrong_words_are_bad_input(program: Program, words: list[str], message: str) -> None:
    code, _, told = program("scale", *words)
    if message == "--remove":
        assert code == 0, "growing has nothing to remove, and a name that is gone is no mistake"
    else:
        assert (code, message in told) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        ("create",),
        ("destroy", "--yes", "--volumes"),
        ("scale", "builders=3", "--drain-timeout", "60"),
        ("replace", "demo-control-2", "--yes"),
        ("repair", "--apply"),
    ],
    ids=lambda words: words[0],
)
def test_a_failed_operation_says_what_exists_and_goes_on_in_the_same_cloud(program: Program, words: Words) -> None:
    verb, *more = words
    if verb in ("create", "repair"):
        program.running.vanish("demo-control-3")
    failing = "DELETE /servers*" if verb == "destroy" else "POST /servers"
    program.running.cloud.faults.append(Fault(CloudError("the cloud is closed"), kind=failing, times=None))
    code, _, told = program(verb, *more, "--cloud", "other")
    assert (code, "clusterctl: the cloud is closed" in told) == (1, True)
    assert "Existing now: " in told
    line = next(line for line in re.findall("`(.*?)`", told) if line.startswith(f"clusterctl {verb} "))
    assert sorted(line.split()) == sorted(["clusterctl", verb, str(program.file), *more, "--cloud", "other"])
    program.running.cloud.faults.clear()
    assert program(verb, *line.split()[3:])[0] == 0, "pasted, it finishes"


def test_a_report_names_commands_that_can_be_pasted(program: Program) -> None:
    program.running.change("demo-control-2", status="PAUSED")
    _, out, _ = program("plan", "--cloud", "other", "--json")
    assert f"run `clusterctl repair --cloud other {program.file}`" in json.loads(out)["problems"][0]


def test_patch(program: Program) -> None:
    old = program.running.cloud.image_list[0]
    program.running.cloud.image_list.append(replace(old, id="i9", name="base-9", created="2026-01-09T00:00:00Z"))
    code, out, told = program("patch", "--only", "demo-control-2", "--yes")
    assert (code, out) == (
        0,
        "replaced demo-control-2\ncluster demo: 1 nodes replaced; healthy; image base-9\n",
    ), told
    code, out, _ = program("patch", "--only", "demo-control-2", "--json")
    assert (code, json.loads(out)["replaced"]) == (0, [])


def test_replace(program: Program) -> None:
    code, out, _ = program("replace", "demo-control-2", "--yes")
    assert (code, out) == (0, "node demo-control-2: 1 servers deleted, 1 made; the cluster is healthy\n")
    code, _, told = program("replace", "demo-control-7", "--yes")
    assert (code, "NODE: found 'demo-control-7'; allowed: demo-builders-" in told) == (2, True)


def shut_off(running: Running) -> None:
    running.change("demo-control-2", status="SHUTOFF")


def paused(running: Running) -> None:
    running.change("demo-control-2", status="PAUSED")


@pytest.mark.parametrize(("hurt", "with_yes"), [(shut_off, 0), (paused, 3)])
def test_repair_tells_and_mends(program: Program, hurt: Callable[[Running], None], with_yes: int) -> None:
    code, out, said = program("repair")
    assert (code, out, said.split(": ")[0]) == (0, "cluster demo: nothing to repair\n", "diagnose ...\ndiagnose")
    hurt(program.running)
    code, out, _ = program("repair")
    assert (code, out.startswith("demo-control-2: is ")) == (3, True)
    assert (f"`clusterctl repair {program.file} --apply` does it" in out) == (with_yes == 0)
    code, out, _ = program("repair", "--apply", "--json")
    report = json.loads(out)
    assert (code, report["healthy"]) == (with_yes, with_yes == 0)
    assert (len(report["done"]), len(report["left"])) == ((1, 0) if with_yes == 0 else (0, 1))


@pytest.mark.parametrize("status", ["ERROR", "SHUTOFF"])
def test_create_beside_a_broken_server_names_the_command_that_mends_it(program: Program, status: str) -> None:
    program.running.change("demo-control-1", status=status, fault="host is gone")
    code, _, told = program("create")
    assert code == 1
    assert f"`clusterctl repair {program.file} --apply` goes on from here" in told


def test_what_follows_the_node_is_the_commands(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[Any] = []

    def interactive(target: Any, command: list[str], *, forwards: list[str]) -> None:
        entered.append((target.name, command, forwards))

    access = SimpleNamespace(
        host_keys=SimpleNamespace(require=lambda *_: None), ssh=SimpleNamespace(interactive=interactive)
    )
    monkeypatch.setattr("clusterctl.ops.kit.run.open_access", lambda _spec, _cloud: access)
    code = run(
        "ssh", "-L", "8080:10.0.0.1:8080", str(program.file), "demo-control-1", "ls", "-la", monkeypatch=monkeypatch
    )
    assert code == 0
    assert entered == [("demo-control-1", ["ls", "-la"], ["8080:10.0.0.1:8080"])]
    assert program("ssh", "demo-control-1", "--", "ls", "-la")[0] == 0
    assert entered[1] == ("demo-control-1", ["ls", "-la"], [])
