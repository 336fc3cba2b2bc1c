"""From where attacks are made, and what brings the tool there."""

from __future__ import annotations

import base64
import io
import json
import shlex
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.attacks.table import THROUGH, Attack, Scene
from tests.e2e.cluster import Cluster, eventually
from tests.e2e.jenkins import Tier

TOOL = Path(__file__).parent / "tool"


@dataclass(frozen=True)
class End:
    """How an attack ended; ``outcome`` is ``through``, ``denied`` or ``broken``."""

    name: str
    outcome: str
    reason: str
    evidence: str

    @property
    def word(self) -> str:
        """As ``table`` writes it."""
        return THROUGH if self.outcome == THROUGH else self.reason if self.outcome == "denied" else self.outcome


def plan(attacks: Sequence[Attack], scene: Scene, *, closed: bool) -> str:
    """The attacks that are made on such a cluster, as the tool reads them."""
    made = [attack for attack in attacks if closed or attack.opened]
    return "".join(json.dumps({"name": a.name, "do": a.do, "args": a.args(scene)}) + "\n" for a in made)


def program(text: str) -> str:
    """A shell script that unpacks the tool and carries out a plan."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(TOOL.glob("*.py")):
            archive.write(path, f"tool/{path.name}")
        archive.writestr("__main__.py", "import sys\nfrom tool.main import main\nmain(sys.argv[1])\n")
    tool, what = (base64.b64encode(each).decode() for each in (packed.getvalue(), text.encode()))
    return (
        "at=$(mktemp -d)\n"
        f'echo {tool} | base64 -d > "$at/tool.pyz"\n'
        f'echo {what} | base64 -d > "$at/plan"\n'
        'python3 -I "$at/tool.pyz" "$at/plan"\n'
        'rm -r "$at"\n'
    )


def ends(told: str) -> dict[str, End]:
    """What the tool printed, whatever is around it."""
    lines = [line for line in told.splitlines() if line.startswith('{"name"')]
    return {found["name"]: End(**found) for found in map(json.loads, lines)}


class Positions:
    """On a cluster with two Jenkins masters, ``dev-001`` in slot 1 and ``dev-002`` in slot 2."""

    def __init__(self, cluster: Cluster, tier: Tier) -> None:
        self.cluster, self.tier = cluster, tier

    def build(self, job: str, text: str) -> dict[str, End]:
        """A build of dev-001, so as ``b-001``; job: a name that is new."""
        # the shell of a build prints what it runs, and the tool with it
        self.tier.job("dev-001", job, "set +x\n" + program(text))
        item = self.tier.build("dev-001", job)
        done = self.tier.finished("dev-001", job, item)
        told = self.tier.log("dev-001", job, item)
        assert done["result"] == "SUCCESS", told
        return ends(told)

    def developer(self, text: str, node: str) -> dict[str, End]:
        """Whoever administers dev-001: a process of ``jm-001`` beside his Jenkins, started by Mesos as that is."""
        app: dict[str, Any] = {
            "id": "/developer",
            "user": "jm-001",
            "cmd": f"( {program(text)} ) > told 2>&1; touch over; exec sleep 1000",
            "cpus": 0.1,
            "mem": 32,
            "constraints": [["pool", "CLUSTER", "jenkins-master"]],
            "acceptedResourceRoles": ["marathon"],  # as the masters: all of their node is reserved
        }
        self.cluster.marathon("PUT", "/v2/apps/developer", app)
        place = "/var/lib/mesos/agent/slaves/*/frameworks/*/executors/developer*/runs/latest"
        ask = f"sudo sh -c 'test -e {place}/over && cat {place}/told || true'"
        told = eventually("the developer's attacks are over", lambda: self.cluster.on(node, ask), bool)
        self.cluster.marathon("DELETE", "/v2/apps/developer")
        return ends(told)

    def rooted(self, text: str, node: str) -> dict[str, End]:
        """A build that became root: nothing of its node holds it."""
        return self._on(node, "sudo", text)

    def on_control(self, text: str, node: str) -> dict[str, End]:
        """A process without rights on a control node."""
        return self._on(node, "sudo -u nobody", text)

    def _on(self, node: str, become: str, text: str) -> dict[str, End]:
        return ends(self.cluster.on(node, f"cd /tmp; {become} sh -c {shlex.quote(program(text))}"))
