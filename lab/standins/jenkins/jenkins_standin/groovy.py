"""init.groovy.d: the stand-in runs no Groovy. It knows one script, clusterctl's, and refuses every other one."""

from __future__ import annotations

import json
import logging
import secrets
from pathlib import Path

from .errors import BootFailure
from .security import Accounts

log = logging.getLogger("jenkins.util.groovy.GroovyHookScript")
_KNOWN = Path(__file__).parent / "known.groovy"  # put there by the build: roles/jenkins' clusterctl.groovy
_TOKEN_NAME = "clusterctl"


def run_hooks(home: Path, accounts: Accounts, private_realm: bool, known: Path = _KNOWN) -> None:
    """Do what the scripts of init.groovy.d would. Raises BootFailure for one that is unknown."""
    for script in sorted((home / "init.groovy.d").glob("*.groovy")):
        log.info("Executing %s", script)
        if not known.exists() or script.read_text().strip() != known.read_text().strip():
            raise BootFailure(
                f"{script}: the stand-in runs no Groovy; it knows clusterctl.groovy of the tree that it was built from"
            )
        _make_administrator(home / ".clusterctl", accounts, private_realm)


def _make_administrator(directory: Path, accounts: Accounts, private_realm: bool) -> None:
    """Do what clusterctl.groovy does: the marker's account, made with the password, and its token."""
    try:
        name = json.loads((directory / "master.json").read_text())["admin"]
        if private_realm and name not in accounts:
            accounts.put(name, _secret(directory / "password") or secrets.token_hex(16), _TOKEN_NAME, None)
        if token := _secret(directory / "token"):
            accounts.put(name, None, _TOKEN_NAME, token)
    except (OSError, ValueError, KeyError) as exc:
        raise BootFailure(f"clusterctl.groovy: {type(exc).__name__}: {exc}") from exc


def _secret(path: Path) -> str:
    return path.read_text().strip() if path.is_file() else ""
