"""What the verbs share: options, the command as it was given, the cluster file, the cloud, progress, Ctrl-C."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clusterctl.cli import output
from clusterctl.ops.kit.command import Command

if TYPE_CHECKING:  # the verbs import what they need when they run: `--help` must not wait for OpenStack's SDK
    from clusterctl.ops.kit.progress import Progress
    from clusterctl.ops.kit.run import Run
    from clusterctl.ops.kit.waiting import Waiter

File = Annotated[Path, typer.Argument(metavar="FILE", help="The cluster file (YAML).", show_default=False)]
Node = Annotated[str, typer.Argument(metavar="NODE", help="Name of a node.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document to standard output.")]
CloudName = Annotated[
    str | None, typer.Option("--cloud", help="Entry of clouds.yaml, instead of the file's.", show_default=False)
]
Timeout = Annotated[int, typer.Option("--timeout", min=10, help="Seconds to wait for the cluster to be healthy.")]
DrainTimeout = Annotated[int, typer.Option("--drain-timeout", min=10, help="Seconds for agents to be drained.")]
TaskTimeout = Annotated[
    int | None,
    typer.Option("--timeout", min=10, help="Seconds for each of Ansible's tasks on a node.", show_default=False),
]
AnyImage = Annotated[
    str | None,
    typer.Option("--image", help="Create new nodes from this image, whatever versions it has.", show_default=False),
]
DRIFT = 4  # exit code of commands with --exit-code where something differs from the file
ExitCode = Annotated[bool, typer.Option("--exit-code", help="End with code 4 if anything differs from the file.")]
StealLock = Annotated[bool, typer.Option("--steal-lock", help="Take over the lock that another command holds.")]

# How one run ended or is told; not what is to be done. A lock is stolen once.
_NOT_REPEATED = ("as_json", "steal_lock")


def given(context: typer.Context) -> Command:
    """The command line as it was given: every argument, and every option that was."""
    words: list[str] = []
    options: list[tuple[str, str | None]] = []
    for each in context.command.params:
        name, value = str(each.name), context.params.get(str(each.name))
        source = context.get_parameter_source(name)
        if name in _NOT_REPEATED or value is None or source is None or source.name.startswith("DEFAULT"):
            continue
        if each.param_type_name == "argument":
            words += map(str, value) if isinstance(value, (list, tuple)) else [str(value)]
        else:
            option = max(each.opts, key=len)
            texts = value if isinstance(value, (list, tuple)) else [value]
            options += [(option, None if text is True else str(text)) for text in texts]
    # the program may be called by several words (`python -m clusterctl`)
    verb = context.command_path.removeprefix(context.find_root().command_path).strip()
    file, *rest = words or [""]
    rest += ["--", *context.args] if context.args else []
    return Command(verb, file, tuple(rest), tuple(options))


@contextmanager
def session(context: typer.Context, *, after: str | None = None) -> Iterator[Run]:
    """Loads the file, opens the cloud, and turns Ctrl-C into an error that says how to go on.

    Args:
        after: the verb that goes on after Ctrl-C, if it is not the same.

    The verb has the parameters ``file`` and ``cloud``, and ``steal_lock`` if it writes.
    """
    from clusterctl.cloud import open_cloud
    from clusterctl.ops.kit.lock import Guard
    from clusterctl.ops.kit.run import Run
    from clusterctl.spec import load_spec

    command = given(context)
    output.name_commands(command)
    spec = load_spec(context.params["file"])
    if cloud := context.params.get("cloud"):
        spec = spec.model_copy(update={"cloud": cloud})
    with interruptible(command.other(after) if after else command) as progress:
        guard = Guard(command.verb.replace(" ", "-"), steal=bool(context.params.get("steal_lock")), note=progress.note)
        yield Run(spec, open_cloud(spec.cloud), command, guard, progress, waiter(context, progress), warn=_warn)


def waiter(context: typer.Context, progress: Progress) -> Waiter:
    """The command's: no wait is longer than the ``--timeout`` that was given, and each tells what it waits for."""
    from clusterctl.ops.kit.waiting import Waiter

    source = context.get_parameter_source("timeout")
    default = source is None or source.name.startswith("DEFAULT")
    most_s = math.inf if default else float(context.params["timeout"])
    return Waiter(note=progress.note, left=lambda: most_s)


@contextmanager
def interruptible(command: Command) -> Iterator[Progress]:
    """Progress for the body; Ctrl-C in it becomes a CancelledError.

    Raises:
        CancelledError: the user pressed Ctrl-C; calls already sent were completed, nothing is rolled back.
    """
    from clusterctl.errors import CancelledError
    from clusterctl.ops.kit.progress import Progress

    shown = output.reporter()
    try:
        yield Progress(shown)
    except KeyboardInterrupt as stop:
        raise CancelledError(
            "stopped by Ctrl-C; what was made stays as it is", hint=f"`{command}` goes on from here."
        ) from stop
    finally:
        close = getattr(shown, "close", None)
        if close:
            close()


@contextmanager
def tasks_within(seconds: int | None) -> Iterator[None]:
    """Each task of Ansible's in the body fails on a node after so many seconds (ansible-core, ``TASK_TIMEOUT``)."""
    name, before = "ANSIBLE_TASK_TIMEOUT", os.environ.get("ANSIBLE_TASK_TIMEOUT")
    if seconds is not None:
        os.environ[name] = str(seconds)
    try:
        yield
    finally:
        if seconds is not None:
            os.environ.pop(name)
            os.environ.update({name: before} if before is not None else {})


def names(text: str | None) -> tuple[str, ...]:
    """The names of an option such as ``--only a,b``."""
    return tuple(name for name in (text or "").split(",") if name)


def one_of(context: typer.Context, service: str, choices: Sequence[str]) -> str:
    """SERVICE, checked.

    Raises:
        InputError: it is none of ``choices``; or it stands in FILE's place, as it did once: then with the right line.
    """
    from clusterctl.errors import InputError

    if service in choices:
        return service
    command = given(context)
    if command.file in choices:
        right = Command(command.verb, service, (command.file, *command.words[1:]), command.options)
        raise InputError("SERVICE: comes after FILE", hint=f"`{right}`")
    raise InputError(f"SERVICE: found {service!r}; allowed: {', '.join(choices)}")


def confirm(question: str, lines: Sequence[str] = ()) -> None:
    """Asks on standard error, after ``lines``; anything but yes is a CancelledError."""
    from clusterctl.errors import CancelledError

    for line in lines:
        output.print_note(line)
    if not output.agrees(question):
        raise CancelledError("declined; nothing was done", hint="--yes does it without asking.")


def _warn(text: str) -> None:
    output.print_note(f"! {text}")
