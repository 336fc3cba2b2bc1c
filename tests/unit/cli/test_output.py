"""Answers are made for who reads them."""

from __future__ import annotations

import pytest
from rich.table import Table

from clusterctl.cli import output


def test_a_row_in_a_pipe_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(box=None, show_header=False)
    table.add_row("a" * 120, "b" * 120)
    output.print_rich(table)
    assert len(capsys.readouterr().out.splitlines()) == 1
