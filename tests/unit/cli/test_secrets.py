"""``secrets rotate``: what it asks, prints and ends with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from clusterctl.ops.roll.ground import Rolling
from clusterctl.ops.roll.report import Journal
from clusterctl.ops.secure.rotate import RotateReport
from clusterctl.services import Service
from tests.memory.cloud import MemoryCloud
from tests.unit.cli.test_app import file, run  # noqa: F401  (file is a fixture)
from tests.unit.ops.clouds import demo_cloud


@pytest.fixture
def closed(file: Path) -> Path:  # noqa: F811
    file.write_text(file.read_text() + "security: {insecure: [builds, units, network, zookeeper]}\n")
    return file


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> MemoryCloud:
    made = demo_cloud()
    monkeypatch.setattr("clusterctl.cloud.open_cloud", lambda _name: made)
    return made


@pytest.fixture
def asked(cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The names of each turn."""
    found: list[Sequence[str]] = []

    def rotate(
        rolling: Rolling, names: Sequence[str], consent: Callable[[Sequence[str]], None], *, batch: str, tenants: object
    ) -> RotateReport:
        assert len(cloud.lock_records) == 1, "it holds the cluster's lock"
        assert batch == "3"
        consent(["turn over marathon/http"])
        found.append(names)
        stages: list[dict[str, Any]] = [{"stage": "clients", "changed": 7, "restarted": [["marathon", "a"]]}]
        return RotateReport(rolling.run.spec.cluster, ["marathon/http"], {"marathon/http": 2}, stages)

    monkeypatch.setattr("clusterctl.ops.secure.rotate.rotate", rotate)
    return found


def test_it_says_what_was_done(
    closed: Path,
    asked: list[Sequence[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("secrets", "rotate", str(closed), "marathon/http", "--batch", "3", "--yes")
    assert run(*words, monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out.splitlines() == [
        "clients: 7 files, 1 restarts",
        "cluster demo: 1 secrets turned; the last ones are refused; healthy",
    ]
    assert run(*words, "--json", monkeypatch=monkeypatch) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["restarted"], report["epochs"]) == (1, {"marathon/http": 2})
    assert [list(names) for names in asked] == [["marathon/http"]] * 2
    assert run("secrets", "rotate", str(closed), "--batch", "3", "--yes", monkeypatch=monkeypatch) == 0
    assert list(asked[-1]) == []


def test_without_consent_nothing_is_done(
    closed: Path,
    asked: list[Sequence[str]],
    cloud: MemoryCloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("clusterctl.cli.output.agrees", lambda _question: False)
    assert run("secrets", "rotate", str(closed), "--batch", "3", monkeypatch=monkeypatch) == 1
    told = capsys.readouterr()
    assert (told.out, "turn over marathon/http" in told.err, "nothing was done" in told.err) == ("", True, True)
    assert (asked, cloud.lock_records) == ([], {})


@pytest.mark.parametrize(("words", "said"), [(["mesos/x"], "allowed: mesos/marathon, "), ([], "closes nothing")])
def test_names_are_checked_before_anything(
    words: list[str],
    said: str,
    closed: Path,
    asked: list[Sequence[str]],
    cloud: MemoryCloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not words:
        closed.write_text(
            closed.read_text().replace("{insecure: [builds, units, network, zookeeper]}", "{insecure: all}")
        )
    assert run("secrets", "rotate", str(closed), *words, "--yes", monkeypatch=monkeypatch) == 2
    assert said in capsys.readouterr().err
    assert (asked, cloud.calls.write) == ([], 0)


def test_one_that_stops_prints_its_report(
    closed: Path,
    cloud: MemoryCloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopping(rolling: Rolling, *_: Any, **__: Any) -> RotateReport:
        journal = Journal("demo", "turn of secrets", lambda _: str(rolling.run.command))
        journal.plan(Service.ZOOKEEPER, ["a"])
        journal.fail(Service.ZOOKEEPER, "a", "boom", "back in service")
        raise journal.stopped("zookeeper on a: boom")

    monkeypatch.setattr("clusterctl.ops.secure.rotate.rotate", stopping)
    assert run("secrets", "rotate", str(closed), "mesos/operator", "--yes", "--json", monkeypatch=monkeypatch) == 1
    told = capsys.readouterr()
    go_on = f"clusterctl secrets rotate {closed} mesos/operator --yes"
    assert json.loads(told.out)["continue"] == go_on
    assert f"`{go_on}` does what is left" in told.err
