"""/v2/info (Marathon's info.raml), as the leader shows it; standbys pass it on."""

from __future__ import annotations

from typing import Any

from .buildinfo import BuildInfo
from .config import Config, parse_zk_url

# Of marathon_config, beside those whose value or name is not the flag's
_FLAGS = (
    "checkpoint",
    "decline_offer_duration",
    "executor",
    "failover_timeout",
    "framework_name",
    "ha",
    "hostname",
    "launch_token_refresh_interval",
    "local_port_max",
    "local_port_min",
    "master",
    "max_instances_per_offer",
    "mesos_heartbeat_failure_threshold",
    "mesos_heartbeat_interval",
    "mesos_role",
    "mesos_user",
    "min_revive_offers_interval",
    "offer_matching_timeout",
    "on_elected_prepare_timeout",
    "reconciliation_initial_delay",
    "reconciliation_interval",
    "scale_apps_initial_delay",
    "scale_apps_interval",
    "store_cache",
    "task_launch_confirm_timeout",
    "task_launch_timeout",
    "task_lost_expunge_initial_delay",
    "task_lost_expunge_interval",
    "task_reservation_timeout",
)
_ZOOKEEPER = (
    "zk_compression",
    "zk_compression_threshold",
    "zk_connection_timeout",
    "zk_max_node_size",
    "zk_max_versions",
    "zk_session_timeout",
    "zk_timeout",
)


def info_json(config: Config, build: BuildInfo, framework_id: str | None, master: str | None) -> dict[str, Any]:
    """Return the answer; ``master`` is the host:port of the Mesos master that we are subscribed to."""
    values = {**config.without_effect, **vars(config), "master": _shown(config.master)}
    marathon_config = {name: values[name] for name in _FLAGS} | {
        "features": list(config.enable_features),
        "launch_token": values["launch_tokens"],
        "leader_proxy_connection_timeout_ms": config.leader_proxy_connection_timeout,
        "leader_proxy_read_timeout_ms": config.leader_proxy_read_timeout,
        "mesos_bridge_name": "mesos-bridge",
    }
    ui = config.mesos_leader_ui_url or (f"http://{master}/" if master else None)
    marathon_config |= {"mesos_leader_ui_url": ui} if ui else {}
    marathon_config |= {"webui_url": config.webui_url} if config.webui_url else {}
    return {
        "name": "marathon",
        "version": build.version,
        "buildref": build.buildref,
        "elected": True,
        "leader": config.host_port,
        **({"frameworkId": framework_id} if framework_id else {}),
        "marathon_config": marathon_config,
        "zookeeper_config": {"zk": str(config.zk)} | {name: values[name] for name in _ZOOKEEPER},
        "http_config": {"http_port": config.http_port, "https_port": 8443},
    }


def _shown(master: str) -> str:
    return str(parse_zk_url(master)) if master.startswith("zk:") else master


def configuration_lines(config: Config) -> str:
    """Return what Marathon logs of its flags when it starts (Main.configToLogLines).

    Of secrets only those in ZooKeeper's URLs are made unreadable: the password of ``--http_credentials`` is in the log.
    """
    values = {**config.without_effect, **vars(config), "master": _shown(config.master)}
    del values["without_effect"]
    return "".join(f" - {name} = {value}\n" for name, value in sorted(values.items()) if value is not None)
