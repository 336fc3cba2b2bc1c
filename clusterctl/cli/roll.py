"""Verbs that work on a running cluster node by node: ``restart``, ``upgrade``, ``reconfigure``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from clusterctl.cli.output import print_json, print_line, print_note
from clusterctl.cli.session import CloudName, File, Json, StealLock, session
from clusterctl.services import RESTARTABLE, UPGRADABLE

if TYPE_CHECKING:
    from clusterctl.ops.roll.ground import Rolling
    from clusterctl.ops.roll.report import Journal

    Restartable: TypeAlias = str
    Upgradable: TypeAlias = str
else:  # typer takes choices as an enumeration only
    Restartable = StrEnum("Restartable", {name: name for name in RESTARTABLE})
    Upgradable = StrEnum("Upgradable", {name: name for name in UPGRADABLE})

Only = Annotated[
    str | None, typer.Option("--only", metavar="NODE[,NODE]...", help="Only these nodes.", show_default=False)
]
Without = Annotated[
    str | None,
    typer.Option(
        "--without",
        metavar="AGENT[,AGENT]...",
        help="Leave these agents out, however they are: not judged, not touched.",
        show_default=False,
    ),
]
Batch = Annotated[str, typer.Option("--batch", metavar="N|N%", help="How many agents at once.")]
MaxFailures = Annotated[int, typer.Option("--max-failures", min=0, help="Agents that may fail before the run stops.")]
Patience = Annotated[
    int, typer.Option("--timeout", min=10, help="Seconds for the cluster to be whole again after a step.")
]


def register(app: typer.Typer) -> None:
    """Adds the verbs to the program."""
    app.command()(restart)
    app.command()(upgrade)
    app.command()(reconfigure)


def restart(
    service: Annotated[
        Restartable,
        typer.Argument(metavar="SERVICE", help="The service; mesos: masters, then agents.", show_default=False),
    ],
    file: File,
    cloud: CloudName = None,
    only: Only = None,
    without: Without = None,
    batch: Batch = "20%",
    max_failures: MaxFailures = 0,
    timeout: Patience = 180,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Restart a service node by node, the leader last; the cluster must be whole before and after each."""
    from clusterctl.ops.roll.restart import restart_service  # noqa: PLC0415

    options = _options(cloud=cloud, without=without, batch=batch, max_failures=max_failures, timeout=timeout)
    with _ground(
        f"restart {service}", file, cloud, options, timeout, _names(without), steal=steal_lock, as_json=as_json
    ) as rolling:
        journal = restart_service(rolling, service, _names(only), batch=batch, max_failures=max_failures)
    _print(journal, as_json)


def upgrade(
    service: Annotated[
        Upgradable,
        typer.Argument(metavar="SERVICE", help="The service; all: zookeeper, mesos, marathon.", show_default=False),
    ],
    file: File,
    artifacts: Annotated[
        Path | None, typer.Option("--artifacts", help="The artifacts file (YAML) of the new version.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="The version expected.", show_default=False)] = None,
    previous: Annotated[
        Path | None,
        typer.Option("--previous", help="An older artifacts file, to put a failed node back.", show_default=False),
    ] = None,
    cloud: CloudName = None,
    only: Only = None,
    without: Without = None,
    batch: Batch = "20%",
    max_failures: MaxFailures = 0,
    timeout: Patience = 180,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Upgrade a service node by node, the leader last; nodes that have the version already are left alone."""
    from clusterctl.ops.upgrade.upgrade import upgrade_service  # noqa: PLC0415

    options = _options(
        artifacts=artifacts,
        to=to,
        previous=previous,
        cloud=cloud,
        only=only,
        without=without,
        batch=batch,
        max_failures=max_failures,
        timeout=timeout,
    )
    with _ground(
        f"upgrade {service}", file, cloud, options, timeout, _names(without), steal=steal_lock, as_json=as_json
    ) as rolling:
        journal = upgrade_service(
            rolling,
            service,
            _names(only),
            artifacts=artifacts,
            previous=previous,
            to=to,
            batch=batch,
            max_failures=max_failures,
        )
    _print(journal, as_json)


def reconfigure(
    file: File,
    cloud: CloudName = None,
    allow_drain: Annotated[
        bool, typer.Option("--allow-drain", help="Consent to draining agents that need a new identity.")
    ] = False,
    drain_timeout: Annotated[int, typer.Option("--drain-timeout", min=10, help="Seconds for a batch to drain.")] = 600,
    only: Only = None,
    without: Without = None,
    batch: Batch = "20%",
    max_failures: MaxFailures = 0,
    timeout: Patience = 180,
    steal_lock: StealLock = False,
    as_json: Json = False,
) -> None:
    """Bring changed attributes, resources and reservations to the agents; `plan --agents` shows what that takes."""
    from clusterctl.ops.roll.reconfigure import reconfigure_agents  # noqa: PLC0415

    options = _options(
        allow_drain=allow_drain,
        drain_timeout=drain_timeout,
        cloud=cloud,
        only=only,
        without=without,
        batch=batch,
        max_failures=max_failures,
        timeout=timeout,
    )
    with _ground(
        "reconfigure", file, cloud, options, timeout, _names(without), steal=steal_lock, as_json=as_json
    ) as rolling:
        journal = reconfigure_agents(
            rolling,
            _names(only),
            allow_drain=allow_drain,
            drain_timeout_s=drain_timeout,
            batch=batch,
            max_failures=max_failures,
        )
    _print(journal, as_json)


@contextmanager
def _ground(
    verb: str,
    file: Path,
    cloud: str | None,
    options: str,
    timeout: int,
    without: list[str],
    *,
    steal: bool,
    as_json: bool,
) -> Iterator[Rolling]:
    """What a roll stands on, with the cluster's lock held; a roll that stops prints its report as well.

    Args:
        verb: the command's first words.
        options: those that were given, without ``--only``.
    """
    from clusterctl.ops.roll.ground import Rolling  # noqa: PLC0415
    from clusterctl.ops.roll.report import RollError  # noqa: PLC0415

    line = f"clusterctl {verb} {file}{options}"
    with session(file, cloud, go_on=line) as at:
        guard = at.guard(verb.replace(" ", "-"), steal=steal)
        try:
            with guard.hold(at.spec.cluster, at.cloud):
                yield Rolling(at.spec, at.cloud, at.progress, line, timeout, _warn, without)
        except RollError as error:
            if as_json:
                print_json(error.journal.to_json())
            raise


def _warn(text: str) -> None:
    print_note(f"! {text}")


def _names(only: str | None) -> list[str]:
    return [name for name in (only or "").split(",") if name]


def _options(**values: object) -> str:
    """Options as they were given, those with their default left out."""
    defaults = {"batch": "20%", "max_failures": 0, "drain_timeout": 600, "timeout": 180}
    text = ""
    for name, value in values.items():
        if value is None or value is False or value == defaults.get(name):
            continue
        text += f" --{name.replace('_', '-')}" + ("" if value is True else f" {value}")
    return text


def _print(journal: Journal, as_json: bool) -> None:
    if as_json:
        print_json(journal.to_json())
        return
    for service, name in journal.skipped:
        print_line(f"nothing to do: {service} on {name}")
    for service, name in journal.done:
        print_line(f"done: {service} on {name}")
    for line in journal.advice:
        print_line(line)
    print_line(f"{journal.what} of cluster {journal.cluster}: {len(journal.done)} done, healthy")
