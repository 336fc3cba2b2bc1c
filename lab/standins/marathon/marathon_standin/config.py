"""The configuration: one typed, frozen value made from the command line and the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# user:password@ as Marathon's ZookeeperConf reads it: no '/' or ':' in the user, no '@' in the password
_ZK_URL = re.compile(
    r"zk://((?P<auth>[^/:]+:[^@]+)@)?(?P<hosts>[A-Za-z0-9.-]+(:\d+)?(,[A-Za-z0-9.-]+(:\d+)?)*)(?P<path>(/[^/]+)+)"
)


@dataclass(frozen=True)
class ZkUrl:
    """``zk://user:password@h1:p,h2:p/path``: ``hosts`` as a ZooKeeper connect string, ``path`` absolute.

    ``credentials`` is user:password; shown as Marathon shows it.
    """

    hosts: str
    path: str
    credentials: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"zk://{'xxxxxxxx:xxxxxxxx@' if self.credentials else ''}{self.hosts}{self.path}"


def parse_zk_url(text: str) -> ZkUrl:
    """Return the parsed URL. Raises ValueError with what is wrong."""
    match = _ZK_URL.fullmatch(text)
    if match is None:
        shown = re.sub(r"//.*@", "//xxxxxxxx@", text)
        raise ValueError(f"{shown!r} is not a ZooKeeper URL; expected zk://host1:port1,host2:port2/path")
    return ZkUrl(match["hosts"], match["path"], match["auth"])


@dataclass(frozen=True)
class Config:
    """Every flag that has an effect, under its own name; milliseconds unless the name says seconds.

    ``failover_timeout`` is in seconds, as in Marathon.
    """

    master: str
    zk: ZkUrl
    hostname: str
    http_address: str | None
    http_port: int
    http_credentials: str | None = field(repr=False)
    http_realm: str
    webui_url: str | None
    framework_name: str
    mesos_role: str
    mesos_user: str
    mesos_authentication: bool
    mesos_authentication_principal: str | None
    mesos_authentication_secret: str | None = field(repr=False)
    mesos_authentication_secret_file: str | None
    mesos_leader_ui_url: str | None
    accepted_resource_roles_default_behavior: str
    checkpoint: bool
    failover_timeout: int
    zk_timeout: int
    zk_connection_timeout: int
    zk_session_timeout: int
    leader_proxy_connection_timeout: int
    leader_proxy_read_timeout: int
    local_port_min: int
    local_port_max: int
    task_launch_timeout: int
    task_launch_confirm_timeout: int
    reconciliation_initial_delay: int
    reconciliation_interval: int
    max_instances_per_offer: int
    decline_offer_duration: int
    min_revive_offers_interval: int
    suppress_offers: bool
    maintenance_mode: bool
    draining_seconds: int
    max_apps: int | None
    max_running_deployments: int
    enable_features: tuple[str, ...]
    mesos_heartbeat_interval: int
    mesos_heartbeat_failure_threshold: int
    metrics_name_prefix: str
    metrics_prometheus: bool
    logging_level: str
    new_group_enforce_role: str
    kill_retry_timeout: int
    zk_max_versions: int
    event_stream_max_outstanding_messages: int
    max_concurrent_marathon_health_checks: int
    without_effect: Mapping[str, Any]  # flags that are only shown in /v2/info

    @property
    def host_port(self) -> str:
        """This instance's address as told to the others: the election's id and the proxy's target."""
        return f"{self.hostname}:{self.http_port}"

    @property
    def enforce_role(self) -> bool:
        """Whether a new top-level group binds its apps to its name as role (``--new_group_enforce_role top``)."""
        return self.new_group_enforce_role == "top"

    def default_accepted_roles(self, role: str) -> list[str]:
        """``acceptedResourceRoles`` of an app of ``role`` that names none (Marathon docs/multirole.md)."""
        choice = {"any": {role, "*"}, "unreserved": {"*"}, "reserved": {role}}
        return sorted(choice[self.accepted_resource_roles_default_behavior])
