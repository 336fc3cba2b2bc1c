"""The fixtures of tests/testinfra, and one more, for tests that belong to one scenario."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import testinfra

from tests.testinfra.conftest import address, eventually, four_letters, get, main_process, variables

__all__ = ["address", "alive", "eventually", "four_letters", "get", "main_process", "variables"]


@pytest.fixture(scope="module")
def alive(request: pytest.FixtureRequest) -> Callable[[str], list[Any]]:
    """The hosts of an inventory group that answer."""

    def of(group: str) -> list[Any]:
        inventory = request.config.option.ansible_inventory
        return list(filter(_answers, testinfra.get_hosts([f"ansible://{group}"], ansible_inventory=inventory)))

    return of


def _answers(host: Any) -> bool:
    try:
        return bool(host.run("true").rc == 0)
    except RuntimeError:  # testinfra's word for a connection that failed
        return False
