"""What a load test saw; the file that ``loadtest run`` writes and ``loadtest report`` reads.

All moments are seconds since the test began; one before it is negative. One model serves both ways of testing:
simulated frameworks, and real Jenkins masters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, ValidationError

from clusterctl.errors import InputError
from clusterctl.load.plan import Kind, LoadPlan
from clusterctl.spec.types import StrictModel

FORMAT = 1


class BuildResult(StrictModel):
    """One build; a moment is None where it never came.

    Attributes:
        framework: number of its framework or master in ``Result.frameworks``.
        queued_s: when it was due, not when the driver got round to it.
        offered_s: its framework got an offer while the build waited.
        launched_s: its framework launched a task for it.
        agent_s: its agent is there: the task runs, with real masters the node is online.
        finished_s: its end.
        state: of its task at the end of the test (``TASK_FINISHED``), or its result in Jenkins; ``queued`` without one.
        tries: tasks launched for it; more than one where a task was lost before it ran.
    """

    framework: int
    queued_s: float
    offered_s: float | None = None
    launched_s: float | None = None
    agent_s: float | None = None
    finished_s: float | None = None
    state: str = "queued"
    tries: int = 0


class FrameworkResult(StrictModel):
    """One framework, whose registrations may have been several.

    Attributes:
        group: of the plan, or ``canary``.
        registrations: with an id of its own each.
        registered_s: the first one.
        offers: received; of them those while it wanted something.
        longest_wait_s: the longest time in which it wanted something and got no offer, from its want on; one that was
            open at the end counts as long as it had lasted.
        hoarded: offers that it kept without answering.
        hoarded_offer_s: how long it kept them, added up.
        refused: calls of it that a master refused.
    """

    name: str
    group: str
    kind: Kind
    role: str
    registrations: int = 0
    registered_s: float | None = None
    offers: int = 0
    offers_wanted: int = 0
    longest_wait_s: float = 0.0
    hoarded: int = 0
    hoarded_offer_s: float = 0.0
    refused: int = 0
    reconnects: int = 0


class Sample(StrictModel):
    """The cluster at one moment: what the leading master's metrics say, and what the driver knows.

    Attributes:
        cpus_allocated: allocated or offered (``allocator/mesos/resources/cpus/offered_or_allocated``).
        cpus_used: by tasks and executors (``master/cpus_used``).
        allocation_ms: median of the allocator's runs (``allocator/mesos/allocation_run_ms/p50``).
        waiting, running: builds.
    """

    at_s: float
    cpus_total: float
    cpus_allocated: float
    cpus_used: float
    frameworks: int
    offers_outstanding: int
    allocation_ms: float | None
    waiting: int
    running: int

    @classmethod
    def of(cls, at_s: float, metrics: Mapping[str, float], waiting: int, running: int) -> Sample:
        """Of the metrics by name, as the leading master's operator API gives them."""
        return cls(
            at_s=round(at_s, 3),
            cpus_total=metrics.get("master/cpus_total", 0.0),
            cpus_allocated=metrics.get("allocator/mesos/resources/cpus/offered_or_allocated", 0.0),
            cpus_used=metrics.get("master/cpus_used", 0.0),
            frameworks=int(metrics.get("master/frameworks_active", 0)),
            offers_outstanding=int(metrics.get("master/outstanding_offers", 0)),
            allocation_ms=metrics.get("allocator/mesos/allocation_run_ms/p50"),
            waiting=waiting,
            running=running,
        )


class Turn(StrictModel):
    """One scaling of Marathon's canary: how long it waited for an offer; None if none came."""

    at_s: float
    wait_s: float | None


class Driver(StrictModel):
    """What the driver itself took.

    Attributes:
        cpu_s: of its process, user and system, during the test.
        rss_mib: most memory its process ever held.
        latest_s: how late it was at most with something that was due; waits include it.
    """

    seconds: float
    cpu_s: float
    rss_mib: float
    latest_s: float


class LoadResult(StrictModel):
    """A whole test.

    Attributes:
        began: UTC, ISO 8601.
        ended: ``complete``; ``limit``: its time was up; ``interrupted``: by the user.
        end_s: when.
        leaders: masters that led during the test, in order.
    """

    format: Literal[1] = 1
    mode: Literal["frameworks", "masters"]
    run: str
    cluster: str
    began: str
    ended: Literal["complete", "limit", "interrupted"]
    end_s: float
    plan: LoadPlan
    frameworks: tuple[FrameworkResult, ...]
    builds: tuple[BuildResult, ...]
    canary: tuple[Turn, ...]
    samples: tuple[Sample, ...]
    leaders: tuple[str, ...]
    driver: Driver

    model_config = ConfigDict(title="Result of a load test of clusterctl")


def to_json(result: LoadResult) -> str:
    """The file's text."""
    return result.model_dump_json() + "\n"


def from_json(text: str | bytes, where: str) -> LoadResult:
    """Reads a result.

    Raises:
        InputError: it is none, or of a later format; ``where`` names the file.
    """
    try:
        return LoadResult.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise InputError(
            f"{where}: not the result of a load test: {place}: {first['msg']}",
            hint="Allowed: a file that `clusterctl loadtest run FILE` wrote.",
        ) from error


def json_schema() -> dict[str, Any]:
    """The JSON Schema of results."""
    return LoadResult.model_json_schema()
