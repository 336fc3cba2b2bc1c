"""What all tests stand on."""

from __future__ import annotations

import signal

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Ctrl-C reaches what tests start, also where the suite itself runs in the background: a shell has what it starts
    there ignore SIGINT, and children inherit that.
    """
    del config
    signal.signal(signal.SIGINT, signal.default_int_handler)
