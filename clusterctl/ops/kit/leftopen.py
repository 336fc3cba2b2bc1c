"""Clusters that were made open while the file closes parts of them: no command may close such a cluster by halves.

Half closed, a cluster doesn't serve: masters that ask who calls next to agents that don't say. Control nodes that are
past their first boot tell by the files with secrets that they have, and by their configuration how far ``secure`` got.
Parts without such files (builds, units, network) come to a cluster that serves by the ordinary commands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from clusterctl.health.check import Check
from clusterctl.health.facts import BOOT_FILE
from clusterctl.ops.kit.access import Access, target_of
from clusterctl.remote.standardinput import sent
from clusterctl.resources import Server
from clusterctl.secrets.marathon_files import HTTP_FILE
from clusterctl.secrets.mesos_files import MASTER_CREDENTIALS
from clusterctl.secrets.nodes import KEY_FILE
from clusterctl.secrets.stages import FILES, Closing
from clusterctl.secrets.zookeeper_files import TREE
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import Part
from clusterctl.ssh.client import SshError

# Whose nodes have which file where a part is closed
_MARKERS: Mapping[Part, tuple[Service, str]] = {
    Part.MESOS: (Service.MESOS_MASTER, MASTER_CREDENTIALS),
    Part.ZOOKEEPER: (Service.ZOOKEEPER, TREE),
    Part.MARATHON: (Service.MARATHON, HTTP_FILE),
}
_TIMEOUT_S = 30.0


def left_open(spec: ClusterSpec, access: Access, servers: Sequence[Server]) -> tuple[Part, ...]:
    """Parts that the file closes and the cluster has open: of no node that can be asked such a part is closed.

    Nodes in their first boot and nodes that don't answer say nothing.

    Args:
        servers: all of the cluster.

    Raises:
        CloudError: a console can't be read, of a node whose host key isn't pinned yet.
    """
    wanted = {part: marker for part, marker in _MARKERS.items() if spec.secured(part)}
    asked = [
        server
        for server in servers
        if server.status == "ACTIVE" and any(service in server.services for service, _ in wanted.values())
    ]
    targets = {target_of(server): server for server in asked}
    reached = [target for target in targets if access.host_keys.find(target)]
    if not reached:
        return ()
    files = list(FILES.values())
    request = {"key": KEY_FILE, "boot": BOOT_FILE, "paths": [path for _, path in wanted.values()], "files": files}
    script = sent("keyfile.py", request, root=True)
    answers = access.ssh.run_many(reached, lambda _: script.command, stdin=script.stdin, timeout_s=_TIMEOUT_S)
    told: dict[Part, list[bool]] = {}
    for target in reached:
        answer = answers[target.name]
        if isinstance(answer, SshError) or answer.returncode != 0:
            continue
        found = json.loads(answer.stdout)
        if found["boot"] in (None, "running", "failed"):
            continue
        known = targets[target].services
        texts = {each: text for each, path in FILES.items() if each in known and (text := found["texts"].get(path))}
        for part, (service, path) in wanted.items():
            if service in known:
                done = path in found["there"] and Closing(texts).closed(part)
                told.setdefault(part, []).append(done)
    return tuple(part for part, there in told.items() if not any(there))


def told(spec: ClusterSpec, parts: Sequence[Part]) -> str:
    """That these parts are open."""
    return f"cluster {spec.cluster} was made open, and is not closed yet as the file says: {', '.join(parts)}"


def way(parts: Sequence[Part]) -> str:
    """How they are closed, and how they are left as they are."""
    left = f"'security: {{insecure: [{', '.join(parts)}]}}' in the file leaves it as it is."
    return f"`clusterctl secure FILE` closes it while it serves; {left}"


def closed_check(spec: ClusterSpec, parts: Sequence[Part]) -> Check:
    """Of ``verify``: that what the file closes is not open since the cluster was made."""
    detail = f"{told(spec, parts)}: {way(parts)}" if parts else "nothing that the file closes was made open"
    return Check("security.closed", not parts, detail)
