"""The release of an image: a war and its plugins, named so that two different sets never share a directory."""

from __future__ import annotations

import hashlib

from clusterctl.spec.artifacts import Artifacts


def release_name(artifacts: Artifacts) -> str | None:
    """``2.319.3-0a1b2c3d``: the core's version and a digest over war and plugins; None without a war."""
    if artifacts.jenkins is None:
        return None
    parts = [f"{plugin.name} {plugin.sha256}" for plugin in artifacts.jenkins_plugins]
    digest = hashlib.sha256("\n".join([artifacts.jenkins.sha256, *sorted(parts)]).encode()).hexdigest()
    return f"{artifacts.jenkins.version}-{digest[:8]}"


def mesos_plugin_version(artifacts: Artifacts) -> str | None:
    """Version of the Mesos plugin; None without it."""
    return next((plugin.version for plugin in artifacts.jenkins_plugins if plugin.name == "mesos"), None)
