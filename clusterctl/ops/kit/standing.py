"""Files of control nodes that tell how closed their cluster is: asked of all of them at once, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clusterctl.health.facts import BOOT_FILE
from clusterctl.ops.kit.access import Access, target_of
from clusterctl.ops.kit.delivery import is_control
from clusterctl.remote.standardinput import sent
from clusterctl.resources import Server
from clusterctl.secrets.marathon_files import HTTP_FILE
from clusterctl.secrets.mesos_files import MASTER_CREDENTIALS
from clusterctl.secrets.nodes import EPOCHS_FILE, KEY_FILE
from clusterctl.secrets.stages import FILES
from clusterctl.secrets.zookeeper_files import TREE
from clusterctl.services import Service
from clusterctl.spec.security import Part
from clusterctl.ssh.client import SshError

# Whose nodes have which file where a part is closed
MARKERS: Mapping[Part, tuple[Service, str]] = {
    Part.MESOS: (Service.MESOS_MASTER, MASTER_CREDENTIALS),
    Part.ZOOKEEPER: (Service.ZOOKEEPER, TREE),
    Part.MARATHON: (Service.MARATHON, HTTP_FILE),
}
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Standing:
    """What a control node told.

    Attributes:
        booted: whether it is past its first boot.
        there: those of the ``MARKERS``' files that it has.
        texts: what is in its configuration files (``FILES``) and in the one of epochs; None: no such file.
    """

    booted: bool
    there: frozenset[str]
    texts: Mapping[str, str | None]


def ask_standing(access: Access, servers: Sequence[Server]) -> dict[str, Standing]:
    """By server name, of those control nodes that can be asked. The key doesn't travel.

    Args:
        servers: all of the cluster.

    Raises:
        CloudError: a console can't be read, of a node whose host key isn't pinned yet.
    """
    targets = [target_of(server) for server in servers if is_control(server) and server.status == "ACTIVE"]
    if not targets:
        return {}
    reached = list(filter(access.host_keys.find, targets))
    request = {
        "key": KEY_FILE,
        "boot": BOOT_FILE,
        "paths": [path for _, path in MARKERS.values()],
        "files": [*FILES.values(), EPOCHS_FILE],
    }
    script = sent("keyfile.py", request, root=True)
    answers = access.ssh.run_many(reached, lambda _: script.command, stdin=script.stdin, timeout_s=_TIMEOUT_S)
    found = {}
    for name, answer in answers.items():
        if not isinstance(answer, SshError) and answer.returncode == 0:
            told = json.loads(answer.stdout)
            booted = told["boot"] not in (None, "running", "failed")
            found[name] = Standing(booted, frozenset(told["there"]), told["texts"])
    return found
