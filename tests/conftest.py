"""What all tests stand on."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator

import pytest
from hypothesis import settings

# A busy machine may stop a test for a second; without a limit Hypothesis still finds what is wrong
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Ctrl-C reaches what tests start, also where the suite itself runs in the background: a shell has what it starts
    there ignore SIGINT, and children inherit that.
    """
    del config
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A test that leaves another umask behind fails: the tests after it would, and name another cause."""
    before = _umask()
    yield
    after = _umask()
    if after != before:
        os.umask(before)
        pytest.fail(f"{item.nodeid} leaves the umask {after:03o}, not {before:03o}", pytrace=False)


def _umask() -> int:
    """This process's, which can only be read by setting it."""
    umask = os.umask(0o022)
    os.umask(umask)
    return umask
