"""Rules for a transaction log of ZooKeeper that doesn't lie beside its snapshots (``zookeeper_data_log_dir``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clusterctl.services import Service
from clusterctl.spec.types import mount_point, rule_error

if TYPE_CHECKING:
    from clusterctl.spec.model import ClusterSpec

ZOOKEEPER_DATA = "/var/lib/zookeeper"  # dataDir
_VARIABLE = "zookeeper_data_log_dir"
# Directories of the services beside it: the log's directory is given to ZooKeeper's user
_OTHERS = ("/var/lib/jenkins", "/var/lib/marathon", "/var/lib/mesos", f"{ZOOKEEPER_DATA}/version-2")


def log_directory(spec: ClusterSpec) -> str:
    """Where ZooKeeper's transactions are logged (dataLogDir); empty for beside its snapshots."""
    given = [spec.settings, *(spec.groups[name].settings for name in spec.groups_of(Service.ZOOKEEPER))]
    return str(next((found for each in reversed(given) if (found := each.variables().get(_VARIABLE))), ""))


def check_zookeeper_log(spec: ClusterSpec) -> None:
    """Raises the first broken rule, with its place below the whole file."""
    log = log_directory(spec)
    if not log:
        return
    (name,) = spec.groups_of(Service.ZOOKEEPER)
    group = spec.groups[name]
    own = _VARIABLE in group.settings.variables()
    at = ("groups", name, "settings", _VARIABLE) if own else ("settings", _VARIABLE)
    mount_point(log, at=at)
    if other := next((path for path in _OTHERS if _below(path, log) or _below(log, path)), None):
        raise rule_error(
            "data_log_dir",
            f"found {log!r}, which would give {other} to ZooKeeper's user; allowed: a directory of its own such as "
            "/srv/zookeeper-log",
            at,
        )
    volume = group.volume.mount if group.volume else None
    with_volume = [path for path in (ZOOKEEPER_DATA, log) if volume and _below(path, volume)]
    # A node that is replaced keeps its volume and nothing else. ZooKeeper refuses to start with a log and no snapshot
    # (FileTxnSnapLog.restore), and with snapshots and no log it has forgotten what it has voted for.
    if len(with_volume) == 1:
        rest = log if with_volume == [ZOOKEEPER_DATA] else ZOOKEEPER_DATA
        raise rule_error(
            "data_log_dir",
            f"found {log!r}: {with_volume[0]} would be on the volume of group {name!r} and {rest} not, and a replaced "
            f"node would have one without the other. A volume at {ZOOKEEPER_DATA} holds both, without this variable; "
            "a second disk of the flavor takes the log of a group without a volume there",
            at,
        )


def _below(path: str, directory: str) -> bool:
    return f"{path}/".startswith(f"{directory}/")
