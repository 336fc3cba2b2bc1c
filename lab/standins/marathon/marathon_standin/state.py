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
from .groups import Group, Root
from .instance import Instance

Change = tuple[str, str, dict[str, Any] | None]  # kind, key, data; None deletes
Stored = Mapping[str, Mapping[str, dict[str, Any]]]  # kind -> key -> data
KINDS = ("apps", "versions", "groups", "roots", "instances", "deployments", "failures")


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
        # Former definitions, by (app id, version), and the trees that they belong to, by version
        self.versions = {(app.id, app.version): app for app in map(App.from_json, stored.get("versions", {}).values())}
        self.groups = {k: Group.from_json(v) for k, v in stored.get("groups", {}).items()}
        self.roots = {k: Root.from_json(v) for k, v in stored.get("roots", {}).items()}

    def put_app(self, app: App) -> None:
        self.apps[app.id] = app
        self._pending["apps", app.id] = app.to_json()
        self.versions[app.id, app.version] = app
        self._pending["versions", f"{app.id}@{app.version}"] = app.to_json()

    def versions_of(self, app_id: str) -> list[str]:
        """Return the versions of an app that are kept, the newest first."""
        return sorted((version for other, version in self.versions if other == app_id), reverse=True)

    def put_group(self, group: Group) -> None:
        self.groups[group.id] = group
        self._pending["groups", group.id] = group.to_json()

    def remove_group(self, group_id: str) -> None:
        self.groups.pop(group_id, None)
        self._pending["groups", group_id] = None

    def keep_root(self, version: str, limit: int) -> None:
        """Keep the tree of now as ``version``, and of former trees and definitions the newest ``limit``."""
        root = Root(version, {app.id: app.version for app in self.apps.values()}, dict(self.groups))
        self.roots[version] = root
        self._pending["roots", version] = root.to_json()
        for old in sorted(self.roots)[:-limit]:
            del self.roots[old]
            self._pending["roots", old] = None
        kept = {pair for each in self.roots.values() for pair in each.apps.items()}
        newest = {(app_id, version) for app_id in self.apps for version in self.versions_of(app_id)[:limit]}
        for app_id, app_version in set(self.versions) - kept - newest:
            del self.versions[app_id, app_version]
            self._pending["versions", f"{app_id}@{app_version}"] = None

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
