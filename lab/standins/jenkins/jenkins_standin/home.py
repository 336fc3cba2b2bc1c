"""JENKINS_HOME: config.xml and the files that Jenkins makes beside it."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from . import job as jobs_module
from .cloud import ELEMENT
from .errors import BootFailure, Refused
from .job import Job
from .xmltools import boolean_of, document, integer_of, parse, parse_file, text_of

log = logging.getLogger("jenkins.model.Jenkins")
_LOCATION = "jenkins.model.JenkinsLocationConfiguration.xml"
_NO_REALM = "hudson.security.SecurityRealm$None"
_PRIVATE_REALM = "hudson.security.HudsonPrivateSecurityRealm"
_UNSECURED = "hudson.security.AuthorizationStrategy$Unsecured"
_ONCE_LOGGED_IN = "hudson.security.FullControlOnceLoggedInAuthorizationStrategy"
_EMPTY = document("<hudson><numExecutors>0</numExecutors><useSecurity>false</useSecurity><clouds/></hudson>")


@dataclass(frozen=True)
class CoreConfig:
    """What the stand-in takes from config.xml. ``agent_port`` None: no such element; ``has_users``: one can log in."""

    mode: str
    quiet_period_s: int
    agent_port: int | None
    use_security: bool
    has_users: bool
    anonymous: str  # what one may who is not logged in: none, read, all
    system_message: str
    clouds: tuple[ET.Element, ...]


def read_config(path: Path) -> CoreConfig:
    """Read config.xml; Jenkins' defaults if there is none. Raises BootFailure for what stops Jenkins' boot."""
    try:
        root = parse_file(path)
    except FileNotFoundError:
        root = parse(_EMPTY)
    except (OSError, ValueError) as exc:
        raise BootFailure(f"Unable to read {path}: {exc}") from exc
    if root.tag not in ("hudson", "jenkins.model.Jenkins"):
        raise BootFailure(f"{path}: CannotResolveClassException: {root.tag}")
    executors = integer_of(root, "numExecutors", 2)
    if executors != 0:
        raise BootFailure(f"{path}: the stand-in builds nothing on the built-in node: numExecutors must be 0")
    use_security = boolean_of(root, "useSecurity", default=True)
    realm = _class_of(root, "securityRealm", _NO_REALM, (_NO_REALM, _PRIVATE_REALM))
    strategy = _class_of(root, "authorizationStrategy", _UNSECURED, (_UNSECURED, _ONCE_LOGGED_IN))
    clouds = root.find("clouds")
    return CoreConfig(
        mode=text_of(root, "mode") or "NORMAL",
        quiet_period_s=integer_of(root, "quietPeriod", 5),
        agent_port=None if root.find("slaveAgentPort") is None else integer_of(root, "slaveAgentPort"),
        use_security=use_security,
        has_users=use_security and realm == _PRIVATE_REALM,
        anonymous=_anonymous(root) if use_security and strategy == _ONCE_LOGGED_IN else "all",
        system_message=text_of(root, "systemMessage") or "",
        clouds=tuple(_known_clouds(clouds)) if clouds is not None else (),
    )


def _anonymous(root: ET.Element) -> str:
    strategy = root.find("authorizationStrategy")
    return "none" if strategy is not None and boolean_of(strategy, "denyAnonymousReadAccess") else "read"


def _class_of(root: ET.Element, name: str, default: str, known: tuple[str, ...]) -> str:
    """Return the class of a critical field: one that can't be read stops the boot."""
    element = root.find(name)
    found = default if element is None else element.get("class", default)
    if found not in known:
        raise BootFailure(f"CannotResolveClassException: {name} {found} (the stand-in has {', '.join(known)})")
    return found


def _known_clouds(clouds: ET.Element) -> list[ET.Element]:
    known = []
    for element in clouds:
        if element.tag == ELEMENT:
            known.append(element)
        else:
            log.warning("config.xml: CannotResolveClassException: %s; moved to the old data", element.tag)
    return known


def root_url(home: Path) -> str | None:
    """Return the URL of the location file, None without one."""
    try:
        url = text_of(parse_file(home / _LOCATION), "jenkinsUrl")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise BootFailure(f"Unable to read {home / _LOCATION}: {exc}") from exc
    return url.rstrip("/") + "/" if url and url.strip() else None


def needs_setup(home: Path, wizard: bool) -> bool:
    """Whether Jenkins would show its setup wizard and lock everything."""
    return wizard and not (home / "config.xml").exists() and not (home / "jenkins.install.UpgradeWizard.state").exists()


def prepare(home: Path) -> None:
    """Make the home and what each Jenkins has in it. Raises BootFailure."""
    try:
        for name in ("jobs", "plugins", "users", "userContent", "logs", "nodes"):
            (home / name).mkdir(parents=True, exist_ok=True)
        (home / "secrets").mkdir(mode=0o700, exist_ok=True)
        _secret(home / "secret.key", secrets.token_hex(32).encode())
        _secret(home / "secret.key.not-so-secret", b"")
        _secret(home / "secrets" / "master.key", secrets.token_hex(128).encode())
        _secret(home / "identity.key.enc", secrets.token_bytes(1680))
    except OSError as exc:
        raise BootFailure(f"Unable to use the home directory {home}: {exc} (hudson.util.NoHomeDir)") from exc


def agent_key(home: Path) -> bytes:
    """Return the key of the agents' secrets, made at first use."""
    return _secret(home / "secrets" / "jenkins.slaves.JnlpSlaveAgentProtocol.secret", secrets.token_bytes(32))


def _secret(path: Path, fresh: bytes) -> bytes:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(fresh)
    return path.read_bytes()


def load_jobs(home: Path) -> dict[str, Job]:
    """Read jobs/*/config.xml; one that can't be read is left out, with a message."""
    found = {}
    for config in sorted((home / "jobs").glob("*/config.xml")):
        try:
            found[config.parent.name] = jobs_module.load(config.parent)
        except (OSError, ValueError, Refused) as exc:
            log.log(logging.ERROR, "Failed to load the job %s: %s", config.parent.name, exc)
    return found


def note_boot_failure(home: Path, text: str) -> None:
    """Append to failed-boot-attempts.txt, as hudson.util.BootFailure does; without a home there is nowhere to."""
    try:
        with (home / "failed-boot-attempts.txt").open("a", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as exc:
        log.log(logging.ERROR, "failed-boot-attempts.txt: %s", exc)
