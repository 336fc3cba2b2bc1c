"""Runs ``ansible-playbook`` with our configuration and inventory; the operator can run the same line by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from clusterctl.errors import ClusterctlError

# Lines of Ansible's output that an error message repeats: enough for the failed task and its recap.
_TAIL_LINES = 25

_KEEPER = Path(__file__).resolve().parent / "keeper.py"
_CALLBACKS = Path(__file__).resolve().parent / "callback"


@dataclass(frozen=True)
class PlaybookResult:
    """How a run went.

    Attributes:
        hosts: name -> ``{"ok", "changed", "failed", "unreachable"}``, numbers of tasks.
        changes: (host, task) of every change.
        failures: (host, task, message) of every failed task and unreachable host.
        notes: (host, task, message) of tasks that went well and said something.
        output: what ansible-playbook printed.
    """

    hosts: Mapping[str, Mapping[str, int]]
    changes: tuple[tuple[str, str], ...]
    failures: tuple[tuple[str, str, str], ...]
    notes: tuple[tuple[str, str, str], ...]
    output: str

    @property
    def changed(self) -> int:
        """Number of changes on all hosts."""
        return sum(host["changed"] for host in self.hosts.values())


class PlaybookError(ClusterctlError):
    """A playbook failed; ``result`` tells where."""

    def __init__(self, message: str, result: PlaybookResult, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.result = result


def run_playbook(
    playbook: Path,
    *,
    inventory: Mapping[str, Any] | Path,
    config: Path,
    extra_vars: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
    on_task: Callable[[str], None] | None = None,
    hint: str | None = None,
) -> PlaybookResult:
    """Runs a playbook.

    Args:
        inventory: what a dynamic inventory script would print, or the path of an inventory.
        config: the ``ansible.cfg`` to use.
        on_task: is given the name of each task, and handler, as it begins.
        hint: what the user can do when it fails.

    Raises:
        PlaybookError: it ended with a failed or unreachable host, or could not start; the message has the last lines.
    """
    with tempfile.TemporaryDirectory(prefix="clusterctl-") as work:
        target = inventory if isinstance(inventory, Path) else inventory_script(Path(work), inventory)
        command = kept([ansible_program("ansible-playbook"), "-i", str(target)])
        if extra_vars:
            command += ["-e", f"@{_written(Path(work) / 'vars.json', extra_vars)}"]
        command += [*arguments, str(playbook)]
        returncode, events, output = _run(
            command, environment(config), Path(work) / "events", on_task or (lambda _name: None)
        )
        result = read_events(events, "".join(output))
        if returncode != 0:
            tail = "".join(output[-_TAIL_LINES:]).rstrip()
            raise PlaybookError(
                f"{playbook.name} failed (ansible-playbook ended with {returncode}):\n{tail}", result, hint=hint
            )
        return result


def _run(
    command: Sequence[str], environ: Mapping[str, str], events: Path, on_task: Callable[[str], None]
) -> tuple[int, list[str], list[str]]:
    """Exit code, lines of events and of output; the events come through a named pipe, as they happen."""
    os.mkfifo(events, 0o600)
    told: list[str] = []
    # for writing, too: it has no end before ours, whether or not the program ever opens it
    with events.open("r+b", buffering=0) as pipe, ThreadPoolExecutor(1) as beside:
        try:  # Ctrl-C may come while the listener starts, too; then nobody else would end it
            listening = beside.submit(_listen, pipe, told, on_task)
            with subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**environ, "CLUSTERCTL_EVENTS": str(events)},
            ) as process:
                assert process.stdout is not None  # noqa: S101  (PIPE above)
                output = list(process.stdout)
        finally:
            pipe.write(b"\n")
        listening.result()
    return process.returncode, told, output


def _listen(pipe: IO[bytes], told: list[str], on_task: Callable[[str], None]) -> None:
    """Reads events up to an empty line, whatever ``on_task`` raises: nobody else empties the pipe."""
    coming = iter(pipe.readline, b"\n")
    try:
        for raw in coming:
            told.append(raw.decode())
            event = json.loads(raw)
            if event["event"] == "task":
                on_task(event["name"])
    finally:
        told += [raw.decode() for raw in coming]


def kept(command: Sequence[str]) -> list[str]:
    """The command under ``keeper.py``: it and all that it starts end when this process is killed."""
    return [sys.executable, "-I", "-S", str(_KEEPER), str(os.getpid()), *command]


def environment(config: Path) -> dict[str, str]:
    """Environment of Ansible's programs: ours, with the project's configuration and callback."""
    return {
        **os.environ,
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "clusterctl_events",
    }


def read_events(lines: Iterable[str], output: str) -> PlaybookResult:
    """The result of a run from the lines that the callback wrote (``callback/clusterctl_events.py``)."""
    hosts: Mapping[str, Mapping[str, int]] = {}
    changes: list[tuple[str, str]] = []
    failures: list[tuple[str, str, str]] = []
    notes: list[tuple[str, str, str]] = []
    for line in lines:
        event = json.loads(line)
        if event["event"] == "recap":
            hosts = event["hosts"]
        elif event["event"] == "result" and event["state"] == "changed":
            changes.append((event["host"], event["task"]))
        elif event["event"] == "result" and event["state"] in ("failed", "unreachable"):
            failures.append((event["host"], event["task"], event["message"]))
        elif event["event"] == "result" and event["state"] == "ok" and event["message"]:
            notes.append((event["host"], event["task"], event["message"]))
    return PlaybookResult(hosts, tuple(changes), tuple(failures), tuple(notes), output)


def ansible_program(name: str) -> str:
    """Path of an Ansible program: the one installed beside our Python, else the one on PATH."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else name


def inventory_script(work: Path, inventory: Mapping[str, Any]) -> Path:
    """The inventory as a script, so that the operator's own form of dynamic inventory is the only one there is."""
    data = _written(work / "inventory.json", inventory)
    script = work / "inventory"
    script.write_text(f'#!/bin/sh\nexec cat "{data}"\n')
    script.chmod(0o700)
    return script


def _written(path: Path, value: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(value))
    return path
