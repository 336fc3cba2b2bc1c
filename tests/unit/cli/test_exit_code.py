"""``--exit-code``: 4 where something differs from the file."""

from __future__ import annotations

import json

import pytest

from clusterctl.ansible.playbook import PlaybookResult
from clusterctl.ops.day2.configure import ConfigureReport
from tests.unit.cli.test_grow import Program, program

__all__ = ["program"]  # the fixture


def test_plan(program: Program) -> None:
    assert program("plan", "--exit-code")[0] == 0
    program.running.vanish("demo-control-1")
    assert program("plan")[0] == 0
    code, out, _ = program("plan", "--exit-code", "--json")
    assert (code, json.loads(out)["empty"]) == (4, False)


def test_plan_with_a_problem_and_nothing_to_write(program: Program) -> None:
    program.running.change("demo-control-1", flavor="m1.tiny")
    code, out, _ = program("plan", "--exit-code")
    assert code == 4
    assert "! demo-control-1: has flavor m1.tiny, and the file says m1.small" in out


@pytest.mark.parametrize(
    ("changed", "pending", "expected"), [(0, (), 0), (2, (), 4), (0, (("demo-control-1", "zookeeper"),), 4)]
)
def test_configure(
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
    changed: int,
    pending: tuple[tuple[str, str], ...],
    expected: int,
) -> None:
    counts = {"ok": 1, "changed": changed, "failed": 0, "unreachable": 0}
    result = PlaybookResult({"demo-control-1": counts}, (), (), (), "")
    report = ConfigureReport(result, check=True, pending=pending, seconds=1.0)
    monkeypatch.setattr("clusterctl.ops.day2.configure.configure", lambda *_args, **_options: report)
    monkeypatch.setattr("clusterctl.ops.day2.inventory.cluster_inventory", lambda *_args: {})
    assert program("configure", "--check")[0] == 0
    code, out, _ = program("configure", "--check", "--exit-code")
    assert (code, f"changed={changed}" in out) == (expected, True)


def test_without_check_it_is_refused(program: Program) -> None:
    code, _, told = program("configure", "--exit-code")
    assert code == 2
    assert "--exit-code: found without --check" in told
