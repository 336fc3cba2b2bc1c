"""What the verbs share: options, the cluster file, the cloud, progress, Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # the verbs import what they need when they run: `--help` must not wait for OpenStack's SDK
    from clusterctl.cloud.base import Cloud
    from clusterctl.ops.kit.lock import Guard
    from clusterctl.ops.kit.progress import Progress
    from clusterctl.spec.model import ClusterSpec

File = Annotated[Path, typer.Argument(metavar="FILE", help="The cluster file (YAML).", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document to standard output.")]
CloudName = Annotated[
    str | None, typer.Option("--cloud", help="Entry of clouds.yaml, instead of the file's.", show_default=False)
]
Timeout = Annotated[int, typer.Option("--timeout", min=10, help="Seconds to wait for the cluster to be healthy.")]

AnyImage = Annotated[
    str | None,
    typer.Option("--image", help="Make new nodes from this image, whatever versions are in it.", show_default=False),
]
DRIFT = 4  # exit code of commands with --exit-code where something differs from the file
ExitCode = Annotated[bool, typer.Option("--exit-code", help="End with code 4 if anything differs from the file.")]
StealLock = Annotated[
    bool, typer.Option("--steal-lock", help="Go on although another command holds the cluster's lock.")
]


@dataclass
class Session:
    """One command at work on one cluster."""

    file: Path
    spec: ClusterSpec
    cloud: Cloud
    progress: Progress

    def guard(self, command: str, *, steal: bool) -> Guard:
        """The lock of ``command``."""
        from clusterctl.ops.kit.lock import Guard  # noqa: PLC0415

        return Guard(command, str(self.file), steal=steal, note=self.progress.note)


@contextmanager
def session(file: Path, cloud: str | None, *, go_on: str) -> Iterator[Session]:
    """Loads the file, opens the cloud, and turns Ctrl-C into an error that says how to go on.

    Args:
        go_on: the command that goes on after an interruption.
    """
    from clusterctl.cloud import open_cloud  # noqa: PLC0415
    from clusterctl.spec import load_spec  # noqa: PLC0415

    spec = load_spec(file)
    if cloud:
        spec = spec.model_copy(update={"cloud": cloud})
    with interruptible(go_on) as progress:
        yield Session(file=file, spec=spec, cloud=open_cloud(spec.cloud), progress=progress)


@contextmanager
def interruptible(go_on: str) -> Iterator[Progress]:
    """Progress for the body; Ctrl-C in it becomes a CancelledError.

    Raises:
        CancelledError: the user pressed Ctrl-C; calls already sent were completed, nothing is rolled back.
    """
    from clusterctl.cli.output import reporter  # noqa: PLC0415
    from clusterctl.errors import CancelledError  # noqa: PLC0415
    from clusterctl.ops.kit.progress import Progress  # noqa: PLC0415

    shown = reporter()
    try:
        yield Progress(shown)
    except KeyboardInterrupt as stop:
        raise CancelledError(
            "stopped by Ctrl-C; what was made stays as it is", hint=f"`{go_on}` goes on from here."
        ) from stop
    finally:
        close = getattr(shown, "close", None)
        if close:
            close()
