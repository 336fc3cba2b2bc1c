"""Rules of the section ``jenkins`` that need other parts of the file. Each names its reason."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from clusterctl.spec.jenkins import JenkinsSettings
from clusterctl.spec.security import Part
from clusterctl.spec.types import rule_error

if TYPE_CHECKING:
    from clusterctl.spec.model import ClusterSpec

PORTS_OF_A_MASTER = 3
# Linux gives out ports from here on to clients (ip_local_port_range); one of them could be a master's
FIRST_EPHEMERAL_PORT = 32768


def check_jenkins(spec: ClusterSpec, jenkins: JenkinsSettings) -> None:
    """Raises the first broken rule, with its place below the whole file."""
    _check_plugin(jenkins)
    if jenkins.plugin == "2.x" and spec.secured(Part.MESOS):
        raise rule_error(
            "plugin",
            "found '2.x' where Mesos asks frameworks who they are; allowed: '0.x', '1.x', or 'security: {insecure: "
            "mesos}'. 2.x can log in to DC/OS only, so its masters could not register",
            ("jenkins", "plugin"),
        )
    _check_group(spec, jenkins)
    _check_directory(spec, jenkins)
    _check_names(spec, jenkins)
    _check_ports(spec, jenkins)
    _check_builds(spec, jenkins)


def _check_plugin(jenkins: JenkinsSettings) -> None:
    if jenkins.registration == "on_demand" and jenkins.plugin != "0.x":
        why = (
            "on demand is broken from 0.17 to 1.0.0 (mesos-plugin #328): a dead framework would hold offers"
            if jenkins.plugin == "1.x"
            else "2.x registers at the first build and never leaves"
        )
        raise rule_error(
            "registration",
            f"found 'on_demand' with plugin {jenkins.plugin}; allowed: 'always'. {why}",
            ("jenkins", "registration"),
        )
    if jenkins.checkpoint and jenkins.plugin == "2.x":
        raise rule_error(
            "checkpoint",
            "found true with plugin 2.x; allowed: 'checkpoint: false'. Plugin 2.x never checkpoints: a restart of a "
            "Mesos agent loses its builds",
            ("jenkins", "checkpoint"),
        )


def _check_group(spec: ClusterSpec, jenkins: JenkinsSettings) -> None:
    role = spec.marathon.role
    reserving = [name for name, group in spec.groups.items() if group.reserve_for == role]
    named = ", ".join(map(repr, reserving))
    if jenkins.group is None and len(reserving) > 1:
        raise rule_error("group", f"groups {named} reserve for {role!r}; say which hosts masters", ("jenkins",))
    if jenkins.group is not None and jenkins.group not in reserving:
        raise rule_error(
            "group", f"found {jenkins.group!r}; allowed: {named}, reserved for {role!r}", ("jenkins", "group")
        )
    group = spec.masters_group
    if group and spec.groups[group].volume is None and not jenkins.allow_ephemeral_homes:
        raise rule_error(
            "homes",
            f"group {group!r} hosts Jenkins masters and has no 'volume': their homes would go with the server. Give it "
            "one, or set 'allow_ephemeral_homes: true' in 'jenkins'",
            ("groups", group),
        )
    if group and spec.groups[group].volume is None and jenkins.backup.method == "snapshot":
        raise rule_error(
            "method",
            f"found 'snapshot', and group {group!r}, which hosts Jenkins masters, has no 'volume'; allowed: 'archive'",
            ("jenkins", "backup", "method"),
        )


def _check_directory(spec: ClusterSpec, jenkins: JenkinsSettings) -> None:
    volume = spec.groups[spec.masters_group].volume if spec.masters_group else None
    directory = spec.homes_directory
    if volume and directory and not f"{directory}/".startswith(f"{volume.mount}/"):
        raise rule_error(
            "directory",
            f"found {directory!r}; allowed: {volume.mount!r} or below, the volume of the masters' group. Elsewhere "
            "homes would go with the server",
            ("jenkins", "directory"),
        )


def _check_names(spec: ClusterSpec, jenkins: JenkinsSettings) -> None:
    if jenkins.role == spec.marathon.role:
        raise rule_error(
            "role",
            f"found {jenkins.role!r}, the role of Marathon; allowed: '*' or another role. In one role the builds of "
            "many masters would take Marathon's share",
            ("jenkins", "role"),
        )
    for key in ("framework_name", "public_url"):
        text = getattr(jenkins, key)
        if text is not None and (text.count("{name}") != 1 or "{" in text.replace("{name}", "")):
            raise rule_error(
                "name", f"found {text!r}; allowed: text with one {{name}}, so that masters differ", ("jenkins", key)
            )


def _check_ports(spec: ClusterSpec, jenkins: JenkinsSettings) -> None:
    low, high = spec.mesos.task_port_range
    needed, there = PORTS_OF_A_MASTER * jenkins.max_masters, high - low + 1
    if needed > there:
        raise rule_error(
            "ports",
            f"found {jenkins.max_masters}; allowed: {there // PORTS_OF_A_MASTER} with mesos.task_ports "
            f"{spec.mesos.task_ports}, since each master has {PORTS_OF_A_MASTER} ports of its own. Widen task_ports",
            ("jenkins", "max_masters"),
        )
    if high >= FIRST_EPHEMERAL_PORT:
        raise rule_error(
            "ports",
            f"found {spec.mesos.task_ports}; allowed with Jenkins masters: ports below {FIRST_EPHEMERAL_PORT}, from "
            "which on Linux gives ports to clients: one could have a master's port",
            ("mesos", "task_ports"),
        )


def _check_builds(spec: ClusterSpec, jenkins: JenkinsSettings) -> None:
    labels = Counter(build.label for build in jenkins.builds)
    defaults = [number for number, build in enumerate(jenkins.builds) if build.default]
    free = {
        name: group.attributes
        for name, group in spec.groups.items()
        if "mesos_agent" in group.services and group.reserve_for is None
    }
    for number, build in enumerate(jenkins.builds):
        at = ("jenkins", "builds", number)
        if labels[build.label] > 1:
            raise rule_error("label", f"found {build.label!r} twice; allowed: one entry per label", (*at, "label"))
        if not any(build.attributes.items() <= each.items() for each in free.values()):
            raise rule_error(
                "attributes",
                f"no group of agents for builds has all of these attributes; there are: "
                f"{', '.join(f'{name} {dict(each)}' for name, each in free.items())}",
                (*at, "attributes"),
            )
        if jenkins.plugin == "2.x" and build.executors != 1:
            raise rule_error("executors", f"found {build.executors}; allowed with plugin 2.x: 1", (*at, "executors"))
    if len(defaults) > 1:
        raise rule_error(
            "default",
            "two kinds of builds are for jobs without a label; allowed: one. Set 'default: false' here",
            ("jenkins", "builds", defaults[1]),
        )
