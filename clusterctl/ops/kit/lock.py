"""One command at a time writes to a cluster, whoever the operators are and wherever they sit.

The lock is a resource in the cloud (``resources.lock_name``) that tells its holder. There is no compare-and-set in
Neutron, so holding it is decided by looking: **a command holds the lock once a list that it made after creating its
own lock shows no other**. Of two that see each other, the younger gives way, and the older waits a few seconds for
that. A holder is seen by all that come later, so there are never two; create times decide only who gives way, and a tie
or a wrong clock costs no safety.

A killed command leaves its lock behind. It is taken over silently if it is certain that its process is dead: the same
user on the same running system, and no such process there. In all other cases only if that is asked for
(``--steal-lock``, ``clusterctl unlock``), since a holder that lives would not notice.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.resources import Lock, lock_mark

_GIVE_WAY_S = 6.0  # how long the older of two waits for the younger to give way
_PROC = Path("/proc")


class LockedError(ClusterctlError):
    """Another command is at work on the cluster."""


@dataclass(frozen=True)
class Holder:
    """The process behind a lock.

    Attributes:
        owner: ``user@host``.
        started: the process's start time in clock ticks since boot (proc(5), field 22), '' where unknown: tells it from
            a later process with the same pid.
        machine: boot id and pid namespace, '' where unknown: within it a pid means one process.
    """

    owner: str
    pid: int
    started: str = ""
    machine: str = ""
    command: str = ""

    def text(self, cluster: str) -> str:
        """What is written into the lock: unique, one line, at most 255 characters (Neutron's descriptions)."""
        words = {
            "owner": self.owner,
            "pid": self.pid,
            "started": self.started,
            "machine": self.machine,
            "command": self.command,
            "token": secrets.token_hex(4),
        }
        return lock_mark(cluster) + " ".join(f"{key}={value}" for key, value in words.items())

    @classmethod
    def of(cls, lock: Lock) -> Holder:
        """Reads the text of a lock, whoever wrote it; what is not there is unknown."""
        words = dict(re.findall(r"([a-z.]+)=(\S*)", lock.text))
        pid = words.get("pid", "")
        return cls(
            owner=words.get("owner") or "unknown",
            pid=int(pid) if pid.isdecimal() else 0,
            started=words.get("started", ""),
            machine=words.get("machine", ""),
            command=words.get("command", ""),
        )


def this_process(command: str) -> Holder:
    """The running process as a holder."""
    return Holder(
        # 50 characters: all of the text then fits into a description
        owner=re.sub(r"\s", "_", f"{getpass.getuser()}@{socket.gethostname()}")[:50],
        pid=os.getpid(),
        started=start_time(os.getpid()) or "",
        machine=_machine(),
        command=command,
    )


def is_dead(holder: Holder) -> bool:
    """Whether the process is gone for certain; what can't be known from here counts as alive."""
    me = this_process("")
    if not holder.pid or not me.machine or (holder.owner, holder.machine) != (me.owner, me.machine):
        return False
    return start_time(holder.pid) != holder.started


def start_time(pid: int) -> str | None:
    """Of a process of this system; None if there is none (or no ``/proc``), and for one that ended as a zombie."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # the second field is the program's name in parentheses, which may hold anything; the third is the state
    state, *more = text.rpartition(")")[2].split()
    return None if state in ("Z", "X") else more[18]


def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


@dataclass(frozen=True)
class Guard:
    """How a command locks a cluster.

    Args:
        command: what is done, as it is shown to others: ``scale``.
        unlock: the command that breaks a lock.
        steal: takes the lock from whoever has it.
        note: called when a lock was taken over.
        held: clusters whose lock this command holds now.
    """

    command: str
    unlock: str = "clusterctl unlock FILE"
    steal: bool = False
    note: Callable[[str], None] = lambda _text: None
    process: Callable[[str], Holder] = this_process
    dead: Callable[[Holder], bool] = is_dead
    waiter: Waiter = field(default_factory=Waiter)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    held: list[str] = field(default_factory=list)

    @contextmanager
    def hold(self, cluster: str, cloud: Cloud) -> Iterator[None]:
        """Holds the lock around the body; two writing calls. What was observed before must be observed again.

        Raises:
            LockedError: another command holds it; says whose and since when.
        """
        mine = cloud.create_lock(cluster, self.process(self.command).text(cluster))
        try:
            self._win(cluster, cloud, mine)
            self.held.append(cluster)
            try:
                yield
            finally:
                self.held.remove(cluster)
        except BaseException as error:
            try:
                cloud.delete_lock(mine.id)
            except ClusterctlError as second:
                error.add_note(f"the lock was not released: {second.message}")
            raise
        cloud.delete_lock(mine.id)

    def clear(self, cluster: str, cloud: Cloud) -> None:
        """Removes what killed commands left behind, for a run that finds nothing else to write; one list call."""
        for lock in cloud.locks(cluster):
            self._taken(lock, cloud)

    def _win(self, cluster: str, cloud: Cloud, mine: Lock) -> None:
        deadline = self.waiter.clock() + _GIVE_WAY_S
        while True:
            others = [lock for lock in cloud.locks(cluster) if lock.id != mine.id and not self._taken(lock, cloud)]
            if not others:
                return
            oldest = min([mine, *others], key=lambda lock: (lock.created, lock.id))
            if oldest is not mine or self.waiter.clock() >= deadline:
                holder = min(others, key=lambda lock: (lock.created, lock.id))
                raise LockedError(
                    f"another command is at work on cluster {cluster}: {described(holder, self.now())}",
                    hint=f"Wait until it is done. If it no longer runs: `{self.unlock}`.",
                )
            self.waiter.sleep(1.0)

    def _taken(self, lock: Lock, cloud: Cloud) -> bool:
        dead = self.dead(Holder.of(lock))
        if not (self.steal or dead):
            return False
        cloud.delete_lock(lock.id)
        why = "its process is dead" if dead else "--steal-lock was given"
        self.note(f"took over the lock of {described(lock, self.now())}: {why}")
        return True


def break_locks(cluster: str, cloud: Cloud, consent: Callable[[Sequence[str]], None]) -> list[str]:
    """Removes all locks of a cluster, whoever holds them; describes those that were there.

    Args:
        consent: is shown them, and returns only if they may go.
    """
    locks = cloud.locks(cluster)
    told = [described(lock, datetime.now(UTC)) for lock in locks]
    consent(told)
    for lock in locks:
        cloud.delete_lock(lock.id)
    return told


def described(lock: Lock, now: datetime) -> str:
    """Whose a lock is, and its age: ``ann@ops1 (pid 4711, `clusterctl scale`), for 3 min``."""
    holder = Holder.of(lock)
    process = f"pid {holder.pid or 'unknown'}, `clusterctl {holder.command or '?'}`"
    return f"{holder.owner} ({process}), for {age(lock.created, now)}"


def age(created: str, now: datetime) -> str:
    """The time since then (ISO 8601, UTC), in one unit."""
    try:
        begun = datetime.fromisoformat(created)
    except ValueError:
        return "an unknown time"
    seconds = max(0, int((now - begun.replace(tzinfo=begun.tzinfo or UTC)).total_seconds()))
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
