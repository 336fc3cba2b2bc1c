"""What Mesos is told of the framework."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .config import Config


def framework_info(config: Config, framework_id: str | None, roles: Sequence[str]) -> dict[str, Any]:
    """Return the FrameworkInfo to subscribe with, or to change the roles by."""
    capabilities = ["MULTI_ROLE", "RESERVATION_REFINEMENT", "PARTITION_AWARE"]
    if "task_killing" in config.enable_features:
        capabilities.append("TASK_KILLING_STATE")
    info: dict[str, Any] = {
        "user": config.mesos_user,
        "name": config.framework_name,
        "roles": list(roles),
        "checkpoint": config.checkpoint,
        "failover_timeout": float(config.failover_timeout),
        "hostname": config.hostname,
        "webui_url": config.webui_url or f"http://{config.host_port}",
        "capabilities": [{"type": name} for name in capabilities],
    }
    if config.mesos_authentication_principal:
        info["principal"] = config.mesos_authentication_principal
    if framework_id:
        info["id"] = {"value": framework_id}
    return info
