"""The leader's state in memory, and what of it is still to be written.

Changes are collected and written together by ``flush``: the actor does so before anything goes out to Mesos or to a
client, so that a new leader knows every task that was launched and every change that was confirmed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .appspec import App
from .deployment import Deployment
from .instance import Instance

Change = tuple[str, str, dict[str, Any] | None]  # kind, key, data; None deletes
Stored = Mapping[str, Mapping[str, dict[str, Any]]]  # kind -> key -> data
KINDS = ("apps", "instances", "deployments", "failures")


class Repository(Protocol):
    """Where the state is kept."""

    def commit(self, changes: Sequence[Change]) -> None:
        """Write ``changes``, all or none of them (up to a size)."""

    def save_framework_id(self, framework_id: str) -> None: ...


class State:
    """Apps, instances, deployments and last failures by id. Change them through the methods only."""

    def __init__(self, repository: Repository, stored: Stored | None = None, framework_id: str | None = None) -> None:
        stored = stored or {}
        self._repository = repository
        self._pending: dict[tuple[str, str], dict[str, Any] | None] = {}
        self.framework_id = framework_id
        self.apps = {k: App.from_json(v) for k, v in stored.get("apps", {}).items()}
        self.instances = {k: Instance.from_json(v) for k, v in stored.get("instances", {}).items()}
        self.deployments = {k: Deployment.from_json(v) for k, v in stored.get("deployments", {}).items()}
        self.failures: dict[str, dict[str, Any]] = dict(stored.get("failures", {}))

    def put_app(self, app: App) -> None:
        self.apps[app.id] = app
        self._pending["apps", app.id] = app.to_json()

    def remove_app(self, app_id: str) -> None:
        self.apps.pop(app_id, None)
        self._pending["apps", app_id] = None
        if self.failures.pop(app_id, None) is not None:
            self._pending["failures", app_id] = None

    def put_instance(self, instance: Instance) -> None:
        self.instances[instance.id] = instance
        self._pending["instances", instance.id] = instance.to_json()

    def remove_instance(self, instance_id: str) -> None:
        self.instances.pop(instance_id, None)
        self._pending["instances", instance_id] = None

    def put_deployment(self, deployment: Deployment) -> None:
        self.deployments[deployment.id] = deployment
        self._pending["deployments", deployment.id] = deployment.to_json()

    def remove_deployment(self, deployment_id: str) -> None:
        self.deployments.pop(deployment_id, None)
        self._pending["deployments", deployment_id] = None

    def put_failure(self, app_id: str, failure: dict[str, Any]) -> None:
        self.failures[app_id] = failure
        self._pending["failures", app_id] = failure

    def set_framework_id(self, framework_id: str) -> None:
        """Keep the id that Mesos gave; written at once, for losing it would orphan every task."""
        self._repository.save_framework_id(framework_id)
        self.framework_id = framework_id

    def flush(self) -> None:
        """Write what changed since the last time."""
        if self._pending:
            self._repository.commit([(kind, key, data) for (kind, key), data in self._pending.items()])
            self._pending.clear()

    def by_app(self) -> dict[str, list[Instance]]:
        """Return the instances of each app id that has any."""
        result: dict[str, list[Instance]] = defaultdict(list)
        for instance in self.instances.values():
            result[instance.app_id].append(instance)
        return dict(result)

    def instances_of(self, app_id: str) -> list[Instance]:
        return [i for i in self.instances.values() if i.app_id == app_id]

    def locks(self, app_id: str) -> list[str]:
        """Return the ids of the running deployments that change ``app_id``."""
        return [d.id for d in self.deployments.values() if app_id in d.before]
