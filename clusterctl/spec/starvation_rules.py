"""Rules that keep Marathon and builds from starving each other. Each names its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clusterctl.services import Service
from clusterctl.spec.types import rule_error

if TYPE_CHECKING:
    from clusterctl.spec.model import ClusterSpec


def check_starvation(spec: ClusterSpec) -> None:
    """Raises the first broken rule, with its place below the whole file."""
    # Under dominant resource fairness a Marathon that holds hundreds of Jenkins masters in the shared role is the
    # framework with the largest share and is offered nothing more: no new master can be launched.
    agents = spec.groups_of(Service.MESOS_AGENT)
    if not agents:
        raise rule_error("service_missing", "no group runs mesos_agent; add one", ("groups",))
    role = spec.marathon.role
    if role == "*":
        raise rule_error("starvation", "Marathon needs a Mesos role of its own", ("marathon", "role"))
    reserving = [name for name in agents if spec.groups[name].reserve_for == role]
    if not reserving:
        raise rule_error(
            "starvation",
            f"no group of agents has 'reserve_for: {role}', the role of Marathon: Jenkins frameworks would take "
            "all offers and Marathon could launch no Jenkins master. Add it to the group for Jenkins masters",
            ("groups",),
        )
    for name in agents:
        reserved = spec.groups[name].reserve_for
        if reserved not in (None, role):
            raise rule_error(
                "reserve_for",
                f"found '{reserved}'; allowed: '{role}', the role of Marathon (marathon.role). No framework of "
                "this file registers with another role, so these agents would be idle",
                ("groups", name, "reserve_for"),
            )
    if len(reserving) == len(agents):
        raise rule_error(
            "starvation",
            f"every group of agents is reserved for '{role}': nothing is left for builds. Add a group of agents "
            "without 'reserve_for'",
            ("groups",),
        )
    for name in reserving:
        shared = [
            other
            for other in agents
            if other not in reserving
            and spec.groups[name].attributes
            and spec.groups[other].attributes == spec.groups[name].attributes
        ]
        if not spec.groups[name].attributes or shared:
            raise rule_error(
                "starvation",
                f"group '{name}' hosts Jenkins masters and needs 'attributes' that no group for builds has "
                f"{f'(found the same on {shared[0]!r})' if shared else '(found none)'}: Marathon's placement "
                "constraint tells them apart by it, for example {pool: jenkins-master}",
                ("groups", name),
            )
