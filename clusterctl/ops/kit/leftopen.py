"""Clusters that were made open while the file closes parts of them: no command may close such a cluster by halves.

Half closed, a cluster doesn't serve: masters that ask who calls next to agents that don't say. Control nodes that are
past their first boot tell by the files with secrets that they have, and by their configuration how far ``secure`` got.
Parts without such files (builds, units, network) come to a cluster that serves by the ordinary commands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clusterctl.health.check import Check
from clusterctl.ops.kit.access import Access
from clusterctl.ops.kit.standing import MARKERS, Standing, ask_standing
from clusterctl.resources import Server
from clusterctl.secrets.stages import FILES, Closing
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import Part


def left_open(spec: ClusterSpec, servers: Sequence[Server], standing: Mapping[str, Standing]) -> tuple[Part, ...]:
    """Parts that the file closes and the cluster has open: of no node that told its standing such a part is closed.

    Nodes in their first boot say nothing.

    Args:
        servers: all of the cluster.
    """
    found: dict[Part, list[bool]] = {}
    for server in servers:
        node = standing.get(server.name)
        if node is None or not node.booted:
            continue
        texts = {each: text for each, path in FILES.items() if each in server.services and (text := node.texts[path])}
        for part, (service, path) in MARKERS.items():
            if spec.secured(part) and service in server.services:
                found.setdefault(part, []).append(path in node.there and Closing(texts).closed(part))
    return tuple(part for part, there in found.items() if not any(there))


def ask_left_open(spec: ClusterSpec, access: Access, servers: Sequence[Server]) -> tuple[Part, ...]:
    """``left_open`` by what control nodes tell now; none is asked where the file closes no such part.

    Raises: as ``ask_standing``.
    """
    if not any(map(spec.secured, MARKERS)):
        return ()
    return left_open(spec, servers, ask_standing(access, servers))


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
