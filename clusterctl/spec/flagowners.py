"""Flags of Mesos and Marathon that ``master_flags``, ``agent_flags`` and ``flags`` can't set, and what sets them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_NODE = "is set by clusterctl, from the node's address and the ports that the security group opens"
_LAYOUT = "is set by clusterctl: units, image and checks rely on it"
_ENDS = "would make the daemon print something and end"
_SECURITY = "belongs to the section 'security'"
_HIDDEN = "holds a secret, and flags can be read in user-data and on the nodes: it can't be set"


def _key(name: str) -> str:
    return f"is set by the key '{name}'; write it there"


def _setting(variable: str) -> str:
    return f"is set by the variable '{variable}'; write it into 'settings'"


def _all(names: str, why: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), why)


_MESOS = {
    **_all("advertise_ip advertise_port hostname hostname_lookup ip ip_discovery_command port", _NODE),
    **_all("acls authenticate_http_readonly authenticate_http_readwrite http_authenticators", _SECURITY),
    **_all("help version", _ENDS),
    "work_dir": _LAYOUT,
    "zk_session_timeout": _key("mesos.zk_session_timeout_s"),
}
MASTER: Mapping[str, str] = {
    **_MESOS,
    **_all("authenticate_agents authenticate_frameworks authenticate_http_frameworks authenticators", _SECURITY),
    **_all("authorizers credentials http_framework_authenticators root_submissions", _SECURITY),
    **_all("master_contender master_detector registry zk", _LAYOUT),
    "agent_ping_timeout": _key("mesos.agent_ping_timeout_s"),
    "agent_removal_rate_limit": _setting("mesos_master_agent_removal_rate_limit"),
    "cluster": _key("cluster"),
    "logging_level": _setting("mesos_master_logging_level"),
    "max_agent_ping_timeouts": _key("mesos.max_agent_ping_timeouts"),
    "max_completed_frameworks": _key("mesos.max_completed_frameworks"),
    "max_completed_tasks_per_framework": _setting("mesos_master_max_completed_tasks_per_framework"),
    "offer_timeout": _key("mesos.offer_timeout_s"),
    "quorum": "is computed from the number of masters",
    "rate_limits": _key("mesos.tenant_qps"),
    "recovery_agent_removal_limit": _setting("mesos_master_recovery_agent_removal_limit_percent"),
}
AGENT: Mapping[str, str] = {
    **_MESOS,
    **_all("authenticate_http_executors authenticatee authorizer credential http_credentials", _SECURITY),
    **_all("master master_detector reconfiguration_policy recover systemd_enable_support", _LAYOUT),
    "attributes": _key("groups.NAME.attributes"),
    "containerizers": _setting("mesos_agent_containerizers"),
    "default_role": _key("groups.NAME.reserve_for"),
    "disk_watch_interval": _setting("mesos_agent_disk_watch_interval_s"),
    "executor_registration_timeout": _setting("mesos_agent_executor_registration_timeout_min"),
    "executor_reregistration_timeout": _setting("mesos_agent_executor_reregistration_timeout_s"),
    "gc_delay": _setting("mesos_agent_gc_delay_h"),
    "ip_discovery_command": _setting("mesos_agent_ip_discovery_command"),
    "isolation": _setting("mesos_agent_isolation"),
    "launcher": _setting("mesos_agent_launcher"),
    "launcher_dir": _setting("mesos_agent_launcher_dir"),
    "logging_level": _setting("mesos_agent_logging_level"),
    "recovery_timeout": _setting("mesos_agent_recovery_timeout_min"),
    "resources": _key("mesos.agent_reserve"),
}
MARATHON: Mapping[str, str] = {
    **_all("hostname http_address http_port https_address https_port webui_url", _NODE),
    **_all("disable_http framework_name ha internal_store_backend leader_election_backend master zk", _LAYOUT),
    **_all("help version", _ENDS),
    **_all("http_credentials http_realm mesos_authentication mesos_authentication_secret_file", _SECURITY),
    **_all("mesos_authentication_secret metrics_datadog_api_key sentry ssl_keystore_password", _HIDDEN),
    "accepted_resource_roles_default_behavior": (
        "is 'unreserved' with clusterctl: ordinary apps would eat the reservation for Jenkins masters"
    ),
    "failover_timeout": _key("marathon.failover_timeout_s"),
    "logging_level": _setting("marathon_logging_level"),
    "mesos_authentication_principal": "is 'marathon' with clusterctl: a framework can't get another one later",
    "mesos_role": _key("marathon.role"),
    "mesos_user": _setting("marathon_mesos_user"),
    "task_launch_timeout": _key("marathon.task_launch_timeout_ms"),
    "zk_session_timeout": _key("marathon.zk_session_timeout_s"),
}
# Of agents: a path of a file, or its content, which may be a secret
FILES: Iterable[str] = ("docker_config", "jwt_secret_key")
