"""init.groovy.d: the stand-in runs no Groovy. It knows one script, clusterctl's, and refuses every other one."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from .errors import BootFailure
from .security import Accounts

log = logging.getLogger("jenkins.util.groovy.GroovyHookScript")
_KNOWN = Path(__file__).parent / "known.groovy"  # put there by the build: the project's own script, byte by byte
_TOKEN_NAME = "clusterctl"


def run_hooks(home: Path, accounts: Accounts, known: Path = _KNOWN) -> None:
    """Do what the scripts of init.groovy.d would. Raises BootFailure for one that is unknown."""
    for script in sorted((home / "init.groovy.d").glob("*.groovy")):
        log.info("Executing %s", script)
        if not known.exists() or script.read_bytes() != known.read_bytes():
            raise BootFailure(
                f"{script}: the stand-in runs no Groovy; it knows clusterctl.groovy of the tree that it was built from"
            )
        _make_administrator(home / ".clusterctl", accounts)


def _make_administrator(directory: Path, accounts: Accounts) -> None:
    """Make the account of the marker with the token and the password beside it (docs/jenkins.md)."""
    try:
        name = json.loads((directory / "master.json").read_text())["admin"]
        token = (directory / "token").read_text().strip()
        password = directory / "password"
        accounts.put(name, password.read_text().strip() if password.exists() else None, _TOKEN_NAME, token)
    except (OSError, ValueError, KeyError) as exc:
        raise BootFailure(f"clusterctl.groovy: {exc!r}") from exc
