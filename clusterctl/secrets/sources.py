"""Where a cluster's key comes from, if not from control nodes or Barbican: a file, the environment, a command."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.secrets.derive import parse_key
from clusterctl.secrets.secret import Secret

COMMAND_TIMEOUT_S = 60.0


def from_file(path: Path) -> Secret:
    """The key in a file that only its owner may read.

    Raises:
        InputError: the file can't be read, others may read it, or it holds no key.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror or error}", hint="secrets.path names the file of the key."
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError(
            f"{path}: found mode {stat.S_IMODE(mode):04o}, so others can read the key; allowed: 0600 or 0400",
            hint=f"`chmod 600 {path}`",
        )
    return parse_key(text, str(path))


def from_environment(variable: str, environ: Mapping[str, str] = os.environ) -> Secret:
    """The key in an environment variable.

    Raises:
        InputError: it is not set, or holds no key.
    """
    if not (text := environ.get(variable)):
        raise InputError(f"${variable} is not set; secrets.variable says that it holds the key")
    return parse_key(text, f"${variable}")


def from_command(command: Sequence[str], *, timeout_s: float = COMMAND_TIMEOUT_S) -> Secret:
    """The key that a program prints, such as a vault's; what it says on standard error goes to the operator.

    Raises:
        InputError: it can't be run, or prints no key.
        ClusterctlError: it fails, or takes too long. What it printed is not repeated.
    """
    program = command[0]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=timeout_s, check=False, text=True
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterctlError(f"secrets.command: {program} gave no key within {timeout_s:g} s") from error
    except OSError as error:
        raise InputError(f"secrets.command: can't run {program}: {error.strerror or error}") from error
    if done.returncode != 0:
        raise ClusterctlError(f"secrets.command: {program} ended with {done.returncode}")
    return parse_key(done.stdout, f"what {program} printed")
