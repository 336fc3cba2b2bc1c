"""From the create calls to servers that run: waits for Nova's builds, makes failed ones again, and takes agents away
again that turn out to be too many.

A tenant can't name a host to avoid: Nova drops the host of a failed server, the DifferentHostFilter is off by default
and wants a server on that host, and only administrators may choose hosts. Nova's scheduler avoids hosts whose builds
failed (BuildFailureWeigher, on by default), but it learns of them late: a compute counts a failure in its memory and
writes it to the database with its next claim or its periodic update (``_build_failed`` of nova/compute/manager.py).
Until then a host that fails at once looks emptier than the others and draws the next try, whose claim tells of the
failure before. So two tries follow at once, and two after the periodic update has surely passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from clusterctl.errors import NodeError
from clusterctl.ops.kit.run import Run
from clusterctl.ops.lifecycle.apply import apply_plan
from clusterctl.ops.lifecycle.preflight import Lookup
from clusterctl.ops.lifecycle.removal import delete_servers
from clusterctl.plan import failed_build, make_plan
from clusterctl.resources import KEY_BATCH, Server
from clusterctl.topology import topology

BUILD_TIMEOUT_S = 1200.0
# Seconds before each new try. Computes write their statistics every 60 s (Nova's update_resources_interval) where the
# operator has not chosen otherwise; the last pause serves clouds with a longer interval.
PAUSES_S = (0.0, 0.0, 75.0, 150.0)
# What Nova says when no host would take the server (NoValidHost of nova/exception.py): waiting for other hosts is of no
# use then. Its own repeated tries that ended on broken hosts are told otherwise ("Exceeded maximum number of retries").
NO_HOST = "No valid host was found"
_SHOWN = 8  # servers named in one message


@dataclass(frozen=True)
class Builds:
    """The servers of one cluster, or of a part of it, on their way to ACTIVE.

    Attributes:
        mine: whether a server is waited for, and made again if its build fails.
        timeout_s: for all tries together.
    """

    run: Run
    lookup: Lookup
    mine: Callable[[Server], bool] = lambda _server: True
    timeout_s: float = BUILD_TIMEOUT_S

    def finish(self, batches: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """Waits until nothing is being built; the names of those whose build failed and that were made again.

        Args:
            batches: of agents that this run made, and may take away again: see ``_trim``.

        Builds that failed are deleted and asked for again, up to ``len(PAUSES_S)`` times within ``timeout_s``;
        only once if no host takes them.

        Raises:
            NodeError: builds failed until the end; names the servers and Nova's reasons.
            ClusterctlError: builds took too long, or a call failed.
        """
        deadline = self.run.waiter.clock() + self.timeout_s
        seen = self._built(deadline)
        tries: list[_Failed] = []
        while failed := [server for server in seen if failed_build(server)]:
            # a list may leave reasons out: asked for, but not for hundreds
            asked = {each.id: each.fault or self.run.cloud.fault(each.id) for each in failed[:_SHOWN]}
            tries.append(_Failed(failed, {each.id: each.fault for each in failed} | asked))
            if why := self._no_more(tries, deadline):
                raise _given_up(len(seen), tries, why)
            self._rest(tries)
            batches |= self._again(failed)
            seen = self._built(deadline)
        self._trim(seen, batches)
        return tuple(sorted(tries[0].names)) if tries else ()

    def _no_more(self, tries: Sequence[_Failed], deadline: float) -> str | None:
        """Why there is no new try after these; None if there is one."""
        if len(tries) > len(PAUSES_S):
            return "Hosts that fail builds are for the cloud's operators; `openstack server show` tells Nova's reason."
        if len(tries) > 1 and tries[-1].no_host:
            return "No host has room for these servers or takes their flavor and image in their zone."
        pause_s = PAUSES_S[len(tries) - 1]
        if self.run.waiter.clock() + pause_s >= deadline:
            return f"--timeout left no time for another try, which waits {pause_s:g} s for Nova to avoid the host."
        return None

    def _rest(self, tries: Sequence[_Failed]) -> None:
        """The pause before the next try, told with the reason for it."""
        pause_s = PAUSES_S[len(tries) - 1]
        after = f" in {pause_s:g} s, when Nova's scheduler knows of it" if pause_s else ""
        self.run.progress.note(f"try {len(tries) + 1} of {len(PAUSES_S) + 1}{after}; builds failed: {tries[-1].told}")
        if pause_s:
            with self.run.progress.phase("wait for the scheduler"):
                self.run.waiter.sleep(pause_s)

    def _again(self, failed: Sequence[Server]) -> frozenset[str]:
        """Deletes what failed and asks for it again; the batches of agents that were asked for."""
        observed = self.run.cloud.observe(self.run.spec.cluster)
        plan = make_plan(self.run.spec, observed).limited(
            nodes={server.node for server in failed if server.node},
            groups={server.group for server in failed if not server.node},
        )
        return apply_plan(self.run, plan, self.lookup, observed)

    def _trim(self, seen: Sequence[Server], batches: frozenset[str]) -> None:
        """Deletes agents of ``batches`` that are too many.

        The request of a run that was killed may have been under way still when this run counted; nothing tells when
        the cloud has done with it. What this run made itself has hardly begun to boot, so nothing runs on it.
        """
        surplus: list[Server] = []
        for pool in topology(self.run.spec).pools:
            have = [server for server in seen if server.group == pool.group and server.node is None]
            own = [server for server in have if server.metadata.get(KEY_BATCH) in batches]
            surplus += own[: max(0, len(have) - pool.count)]
        if surplus:
            self.run.progress.note(f"{len(surplus)} surplus agents: a killed run had asked for them, too")
            with self.run.progress.phase("delete servers"):
                ids = [server.id for server in surplus]
                delete_servers(self.run.spec.cluster, ids, self.run.cloud, self.run.waiter)

    def _built(self, deadline: float) -> list[Server]:
        """All of them, once none is in BUILD."""
        seen: list[Server] = []

        def over() -> bool:
            seen[:] = [server for server in self.run.cloud.servers(self.run.spec.cluster) if self.mine(server)]
            return not any(server.status == "BUILD" for server in seen)

        with self.run.progress.phase("build"):
            self.run.waiter.until(
                over,
                what=f"the servers of {self.run.spec.cluster} to be built",
                timeout_s=max(round(deadline - self.run.waiter.clock(), 1), 0.0),
                told=lambda: f"{sum(server.status != 'BUILD' for server in seen)} of {len(seen)} are",
                hint="`openstack server list` shows those in BUILD; the cloud's operators can see what holds them up.",
            )
        return seen


@dataclass(frozen=True)
class _Failed:
    """The builds that failed in one try, with Nova's reasons by the server's id."""

    servers: Sequence[Server]
    faults: Mapping[str, str | None]

    @property
    def names(self) -> list[str]:
        return [server.node or server.name for server in self.servers]

    @property
    def no_host(self) -> bool:
        """Whether Nova found no host for any of them."""
        return all(NO_HOST in (fault or "") for fault in self.faults.values())

    @property
    def told(self) -> str:
        """Names with Nova's reasons, the first few."""
        reasons = [
            f"{server.node or server.name} ({self.faults[server.id] or 'Nova gives no reason'})"
            for server in self.servers[:_SHOWN]
        ]
        more = [f"and {len(self.servers) - _SHOWN} more"] if len(self.servers) > _SHOWN else []
        return "; ".join(reasons + more)


def _given_up(of: int, tries: Sequence[_Failed], why: str) -> NodeError:
    times = {1: "once", 2: "twice"}.get(len(tries), f"{len(tries)} times")
    last = tries[-1]
    first = f"The first time it said: {tries[0].told}. " if len(tries) > 1 else ""
    return NodeError(
        f"the cloud failed {times} to build {len(last.servers)} of {of} servers: {last.told}", hint=f"{first}{why}"
    )
