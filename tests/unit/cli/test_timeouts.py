"""``--timeout`` bounds what a verb waits for, and each wait tells what it waits for."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import typer

from clusterctl.cli.app import program
from clusterctl.cli.session import waiter
from clusterctl.errors import ClusterctlError
from clusterctl.ops.kit.progress import Progress

# Verbs that wait for the cloud or for services. The others look once, run Ansible, or have a limit of their own
# (``loadtest run --max-seconds``)
WAITING = {
    "": "create destroy scale replace patch repair recover restart upgrade reconfigure secure",
    "image": "build",
    "jenkins": "create restart hibernate wake delete backup restore move upgrade",
}


def found(*words: str) -> Any:
    command: Any = typer.main.get_command(program())
    for word in words:
        command = command.commands[word]
    return command


def waiting() -> list[tuple[str, ...]]:
    return [(family, verb) if family else (verb,) for family, verbs in WAITING.items() for verb in verbs.split()]


@pytest.mark.parametrize("words", waiting(), ids=" ".join)
def test_every_verb_that_waits_has_a_bound(words: tuple[str, ...]) -> None:
    assert any("--timeout" in each.opts for each in found(*words).params)


class Told:
    """A reporter that keeps notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def started(self, _phase: str) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)

    def finished(self, _phase: str, _seconds: float) -> None: ...


def context_of(*words: str) -> Any:
    return found("destroy").make_context("destroy", ["demo.yml", *words])


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
