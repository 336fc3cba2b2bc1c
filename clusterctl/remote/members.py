"""Asks nodes over ssh what their members of ensembles keep on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from clusterctl.errors import NodeError
from clusterctl.health.expect import Node
from clusterctl.remote.prober import target
from clusterctl.remote.standardinput import sent
from clusterctl.services import Service
from clusterctl.ssh.client import Ssh, SshError

_TIMEOUT_S = 60.0


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    written: int = 0  # seconds since 1970; 0: never
    bytes: int = 0

    @property
    def when(self) -> str:
        """When something was last written."""
        return f"{datetime.fromtimestamp(self.written, UTC):%Y-%m-%d %H:%M:%S} UTC" if self.written else "never"


class ZooKeeperData(_Data):
    """See ``memberdata.py``."""

    epoch: int = 0
    zxid: int = 0

    @property
    def empty(self) -> bool:
        """Whether the member never took part in an ensemble."""
        return self.epoch == 0 and self.zxid == 0


class MemberData(BaseModel):
    """What one node keeps; services that it doesn't run are None."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    zookeeper: ZooKeeperData | None = None
    mesos_master: _Data | None = None


def member_data(
    ssh: Ssh, nodes: Sequence[Node], directories: Mapping[Service, Sequence[str]]
) -> dict[str, MemberData | NodeError]:
    """By node name; a node that can't be asked has the error. Needs the nodes' host keys."""
    requests: dict[str, dict[str, Any]] = {
        node.name: {service.value: list(directories[service]) for service in node.services if service in directories}
        for node in nodes
    }
    scripts = {name: sent("memberdata.py", request, root=True) for name, request in requests.items()}
    answers = ssh.run_many(
        [target(node) for node in nodes],
        lambda to: scripts[to.name].command,
        stdin=lambda to: scripts[to.name].stdin,
        timeout_s=_TIMEOUT_S,
    )
    found: dict[str, MemberData | NodeError] = {}
    for name, answer in answers.items():
        if isinstance(answer, SshError):
            found[name] = NodeError(answer.reason)
            continue
        try:
            found[name] = MemberData.model_validate(json.loads(answer.stdout))
        except (ValueError, ValidationError):
            said = (answer.stderr.strip() or "nothing").splitlines()[-1]
            found[name] = NodeError(f"its data could not be read (exit code {answer.returncode}): {said}")
    return found
