"""Nodes that the Mesos plugin made, and their executors."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Protocol

from .cloud import Template
from .job import Build, Job

_NAME_LIMIT = 63


class Channel(Protocol):
    """The connection to an agent. Numbers tell the steps of one agent apart."""

    @property
    def root(self) -> str: ...

    def run(self, number: int, directory: str, environment: Mapping[str, str], script: str) -> None: ...

    def stop(self, number: int) -> None: ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


def node_name(template: Template, generation: int) -> str:
    """Return a new name, which is the task's id too."""
    if generation == 2:
        return f"jenkins-agent-{template.label}-{uuid.uuid4()}"
    suffix = "" if template.label is None else "-" + template.label.replace(" ", "")
    return f"mesos-jenkins-{uuid.uuid4().hex}{suffix}"[:_NAME_LIMIT]


class Node:
    """One agent; ``channel`` None while it is offline. Times in seconds since the epoch."""

    def __init__(self, name: str, template: Template, executors: int, now: float, single_use: bool) -> None:
        self.name = name
        self.template = template
        self.executors: list[Build | None] = [None] * executors
        self.created = now
        self.idle_since = now
        self.single_use = single_use
        self.accepting = True
        self.pending_delete = False
        self.temporarily_offline = False
        self.connecting = True
        self.channel: Channel | None = None
        self.steps: dict[int, Build] = {}
        self.next_step = 1

    @property
    def online(self) -> bool:
        return self.channel is not None and not self.temporarily_offline

    @property
    def idle(self) -> bool:
        return not any(self.executors)

    @property
    def free(self) -> int:
        """How many builds it would take now."""
        return self.executors.count(None) if self.online and self.accepting else 0

    def takes(self, job: Job) -> bool:
        label = job.definition.label
        return not self.template.exclusive if label is None else label in self.template.labels

    def occupy(self, build: Build) -> None:
        self.executors[self.executors.index(None)] = build
        self.accepting = not self.single_use

    def release(self, build: Build, now: float) -> None:
        self.executors[self.executors.index(build)] = None
        self.steps = {number: other for number, other in self.steps.items() if other is not build}
        if self.idle:
            self.idle_since = now

    def workspace(self, job: Job) -> str:
        return f"{self.template.remote_fs}/workspace/{job.name}"
