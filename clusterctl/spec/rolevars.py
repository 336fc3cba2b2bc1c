"""The variables of the roles, from their ``meta/argument_specs.yml``, and where each of them is set.

A variable has one place: a key of the cluster file, ``settings``, ``artifacts.yml``, or clusterctl computes it. What is
in none of the tables below and belongs to a role's configuration goes through ``settings``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from clusterctl.errors import ClusterctlError
from clusterctl.paths import roles_dir
from clusterctl.services import TABLE


class Place(StrEnum):
    """Where a variable is set."""

    SETTINGS = "settings"  # of the cluster or of a group
    KEY = "key"  # of the cluster file
    COMPUTED = "computed"
    IMAGE = "image"  # at its build


# Variable -> the key of the cluster file that sets it
KEYS: Mapping[str, str] = {
    "common_secrets": "security",
    "builder_egress": "security.builds.egress",
    "builder_egress_open": "security.builds.egress",
    "common_volume_mount": "groups.NAME.volume.mount",
    "jenkins_authentication": "security",
    "jenkins_builds": "jenkins.builds",
    "jenkins_checkpoint": "jenkins.checkpoint",
    "jenkins_decline_s": "jenkins.decline_s",
    "jenkins_directory": "jenkins.directory",
    "jenkins_framework_name": "jenkins.framework_name",
    "jenkins_heap_mib": "jenkins.master.heap_mib",
    "jenkins_initial_delay_ms": "jenkins.provisioner.initial_delay_ms",
    "jenkins_java_options": "jenkins.master.java_options",
    "jenkins_margin": "jenkins.provisioner.margin",
    "jenkins_margin0": "jenkins.provisioner.margin0",
    "jenkins_mesos_role": "jenkins.role",
    "jenkins_on_demand": "jenkins.registration",
    "jenkins_plugin": "jenkins.plugin",
    "jenkins_plugin_0x": "jenkins.plugin",
    "jenkins_plugin_1x": "jenkins.plugin",
    "jenkins_plugin_2x": "jenkins.plugin",
    "jenkins_public_url": "jenkins.public_url",
    "jenkins_recurrence_ms": "jenkins.provisioner.recurrence_ms",
    "marathon_failover_timeout_s": "marathon.failover_timeout_s",
    "marathon_flags": "marathon.flags",
    "marathon_heap_mib": "marathon.heap_mib",
    "marathon_mesos_role": "marathon.role",
    "marathon_tls": "tls",
    "marathon_task_launch_timeout_ms": "marathon.task_launch_timeout_ms",
    "marathon_zk_session_timeout_ms": "marathon.zk_session_timeout_s",
    "marathon_mesos_authentication": "security",
    "mesos_agent_attributes": "groups.NAME.attributes",
    "mesos_agent_default_role": "groups.NAME.reserve_for",
    "mesos_agent_flags": "mesos.agent_flags",
    "mesos_agent_resources": "mesos.agent_reserve",
    "mesos_agent_authentication": "security",
    "mesos_cluster_name": "cluster",
    "mesos_master_flags": "mesos.master_flags",
    "mesos_master_agent_ping_timeout_s": "mesos.agent_ping_timeout_s",
    "mesos_master_authentication": "security",
    "mesos_master_max_agent_ping_timeouts": "mesos.max_agent_ping_timeouts",
    "mesos_master_max_completed_frameworks": "mesos.max_completed_frameworks",
    "mesos_master_offer_timeout_s": "mesos.offer_timeout_s",
    "mesos_tls": "tls",
    "mesos_zk_session_timeout_s": "mesos.zk_session_timeout_s",
    "zookeeper_heap_mib": "zookeeper.heap_mib",
    "zookeeper_init_limit": "zookeeper.init_limit",
    "zookeeper_max_client_connections": "zookeeper.max_client_connections",
    "zookeeper_snapshot_retain_count": "zookeeper.snapshot_retain_count",
    "zookeeper_sync_limit": "zookeeper.sync_limit",
    "zookeeper_tick_time_ms": "zookeeper.tick_time_ms",
}
_ADDRESSES = "from the nodes' addresses and numbers"
_CLOSED = "from the key 'security'"
_IMAGE = "fixed in the image"
_PORT = "fixed, since the security group opens this port"
# Variable -> from what clusterctl computes it
COMPUTED: Mapping[str, str] = {
    "builder_confined": _CLOSED,
    "builder_hosts_masters": "from the key 'jenkins.group'",
    "builder_slots": "from the keys 'jenkins.max_masters' and 'mesos.task_ports'",
    "builder_uid": _IMAGE,
    "clusterctl_address": _ADDRESSES,
    "clusterctl_cluster": "from the key 'cluster'",
    "clusterctl_control_addresses": _ADDRESSES,
    "clusterctl_hardened": _CLOSED,
    "common_volume_serial": "from the node's volume",
    "jenkins_master_uid": _IMAGE,
    "jenkins_uid": _IMAGE,
    "marathon_http_port": _PORT,
    "marathon_libprocess_port": _PORT,
    "marathon_secured": _CLOSED,
    "marathon_zk_credentials": _CLOSED,
    "marathon_zk_url": _ADDRESSES,
    "mesos_agent_memory_max_mib": "from the flavor and the key 'mesos.agent_reserve'",
    "mesos_agent_port": _PORT,
    "mesos_master_addresses": _ADDRESSES,
    "mesos_master_authentication_required": _CLOSED,
    "mesos_master_port": _PORT,
    "mesos_master_quorum": "from the number of masters",
    "mesos_master_zk_credentials": _CLOSED,
    "mesos_zk_url": _ADDRESSES,
    "zookeeper_client_port": _PORT,
    "zookeeper_election_port": _PORT,
    "zookeeper_members_change": "while the ensemble grows or shrinks",
    "zookeeper_myid": _ADDRESSES,
    "zookeeper_members_auth": _CLOSED,
    "zookeeper_peer_port": _PORT,
    "zookeeper_secured": _CLOSED,
    "zookeeper_servers": _ADDRESSES,
}
# Variable of a role's install half -> the key of artifacts.yml that sets it; others are the same in every image
IMAGE_KEYS: Mapping[str, str] = {
    "common_cgroups": "build.cgroups",
    "common_further_packages": "packages",
    "common_java_package": "java_package",
    "jenkins_artifact": "artifacts.jenkins",
    "jenkins_java_artifact": "artifacts.jenkins_java",
    "jenkins_java_package": "jenkins_java_package",
    "jenkins_plugin_artifacts": "artifacts.jenkins_plugins",
    "jenkins_release": "artifacts.jenkins",
    "marathon_artifact": "artifacts.marathon",
    "marathon_java_artifact": "artifacts.marathon_java",
    "marathon_java_package": "marathon_java_package",
    "marathon_java_versions": "artifacts.marathon.java",
    "marathon_packages": "marathon_packages",
    "mesos_artifact": "artifacts.mesos",
    "zookeeper_java_artifact": "artifacts.zookeeper_java",
    "zookeeper_java_least": "zookeeper_open",
    "zookeeper_java_package": "zookeeper_java_package",
}


@dataclass(frozen=True)
class RoleVariable:
    """A variable of a role.

    Attributes:
        kind: ``str``, ``int``, ``float``, ``bool``, ``path``, ``list`` or ``dict``, as Ansible names them.
        elements: kind of a list's elements.
        default: None where there is none.
        choices: all values allowed; empty where any is.
        where: the key that sets it, or from what it is computed; empty for a variable that is fixed in the image.
    """

    role: str
    name: str
    kind: str
    elements: str | None
    default: Any
    choices: tuple[str, ...]
    meaning: str
    place: Place
    where: str

    @property
    def told(self) -> str:
        """Where it is set, for a person."""
        if self.place is Place.SETTINGS:
            return self.where
        if self.place is Place.KEY:
            return f"key {self.where}"
        if self.place is Place.COMPUTED:
            return self.where if self.where.startswith("fixed") else f"computed {self.where}"
        return f"{self.where} of artifacts.yml" if self.where else "fixed in the image"

    @property
    def refusal(self) -> str:
        """Why ``settings`` can't have it, and what can; empty if they can."""
        if self.place is Place.SETTINGS:
            return ""
        if self.place is Place.KEY:
            return f"is set by the key '{self.where}'; write it there"
        if self.place is Place.COMPUTED:
            return f"can't be set: it is {self.told}"
        return f"is of the image's build, not of the cluster file: it is {self.told}"

    @property
    def shown_kind(self) -> str:
        """``list of str``, or the choices."""
        if self.choices:
            return " | ".join(choice or '""' for choice in self.choices)
        return f"{self.kind} of {self.elements}" if self.elements else self.kind

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "role": self.role,
            "name": self.name,
            "type": self.kind,
            "elements": self.elements,
            "choices": list(self.choices),
            "default": self.default,
            "meaning": self.meaning,
            "settable": self.place is Place.SETTINGS,
            "place": self.place.value,
            "where": self.told,
        }


@lru_cache(maxsize=1)
def role_variables() -> tuple[RoleVariable, ...]:
    """All variables of all roles, by role and name; one that several roles read is there for each of them.

    Raises:
        ClusterctlError: a role's specification can't be read; the installation is incomplete.
    """
    found: list[RoleVariable] = []
    for path in sorted(roles_dir().glob("*/meta/argument_specs.yml")):
        role, specs = path.parent.parent.name, _read(path)["argument_specs"]
        install = specs.get("install", {}).get("options", {})
        main = specs["main"]["options"]
        for name in sorted({**install, **main}):
            found.append(_variable(role, name, main.get(name) or install[name], configures=name in main))
    return tuple(found)


@lru_cache(maxsize=1)
def roles_reading() -> Mapping[str, frozenset[str]]:
    """Variable -> roles that read it."""
    found: dict[str, frozenset[str]] = {}
    for variable in role_variables():
        found[variable.name] = found.get(variable.name, frozenset()) | {variable.role}
    return found


def default_of(name: str) -> Any:
    """What a variable is where nobody sets it."""
    return next(variable.default for variable in role_variables() if variable.name == name)


def _variable(role: str, name: str, option: Mapping[str, Any], *, configures: bool) -> RoleVariable:
    place, where = _place(role, name, configures=configures)
    return RoleVariable(
        role=role,
        name=name,
        kind=str(option["type"]),
        elements=option.get("elements"),
        default=option.get("default"),
        choices=tuple(map(str, option.get("choices", ()))),
        meaning=str(option["description"]),
        place=place,
        where=where,
    )


def _place(role: str, name: str, *, configures: bool) -> tuple[Place, str]:
    if name in KEYS:
        return Place.KEY, KEYS[name]
    if name in COMPUTED:
        return Place.COMPUTED, COMPUTED[name]
    if not configures:
        return Place.IMAGE, IMAGE_KEYS.get(name, "")
    services = [service for service, row in TABLE.items() if role in row.roles]
    whose = f"a group with {' or '.join(services)}" if len(services) < len(TABLE) else "a group"
    return Place.SETTINGS, f"settings (the cluster's, or {whose})"


def _read(path: Path) -> Mapping[str, Any]:
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _LOADER)  # noqa: S506  (both are safe loaders)
    except (OSError, yaml.YAMLError) as error:
        raise ClusterctlError(f"cannot read {path}: {error}", hint="reinstall clusterctl") from error
    if not isinstance(data, Mapping):
        raise ClusterctlError(f"{path} holds no mapping", hint="reinstall clusterctl")
    return data


# The one in C is eight times as fast, and every command that reads a cluster file waits for it
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
