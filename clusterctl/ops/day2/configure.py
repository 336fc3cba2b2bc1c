"""``configure``: every node as the cluster file wants it, by ``playbooks/site.yml`` (D7)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from clusterctl.ansible.inventory import Inventory
from clusterctl.ansible.playbook import PlaybookResult, ansible_program, inventory_script, run_playbook
from clusterctl.ops.kit.progress import Progress


@dataclass(frozen=True)
class ConfigureReport:
    """What changed (or, with ``--check``, would change), and which units wait for a restart."""

    result: PlaybookResult
    check: bool
    pending: tuple[tuple[str, str], ...]  # (node, unit)
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """``{"check", "changed", "nodes": {name: counts}, "changes", "pending_restarts", "seconds"}``."""
        return {
            "check": self.check,
            "changed": self.result.changed,
            "nodes": {name: dict(counts) for name, counts in self.result.hosts.items()},
            "changes": [list(change) for change in self.result.changes],
            "pending_restarts": [list(each) for each in self.pending],
            "seconds": self.seconds,
        }


def configure(
    inventory: Inventory,
    *,
    data: Path,
    progress: Progress,
    check: bool = False,
    diff: bool = False,
    limit: str | None = None,
) -> ConfigureReport:
    """Runs site.yml over the inventory.

    Args:
        data: directory with ``playbooks/`` and ``ansible.cfg``.
        limit: Ansible's pattern of hosts.

    Raises:
        PlaybookError: a node failed or can't be reached; the others are done.
    """
    arguments = [*(["--check"] if check else []), *(["--diff"] if diff else []), *(["--limit", limit] if limit else [])]

    def note(line: str) -> None:
        if line.startswith(("TASK [", "PLAY [")):
            progress.note(line.split("[", 1)[1].split("]", maxsplit=1)[0])

    with progress.phase("configure"):
        result = run_playbook(
            data / "playbooks" / "site.yml",
            inventory=inventory,
            config=data / "ansible.cfg",
            arguments=arguments,
            on_line=note,
            hint="Nodes that did not fail are done. Correct the cause; `clusterctl configure FILE` does the rest.",
        )
    return ConfigureReport(result, check, tuple(pending_restarts(result)), progress.seconds["configure"])


def pending_restarts(result: PlaybookResult) -> Iterator[tuple[str, str]]:
    """(node, unit) for each service that runs with older files (``roles/common/tasks/pending.yml``)."""
    for host, _task, message in result.notes:
        if match := re.match(r"restart pending: ([^(]+)", message):
            yield from ((host, unit.strip()) for unit in match[1].split(","))


@contextmanager
def ansible_command(words: Sequence[str], hosts: Inventory) -> Iterator[list[str]]:
    """A command line of Ansible's with this inventory, which is a file as long as the body runs.

    Args:
        words: arguments of ``ansible-playbook`` if one of them names a playbook (``.yml``), else of ``ansible``.
    """
    is_playbook = any(word.endswith((".yml", ".yaml")) for word in words if not word.startswith("-"))
    program = ansible_program("ansible-playbook" if is_playbook else "ansible")
    with TemporaryDirectory(prefix="clusterctl-") as work:
        yield [program, "-i", str(inventory_script(Path(work), hosts)), *words]
