"""What every test of the command line has."""

from __future__ import annotations

import pytest

from clusterctl.cli.output import name_commands
from clusterctl.ops.kit.command import Command


@pytest.fixture(autouse=True)
def no_command() -> None:
    """A process runs one command; a test process runs many, one after the other."""
    name_commands(Command("", "FILE"))
