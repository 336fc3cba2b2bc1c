"""Pure: file systems of homes that have too little room, and masters that must not be stopped there."""

from __future__ import annotations

from collections.abc import Sequence

from clusterctl.health.disks import disk_trouble
from clusterctl.health.facts import DiskFacts
from clusterctl.health.jenkins import LEAST_FREE
from clusterctl.ops.jenkins.survey import Host, Master
from clusterctl.spec.model import ClusterSpec

PRUNE = "`clusterctl jenkins prune FILE --all` deletes homes that were set aside"


def scarce(spec: ClusterSpec, host: Host) -> str:
    """Where homes have too little room by the rule of ``verify``, and what may help; '' where they have enough."""
    if host.error or host.free_mib >= LEAST_FREE * host.size_mib:
        return ""
    return f"{host.node.name}:{_told(spec, host)}, expected {LEAST_FREE:.0%}; {PRUNE}"


def unable(spec: ClusterSpec, hosts: Sequence[Host], masters: Sequence[Master]) -> dict[str, str]:
    """Masters that would not come back from a start, which writes to their home, and why; by name."""
    full = {host.node.name: host for host in hosts if not host.error and disk_trouble(_disk(spec, host))}
    why = f"its start would write there, so it was left as it is: make room first ({PRUNE})"
    return {
        each.name: f"no space on {each.node.name}:{_told(spec, full[each.node.name])}; {why}"
        for each in masters
        if each.node and each.node.name in full
    }


def _told(spec: ClusterSpec, host: Host) -> str:
    return f"{spec.homes_directory} has {host.free_mib} of {host.size_mib} MiB free"


def _disk(spec: ClusterSpec, host: Host) -> DiskFacts:
    return DiskFacts(path=str(spec.homes_directory), free_mib=host.free_mib, size_mib=host.size_mib)
