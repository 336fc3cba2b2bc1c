"""Asks nodes how far they are on the way to a closed cluster."""

from __future__ import annotations

import json
from collections.abc import Sequence

from clusterctl.errors import NodeError
from clusterctl.ops.kit.access import Access, target_of
from clusterctl.remote.standardinput import sent
from clusterctl.resources import Server
from clusterctl.secrets.files import DIRECTORY
from clusterctl.secrets.nodes import EPOCHS_FILE
from clusterctl.secrets.stages import FILES, Closing
from clusterctl.spec.model import ClusterSpec
from clusterctl.ssh.client import SshError

CONFIG_DIGEST = "/usr/lib/clusterctl/config-digest"
_TIMEOUT_S = 60.0


def closings(spec: ClusterSpec, servers: Sequence[Server], access: Access) -> dict[str, Closing]:
    """By node name; of all nodes, since one that isn't known might be shut out.

    Raises:
        NodeError: nodes can't be asked; names them all.
        CloudError: a console can't be read, of a node whose host key isn't pinned yet.
    """
    failed: dict[str, str] = {}
    asked = {}
    for server in servers:
        target = target_of(server)
        if server.status != "ACTIVE" or server.group not in spec.groups:
            failed[target.name] = f"its server is {server.status}, of group {server.group}"
            continue
        try:
            access.host_keys.require(target)
        except NodeError as error:
            failed[target.name] = error.message.removeprefix(f"node {target.name}: ")
            continue
        services = spec.groups[server.group].services
        paths = {FILES[service]: service for service in services}
        request = {"files": [*paths, EPOCHS_FILE], "secrets": DIRECTORY, "pending": CONFIG_DIGEST}
        asked[target] = paths, sent("closing.py", request, root=True)
    answers = access.ssh.run_many(
        asked, lambda to: asked[to][1].command, stdin=lambda to: asked[to][1].stdin, timeout_s=_TIMEOUT_S
    )
    found = {}
    for target, (paths, _) in asked.items():
        answer = answers[target.name]
        if isinstance(answer, SshError):
            failed[target.name] = answer.reason
            continue
        if answer.returncode != 0:
            said = (answer.stderr.strip() or "nothing").splitlines()[-1]
            failed[target.name] = f"the script ended with {answer.returncode} and said: {said}"
            continue
        told = json.loads(answer.stdout)
        texts = {service: told["texts"][path] or "" for path, service in paths.items()}
        found[target.name] = Closing(texts, frozenset(told["pending"]), told["secrets"], told["texts"][EPOCHS_FILE])
    if failed:
        listed = "\n".join(f"    {name}: {reason}" for name, reason in sorted(failed.items()))
        raise NodeError(
            f"{len(failed)} of {len(servers)} nodes can't be asked how far they are; nothing was changed:\n{listed}",
            hint="`clusterctl repair FILE` says what they lack.",
        )
    return found
