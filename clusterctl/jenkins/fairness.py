"""Whether the masters' frameworks, Marathon and builds all get offers: rules over the cluster file.

What starves Marathon for certain is an error of the file (``spec``): its role is ``*``, nothing is reserved for it,
or the frameworks share its role. What stands here lets a cluster serve worse than it could: warnings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from clusterctl.spec.jenkins import JenkinsSettings
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.rolevars import default_of

# The allocator's default (--allocation_interval): what a framework declines goes to the next one a cycle later
ALLOCATION_S = 1
_REGISTRATION = "mesos_agent_executor_registration_timeout_min"


@dataclass(frozen=True)
class Warn:
    """A rule that the file breaks; ``at`` is the path of the key."""

    at: tuple[str | int, ...]
    reason: str
    cure: str

    @property
    def key(self) -> str:
        """``jenkins.decline_s``."""
        return ".".join(map(str, self.at))

    def to_json(self) -> dict[str, Any]:
        """``{"key", "reason", "cure"}``."""
        return {"key": self.key, "reason": self.reason, "cure": self.cure}


def least_decline_s(masters: int) -> int:
    """Seconds for which each of ``masters`` idle frameworks must decline so that others get offers half of the time.

    Each agent's unused resources go to one framework a cycle, those that hold nothing first. Before a busy one gets
    them, every idle one has declined: ``masters`` cycles. They come back to it after ``decline_s``.
    """
    return 2 * masters * ALLOCATION_S


def warnings(spec: ClusterSpec) -> list[Warn]:
    """All rules that are broken; none without section ``jenkins``."""
    jenkins = spec.jenkins
    if jenkins is None:
        return []
    return [
        *_declines(jenkins),
        *_jobs_without_label(jenkins),
        *_held_offers(spec),
        *_traces(spec, jenkins),
        *_launches(spec),
    ]


def _declines(jenkins: JenkinsSettings) -> Iterator[Warn]:
    least = least_decline_s(jenkins.max_masters)
    # 1.x and 2.x suppress offers while they are idle, and on demand there is no idle framework
    if jenkins.plugin == "0.x" and jenkins.registration == "always" and jenkins.decline_s < least:
        yield Warn(
            ("jenkins", "decline_s"),
            f"{jenkins.max_masters} masters that are always registered decline each agent's offer one after the other, "
            f"one a second, and are offered it again after {jenkins.decline_s} s: builds wait for offers",
            f"decline for {least} s or more (twice the masters), or 'registration: on_demand'",
        )


def _jobs_without_label(jenkins: JenkinsSettings) -> Iterator[Warn]:
    if jenkins.plugin == "2.x":
        yield Warn(
            ("jenkins", "plugin"),
            "plugin 2.x never starts an agent for a job without a label: such a job waits forever",
            f"give every job a label, for example {jenkins.builds[0].label!r}",
        )
    elif not any(build.default for build in jenkins.builds):
        yield Warn(
            ("jenkins", "builds"),
            "masters have no executors, and no kind of build is for jobs without a label: such a job waits forever",
            "set 'default: true' in one entry",
        )


def _held_offers(spec: ClusterSpec) -> Iterator[Warn]:
    if spec.mesos.offer_timeout_s == 0:
        yield Warn(
            ("mesos", "offer_timeout_s"),
            "0 lets a framework hold offers forever, which the plugin did more than once (mesos-plugin #49, #183, "
            "#328): the resources are lost to all others",
            "leave it out (60 s)",
        )


def _traces(spec: ClusterSpec, jenkins: JenkinsSettings) -> Iterator[Warn]:
    kept = spec.mesos.max_completed_frameworks
    if jenkins.registration == "on_demand" and kept < jenkins.max_masters:
        yield Warn(
            ("mesos", "max_completed_frameworks"),
            f"on demand each spell of builds registers a framework of its own, and Mesos keeps records of "
            f"{kept} that have left, fewer than {jenkins.max_masters} masters make: the sandboxes of the others' "
            "builds can't be found again",
            f"keep {5 * jenkins.max_masters} or more",
        )


def _launches(spec: ClusterSpec) -> Iterator[Warn]:
    """Marathon: native-docker.md, "Configure Marathon"."""
    group = spec.groups[spec.masters_group] if spec.masters_group else None
    set_by = {**spec.settings.variables(), **(group.settings.variables() if group else {})}
    minutes = set_by.get(_REGISTRATION, default_of(_REGISTRATION))
    if spec.marathon.task_launch_timeout_ms < minutes * 60_000:
        yield Warn(
            ("marathon", "task_launch_timeout_ms"),
            f"Marathon kills a master that doesn't run after {spec.marathon.task_launch_timeout_ms} ms, and its agent "
            f"lets it fetch what it needs for {minutes} minutes ({_REGISTRATION})",
            f"allow {minutes * 60_000} or more",
        )
