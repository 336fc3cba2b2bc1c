"""The cluster file as frozen pydantic models: what may stand in it and the rules that need no cloud.

Rules are checked here rather than later so that ``clusterctl validate`` finds them without credentials. Each rule that
comes from an upstream project names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from clusterctl.services import CONTROL_SERVICES, TABLE, Service
from clusterctl.spec import limits
from clusterctl.spec.jenkins import DEFAULT_DIRECTORY, JenkinsSettings
from clusterctl.spec.jenkins_rules import check_jenkins
from clusterctl.spec.rolesettings import Settings, check_roles
from clusterctl.spec.security import WITH_SECRETS, Part, SecretsSettings, SecuritySettings
from clusterctl.spec.settings import (
    AgentReserve,
    GroupMesosSettings,
    MarathonSettings,
    MesosSettings,
    ZooKeeperSettings,
)
from clusterctl.spec.starvation_rules import check_starvation
from clusterctl.spec.tls import TlsSettings
from clusterctl.spec.types import (
    AttributeName,
    AttributeText,
    Bastion,
    Label,
    MountPoint,
    RoleName,
    SshSources,
    StrictModel,
    Text,
    UserName,
    matching,
    rule_error,
)
from clusterctl.spec.zookeeper_rules import check_zookeeper_log

_GIT_URL = re.compile(r"https?://[^\s@/]+/\S*")


class VolumeSettings(StrictModel):
    """A block-storage volume for each node of a group; it outlives the server and keeps the node's ordinal."""

    size: int = Field(ge=1, le=16384, description="GiB")
    mount: MountPoint = Field(description="mount point on the node")
    availability_zone: Text | None = Field(
        default=None, description="zone of block storage; by default the server's, where block storage has it"
    )


class Group(StrictModel):
    """Nodes that are alike: same flavor, same services."""

    count: int = Field(ge=0, le=5000, description="number of nodes")
    flavor: Text
    services: tuple[Annotated[Service, Field(strict=False)], ...] = Field(min_length=1, strict=False)
    attributes: dict[AttributeName, AttributeText] = Field(
        default_factory=dict,
        max_length=64,
        description="Mesos agent attributes. One that reads as a number is a number to Mesos",
    )
    reserve_for: RoleName | None = Field(default=None, description="Mesos role that all resources are reserved for")
    volume: VolumeSettings | None = None
    availability_zones: tuple[Text, ...] = Field(
        default=(), strict=False, description="zones over which the nodes are spread by ordinal"
    )
    anti_affinity: Literal["soft", "hard", "off"] = "soft"
    mesos: GroupMesosSettings = Field(default=GroupMesosSettings(), description="differs from section mesos (agents)")
    settings: Settings = Field(default=Settings(), description="variables of the group's roles, above the cluster's")
    elsewhere: ClassVar[Mapping[str, str]] = {
        service: f"one group runs {service}: its settings stand in section '{service}' at the top of the file"
        for service in ("zookeeper", "marathon")
    }

    @model_validator(mode="after")
    def _agent_keys(self) -> Group:
        if len(set(self.services)) != len(self.services):
            raise rule_error("services", "a service is named twice", ("services",))
        if len(set(self.availability_zones)) != len(self.availability_zones):
            raise rule_error("availability_zones", "a zone is named twice", ("availability_zones",))
        is_agent = Service.MESOS_AGENT in self.services
        if is_agent and len(self.services) > 1:
            raise rule_error(
                "services",
                "mesos_agent shares its nodes with another service; a build could starve the control plane. "
                "Give the agents a group of their own",
                ("services",),
            )
        if not is_agent:
            for key in ("attributes", "reserve_for", "mesos"):
                if getattr(self, key) != type(self).model_fields[key].get_default(call_default_factory=True):
                    raise rule_error("agent_only", f"'{key}' is allowed only in groups of mesos_agent", (key,))
            if self.count == 0:
                raise rule_error("count", "found 0; a group of control services needs at least 1 node", ("count",))
        elif len(self.availability_zones) > 1 and self.volume is None:
            raise rule_error(
                "availability_zones",
                "agents are created by one request per group and that has one zone: make a group per zone",
                ("availability_zones",),
            )
        check_roles(self.settings, (role for each in self.services for role in TABLE[each].roles), self.services)
        return self

    @property
    def named(self) -> bool:
        """Whether nodes have an identity (name, ordinal, port, volume) of their own. Other agents are cattle (D4)."""
        return Service.MESOS_AGENT not in self.services or self.volume is not None


class AccessSettings(StrictModel):
    """How operators reach the nodes."""

    user: UserName = "debian"
    bastion: Bastion | None = None
    ssh_from: SshSources = Field(
        description="networks (CIDRs) that may reach port 22, or 'network': the subnets of the network that the nodes "
        "are on. '0.0.0.0/0' is everybody"
    )


class Fetch(StrictModel):
    """Post-install scripts fetched by the node from a git host (D8); the digest makes that safe."""

    url: Annotated[Text, matching(_GIT_URL, "an http(s) URL without user and password: user-data holds no secret")] = (
        Field(description="git URL, http(s)")
    )
    commit: Annotated[str, matching(re.compile(r"[0-9a-f]{40}"), "a full commit id, 40 hex digits")]
    sha256: Annotated[str, matching(re.compile(r"[0-9a-f]{64}"), "a sha256, 64 hex digits")]


class ClusterSpec(StrictModel):
    """The whole cluster file."""

    cluster: Label
    cloud: Text = Field(description="entry of clouds.yaml")
    image: Text = "clusterctl-base"
    image_owner: Text | None = Field(
        default=None, description="id of the project whose images are taken, if it is not your own"
    )
    network: Text
    availability_zone: Text | None = None
    keypair: Text
    access: AccessSettings
    groups: dict[Label, Group] = Field(min_length=1)
    zookeeper: ZooKeeperSettings = ZooKeeperSettings()
    mesos: MesosSettings = MesosSettings()
    marathon: MarathonSettings = MarathonSettings()
    jenkins: JenkinsSettings | None = Field(
        default=None, description="Jenkins masters under Marathon, one per developer; absent: no such tier"
    )
    security: SecuritySettings = SecuritySettings()
    secrets: SecretsSettings = SecretsSettings()
    tls: TlsSettings | None = Field(
        default=None, description="TLS between Mesos' daemons, if your package was built with SSL; not shown in the lab"
    )
    settings: Settings = Field(
        default=Settings(), description="variables of the roles for all nodes; `clusterctl settings` lists them"
    )
    user_data: Literal["embedded"] | Fetch = "embedded"
    allow_non_ha: bool = Field(default=False, description="consent to fewer than three of a control service")

    @model_validator(mode="after")
    def _rules(self) -> ClusterSpec:
        self._check_names()
        self._check_session()
        for service in CONTROL_SERVICES:
            self._check_control(service)
        check_zookeeper_log(self)
        check_starvation(self)
        if self.jenkins:
            check_jenkins(self, self.jenkins)
        return self

    def _check_names(self) -> None:
        if len(self.cluster) > limits.CLUSTER_NAME:
            raise rule_error(
                "name_length",
                f"found {len(self.cluster)} characters; allowed: {limits.CLUSTER_NAME}, so that the servers' tag "
                f"'{limits.OWNER_KEY}=...' keeps to Nova's {limits.SERVER_TAG}",
                ("cluster",),
            )
        for name, group in self.groups.items():
            suffix = len(f"-{max(group.count, 99)}") if group.named else limits.AGENT_SUFFIX
            longest = len(f"{self.cluster}-{name}") + suffix
            if longest > limits.DNS_LABEL:
                raise rule_error(
                    "name_length",
                    f"host names of group '{name}' would have {longest} characters; allowed: {limits.DNS_LABEL} "
                    "(one DNS label). Shorten the cluster's or the group's name",
                    ("groups", name),
                )

    def _check_session(self) -> None:
        low, high = (ticks * self.zookeeper.tick_time_ms / 1000 for ticks in limits.SESSION_TICKS)
        for client in ("mesos", "marathon"):
            found = getattr(self, client).zk_session_timeout_s
            if not low <= found <= high:
                raise rule_error(
                    "session",
                    f"found {found}; allowed: {low:g} to {high:g}, which are 2 to 20 ticks of "
                    f"{self.zookeeper.tick_time_ms} ms (zookeeper.tick_time_ms)",
                    (client, "zk_session_timeout_s"),
                )

    def _check_control(self, service: Service) -> None:
        groups = self.groups_of(service)
        if not groups:
            raise rule_error(
                "service_missing", f"no group runs {service}; add it to the 'services' of one group", ("groups",)
            )
        if len(groups) > 1:
            raise rule_error(
                "service_twice",
                f"{service} runs in groups {', '.join(map(repr, groups))}; allowed: one group, whose nodes can be "
                "spread with 'availability_zones'",
                ("groups", groups[1], "services"),
            )
        name, count = groups[0], self.groups[groups[0]].count
        if service is not Service.MARATHON and count % 2 == 0:
            raise rule_error(
                "even_ensemble",
                f"found {count} {service} nodes; allowed: an odd number, since {count} survive no more failures "
                f"than {count - 1}. Use {count - 1 or 1} or {count + 1}",
                ("groups", name, "count"),
            )
        if service is Service.ZOOKEEPER and count > limits.ZOOKEEPER_ID:
            raise rule_error(
                "ensemble_size",
                f"found {count} zookeeper nodes; allowed: {limits.ZOOKEEPER_ID} at most, the largest of its server ids",
                ("groups", name, "count"),
            )
        if count < 3 and not self.allow_non_ha:
            raise rule_error(
                "non_ha",
                f"found {count} {service} node{'s' * (count != 1)}; allowed: at least 3 for high availability, or "
                "'allow_non_ha: true' at the top of the file for a cluster that may go down",
                ("groups", name, "count"),
            )

    def groups_of(self, service: Service) -> list[str]:
        """Names of the groups that run ``service``, in the order of the file."""
        return [name for name, group in self.groups.items() if service in group.services]

    def secured(self, part: Part) -> bool:
        """Whether a part of the cluster is closed to who has no secret for it, or no business with it."""
        return self.security.closes(part)

    @property
    def has_secrets(self) -> bool:
        """Whether nodes need files with secrets."""
        return any(map(self.secured, WITH_SECRETS))

    @property
    def masters_group(self) -> str | None:
        """Name of the group whose agents host Jenkins masters; None without section ``jenkins``."""
        if self.jenkins is None:
            return None
        return self.jenkins.group or next(name for name, each in self.groups.items() if each.reserve_for)

    @property
    def homes_directory(self) -> str | None:
        """Where the homes of Jenkins masters lie: ``jenkins.directory``, else the volume of their group."""
        if self.jenkins is None or self.masters_group is None:
            return None
        volume = self.groups[self.masters_group].volume
        return self.jenkins.directory or (volume.mount if volume else DEFAULT_DIRECTORY)

    def agent_reserve_of(self, group: str) -> AgentReserve:
        """What the nodes of a group of agents keep for themselves."""
        own = self.groups[group].mesos.agent_reserve.model_dump(exclude_none=True)
        return self.mesos.agent_reserve.model_copy(update=own)

    def zone_of(self, group: str, ordinal: int | None) -> str | None:
        """Availability zone of a node: spread by ordinal over the group's zones, else the cluster's zone."""
        zones = self.groups[group].availability_zones
        if zones:
            return zones[((ordinal or 1) - 1) % len(zones)]
        return self.availability_zone


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the cluster file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ClusterSpec.model_json_schema()}
