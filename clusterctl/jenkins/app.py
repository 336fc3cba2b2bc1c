"""The Marathon app of a Jenkins master (Marathon's REST API, ``/v2/apps``).

Bound to one node for as long as its home is there, one instance and never two, with ports of its own. An app's
definition is shown to everybody who reaches Marathon: it holds no secret.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from clusterctl.errors import ClusterctlError
from clusterctl.jenkins.slots import master_user, port_plan
from clusterctl.spec.model import ClusterSpec

LABEL = "clusterctl.jenkins"  # value: the master's name; ``health.probe`` finds the apps by it
LABEL_SLOT = "clusterctl.jenkins.slot"
LABEL_CLUSTER = "clusterctl.cluster"
LABEL_RELEASE = "clusterctl.jenkins.release"

START = "/usr/lib/clusterctl/jenkins-start"
CURRENT = "current"  # the release that the node's image was built with

# Mesos kills at the first failure where Marathon's own checks take 0 for "never"
_NEVER = 1_000_000
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def app_id(name: str) -> str:
    """Id of a master's app."""
    return f"/jenkins/{name}"


def framework_name(spec: ClusterSpec, name: str) -> str:
    """Name under which a master registers with Mesos."""
    return spec.jenkins.framework_name.replace("{name}", name) if spec.jenkins else ""


def app(
    spec: ClusterSpec, name: str, slot: int, address: str, *, release: str = CURRENT, instances: int = 1
) -> dict[str, Any]:
    """The definition, as ``PUT /v2/apps/jenkins/NAME`` takes it; the same arguments give the same definition.

    Args:
        address: of the node with the home; agents report it as their host name.
        release: directory below /opt/jenkins.
        instances: 1, or 0 for a master that hibernates.

    Raises:
        ClusterctlError: the file has no tier, or a slot beyond its ``max_masters``, or ``release`` is not a plain name.
    """
    ports = port_plan(spec)
    assert spec.jenkins is not None  # noqa: S101  (port_plan raised otherwise)
    if not 1 <= slot <= spec.jenkins.max_masters:
        raise ClusterctlError(
            f"master {name} has slot {slot}; allowed: 1 to {spec.jenkins.max_masters}",
            hint="raise jenkins.max_masters; it moves no port of masters that are there",
        )
    if not _RELEASE.fullmatch(release):
        raise ClusterctlError(f"found release {release!r}; allowed: letters, digits, '.', '_' and '-'")
    master, own = spec.jenkins.master, ports.of(slot)
    named = (("http", own.http), ("inbound", own.inbound), ("libprocess", own.libprocess))
    return {
        "id": app_id(name),
        "cmd": f"exec {shlex.join([START, name, str(slot), release])}",
        "user": master_user(slot),
        "cpus": master.cpus,
        "mem": master.mem_mib,
        "instances": instances,
        "requirePorts": True,
        "portDefinitions": [{"port": port, "protocol": "tcp", "name": each} for each, port in named],
        "acceptedResourceRoles": [spec.marathon.role],
        "constraints": [["hostname", "CLUSTER", address]],
        # A lost master may still write its home: a second one must wait until the first is known to be gone
        "unreachableStrategy": "disabled",
        "upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0},
        "taskKillGracePeriodSeconds": master.kill_grace_s,
        "healthChecks": [
            {
                "protocol": "MESOS_HTTP",
                "path": "/login",
                "portIndex": 0,
                "gracePeriodSeconds": master.start_grace_s,
                "intervalSeconds": master.check_interval_s,
                "timeoutSeconds": master.check_timeout_s,
                "maxConsecutiveFailures": master.check_failures or _NEVER,
            }
        ],
        "labels": {
            "MARATHON_SINGLE_INSTANCE_APP": "true",
            LABEL: name,
            LABEL_SLOT: str(slot),
            LABEL_CLUSTER: spec.cluster,
            LABEL_RELEASE: release,
        },
    }


def slot_of(definition: Mapping[str, Any]) -> int | None:
    """Slot of one of Marathon's apps; None if its label is missing or not a number."""
    text = definition.get("labels", {}).get(LABEL_SLOT, "")
    return int(text) if re.fullmatch(r"[1-9]\d{0,3}", text) else None
