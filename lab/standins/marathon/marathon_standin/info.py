"""/v2/info (Marathon's info.raml), as the leader shows it; standbys pass it on."""

from __future__ import annotations

from typing import Any

from .buildinfo import BuildInfo
from .config import Config


def info_json(config: Config, build: BuildInfo, framework_id: str | None, master: str | None) -> dict[str, Any]:
    """Return the answer; ``master`` is the host:port of the Mesos master that we are subscribed to."""
    return {
        "name": "marathon",
        "version": build.version,
        "buildref": build.buildref,
        "elected": True,
        "leader": config.host_port,
        "frameworkId": framework_id,
        "marathon_config": {
            "master": config.master,
            "failover_timeout": config.failover_timeout,
            "framework_name": config.framework_name,
            "ha": True,
            "checkpoint": config.checkpoint,
            "local_port_min": config.local_port_min,
            "local_port_max": config.local_port_max,
            "executor": "//cmd",
            "hostname": config.hostname,
            "webui_url": config.webui_url,
            "mesos_role": config.mesos_role,
            "task_launch_timeout": config.task_launch_timeout,
            "reconciliation_initial_delay": config.reconciliation_initial_delay,
            "reconciliation_interval": config.reconciliation_interval,
            "mesos_user": config.mesos_user,
            "leader_proxy_connection_timeout_ms": config.leader_proxy_connection_timeout,
            "leader_proxy_read_timeout_ms": config.leader_proxy_read_timeout,
            "mesos_leader_ui_url": config.mesos_leader_ui_url or (f"http://{master}/" if master else None),
            "features": list(config.enable_features),
        },
        "zookeeper_config": {
            "zk": str(config.zk),
            "zk_timeout": config.zk_timeout,
            "zk_connection_timeout": config.zk_connection_timeout,
            "zk_session_timeout": config.zk_session_timeout,
        },
        "http_config": {"http_port": config.http_port},
    }
