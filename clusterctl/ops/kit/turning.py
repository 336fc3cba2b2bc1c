"""A turn of secrets that is under way, for those who look: until it is finished, the last secrets are good still."""

from __future__ import annotations

import json
from collections.abc import Sequence

from clusterctl.health.check import Check
from clusterctl.health.facts import BOOT_FILE
from clusterctl.ops.kit.access import Access, target_of
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.delivery import is_control
from clusterctl.remote.standardinput import sent
from clusterctl.resources import Server
from clusterctl.secrets.epochs import Epochs, furthest, parse_epochs
from clusterctl.secrets.nodes import EPOCHS_FILE, KEY_FILE
from clusterctl.secrets.stages import Stage
from clusterctl.ssh.client import SshError

_TIMEOUT_S = 30.0


def told_epochs(access: Access, servers: Sequence[Server]) -> Epochs | None:
    """As control nodes tell them that can be asked; None if none can. The key doesn't travel.

    Args:
        servers: all of the cluster.

    Raises:
        CloudError: a console can't be read, of a node whose host key isn't pinned yet.
        ClusterctlError: a node's file is of a newer release.
    """
    targets = [target_of(server) for server in servers if is_control(server) and server.status == "ACTIVE"]
    reached = list(filter(access.host_keys.find, targets))
    request = {"key": KEY_FILE, "boot": BOOT_FILE, "paths": [], "files": [EPOCHS_FILE]}
    script = sent("keyfile.py", request, root=True)
    answers = access.ssh.run_many(reached, lambda _: script.command, stdin=script.stdin, timeout_s=_TIMEOUT_S)
    texts = {
        name: json.loads(answer.stdout)["texts"][EPOCHS_FILE]
        for name, answer in answers.items()
        if not isinstance(answer, SshError) and answer.returncode == 0
    }
    if not texts:
        return None
    return furthest(parse_epochs(text, f"{name}:{EPOCHS_FILE}") for name, text in texts.items() if text)


def turning_check(epochs: Epochs | None) -> Check:
    """Of ``verify``, for information: a turn is no fault, and one that was left lying is to be seen.

    Args:
        epochs: None where no control node could be asked, which other checks tell.
    """
    if epochs is None:
        return Check("secrets.turn", True, "unknown: no control node could be asked")
    if epochs.stage is Stage.OPEN:
        return Check("secrets.turn", True, "none under way")
    command = Command("secrets rotate", words=epochs.turning)
    of = ", ".join(epochs.turning) or "all secrets"
    detail = f"one of {of} is under way ({epochs.stage.name.lower()}); `{command}` finishes it"
    return Check("secrets.turn", True, detail)
