"""Runs ``ansible-playbook`` with our configuration and inventory; the operator can run the same line by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clusterctl.errors import ClusterctlError

# Lines of Ansible's output that an error message repeats: enough for the failed task and its recap.
_TAIL_LINES = 25


def run_playbook(
    playbook: Path,
    *,
    inventory: Mapping[str, Any] | Path,
    config: Path,
    extra_vars: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
    on_line: Callable[[str], None] | None = None,
    hint: str | None = None,
) -> str:
    """Runs a playbook and returns its output.

    Args:
        inventory: an inventory as Ansible's YAML plugin reads it, or the path of one.
        config: the ``ansible.cfg`` to use.
        on_line: is given each line of output as it comes.
        hint: what the user can do when it fails.

    Raises:
        ClusterctlError: it ended with a failed or unreachable host, or could not start; the message has the last lines.
    """
    with tempfile.TemporaryDirectory(prefix="clusterctl-") as work:
        target = inventory if isinstance(inventory, Path) else _written(Path(work) / "inventory.json", inventory)
        command = [ansible_program("ansible-playbook"), "-i", str(target)]
        if extra_vars:
            command += ["-e", f"@{_written(Path(work) / 'vars.json', extra_vars)}"]
        command += [*arguments, str(playbook)]
        lines: list[str] = []
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "ANSIBLE_CONFIG": str(config), "ANSIBLE_FORCE_COLOR": "0"},
        ) as process:
            assert process.stdout is not None  # noqa: S101  (PIPE above)
            for line in process.stdout:
                lines.append(line)
                if on_line:
                    on_line(line.rstrip())
        if process.returncode != 0:
            tail = "".join(lines[-_TAIL_LINES:]).rstrip()
            raise ClusterctlError(
                f"{playbook.name} failed (ansible-playbook ended with {process.returncode}):\n{tail}", hint=hint
            )
        return "".join(lines)


def ansible_program(name: str) -> str:
    """Path of an Ansible program: the one installed beside our Python, else the one on PATH."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else name


def _written(path: Path, value: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(value))
    return path
