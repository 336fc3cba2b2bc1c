"""Work on nodes, by short playbooks that an operator can run by hand in the same way (``playbooks/``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from clusterctl.ansible.inventory import Inventory
from clusterctl.ansible.playbook import PlaybookError, PlaybookResult, run_playbook
from clusterctl.errors import ClusterctlError
from clusterctl.ops.day2.nospace import AskDisks, disks_of, naming_full_disks
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.run import Run
from clusterctl.services import UNITS, Service


class Hosts(Protocol):
    """Runs playbooks on some nodes."""

    def run(self, playbook: str, names: Sequence[str], variables: Mapping[str, Any] | None = None) -> PlaybookResult:
        """Runs ``playbooks/<playbook>.yml`` on the nodes ``names``.

        Raises:
            PlaybookError: it failed on one of them, or one can't be reached.
        """


@dataclass(frozen=True)
class AnsibleHosts:
    """The real hosts.

    Attributes:
        data: directory with ``playbooks/`` and ``ansible.cfg``.
        ask_disks: of nodes where something failed: a full one is the reason then.
    """

    inventory: Inventory
    data: Path
    progress: Progress
    ask_disks: AskDisks

    def run(self, playbook: str, names: Sequence[str], variables: Mapping[str, Any] | None = None) -> PlaybookResult:
        """See ``Hosts``."""
        with naming_full_disks(self.ask_disks):
            return run_playbook(
                self.data / "playbooks" / f"{playbook}.yml",
                inventory=self.inventory,
                config=self.data / "ansible.cfg",
                extra_vars=variables,
                arguments=["--limit", ",".join(names)],
                on_task=lambda task: self.progress.note(f"{', '.join(names)}: {task}"),
            )


def ansible_hosts(run: Run, inventory: Inventory, data: Path) -> AnsibleHosts:
    """The nodes of a command's cluster."""
    return AnsibleHosts(inventory, data, run.progress, disks_of(run))


def set_unit(hosts: Hosts, service: Service, names: Sequence[str], state: str) -> None:
    """Brings the unit of a service to a state on some nodes.

    Args:
        state: ``started``, ``restarted`` or ``stopped`` (Ansible's module systemd_service).

    Raises:
        PlaybookError: it failed on one of them.
    """
    hosts.run("restart", names, {"roll_unit": f"{UNITS[service]}.service", "roll_state": state})


def reasons(error: PlaybookError, names: Sequence[str]) -> dict[str, str]:
    """Name -> why it failed; all ``names`` where ansible-playbook itself came to nothing."""
    found: dict[str, str] = {}
    for host, task, message in error.result.failures:
        if host in names:
            full = message.startswith("no space on ")  # whatever the task was
            found.setdefault(host, message if full else f"{task}: {message.strip() or 'failed'}")
    if found or error.result.hosts:
        # A host that an `any_errors_fatal` or a lost recap hides has failed, too
        missing = [name for name in names if name not in found and _unsound(error.result, name)]
        return found | dict.fromkeys(missing, "did not finish")
    return dict.fromkeys(names, error.message)


def _unsound(result: PlaybookResult, name: str) -> bool:
    counts = result.hosts.get(name)
    return counts is None or bool(counts["failed"] or counts["unreachable"])


def why(error: ClusterctlError, name: str) -> str:
    """Why a step on one node failed, in few words."""
    return reasons(error, [name])[name] if isinstance(error, PlaybookError) else error.message
