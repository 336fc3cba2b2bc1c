"""``secure``: what it asks, prints and ends with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusterctl.ops.roll.ground import Rolling
from clusterctl.ops.roll.report import Journal
from clusterctl.ops.secure.secure import SecureReport
from clusterctl.services import Service
from clusterctl.tierchanges import NetworkChanges
from tests.memory.cloud import MemoryCloud
from tests.unit.cli.test_app import file, run  # noqa: F401  (file is a fixture)
from tests.unit.ops.clouds import demo_cloud

Secure = Callable[..., SecureReport]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> MemoryCloud:
    made = demo_cloud()
    monkeypatch.setattr("clusterctl.cloud.open_cloud", lambda _name: made)
    plan = SimpleNamespace(network=NetworkChanges())
    monkeypatch.setattr("clusterctl.ops.lifecycle.create.plan_cluster", lambda *_: (None, None, plan))
    return made


def securing(cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def secure(rolling: Rolling, consent: Callable[[Sequence[str]], None], *, batch: str) -> SecureReport:
        assert len(cloud.lock_records) == 1, "it holds the cluster's lock"
        assert batch == "3"
        consent(["close Mesos"])
        stages: list[dict[str, Any]] = [{"stage": "required", "changed": 7, "restarted": [["zookeeper", "a"]]}]
        return SecureReport(rolling.run.spec.cluster, ["mesos"], ["network"], stages)

    monkeypatch.setattr("clusterctl.ops.secure.secure.secure", secure)


def test_it_says_what_was_done(
    file: Path,  # noqa: F811
    cloud: MemoryCloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    securing(cloud, monkeypatch)
    assert run("secure", str(file), "--batch", "3", "--yes", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out.splitlines() == [
        "required: 7 changes, 1 restarts",
        "cluster demo: closed: mesos; open: network; healthy",
    ]
    assert run("secure", str(file), "--batch", "3", "--yes", "--json", monkeypatch=monkeypatch) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["restarted"], report["closed"], report["security_groups"]) == (1, ["mesos"], False)


def test_without_consent_nothing_is_done(
    file: Path,  # noqa: F811
    cloud: MemoryCloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    securing(cloud, monkeypatch)
    monkeypatch.setattr("clusterctl.cli.output.agrees", lambda _question: False)
    assert run("secure", str(file), "--batch", "3", monkeypatch=monkeypatch) == 1
    told = capsys.readouterr()
    assert (told.out, "close Mesos" in told.err, "nothing was done" in told.err) == ("", True, True)
    assert not cloud.lock_records


def test_one_that_stops_prints_its_report(
    file: Path,  # noqa: F811
    cloud: MemoryCloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopping(rolling: Rolling, *_: Any, **__: Any) -> SecureReport:
        journal = Journal("demo", "secure", lambda _: str(rolling.run.command))
        journal.plan(Service.ZOOKEEPER, ["a"])
        journal.fail(Service.ZOOKEEPER, "a", "boom", "back in service")
        raise journal.stopped("zookeeper on a: boom")

    monkeypatch.setattr("clusterctl.ops.secure.secure.secure", stopping)
    assert run("secure", str(file), "--yes", "--json", monkeypatch=monkeypatch) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["continue"] == f"clusterctl secure {file} --yes"
    assert f"`clusterctl secure {file} --yes` does what is left" in told.err
