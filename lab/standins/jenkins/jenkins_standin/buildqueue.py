"""The queue: waiting, blocked, buildable, left (hudson.model.Queue). Pure but for reading and writing queue.xml."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .job import Build, Job, write_whole
from .xmltools import document, element, integer_of, parse_file, text_of

log = logging.getLogger("hudson.model.Queue")
_LEFT_KEPT_S = 300  # an item that left is gone after this (Queue's cache of left items)


@dataclass
class Item:
    """Seconds since the epoch. ``state`` is waiting, blocked, buildable or left."""

    id: int
    job: Job
    parameters: Mapping[str, str]
    cause: str
    since: float
    due: float
    state: str = "waiting"
    why: str | None = None
    buildable_since: float = 0.0
    left_at: float = 0.0
    cancelled: bool = False
    build: Build | None = field(default=None, repr=False)

    @property
    def kind(self) -> str:
        return {"waiting": "WaitingItem", "blocked": "BlockedItem", "buildable": "BuildableItem", "left": "LeftItem"}[
            self.state
        ]


class BuildQueue:
    """Items in the order of their ids."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.items: dict[int, Item] = {}
        self.next_id = 1

    def schedule(self, job: Job, delay_s: float, parameters: Mapping[str, str], cause: str) -> tuple[Item, bool]:
        """Add an item, or fold it into an equal one that waits; the item, and whether it is new."""
        now = self._clock()
        for item in self.queued():
            if item.job is job and item.parameters == parameters:
                if item.state == "waiting":
                    item.due = min(item.due, now + delay_s)
                return item, False
        item = Item(self.next_id, job, dict(parameters), cause, now, now + delay_s)
        self.next_id += 1
        self.items[item.id] = item
        return item, True

    def queued(self) -> Iterator[Item]:
        """Items that did not leave."""
        return (item for item in list(self.items.values()) if item.state != "left")

    def buildable(self) -> list[Item]:
        return [item for item in self.queued() if item.state == "buildable"]

    def maintain(self, quieting_down: bool) -> None:
        """Move items on, and forget those that left long ago."""
        now = self._clock()
        claimed: set[Job] = set()
        for item in list(self.items.values()):
            if item.state == "left":
                if now - item.left_at >= _LEFT_KEPT_S:
                    del self.items[item.id]
                continue
            if item.state == "waiting" and now < item.due:
                item.why = f"In the quiet period. Expires in {max(0.0, item.due - now):.1f} sec"
                continue
            busy = None if item.job.definition.concurrent else next(item.job.running(), None)
            if busy or (item.job in claimed and not item.job.definition.concurrent):
                item.state = "blocked"
                item.why = f"Build #{busy.number if busy else item.job.next_number} is already in progress (ETA: N/A)"
                continue
            claimed.add(item.job)
            if item.state != "buildable":
                item.state, item.buildable_since = "buildable", now
            item.why = "Jenkins is about to shut down" if quieting_down else _waits(item)

    def leave(self, item: Item, build: Build) -> None:
        item.state, item.left_at, item.build, item.why = "left", self._clock(), build, None

    def cancel(self, item: Item) -> None:
        item.state, item.left_at, item.cancelled, item.why = "left", self._clock(), True, None

    def cancel_of(self, job: Job) -> None:
        """Cancel what waits of a job that is deleted."""
        for item in self.queued():
            if item.job is job:
                self.cancel(item)

    # --- queue.xml

    def save(self, path: Path) -> None:
        """Write the items that did not leave, and the counter."""
        items = "".join(
            f"<hudson.model.Queue_-{item.kind}>{element('id', item.id)}{element('task', item.job.name)}"
            f"{element('inQueueSince', round(item.since * 1000))}{element('cause', item.cause)}<parameters>"
            + "".join(f"<entry>{element('name', n)}{element('value', v)}</entry>" for n, v in item.parameters.items())
            + f"</parameters></hudson.model.Queue_-{item.kind}>"
            for item in self.queued()
        )
        body = f"<hudson.model.Queue_-State>{element('counter', self.next_id - 1)}<items>{items}</items>"
        write_whole(path, document(body + "</hudson.model.Queue_-State>"))

    def load(self, path: Path, jobs: Mapping[str, Job]) -> None:
        """Take back what ``save`` wrote; the file becomes queue.xml.bak."""
        if not path.exists():
            return
        try:
            root = parse_file(path)
        except ValueError as exc:
            log.warning("Failed to load the queue file %s: %s", path, exc)
            return
        self.next_id = integer_of(root, "counter") + 1
        items = root.find("items")
        for each in items if items is not None else []:
            job = jobs.get(text_of(each, "task") or "")
            if job is None:
                continue
            parameters = {text_of(e, "name") or "": text_of(e, "value") or "" for e in each.iter("entry")}
            since = integer_of(each, "inQueueSince") / 1000
            item = Item(integer_of(each, "id"), job, parameters, text_of(each, "cause") or "", since, self._clock())
            self.items[item.id] = item
        path.replace(path.with_name("queue.xml.bak"))
        log.info("Loaded %d items of the queue", len(self.items))


def _waits(item: Item) -> str:
    label = item.job.definition.label
    return f"‘Jenkins’ doesn’t have label ‘{label}’" if label else "Waiting for next available executor"
