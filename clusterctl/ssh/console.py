"""Pure: a server's console log -> what its first boot said.

The post-install script prints ``clusterctl NONCE: hostkey TYPE BASE64``, ``clusterctl NONCE: step NAME ok``,
``clusterctl NONCE: step NAME failed: REASON`` and at last ``clusterctl NONCE: done`` or ``... failed STEP``
(``cloud-init/lib.sh``). The console is shared with the kernel, systemd and cloud-init: lines may be torn, and others
can write to it. So a line counts only

- from its beginning: an unprivileged user can put any text into the kernel's messages, but not before their prefix. A
  carriage return in one doesn't begin a line;
- with the nonce whose sha256 the server's metadata hold, its *proof*: only root of the node and who may read the
  project's user-data know it. Servers without a proof were made before there were any, or run nobody else's code.

Of a boot the first key of a type counts. A torn host key is never taken for a whole one (``valid_key``).
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from itertools import takewhile


class BootState(StrEnum):
    """How far a node's first boot is."""

    SILENT = "silent"  # nothing of ours on the console yet
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, order=True)
class HostKey:
    """An ssh host key as it stands in a known_hosts file."""

    type: str
    base64: str

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` shows it."""
        digest = base64.b64encode(sha256(base64.b64decode(self.base64)).digest())
        return f"SHA256:{digest.decode().rstrip('=')}"


@dataclass(frozen=True)
class Step:
    """One step of the post-install script; ``reason`` is empty when it succeeded."""

    name: str
    ok: bool
    reason: str = ""


@dataclass(frozen=True)
class BootReport:
    """What a console log tells of a node's first boot.

    ``problems`` are the lines in which cloud-init or the kernel complain; they decide ``state`` only where the
    post-install script said nothing final.

    Attributes:
        host_keys: those of the first run of the script that the log holds.
        latest_keys: those of the last run: others than the first's if the server was rebuilt.
    """

    host_keys: tuple[HostKey, ...] = ()
    latest_keys: tuple[HostKey, ...] = ()
    steps: tuple[Step, ...] = ()
    state: BootState = BootState.SILENT
    failed_step: str | None = None
    reason: str = ""
    problems: tuple[str, ...] = ()


_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>])")
_KEY_TYPE = r"(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521))"
_SIGNED = re.compile(r"clusterctl ([0-9a-f]{32}): (.*)")
_UNSIGNED = re.compile(r"clusterctl: (.*)")
_OUR_KEY = re.compile(rf"hostkey ({_KEY_TYPE}) ([A-Za-z0-9+/]+=*)")
_STEP = re.compile(r"step (\S+) (?:(ok)\b|failed(?:: ?(.*))?)")
_FAILED = re.compile(r"failed (\S+)")
_NONCE = re.compile(r"clusterctl [0-9a-f]{32}:")
_KEY = re.compile(rf"({_KEY_TYPE}) ([A-Za-z0-9+/]+=*)")
# Printed by cloud-init's module keys_to_console (config/cc_keys_to_console.py, tools/write-ssh-key-fingerprints).
_KEYS_BEGIN = "-----BEGIN SSH HOST KEY KEYS-----"
_KEYS_END = "-----END SSH HOST KEY KEYS-----"
_CLOUD_INIT_FINISHED = re.compile(r"Cloud-init v\. \S+ finished at ")
_FATAL = (
    re.compile(r"Kernel panic - not syncing.*"),
    re.compile(r"You are in emergency mode.*"),
    re.compile(r"Unable to mount root fs.*"),
)
# After these our script, which is part of the user-data, may not have run at all
_BROKEN = (
    re.compile(r"(?:Failed to run module .*|Running module \S+ .*failed)"),
    re.compile(r"Failed to start .*[Cc]loud-init.*"),
    re.compile(r"(?:Failed loading yaml blob|Failed at merging in cloud config part|Unhandled .*userdata).*"),
)
# Worth showing, but they may come from the image's own configuration, and at every boot
_COMPLAINTS = (
    re.compile(r"schema\.py\[WARNING\]: .*"),
    re.compile(r"\[CRITICAL\]: .*"),
    re.compile(r"Out of memory: Killed process .*"),
)


def new_nonce() -> str:
    """What lines of a server's console shall begin with: 32 hex digits that nobody can guess."""
    return secrets.token_hex(16)


def proof_of(nonce: str) -> str:
    """What everybody may know of a nonce, 64 hex digits."""
    return sha256(nonce.encode()).hexdigest()


def parse_console(text: str, proof: str = "") -> BootReport:
    """The report of the boot (or boots: of what happened the last word counts) in a console log, whole or its tail.

    Args:
        proof: of the nonce that counts; empty for a server whose lines carry none.
    """
    lines = console_lines(text)
    said_in = [_said(line, proof) for line in lines]
    steps: dict[str, Step] = {}
    state, failed_step, finished = BootState.SILENT, None, False
    problems: list[str] = []
    fatal = broken = ""
    for line, said in zip(lines, said_in, strict=True):
        if said is not None and (match := _STEP.match(said)):
            name, okay, reason = match.groups()
            steps.pop(name, None)  # a later run of the script says it again: keep the order of the last one
            steps[name] = Step(name, okay is not None, "" if okay else (reason or "no reason given").strip())
            state = BootState.RUNNING if state is BootState.SILENT else state
        elif said == "done":
            state, failed_step = BootState.DONE, None
        elif said is not None and (match := _FAILED.match(said)):
            state, failed_step = BootState.FAILED, match.group(1)
        elif said is not None:
            state = BootState.RUNNING if state is BootState.SILENT else state
        elif problem := _first_match((*_FATAL, *_BROKEN, *_COMPLAINTS), line):
            problems.append(problem)
            fatal = fatal or _first_match(_FATAL, line)
            broken = broken or _first_match(_BROKEN, line)
        finished = finished or bool(_CLOUD_INIT_FINISHED.search(line))
    reason = ""
    if state is BootState.FAILED and failed_step is not None:
        reason = steps[failed_step].reason if failed_step in steps else ""
        reason = reason or (problems[-1] if problems else "no reason given")
    elif fatal and state is not BootState.DONE:
        state, failed_step, reason = BootState.FAILED, "boot", fatal
    elif finished and broken and state is not BootState.DONE:
        # cloud-init has ended and will not run our script any more
        state, failed_step, reason = BootState.FAILED, "cloud-init", broken
    runs = _key_runs(said_in) or ([] if proof else _cloud_init_keys(lines))
    return BootReport(
        host_keys=runs[0] if runs else (),
        latest_keys=runs[-1] if runs else (),
        steps=tuple(steps.values()),
        state=state,
        failed_step=failed_step,
        reason=reason,
        problems=tuple(problems),
    )


def console_lines(text: str) -> list[str]:
    """The lines of a console log without escape sequences and carriage returns; empty ones are left out."""
    plain = _ESCAPE.sub("", text).replace("\r", "")
    return [line.rstrip() for line in plain.split("\n") if line.strip()]


def console_tail(text: str, lines: int = 10) -> str:
    """The last lines of a console log, to be shown with a failure; without nonces, as errors end up in logs."""
    return "\n".join(_NONCE.sub("clusterctl:", line) for line in console_lines(text)[-lines:])


def valid_key(key: HostKey) -> bool:
    """Whether the base64 text is a whole public key of its type.

    The blob is a sequence of length-prefixed strings of which the first is the type (RFC 4253 §6.6); a torn line ends
    inside one of them.
    """
    try:
        blob = base64.b64decode(key.base64, validate=True)
    except (binascii.Error, ValueError):
        return False
    fields: list[bytes] = []
    at = 0
    while at < len(blob):
        size = int.from_bytes(blob[at : at + 4], "big")
        if at + 4 + size > len(blob):
            return False
        fields.append(blob[at + 4 : at + 4 + size])
        at += 4 + size
    # ssh-ed25519: type, key (RFC 8709); ssh-rsa: type, e, n; ecdsa: type, curve, point (RFC 5656)
    wanted = 2 if key.type == "ssh-ed25519" else 3
    return len(fields) == wanted and fields[0] == key.type.encode() and all(fields)


def _said(line: str, proof: str) -> str | None:
    """What the post-install script says in a line; None for a line of anybody else."""
    if not proof:
        unsigned = _UNSIGNED.match(line)
        return unsigned.group(1) if unsigned else None
    signed = _SIGNED.match(line)
    return signed.group(2) if signed and proof_of(signed.group(1)) == proof else None


def _key_runs(said_in: Iterable[str | None]) -> list[tuple[HostKey, ...]]:
    """The keys of each run of the script, which begins with them; of each type the first complete one."""
    runs: list[dict[str, HostKey]] = []
    in_keys = False
    for said in said_in:
        if said is None:
            continue
        if not said.startswith("hostkey "):
            in_keys = False
            continue
        if not in_keys:
            runs.append({})
            in_keys = True
        match = _OUR_KEY.match(said)
        if match and valid_key(key := HostKey(match.group(1), match.group(2))):
            runs[-1].setdefault(key.type, key)
    return [tuple(sorted(run.values())) for run in runs if run]


def _cloud_init_keys(lines: list[str]) -> list[tuple[HostKey, ...]]:
    """The keys of each block that cloud-init's own module prints on stock images."""
    runs: list[tuple[HostKey, ...]] = []
    rest = iter(lines)
    for line in rest:
        if _KEYS_BEGIN not in line:
            continue
        found: dict[str, HostKey] = {}
        for inner in takewhile(lambda text: _KEYS_END not in text, rest):
            match = _KEY.search(inner)
            if match and valid_key(key := HostKey(match.group(1), match.group(2))):
                found.setdefault(key.type, key)
        if found:
            runs.append(tuple(sorted(found.values())))
    return runs


def _first_match(patterns: tuple[re.Pattern[str], ...], line: str) -> str:
    for pattern in patterns:
        if match := pattern.search(line):
            return match.group(0).strip()
    return ""
