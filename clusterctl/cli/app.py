"""The ``clusterctl`` program: its verbs and its one error boundary.

Exit codes: 0 done, 1 an operation failed, 2 bad input, 3 the cluster is unhealthy.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from clusterctl import __version__
from clusterctl.cli import (
    cluster,
    enter,
    grow,
    image,
    inspect,
    jenkins,
    jenkins_homes,
    jenkins_stop,
    loadtest,
    operate,
    roll,
)
from clusterctl.cli.output import LogHandler, print_bug, print_error, print_line
from clusterctl.errors import ClusterctlError

app = typer.Typer(
    name="clusterctl",
    help="Highly available ZooKeeper, Mesos, Marathon and Jenkins clusters on OpenStack, from one YAML file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: half the time of the program's start is rich otherwise
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
for module in (inspect, cluster, enter, grow, operate, roll):
    module.register(app)
app.command("open")(jenkins.open_page)
app.add_typer(image.app, name="image")
app.add_typer(loadtest.app, name="loadtest")
jenkins_stop.register(jenkins.app)
jenkins_homes.register(jenkins.app)
app.add_typer(jenkins.app, name="jenkins")


def _version(wanted: bool) -> None:
    if wanted:
        print_line(f"clusterctl {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """See ``app``."""


def main() -> None:
    """Runs the program; never returns."""
    logging.lastResort = LogHandler(logging.WARNING)
    try:
        app()
    except ClusterctlError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output left (`| head`): not an error of ours, and there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception:  # noqa: BLE001  (printed whole, but not raw)
        print_bug()
        sys.exit(1)
