"""``--timeout`` bounds what a verb waits for, and each wait tells what it waits for."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from clusterctl.ansible.playbook import PlaybookError, run_playbook
from clusterctl.cli.app import program
from clusterctl.cli.session import tasks_within, waiter
from clusterctl.errors import ClusterctlError
from clusterctl.ops.kit.progress import Progress

# Verbs that look once, hold a connection open, or run what the operator says; and those with a limit of their own
NOT_WAITING = """
list; validate; schema; settings; plan; bundle; status; verify; ssh; trust; open; unlock; inventory; run;
image validate; image list; jenkins list; jenkins status; jenkins open; jenkins prune;
loadtest run; loadtest report; loadtest clean
"""


def verbs(command: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Name and command of each."""
    if hasattr(command, "commands"):
        for word, each in command.commands.items():
            yield from verbs(each, (*name, word))
    else:
        yield " ".join(name), command


VERBS = dict(verbs(typer.main.get_command(program())))


def test_every_verb_that_waits_has_a_bound() -> None:
    without = {name for name, each in VERBS.items() if not any("--timeout" in option.opts for option in each.params)}
    assert without == {name.strip() for name in NOT_WAITING.split(";")}


class Told:
    """A reporter that keeps notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def started(self, _phase: str) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)

    def finished(self, _phase: str, _seconds: float) -> None: ...


def context_of(*words: str) -> Any:
    return VERBS["destroy"].make_context("destroy", ["demo.yml", *words])


def test_no_wait_is_longer_than_what_was_given() -> None:
    told, now = Told(), [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    bounded = replace(waiter(context_of("--timeout", "10"), Progress(told)), clock=lambda: now[0], sleep=sleep)
    with pytest.raises(ClusterctlError, match="timed out after 10 s waiting for servers: two are left"):
        bounded.until(lambda: False, what="servers", timeout_s=600, told=lambda: "two are left")
    assert set(told.notes) == {"waiting for servers: two are left"}
    assert now == [10]


def test_a_verbs_default_shortens_no_wait() -> None:
    assert waiter(context_of(), Progress()).left() == math.inf


@pytest.mark.parametrize("before", [None, "77"])
def test_a_task_on_a_node_fails_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    """With the real ansible-playbook."""
    if before is not None:
        monkeypatch.setenv("ANSIBLE_TASK_TIMEOUT", before)
    # Ansible gives up a task without ending its program
    program = f"until test -e {tmp_path}/over; do sleep 0.1; done"
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    tasks = [{"name": "hang", "command": {"argv": ["sh", "-c", program]}}]
    (tmp_path / "p.yml").write_text(json.dumps([play | {"tasks": tasks}]))
    (tmp_path / "ansible.cfg").touch()
    inventory: dict[str, Any] = {"_meta": {"hostvars": {"localhost": {"ansible_python_interpreter": sys.executable}}}}
    inventory |= {"all": {"hosts": ["localhost"]}}
    try:
        with tasks_within(1), pytest.raises(PlaybookError) as caught:
            run_playbook(tmp_path / "p.yml", inventory=inventory, config=tmp_path / "ansible.cfg")
    finally:
        (tmp_path / "over").touch()
    [(host, task, message)] = caught.value.result.failures
    assert (host, task) == ("localhost", "hang")
    assert re.search(r"timed out|exceeded", message, re.IGNORECASE), message
    assert os.environ.get("ANSIBLE_TASK_TIMEOUT") == before
