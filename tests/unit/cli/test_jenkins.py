"""The verbs of the Jenkins tier from outside, on a tier in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clusterctl.ops.jenkins.ground import Tier
from clusterctl.ops.kit.run import Run
from clusterctl.resources import Volume
from clusterctl.spec import load_spec
from tests.unit.cli.test_app import run
from tests.unit.ops.jenkins.world import MemoryHome, World
from tests.unit.specs import DEMO

FILE = DEMO.replace(
    "    reserve_for: marathon\n", "    reserve_for: marathon\n    volume: {size: 10, mount: /srv/jenkins}\n"
)
SMALL = {"cpus": 0.1, "mem_mib": 320, "heap_mib": 64}


class Program:
    """``clusterctl jenkins VERB FILE ...``."""

    def __init__(self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.file, self._monkeypatch, self._capsys = file, monkeypatch, capsys
        self.world = World(master=SMALL)
        file.write_text(FILE + "jenkins: {master: {cpus: 0.1, mem_mib: 320, heap_mib: 64}}\n")
        self.opened: list[Any] = []
        monkeypatch.setattr("clusterctl.cloud.open_cloud", lambda _name: self.world.cloud)
        monkeypatch.setattr("clusterctl.ops.kit.run.open_access", lambda _spec, _cloud: None)
        monkeypatch.setattr("clusterctl.ops.jenkins.ground.open_tier", self._tier)
        monkeypatch.setattr("clusterctl.cli.tunnel.hold_open", lambda *a, **k: self.opened.append((a[1:], k)))

    def _tier(self, run: Run, file: Path) -> Tier:
        return self.world.tier_at(replace(run, waiter=self.world.clock.waiter()), file.parent)

    def __call__(self, verb: str, *words: str) -> tuple[int, str, str]:
        """Exit code, output, messages."""
        code = run("jenkins", verb, str(self.file), *words, monkeypatch=self._monkeypatch)
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(tmp_path / "demo.yml", monkeypatch, capsys)


def test_create_and_list(program: Program, tmp_path: Path) -> None:
    (tmp_path / "team").write_text("alice\nbob\ncarol\n")
    code, out, _ = program("create", "--from", str(tmp_path / "team"), "--count", "2")
    assert code == 0
    assert out.splitlines()[0].startswith("alice: slot 1 on demo-jenkins-1, ready after")
    assert out.splitlines()[-1] == "2 Jenkins masters made; all are ready"
    code, out, _ = program("list", "--json")
    assert [each["name"] for each in json.loads(out)["masters"]] == ["alice", "bob"]
    code, out, _ = program("list")
    assert "http://10.0.0.11:31000/" in out
    assert "cluster demo: 2 of 2 Jenkins masters run" in out


def test_create_says_how_to_go_on_and_still_prints_its_document(program: Program) -> None:
    program.world.marathon.failing = {"bob"}
    code, out, told = program("create", "alice", "bob", "--json", "--timeout", "10")
    assert code == 1
    report = json.loads(out)
    assert [each["name"] for each in report["created"]] == ["alice"]
    assert list(report["failed"]) == ["bob"]
    assert f"`clusterctl jenkins create {program.file} alice bob --timeout 10` goes on with these" in told


def test_bad_names_are_bad_input(program: Program) -> None:
    assert program("create", "Alice")[0] == 2
    code, _, told = program("create", "--from", "no-such-file")
    assert (code, "--from: found 'no-such-file', which can't be read" in told) == (2, True)


def test_status(program: Program) -> None:
    program("create", "alice")
    code, out, _ = program("status", "alice")
    assert code == 0
    assert "2.319.3" in out
    assert json.loads(program("status", "alice", "--json")[1])["core"] == "2.319.3"


def test_open(program: Program) -> None:
    program("create", "alice")
    assert program("open", "alice")[0] == 0
    [((node, port), words)] = program.opened
    assert (node.name, port, words) == ("demo-jenkins-1", 31000, {"local": None, "told": []})
    program("open", "alice", "--login", "--port", "8081")
    assert program.opened[1][1] == {"local": 8081, "told": ["log in as admin with s3cret"]}
    program.world.marathon.apps["/jenkins/alice"]["instances"] = 0
    code, _, told = program("open", "alice")
    assert (code, "Jenkins master alice does not run: hibernating" in told) == (1, True)


def test_open_of_an_unknown_page_is_bad_input(
    program: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("open", str(program.file), "grafana", monkeypatch=monkeypatch) == 2
    assert "WHAT: found 'grafana'; allowed: marathon, mesos" in capsys.readouterr().err


def test_a_cluster_without_a_tier(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    program.file.write_text(DEMO)
    monkeypatch.setattr("clusterctl.cloud.open_cloud", lambda _name: program.world.cloud)
    monkeypatch.setattr("clusterctl.ops.kit.run.open_access", lambda _spec, _cloud: None)
    code, _, told = program("list")
    assert (code, "cluster demo has no Jenkins tier" in told) == (1, True)


def test_stop_and_start(program: Program) -> None:
    program("create", "alice", "bob")
    assert program("hibernate", "alice")[1] == "alice: stopped\n"
    code, out, _ = program("hibernate", "--all", "--json")
    assert (code, json.loads(out)["done"], list(json.loads(out)["skipped"])) == (0, {"bob": "stopped"}, ["alice"])
    assert program("wake", "--all")[1].startswith("alice: started, ready after")
    assert program("restart", "bob", "alice")[1].splitlines()[0].startswith("bob: restarted, ready after")
    assert program("hibernate", "--idle", "1h")[:2] == (0, "alice: stopped\nbob: stopped\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hibernate"], "NAME: found none; allowed: names of masters, or --all"),
        (["wake", "alice", "--all"], "--all: found with names; allowed: one of both"),
        (["hibernate", "alice", "--idle", "4h"], "--idle: found with names"),
        (["hibernate", "--idle", "soon"], "--idle: found 'soon'"),
    ],
)
def test_wrong_words(program: Program, words: list[str], message: str) -> None:
    code, _, told = program(*words)
    assert (code, message in told) == (2, True)


def test_delete_asks(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program("create", "alice")
    monkeypatch.setattr("typer.confirm", lambda *_args, **_options: False)
    code, _, told = program("delete", "alice", "--purge")
    assert (code, "- alice (running), deleting its home on demo-jenkins-1" in told) == (1, True)
    assert program.world.app_names == ["alice"]
    assert program("delete", "alice", "--purge", "--yes")[:2] == (0, "alice: deleted\n")
    assert program.world.nodes.homes_at["demo-jenkins-1"] == {}


def test_back_up_restore_move(program: Program, tmp_path: Path) -> None:
    program("create", "alice")
    code, out, _ = program("backup", "--all", "--directory", str(tmp_path / "kept"))
    [archive] = (tmp_path / "kept").glob("alice/*.tar.gz")
    assert (code, out.startswith(f"alice: {archive} (2 files, ")) == (0, True)
    program("delete", "alice", "--purge", "--yes")
    assert program("restore", str(archive))[1].startswith("alice: restored, ready after")
    assert program("move", "alice", "demo-jenkins-2")[1].startswith("alice: moved, ready after")
    assert program("restore", str(tmp_path / "no.tar.gz"))[0] == 2


def test_archives_go_where_the_file_says(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    program("create", "alice")
    assert program("backup", "alice")[0] == 0
    assert len(list((tmp_path / "state/clusterctl/lab/demo/jenkins/alice").glob("*.tar.gz"))) == 1


def test_upgrade(program: Program, tmp_path: Path) -> None:
    program("create", "alice")
    program.world.nodes.releases["2.319.4-x"] = 10
    where = ("--directory", str(tmp_path / "kept"))
    assert program("upgrade", "alice", "--release", "2.319.4-x", *where)[1].startswith("alice: upgraded, ready")
    code, _, told = program("upgrade", "alice")
    assert (code, "--artifacts, --release: found both or none; allowed: one" in told) == (2, True)


def test_prune(program: Program) -> None:
    aside = program.world.nodes.aside["demo-jenkins-1"]
    aside["alice-20260101T000000Z"] = MemoryHome("{}", "jm-001")
    code, out, _ = program("list")
    assert code == 0
    assert [line.split()[-2] for line in out.splitlines() if line.startswith("demo-jenkins-")] == ["1", "0"]
    assert program("prune")[0] == 2
    assert program("prune", "--all", "--keep", "1")[1] == "no home to delete\n"
    code, out, _ = program("prune", "alice", "--yes")
    assert (code, out, aside) == (0, "alice-20260101T000000Z: deleted on demo-jenkins-1\n", {})


def test_a_home_comes_back_from_a_snapshot(program: Program, tmp_path: Path) -> None:
    world = program.world
    program.file.write_text(program.file.read_text().replace("jenkins: {", "jenkins: {backup: {method: snapshot}, "))
    world.spec = load_spec(program.file)
    volume = Volume("v1", "demo-jenkins-1", "in-use", 10, "jenkins", "id-demo-jenkins-1")
    world.cloud.volume_records["v1"] = (volume, {"clusterctl.cluster": "demo"})
    assert program("create", "alice")[0] == 0
    code, out, _ = program("backup", "alice")
    assert code == 0
    snapshot = out.split()[2]
    world.nodes.copy = dict(world.nodes.homes_at["demo-jenkins-1"])
    code, out, err = program("restore", "alice", "--snapshot", snapshot)
    assert (code, "restored" in out) == (0, True), err
    assert program("restore", "alice", "--snapshot", "none")[0] == 2
