"""Verbs that grow, shrink and mend, on a cloud in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clusterctl.cloud.memory import MemoryCloud
from tests.unit.cli.test_app import file, run  # noqa: F401  (file is a fixture)
from tests.unit.ops.clouds import demo_cloud

HOLDER = "clusterctl.lock=demo owner=bob@ops2 pid=7 command=scale"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> MemoryCloud:
    made = demo_cloud()
    monkeypatch.setattr("clusterctl.cloud.open_cloud", lambda _name: made)
    return made


def test_create_is_told_of_a_lock(
    file: Path,  # noqa: F811
    cloud: MemoryCloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cloud.create_lock("demo", HOLDER)
    assert run("create", str(file), monkeypatch=monkeypatch) == 1
    told = capsys.readouterr().err
    assert "another command is at work on cluster demo: bob@ops2 (pid 7, `clusterctl scale`), for" in told
    assert f"`clusterctl unlock {file}`" in told


def test_unlock_by_word(
    file: Path,  # noqa: F811
    cloud: MemoryCloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cloud.create_lock("demo", HOLDER)
    assert run("unlock", str(file), "--yes", "--json", monkeypatch=monkeypatch) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["broken"][0].startswith("bob@ops2 (pid 7")
    assert not cloud.lock_records
    assert run("unlock", str(file), monkeypatch=monkeypatch) == 0
    assert "was not locked" in capsys.readouterr().out
