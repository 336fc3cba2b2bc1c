"""Tests of nodes that run: on Molecule's hosts and on a live cluster alike, with an Ansible inventory.

    pytest --ansible-inventory=INVENTORY --connection=ansible [--sudo] tests/testinfra

Nothing is changed on the nodes. What is asked is asked on a node itself, so no port need be open to us.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.testinfra.asking import asked

Get = Callable[[str], Any]


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """``eventually(ask, wanted)`` asks until the answer is ``wanted`` (or true), for a minute; gives the last answer.

    A cluster that was just started still elects its leaders. An error counts like a wrong answer until the last one.
    """

    def wait(ask: Callable[[], Any], wanted: object = None) -> Any:
        deadline = time.monotonic() + 60
        while True:
            try:
                answer = ask()
                right = bool(answer) if wanted is None else answer == wanted
                if right or time.monotonic() > deadline:
                    return answer
            except (AssertionError, LookupError, ValueError):
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    return wait


@pytest.fixture
def variables(host: Any) -> dict[str, Any]:
    """The host's variables in the inventory."""
    return dict(host.ansible.get_variables())


@pytest.fixture
def address(host: Any) -> str:
    """The address that services listen on."""
    return str(host.check_output("/usr/lib/clusterctl/primary-address"))


@dataclass(frozen=True)
class Process:
    """A process: its user's name and its command line."""

    user: str
    command: str


@pytest.fixture
def main_process(host: Any) -> Callable[[str], Process]:
    """The main process of a unit. From /proc: ps fails in containers whose /proc/meminfo can't be read."""

    def of(unit: str) -> Process:
        process = f"/proc/{host.service(unit).systemd_properties['MainPID']}"
        command = host.check_output(f"tr '\\0' ' ' < {process}/cmdline")
        return Process(host.check_output(f"stat --format=%U {process}"), command)

    return of


@pytest.fixture
def get(host: Any) -> Get:
    """GET of a URL, on the node; JSON."""

    def fetch(url: str) -> Any:
        return asked(host, url)

    return fetch


@pytest.fixture
def four_letters(host: Any) -> Callable[[str, str], dict[str, str]]:
    """ZooKeeper's answer to a four-letter word, as pairs of name and value."""

    def ask(where: str, word: str) -> dict[str, str]:
        answer = host.check_output(f"echo {word} | nc -w 3 {where} 2181")
        pairs = (line.replace(": ", "\t", 1).partition("\t") for line in answer.splitlines())
        return {name.strip(): value.strip() for name, _, value in pairs}

    return ask
