"""The ``clusterctl`` program: its verbs and its one error boundary.

Exit codes: 0 done, 1 an operation failed, 2 bad input, 3 the cluster is unhealthy.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from clusterctl import __version__
from clusterctl.cli.output import LogHandler, no_space_here, print_bug, print_error, print_line
from clusterctl.errors import ClusterctlError

# The modules of this package by what they add, in the help's order. A verb that is named loads its own module only:
# importing all of them and describing their options to the parser takes as long as reading a cluster file.
VERBS = {
    "inspect": ("list", "validate", "schema", "settings", "plan", "bundle"),
    "cluster": ("create", "status", "verify", "destroy"),
    "enter": ("ssh", "trust"),
    "grow": ("scale", "replace", "patch", "repair", "unlock"),
    "recover": ("backup", "recover"),
    "operate": ("inventory", "configure", "run"),
    "roll": ("restart", "upgrade", "reconfigure"),
    "secure": ("secure",),
    "secrets": ("secrets",),
    "image": ("image",),
    "loadtest": ("loadtest",),
    "jenkins": ("open", "jenkins"),
}


def program(words: Sequence[str] = ()) -> typer.Typer:
    """The program for a command line: with the verb that it begins with, or with all of them.

    Args:
        words: the command line without the program's name.
    """
    app = typer.Typer(
        name="clusterctl",
        help="Highly available ZooKeeper, Mesos, Marathon and Jenkins clusters on OpenStack, from one YAML file.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # plain help: half the time of the program's start is rich otherwise
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    )
    app.callback()(options)
    named = [family for family, verbs in VERBS.items() if words and words[0] in verbs]
    for family in named or VERBS:
        import_module(f"clusterctl.cli.{family}").register(app)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        print_line(f"clusterctl {__version__}")
        raise typer.Exit


def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """See ``program``."""


def main() -> None:
    """Runs the program; never returns."""
    logging.lastResort = LogHandler(logging.WARNING)
    try:
        program(sys.argv[1:])()
    except ClusterctlError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output left (`| head`): not an error of ours, and there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  (printed whole, but not raw)
        if isinstance(error, OSError) and (here := no_space_here(error)):
            print_error(here)
        else:
            print_bug()
        sys.exit(1)
