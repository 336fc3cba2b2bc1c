"""The rolling verbs: what they say, where, and how they end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clusterctl.ops.roll.ground import Rolling
from clusterctl.ops.roll.report import Journal
from clusterctl.ops.upgrade.upgrade import Versions
from clusterctl.services import Service
from tests.memory.cloud import MemoryCloud
from tests.unit.cli.test_app import file, run  # noqa: F401  (file is a fixture)
from tests.unit.ops.clouds import demo_cloud

ZK = Service.ZOOKEEPER


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> MemoryCloud:
    made = demo_cloud()
    monkeypatch.setattr("clusterctl.cloud.open_cloud", lambda _name: made)
    return made


def journal(rolling: Rolling) -> Journal:
    made = Journal("demo", "restart of zookeeper", lambda names: str(rolling.run.command.having(only=",".join(names))))
    made.plan(ZK, ["a", "b", "c"])
    made.finish(ZK, "a")
    return made


def test_a_roll_that_stops_prints_its_report_and_ends_with_1(
    file: Path,  # noqa: F811
    cloud: MemoryCloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopping(rolling: Rolling, *_: Any, **__: Any) -> Journal:
        assert len(cloud.lock_records) == 1, "a roll holds the cluster's lock"
        made = journal(rolling)
        made.fail(ZK, "b", "boom", "back in service")
        raise made.stopped("zookeeper on b: boom")

    monkeypatch.setattr("clusterctl.ops.roll.restart.restart_service", stopping)
    arguments = ("restart", str(file), "zookeeper", "--cloud", "lab", "--batch", "3", "--json")
    assert run(*arguments, monkeypatch=monkeypatch) == 1
    told = capsys.readouterr()
    report = json.loads(told.out)
    command = f"clusterctl restart {file} zookeeper --cloud lab --batch 3 --only b,c"
    assert report["continue"] == command
    assert report["failed"] == [{"service": "zookeeper", "node": "b", "reason": "boom", "state": "back in service"}]
    assert (report["done"], report["left"]) == ([["zookeeper", "a"]], [["zookeeper", "c"]])
    assert "restart of zookeeper of cluster demo stopped: zookeeper on b: boom" in told.err
    assert f"`{command}` does what is left" in told.err
    assert not cloud.lock_records


def test_a_roll_that_ends_well_says_what_was_done(
    file: Path,  # noqa: F811
    cloud: MemoryCloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ending(rolling: Rolling, service: str, only: tuple[str, ...], versions: Versions, **_: Any) -> Journal:
        assert (service, only) == ("zookeeper", ("a", "b"))
        assert versions.to == "3.8.0-12"
        made = journal(rolling)
        made.finish(ZK, "b")
        made.advice.append("and so on")
        return made

    monkeypatch.setattr("clusterctl.ops.upgrade.upgrade.upgrade_service", ending)
    arguments = ("upgrade", str(file), "zookeeper", "--only", "a,b", "--to", "3.8.0-12")
    assert run(*arguments, monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out.splitlines() == [
        "done: zookeeper on a",
        "done: zookeeper on b",
        "and so on",
        "restart of zookeeper of cluster demo: 2 done, healthy",
    ]


def test_an_unknown_service_is_bad_input(
    file: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("restart", str(file), "jenkins", monkeypatch=monkeypatch) == 2
    assert "SERVICE: found 'jenkins'; allowed: zookeeper, mesos_master" in capsys.readouterr().err


def test_the_old_order_is_answered_with_the_right_line(
    file: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("upgrade", "mesos", str(file), "--to", "1.2", "--cloud", "lab", monkeypatch=monkeypatch) == 2
    told = capsys.readouterr().err
    assert (
        told == f"clusterctl: SERVICE: comes after FILE\n  -> `clusterctl upgrade {file} mesos --to 1.2 --cloud lab`\n"
    )


def test_a_locked_cluster_is_not_rolled(
    file: Path,  # noqa: F811
    cloud: MemoryCloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cloud.create_lock("demo", "clusterctl.lock=demo owner=bob@ops2 pid=7 command=restart-mesos")
    assert run("restart", str(file), "zookeeper", monkeypatch=monkeypatch) == 1
    assert "another command is at work on cluster demo: bob@ops2" in capsys.readouterr().err
