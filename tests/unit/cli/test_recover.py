"""recover and backup as an operator meets them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusterctl.ops.backup.backup import Backup
from tests.unit.cli.test_grow import Program
from tests.unit.ops.grow.test_recover import World


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(tmp_path / "demo.yml", monkeypatch, capsys)


@pytest.fixture
def world(program: Program, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two of three members are gone."""
    made = World(program.running)
    monkeypatch.setattr("clusterctl.ops.grow.memberwork.RealMemberWork", lambda _run, _root: made)
    program.running.vanish("demo-control-1")
    program.running.vanish("demo-control-3")
    return made


@pytest.mark.parametrize("verb", ["create", "plan"])
def test_what_would_begin_empty_is_refused_with_the_way_out(program: Program, world: World, verb: str) -> None:
    code, _, told = program(verb)
    assert code == 1
    assert "zookeeper: demo-control-1, demo-control-3 of 3 members have no server" in told
    assert f"`clusterctl recover {program.file}`" in told
    assert len(world.members()) == 1


def test_repair_names_it_and_promises_nothing(program: Program, world: World) -> None:
    code, out, _ = program("repair")
    assert code == 3
    assert f"`clusterctl recover {program.file}` finds what is left" in out
    assert "--apply` does it" not in out
    assert len(world.members()) == 1


def test_it_tells_what_is_lost_and_asks(program: Program, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.confirm", lambda *_args, **_options: False)
    code, _, told = program("recover")
    assert code == 1
    assert "+ demo-control-2 goes on with ZooKeeper's epoch 5" in told
    assert "lost: what only the others knew" in told
    assert len(world.members()) == 1
    code, out, _ = program("recover", "--yes")
    assert code == 0
    assert "went on with demo-control-2; made demo-control-1, demo-control-3; healthy" in out


def test_one_source_only(program: Program, world: World) -> None:
    code, _, told = program("recover", "--empty", "--from", "demo-control-2")
    assert (code, "allowed: one of them" in told) == (2, True)
    assert len(world.members()) == 1


def test_as_json(program: Program, world: World) -> None:
    code, out, _ = program("recover", "--from", "demo-control-2", "--yes", "--json")
    report = json.loads(out)
    assert (code, report["kept"], report["healthy"]) == (0, ["demo-control-2"], True)
    assert not world.led_by_empty


def test_backup_tells_where_it_lies(program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def back_up(_hosts: Any, look: Any, _root: Path) -> Backup:
        return Backup(tmp_path, {"cluster": look.spec.cluster, "tree": {"nodes": 7}})

    monkeypatch.setattr("clusterctl.ops.backup.backup.back_up", back_up)
    monkeypatch.setattr("clusterctl.ops.roll.ground.Rolling.hosts", SimpleNamespace())
    code, out, _ = program("backup")
    assert (code, out) == (0, f"cluster demo: 7 nodes of Marathon's tree in {tmp_path}\n")
    assert json.loads(program("backup", "--json")[1])["directory"] == str(tmp_path)
