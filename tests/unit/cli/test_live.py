"""The live table: the last state stays when a look fails, and Ctrl-C is the way out."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from rich.console import Console

from clusterctl.cli.live import show
from clusterctl.errors import CloudError, ClusterctlError
from clusterctl.ops.observe.status import StatusReport, make_status
from tests.unit.health.clusters import SPEC, all_facts, expect, servers

REPORT = make_status(SPEC, servers(), expect(), all_facts())


def looks() -> Iterator[StatusReport | ClusterctlError]:
    yield REPORT
    yield CloudError("the cloud does not answer")
    raise KeyboardInterrupt


@pytest.mark.parametrize("terminal", [True, False])
def test_table(terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, height=60)
    show(looks(), as_json=False, console=console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue() + capsys.readouterr().out
    assert "demo-control-2" in text
    assert "5 of 5 nodes ready" in text
    assert "the cloud does not answer" in text


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show(looks(), as_json=True)
    first, second = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (first["cluster"], len(first["nodes"])) == ("demo", 5)
    assert second == {"error": "the cloud does not answer"}
