"""``clusterctl loadtest``: options, answers, exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clusterctl.load.plan import NAME_PREFIX, LoadPlan
from clusterctl.load.result import LoadResult, from_json, to_json
from clusterctl.ops.loadtest.masters import Registered
from tests.unit.cli.test_app import file, run  # noqa: F401  (file is a fixture)
from tests.unit.load.worlds import finished, result
from tests.unit.ops.clouds import demo_cloud

GOOD = result(builds=(finished(0, 0, 0.5, 1), finished(1, 20, 1, 3)), ended="complete")
BEARABLE = ("--starved-after", "80")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[LoadPlan, dict[str, Any]]]:
    """What ``load_test`` was called with; it gives a good result."""
    seen: list[tuple[LoadPlan, dict[str, Any]]] = []

    @contextmanager
    def nobody(*_: object) -> Iterator[list[object]]:
        yield []

    def load_test(_cluster: str, _endpoints: object, plan: LoadPlan, _progress: object, **more: Any) -> LoadResult:
        seen.append((plan, more))
        return GOOD

    monkeypatch.setattr("clusterctl.cloud.open_cloud", lambda _name: demo_cloud())
    monkeypatch.setattr("clusterctl.ops.loadtest.run.masters_of", nobody)
    monkeypatch.setattr("clusterctl.ops.loadtest.run.load_test", load_test)
    return seen


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    path = tmp_path / "result.json"
    path.write_text(to_json(GOOD))
    return path


def test_run_asks_for_what_its_options_say(
    file: Path,  # noqa: F811
    asked: list[tuple[LoadPlan, dict[str, Any]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = tmp_path / "kept.json"
    words = ["--frameworks-only", "--frameworks", "40", "--builds", "2", "--kind", "always", "--decline", "5"]
    words += ["--arrival", "morning", "--over", "60", "--yes", "--json", "--result", str(kept), *BEARABLE]
    code = run("loadtest", "run", str(file), *words, monkeypatch=monkeypatch)
    assert code == 0
    ((plan, more),) = asked
    (group,) = plan.groups
    assert (group.count, group.builds, group.kind, group.decline_s, group.arrival) == (40, 2, "always", 5, "morning")
    assert plan.canary is not None
    assert (plan.canary.role, plan.canary.turns, plan.canary.every_s) == ("marathon", 4, 15)
    assert more == {"beside_others": True}
    assert from_json(kept.read_bytes(), "kept") == GOOD
    assert json.loads(capsys.readouterr().out)["ok"] is True


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "allowed: --frameworks-only"),
        (
            ("--frameworks-only", "--frameworks", "900", "--builds", "223"),
            "found 200700 builds; allowed: at most 200000",
        ),
        (("--frameworks-only", "--page", "/nowhere/p.html"), "can't write /nowhere/p.html"),
    ],
)
def test_run_refuses(
    file: Path,  # noqa: F811
    asked: list[object],
    words: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("loadtest", "run", str(file), *words, monkeypatch=monkeypatch) == 2
    assert message in capsys.readouterr().err
    assert asked == []


def test_report_judges_again(seen: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("loadtest", "report", str(seen), monkeypatch=monkeypatch) == 3
    told = capsys.readouterr()
    assert "did not pass: frameworks that waited over 60 s for an offer: 1, allowed 0" in told.err
    assert "FAILED" in told.out
    assert run("loadtest", "report", str(seen), *BEARABLE, monkeypatch=monkeypatch) == 0
    assert "FAILED" not in capsys.readouterr().out
    assert run("loadtest", "report", str(seen), *BEARABLE, "--max-canary", "1", monkeypatch=monkeypatch) == 3


def test_report_writes_a_page(seen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("plotly")
    page = tmp_path / "page.html"
    assert run("loadtest", "report", str(seen), *BEARABLE, "--page", str(page), monkeypatch=monkeypatch) == 0
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("content", [None, "{}"])
def test_report_of_what_is_none(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content)
    assert run("loadtest", "report", str(path), monkeypatch=monkeypatch) == 2
    assert str(path) in capsys.readouterr().err


def test_clean_says_what_it_removed(
    file: Path,  # noqa: F811
    asked: list[object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    left = [Registered(id="1", name=f"{NAME_PREFIX}aa-x-1", connected=False, tasks=3)]
    monkeypatch.setattr("clusterctl.ops.loadtest.run.clean_up", lambda _endpoints, even_at_work: left)
    assert run("loadtest", "clean", str(file), monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == "removed frameworks: 1, tasks: 3\n"
    assert run("loadtest", "clean", str(file), "--json", monkeypatch=monkeypatch) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"removed": [f"{NAME_PREFIX}aa-x-1"], "tasks": 3, "masters": [], "apps": []}
    left.clear()
    assert run("loadtest", "clean", str(file), monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == "no load test has left anything\n"
