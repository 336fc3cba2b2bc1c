"""``configure``: every node as the cluster file wants it, by ``playbooks/site.yml`` (D7)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from clusterctl.ansible.inventory import Inventory
from clusterctl.ansible.playbook import PlaybookResult, ansible_program, inventory_script, run_playbook
from clusterctl.errors import InputError
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.run import Run

# Names of nodes (None: all) -> by node, the paths that changed
GiveSecrets = Callable[[Collection[str] | None], Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class ConfigureReport:
    """What changed (or, with ``--check``, would change), and which units wait for a restart."""

    result: PlaybookResult
    check: bool
    pending: tuple[tuple[str, str], ...]  # (node, unit)
    seconds: float
    secrets: tuple[tuple[str, str], ...] = ()  # (node, path) of files with secrets

    @property
    def changes(self) -> list[tuple[str, str]]:
        """(node, what) for all that changed."""
        return [*((node, f"secret {path}") for node, path in self.secrets), *self.result.changes]

    @property
    def changed(self) -> int:
        """Number of changes, as Ansible counts them, and of files with secrets."""
        return len(self.secrets) + self.result.changed

    def to_json(self) -> dict[str, Any]:
        """``{"check", "changed", "nodes": {name: counts}, "changes", "pending_restarts", "seconds"}``."""
        return {
            "check": self.check,
            "changed": self.changed,
            "nodes": {name: dict(counts) for name, counts in self.result.hosts.items()},
            "changes": [list(change) for change in self.changes],
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
    give_secrets: GiveSecrets = lambda _names: {},
) -> ConfigureReport:
    """Runs site.yml over the inventory.

    Args:
        data: directory with ``playbooks/`` and ``ansible.cfg``.
        limit: Ansible's pattern of hosts.
        give_secrets: brings their files to the nodes of these names, or to all.

    Raises:
        InputError: ``limit`` is not a list of hosts and groups, and nodes have files with secrets.
        NodeError: nodes did not get their files with secrets; Ansible was not run.
        PlaybookError: a node failed or can't be reached; the others are done.
    """
    arguments = [*(["--check"] if check else []), *(["--diff"] if diff else []), *(["--limit", limit] if limit else [])]

    with progress.phase("configure"):
        given = give_secrets(None if limit is None else limited(inventory, limit))
        result = run_playbook(
            data / "playbooks" / "site.yml",
            inventory=inventory,
            config=data / "ansible.cfg",
            arguments=arguments,
            on_task=progress.note,
            hint="Nodes that did not fail are done. Correct the cause; `clusterctl configure FILE` does the rest.",
        )
    secrets = tuple((node, path) for node, paths in sorted(given.items()) for path in paths)
    return ConfigureReport(result, check, tuple(pending_restarts(result)), progress.seconds["configure"], secrets)


def limited(inventory: Inventory, limit: str) -> frozenset[str]:
    """The hosts that a list of names and groups (with ``*``) stands for.

    Raises:
        InputError: it is another kind of Ansible's patterns.
    """
    hosts = inventory["_meta"]["hostvars"]
    found: set[str] = set()
    for word in re.split("[,:]", limit):
        group = [*hosts] if word == "all" else inventory.get(word, {}).get("hosts", [])
        some = [*group, *fnmatch.filter(hosts, word)]
        if not some:
            raise InputError(
                f"--limit: found {word!r}; allowed: hosts and groups, with commas between",
                hint="`clusterctl inventory FILE` shows them.",
            )
        found.update(some)
    return frozenset(found)


def give_secrets(run: Run, names: Collection[str] | None, *, look: bool) -> dict[str, list[str]]:
    """Brings the nodes of these names (None: all) their files with secrets; see ``Delivery.settle``.

    Raises:
        ClusterctlError: the cluster was made open, and the file closes it; nothing was touched.
    """
    if not run.spec.has_secrets:
        return {}
    servers = run.cloud.servers(run.spec.cluster)
    run.refuse_left_open(servers)
    return run.delivery.settle(run.spec, servers, names, look=look)


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
    program = ansible_program("ansible-playbook" if names_playbook(words) else "ansible")
    with TemporaryDirectory(prefix="clusterctl-") as work:
        yield [program, "-i", str(inventory_script(Path(work), hosts)), *words]


def names_playbook(words: Sequence[str]) -> bool:
    """Whether these are arguments of ``ansible-playbook``, not of ``ansible``."""
    return any(word.endswith((".yml", ".yaml")) for word in words if not word.startswith("-"))
