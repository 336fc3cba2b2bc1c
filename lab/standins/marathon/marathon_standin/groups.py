"""Groups: the tree that app ids span, who may use which role, and former versions of it. Pure.

A group comes with its first app or by itself, and stays until it is deleted (Marathon's RootGroup, Group,
RoleSettings).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ROOT = "/"


@dataclass(frozen=True)
class Group:
    """``enforce_role`` is None for all but top-level groups, whose apps it binds to the group's name as role."""

    id: str
    version: str
    enforce_role: bool | None = None
    dependencies: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Group:
        return Group(**data)


@dataclass(frozen=True)
class Root:
    """The whole tree at one version: app id -> the app's version then, and the groups."""

    version: str
    apps: Mapping[str, str]
    groups: Mapping[str, Group]

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "apps": dict(self.apps),
            "groups": {key: group.to_json() for key, group in self.groups.items()},
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Root:
        groups = {key: Group.from_json(group) for key, group in data["groups"].items()}
        return Root(data["version"], data["apps"], groups)

    def holds(self, group_id: str) -> bool:
        return group_id == ROOT or group_id in self.groups


def parent_of(path: str) -> str:
    """Return the group that an app or a group is in: "/a/b" -> "/a", "/a" -> "/"."""
    return path.rpartition("/")[0] or ROOT


def ancestors(path: str) -> list[str]:
    """Return the groups that ``path`` lies in, from the top, without the root: "/a/b/c" -> ["/a", "/a/b"]."""
    parts = path.strip("/").split("/")[:-1]
    return ["/" + "/".join(parts[: n + 1]) for n in range(len(parts))]


def within(path: str, group_id: str) -> bool:
    """Return whether ``path`` lies in the group, however deep."""
    return group_id == ROOT or path.startswith(group_id + "/")


def children(group_id: str, paths: Iterable[str]) -> list[str]:
    """Return those of ``paths`` that lie directly in the group, in order."""
    return sorted(path for path in paths if path != ROOT and parent_of(path) == group_id)


def missing(paths: Iterable[str], groups: Mapping[str, Group], version: str, enforce_new: bool) -> list[Group]:
    """Return the groups that ``paths`` (of apps or groups) need and that are not there, as they come to be."""
    wanted = {group_id for path in paths for group_id in ancestors(path)} - set(groups)
    return [made(group_id, version, enforce_new) for group_id in sorted(wanted)]


def made(group_id: str, version: str, enforce: bool) -> Group:
    """Return a new group; only a top-level one has a rule about roles."""
    return Group(group_id, version, enforce if parent_of(group_id) == ROOT else None)


@dataclass(frozen=True)
class Roles:
    """The roles that an app may have, and the one that it gets when it names none."""

    valid: Collection[str]
    default: str


def roles_for(app_id: str, own: str, groups: Mapping[str, Group], existing: str | None, enforce_new: bool) -> Roles:
    """Return what Marathon's RoleSettings.forService does; ``own`` is --mesos_role, ``existing`` the app's role."""
    above = ancestors(app_id)
    if not above:
        return Roles({own}, own)
    top = groups.get(above[0])
    name = above[0].strip("/")
    enforced = (top.enforce_role or False) if top else enforce_new
    kept = {existing} if existing else set()
    return Roles({name} | kept, name) if enforced else Roles({own, name} | kept, own)
