"""What both schedulers need of the rest, and what the rest needs of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from .offers import Json, Request


@dataclass(frozen=True)
class Host:
    """The Jenkins around a scheduler. ``send`` makes a scheduler call, or drops it when there is no connection."""

    send: Callable[[Json], None]
    clock: Callable[[], float]
    secret_of: Callable[[str], str]  # node -> -secret, "" where security is off
    builds_wait: Callable[[], bool]  # in the queue, and the cloud could serve them
    has_nodes: Callable[[], bool]  # of Mesos
    task_running: Callable[[str], None]
    task_ended: Callable[[str, str], None]  # name, message
    leave: Callable[[], None]  # stop the driver: the framework is torn down
    minute_s: float


class Scheduler(Protocol):
    """One registration's state. All methods are called under the same lock."""

    def request(self, request: Request) -> None:
        """Want a task for a node."""

    def terminate(self, name: str) -> None:
        """Kill a node's task, or forget that it was wanted."""

    def offers(self, offers: list[Json]) -> None: ...

    def update(self, status: dict[str, Any]) -> None: ...
