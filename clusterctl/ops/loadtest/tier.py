"""Runs a plan on real Jenkins masters: makes them, has them build, removes them with all that is theirs.

Everything goes through the calls that the verbs of the tier make, so no token leaves its node. Whatever ends the test,
what it made is removed; only a driver that is killed leaves something, and ``remove`` finds it by its names.
"""

from __future__ import annotations

import resource
import secrets
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from clusterctl.errors import ClusterctlError, NodeError
from clusterctl.health.mesos import leading_master
from clusterctl.jenkins.app import framework_name
from clusterctl.jenkins.slots import master_user
from clusterctl.load.jenkinsbuilds import MasterBuilds, longest_wait_s
from clusterctl.load.plan import LoadPlan, agenda
from clusterctl.load.result import Driver, FrameworkResult, LoadResult, Sample
from clusterctl.ops.jenkins.create import create
from clusterctl.ops.jenkins.delete import delete
from clusterctl.ops.jenkins.ground import Tier, asked
from clusterctl.ops.jenkins.names import LOADTEST
from clusterctl.ops.jenkins.stop import Manner
from clusterctl.ops.jenkins.survey import Master
from clusterctl.ops.loadtest.canary import LABEL, MarathonCanary
from clusterctl.ops.loadtest.clean import LeftError
from clusterctl.remote.marathons import Call, MarathonError
from clusterctl.remote.masters import MasterError

_TICK_S = 1.0
_METRICS = {"type": "GET_METRICS", "get_metrics": {}}
_READY_TIMEOUT_S = 900

Ended = Literal["complete", "limit", "interrupted"]


def run_masters(tier: Tier, plan: LoadPlan) -> LoadResult:
    """Makes the masters of the plan's group, runs it, removes them. Ctrl-C or SIGTERM ends it early with a result.

    Raises:
        ClusterctlError: the masters can't be made, or a node can't be asked any more.
        LeftError: something of the test is left; the hint says what to do.
    """
    run = secrets.token_hex(4)
    names = [f"{LOADTEST}{run}-{number:02d}" for number in range(plan.groups[0].count)]
    with _sigterm_as_interrupt():
        try:
            made = create(tier, names, timeout_s=_READY_TIMEOUT_S)
            driver = _Driver(tier, plan, run, [made.masters[name] for name in names])
            return driver.run()
        finally:
            with tier.run.progress.phase("remove"):
                _remove_whole(tier, run)


def left(tier: Tier, run: str | None = None) -> tuple[list[str], list[str]]:
    """Masters and apps of load tests, or of that one: names and ids."""
    prefix = LOADTEST + (f"{run}-" if run else "")
    masters = [name for name in tier.survey().masters if name.startswith(prefix)]
    apps = [app["id"] for app in tier.apps() if LABEL in app.get("labels", {}) and run in (None, app["labels"][LABEL])]
    return masters, apps


def remove(tier: Tier, run: str | None = None) -> tuple[list[str], list[str]]:
    """Removes them: apps, homes, and with the apps their frameworks; what was removed.

    Raises:
        ClusterctlError: some are left.
    """
    masters, apps = left(tier, run)
    calls = {app: Call("DELETE", f"/v2/apps{app}?force=true") for app in apps}
    if refused := tier.deploy(calls, absent=True):
        raise LeftError("\n".join(f"app {app}: {why}" for app, why in refused.items()))
    if masters:
        delete(tier, masters, Manner(force=True), purge=True, confirm=lambda _lines: None)
    return masters, apps


def _remove_whole(tier: Tier, run: str) -> None:
    try:
        remove(tier, run)
        masters, apps = left(tier, run)
    except ClusterctlError as error:
        raise LeftError(
            f"of load test {run} something may be left: {error.message}",
            hint="`clusterctl loadtest clean FILE` removes it.",
        ) from error
    if masters or apps:
        raise LeftError(
            f"of load test {run} is left: {', '.join([*masters, *apps])}",
            hint="`clusterctl loadtest clean FILE` removes it.",
        )


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass
class _Driver:
    tier: Tier
    plan: LoadPlan
    id: str
    masters: Sequence[Master]
    samples: list[Sample] = field(default_factory=list)
    offers: dict[str, dict[str, float]] = field(default_factory=dict)
    leaders: list[str] = field(default_factory=list)
    latest_s: float = 0.0

    def run(self) -> LoadResult:
        clock: Callable[[], float] = self.tier.run.waiter.clock
        builds = [self._builds(number) for number in range(len(self.masters))]
        canary = None
        if self.plan.canary is not None:
            canary = MarathonCanary(self.plan.canary, self.id, master_user(self.masters[0].slot))
        with self.tier.run.progress.phase("jobs"):
            self._make_jobs(builds)
            if canary is not None and (refused := self.tier.deploy({canary.id: canary.first()})):
                raise ClusterctlError(f"Marathon refuses the canary: {refused[canary.id]}")
            self._name_leader()
        began, zero, cpu = datetime.now(UTC), clock(), time.process_time()
        ended: Ended = "complete"
        with self.tier.run.progress.phase("load test"):
            try:
                ended = self._work(builds, canary, lambda: clock() - zero)
            except KeyboardInterrupt:
                ended = "interrupted"  # what was seen so far is worth keeping
        end, cpu = clock() - zero, time.process_time() - cpu
        self._name_leader()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return LoadResult(
            mode="masters",
            run=self.id,
            cluster=self.tier.spec.cluster,
            began=began.isoformat(timespec="seconds"),
            ended=ended,
            end_s=round(end, 3),
            plan=self.plan,
            frameworks=tuple(self._framework(each, end) for each in builds),
            builds=tuple(result for each in builds for result in each.results()),
            canary=canary.ended() if canary else (),
            samples=tuple(self.samples),
            leaders=tuple(self.leaders),
            driver=Driver(
                seconds=round(end, 2),
                cpu_s=round(cpu, 2),
                rss_mib=round(usage.ru_maxrss / 1024, 1),
                latest_s=round(self.latest_s, 3),
            ),
        )

    def _builds(self, number: int) -> MasterBuilds:
        jenkins = self.tier.spec.jenkins
        assert jenkins is not None  # noqa: S101  (open_tier raised otherwise)
        return MasterBuilds(number, jenkins.builds[0].label, self.plan.groups[0].run_s)

    def _make_jobs(self, builds: Sequence[MasterBuilds]) -> None:
        counts = [0] * len(builds)
        for arrival in self._arrivals():
            counts[arrival[1]] += 1
        calls = [
            asked(master, each.jobs(count))
            for master, each, count in zip(self.masters, builds, counts, strict=True)
            if count
        ]
        for name, replies in self.tier.jenkins.call(calls).items():
            bad = replies.message if isinstance(replies, NodeError) else _first_refusal(replies)
            if bad:
                raise ClusterctlError(f"master {name}: its jobs could not be made: {bad}")

    def _arrivals(self) -> list[tuple[float, int]]:
        """Builds of masters; the canary has turns of its own."""
        masters = range(len(self.masters))
        return [(each.at_s, each.framework) for each in agenda(self.plan) if each.build and each.framework in masters]

    def _work(
        self, builds: Sequence[MasterBuilds], canary: MarathonCanary | None, now: Callable[[], float]
    ) -> Literal["complete", "limit"]:
        to_come = deque(self._arrivals())
        while True:
            look = now()
            while to_come and to_come[0][0] <= look:
                due, master = to_come.popleft()
                self.latest_s = max(self.latest_s, look - due)
                builds[master].want(due)
            self._ask(builds, now)
            if canary is not None:
                self._watch(canary, look)
            self._sample(builds, look)
            self.tier.run.progress.note(_progress(look, builds, len(to_come)))
            is_done = not to_come and not any(build.open for each in builds for build in each.builds)
            if is_done and (canary is None or canary.done):
                return "complete"
            if now() >= self.plan.limit_s:
                return "limit"
            # at a steady pace, whatever a look takes: a load is no wait
            self.tier.run.waiter.sleep(max(_TICK_S - (now() - look), 0.0))

    def _ask(self, builds: Sequence[MasterBuilds], now: Callable[[], float]) -> None:
        calls = {each.framework: each.calls() for each in builds}
        wanted = [asked(self.masters[number], each) for number, each in calls.items() if each]
        replies = self.tier.jenkins.call(wanted) if wanted else {}
        for each in builds:
            if not calls[each.framework]:
                continue
            reply = replies[self.masters[each.framework].name]
            if isinstance(reply, NodeError):
                each.trouble = reply.message  # a node may be silent for a moment; the limit ends it
            else:
                each.take(reply, now())

    def _watch(self, canary: MarathonCanary, now: float) -> None:
        try:
            canary.take(self.tier.marathon.call(canary.calls(now)))
        except MarathonError as error:
            canary.trouble = error.message  # between two leaders; its wait goes on

    def _sample(self, builds: Sequence[MasterBuilds], now: float) -> None:
        try:
            [metrics] = self.tier.mesos.call([_METRICS])
        except MasterError:
            return  # between two leaders
        flat = [build for each in builds for build in each.builds]
        self.samples.append(
            Sample.of(
                now,
                metrics,
                sum(build.number is None and build.open for build in flat),
                sum(build.number is not None and build.open for build in flat),
            )
        )
        for name, value in metrics.items():
            # master/frameworks/NAME/ID/offers/sent: one id for each registration
            parts = name.split("/")
            if parts[:2] == ["master", "frameworks"] and parts[-2:] == ["offers", "sent"] and len(parts) == 6:
                self.offers.setdefault(parts[2], {})[parts[3]] = value

    def _framework(self, builds: MasterBuilds, end_s: float) -> FrameworkResult:
        group = self.plan.groups[0]
        name = framework_name(self.tier.spec, self.masters[builds.framework].name)
        offers = self.offers.get(name, {})
        return FrameworkResult(
            name=name,
            group=group.name,
            kind=group.kind,
            role=group.role,
            registrations=len(offers),
            offers=int(sum(offers.values())),
            longest_wait_s=longest_wait_s(builds.results(), end_s),
            refused=builds.refused,
        )

    def _name_leader(self) -> None:
        control = self.tier.expect.control
        leader = leading_master(self.tier.expect, self.tier.run.access.prober.probe(control))
        if leader is not None and leader[0].name not in self.leaders[-1:]:
            self.leaders.append(leader[0].name)


def _first_refusal(replies: Sequence[Any]) -> str:
    return next((reply.reason for reply in replies if not reply.ok), "")


def _progress(now: float, builds: Sequence[MasterBuilds], to_come: int) -> str:
    flat = [build for each in builds for build in each.builds]
    waiting = [build.queued_s for build in flat if build.open and build.number is None]
    oldest = f", the oldest for {now - min(waiting):.0f} s" if waiting else ""
    running = sum(build.open and build.number is not None for build in flat)
    done = sum(not build.open for build in flat)
    return f"{now:.0f} s: builds: {done} done, {running} running, {len(waiting)} waiting{oldest}, {to_come} to come"
