"""Runs a plan of simulated frameworks on real masters: one thread, one event loop, a connection for each
framework's events and a few for the calls of all.

Whatever ends the test (its plan, its limit, Ctrl-C, an error), its frameworks are torn down, and the masters are asked
whether any is left. Only a driver that is killed leaves some; ``clean`` finds them by their names.
"""

from __future__ import annotations

import asyncio
import resource
import secrets
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Literal

from clusterctl.errors import ClusterctlError
from clusterctl.load.framework import Framework, SimulatedBuild
from clusterctl.load.plan import CANARY, NAME_PREFIX, Arrival, FrameworkGroup, LoadPlan, agenda, framework_groups
from clusterctl.load.result import BuildResult, Driver, FrameworkResult, LoadResult, Sample, Turn
from clusterctl.ops.loadtest.clean import LeftError, clean
from clusterctl.ops.loadtest.link import Link
from clusterctl.ops.loadtest.masters import PASSING, MasterMap, allow_connections

_TICK_S = 0.05
_SAMPLE_S = 2.0
_NOTE_S = 1.0
_BASE_DEADLINE_S = 60.0
# A subscription may be under way when its connection closes: by then a master has taken it or will not
_SETTLE_S = 2.0
# Kinds that outlive a broken connection, as the plugin from 2.0 on and Marathon do; a killed driver's are gone with its
# limit at the latest
_FAILOVER_KINDS = ("suppress", "marathon")

Ended = Literal["complete", "limit", "interrupted"]


def run_frameworks(
    plan: LoadPlan, masters: MasterMap, cluster: str, note: Callable[[str], None] = lambda _text: None
) -> LoadResult:
    """Runs the plan; Ctrl-C or SIGTERM ends it early and still gives a result.

    Args:
        masters: not yet entered.
        cluster: its name, for the result.
        note: told about once a second how far the test is.

    Raises:
        ClusterctlError: no leading master, a framework was not let in, or something of the test is left; the hint says
            what to do.
    """
    allow_connections()
    driver = _Driver(plan, masters, cluster, note)
    with asyncio.Runner() as runner:
        return runner.run(driver.run())


class _Driver:
    def __init__(self, plan: LoadPlan, masters: MasterMap, cluster: str, note: Callable[[str], None]) -> None:
        self._plan, self._masters, self._cluster, self._note = plan, masters, cluster, note
        self._run = secrets.token_hex(4)
        self._agenda = deque(agenda(plan))
        self._builds: list[SimulatedBuild] = []
        self._base: list[SimulatedBuild] = []
        self._samples: list[Sample] = []
        self._latest = 0.0
        self._zero = 0.0
        self._ended: Ended = "complete"
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None]
        self._links = [self._link(number, group) for number, group in enumerate(framework_groups(plan))]

    async def run(self) -> LoadResult:
        self._failed = asyncio.get_running_loop().create_future()
        self._zero = asyncio.get_running_loop().time()
        began, cpu = datetime.now(UTC), time.process_time()
        end, failed = 0.0, None
        task = asyncio.current_task()
        if task is not None and threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        async with self._masters:
            try:
                await self._before()
                self._zero = asyncio.get_running_loop().time()
                began, cpu = datetime.now(UTC), time.process_time()
                await self._work()
            except asyncio.CancelledError:
                # Ctrl-C: what was seen so far is worth keeping
                self._ended = "interrupted"
                if task is not None:
                    task.uncancel()
            except ClusterctlError as error:
                failed = error
                raise
            finally:
                end, cpu = self._now(), time.process_time() - cpu
                for link in self._links:
                    link.framework.end(end)
                await self._close(failed)
        return self._result(began, end, cpu)

    # --- the test -------------------------------------------------------------------

    async def _before(self) -> None:
        """Marathon has its share before anybody else is there."""
        canary = self._plan.canary
        if canary is None:
            return
        link = self._links[-1]
        link.act(link.framework.join())
        for _ in range(canary.base):
            run_s = self._plan.limit_s + _BASE_DEADLINE_S
            build = SimulatedBuild(len(self._links) - 1, self._now(), run_s, canary.base_cpus, canary.mem_mib)
            self._base.append(build)
            link.act(link.framework.want(build, self._now()))
        end = self._now() + _BASE_DEADLINE_S
        while link.framework.id is None or any(build.agent_s is None for build in self._base):
            if self._now() > end:
                raise ClusterctlError(
                    f"the canary's {canary.base} base tasks did not run within {_BASE_DEADLINE_S:g} s",
                    hint=f"Are {canary.base_cpus:g} cpus free for role {canary.role!r}? "
                    + (" ".join(link.refusals) or f"Offers received: {link.framework.offers}."),
                )
            await self._pause(_TICK_S)
        link.framework.longest_wait_s = 0.0

    async def _work(self) -> None:
        sampler = self._spawn(self._sample())
        noted = -_NOTE_S
        while True:
            now = self._now()
            while self._agenda and self._agenda[0].at_s <= now:
                self._arrive(self._agenda.popleft(), now)
            for link in self._links:
                link.act(link.framework.look(now))
            if now - noted >= _NOTE_S:
                noted = now
                self._note(self._progress(now))
            if not self._agenda and self._done():
                break
            if now >= self._plan.limit_s:
                self._ended = "limit"
                break
            await self._pause(_TICK_S)
        sampler.cancel()

    def _arrive(self, arrival: Arrival, now: float) -> None:
        self._latest = max(self._latest, now - arrival.at_s)
        link = self._links[arrival.framework]
        framework = link.framework
        if not arrival.build:
            link.act(framework.join())
            return
        group = framework.group
        build = SimulatedBuild(arrival.framework, arrival.at_s, group.run_s, group.cpus, group.mem_mib)
        self._builds.append(build)
        link.act(framework.want(build, arrival.at_s))

    def _done(self) -> bool:
        for build in self._builds:
            canary = self._links[build.framework].framework.group.name == CANARY
            if (build.offered_s if canary else build.finished_s) is None:
                return False
        return True

    async def _pause(self, seconds: float) -> None:
        """Waits; ends at once with the error of what failed in the background."""
        await asyncio.wait([self._failed], timeout=seconds)
        if self._failed.done():
            self._failed.result()

    async def _sample(self) -> None:
        """Rests as long as an answer took: with hundreds of frameworks the metrics are megabytes."""
        while True:
            asked = self._now()
            try:
                metrics = await self._masters.metrics()
            except PASSING:
                metrics = {}  # between two leaders
            if metrics:
                self._samples.append(self._seen(asked, metrics))
            await asyncio.sleep(max(_SAMPLE_S, self._now() - asked))

    def _seen(self, at: float, metrics: dict[str, float]) -> Sample:
        return Sample.of(
            at,
            metrics,
            sum(len(link.framework.queue) for link in self._links),
            sum(len(link.framework.tasks) for link in self._links),
        )

    def _progress(self, now: float) -> str:
        registered = sum(link.framework.id is not None for link in self._links)
        finished = sum(build.finished_s is not None for build in self._builds)
        waiting = [build.queued_s for link in self._links for build in link.framework.queue]
        oldest = f", the oldest for {now - min(waiting):.0f} s" if waiting else ""
        to_come = sum(arrival.build for arrival in self._agenda)
        return (
            f"{now:.0f} s: {registered} of {len(self._links)} frameworks registered; builds: {finished} done, "
            f"{len(waiting)} waiting{oldest}, {to_come} to come"
        )

    # --- the end --------------------------------------------------------------------

    async def _close(self, failed: ClusterctlError | None) -> None:
        """Tears everything down and makes sure with the masters.

        Args:
            failed: what ended the test; told with what may be left.

        Raises:
            LeftError: something is left, or nobody could be asked.
        """
        self._note("removing the frameworks")
        subscribing = any(link.subscribing for link in self._links)
        await asyncio.gather(*(link.close() for link in self._links))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if subscribing:
            await asyncio.sleep(_SETTLE_S)
        try:
            await clean(self._masters, run=self._run)
        except LeftError as error:
            if failed is None:
                raise
            raise LeftError(f"{failed.message}\n{error.message}", hint=error.hint) from failed

    def _result(self, began: datetime, end: float, cpu: float) -> LoadResult:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        canary = [build for build in self._builds if self._links[build.framework].framework.group.name == CANARY]
        return LoadResult(
            mode="frameworks",
            run=self._run,
            cluster=self._cluster,
            began=began.isoformat(timespec="seconds"),
            ended=self._ended,
            end_s=round(end, 3),
            plan=self._plan,
            frameworks=tuple(link.framework.result(link.refused, link.reconnects) for link in self._links),
            builds=tuple(_build_result(build) for build in self._builds),
            canary=tuple(
                Turn(
                    at_s=round(build.queued_s, 3),
                    wait_s=None if build.offered_s is None else round(build.offered_s - build.queued_s, 4),
                )
                for build in canary
            ),
            samples=tuple(self._samples),
            leaders=tuple(self._masters.leaders),
            driver=Driver(
                seconds=round(end, 2),
                cpu_s=round(cpu, 2),
                rss_mib=round(usage.ru_maxrss / 1024, 1),
                latest_s=round(self._latest, 3),
            ),
        )

    # --- parts ----------------------------------------------------------------------

    def _link(self, number: int, group: FrameworkGroup) -> Link:
        name = f"{NAME_PREFIX}{self._run}-{group.name}-{number}"
        seen = FrameworkResult(name=name, group=group.name, kind=group.kind, role=group.role)
        failover = self._plan.limit_s + _BASE_DEADLINE_S if group.kind in _FAILOVER_KINDS else 0.0
        framework = Framework(group, seen)
        who = self._masters.logins.framework(number, group.role, self._plan.user)
        return Link(framework, self._masters, who, failover, self._now, self._spawn)

    def _now(self) -> float:
        return asyncio.get_running_loop().time() - self._zero

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self._failed.done():
            self._failed.set_exception(error)


def _build_result(build: SimulatedBuild) -> BuildResult:
    def rounded(moment: float | None) -> float | None:
        return None if moment is None else round(moment, 4)

    return BuildResult(
        framework=build.framework,
        queued_s=round(build.queued_s, 4),
        offered_s=rounded(build.offered_s),
        launched_s=rounded(build.launched_s),
        agent_s=rounded(build.agent_s),
        finished_s=rounded(build.finished_s),
        state=build.state,
        tries=build.tries,
    )
