"""?embed=: which parts of apps and groups an answer has (Marathon's InfoEmbedResolver; what it ignores, this does)."""

from __future__ import annotations

import logging
from collections.abc import Collection

log = logging.getLogger(__name__)

_PREFIXES = ("group.apps.", "apps.", "app.")
_PARTS = {
    "tasks": {"tasks", "deployments"},
    "failures": {"tasks", "lastTaskFailure", "deployments"},
    "deployments": {"deployments"},
    "readiness": {"readiness"},
    "lastTaskFailure": {"lastTaskFailure"},
    "counts": {"counts"},
    "taskStats": {"taskStats"},
}
GROUP_PARTS = frozenset({"group.groups", "group.apps", "group.pods"})


def app_parts(values: Collection[str]) -> set[str]:
    """Return the parts of an app; an unknown word is told of in the log only."""
    parts: set[str] = set()
    for value in values:
        prefix = next((each for each in _PREFIXES if value.startswith(each)), "")
        found = _PARTS.get(value[len(prefix) :])
        if found is None:
            log.warning("unknown app embed argument: %s", value)
        parts |= found or set()
    return parts


def group_parts(values: Collection[str]) -> tuple[set[str], set[str]]:
    """Return the parts of the apps in a group, and those of the group; without a word, all of the latter."""
    if not values:
        return set(), set(GROUP_PARTS)
    of_apps = [value for value in values if value.startswith("group.apps.")]
    rest = set(values) - set(of_apps)
    for value in rest - GROUP_PARTS:
        log.warning("unknown group embed argument: %s", value)
    return app_parts(of_apps), rest & GROUP_PARTS
