"""Which roles a service needs. Used by the renderer, the inventory and the image.

Imported on nodes too (``user_data: fetch``), so: standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence

# In the order of a node's first boot. The keys are the values of clusterctl.services.Service.
SERVICE_ROLES: dict[str, tuple[str, ...]] = {
    "zookeeper": ("common", "zookeeper"),
    "mesos_master": ("common", "mesos", "mesos_master"),
    "marathon": ("common", "marathon"),
    "mesos_agent": ("common", "mesos", "jenkins", "builder", "mesos_agent"),
}


def roles_of(services: Sequence[str]) -> tuple[str, ...]:
    """Roles of a node that runs ``services``, each once, a role after those it builds on.

    Raises:
        KeyError: an unknown service (a bug: the cluster file's model knows them all).
    """
    wanted = set(services)
    if unknown := wanted - SERVICE_ROLES.keys():
        raise KeyError(", ".join(sorted(unknown)))
    ordered = (role for service, roles in SERVICE_ROLES.items() if service in wanted for role in roles)
    return tuple(dict.fromkeys(ordered))
