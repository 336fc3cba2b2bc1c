"""How to connect to nodes: the options that ``ssh`` is given. Also Ansible gets them, so that both share connections.

They are those of ssh_config(5). Each that trust or an upper bound on waiting depends on stands on the command line,
which wins over the operator's files.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from clusterctl.errors import ClusterctlError, InputError

KEY_VARIABLE = "CLUSTERCTL_SSH_KEY"
PORT = 22


@dataclass(frozen=True)
class Target:
    """A node to connect to.

    Attributes:
        server_id: the name under which its host key is pinned.
        proof: of the nonce that lines of its console carry (``ssh.console``); empty if they carry none.
        strangers: whether it runs code of others, which may write to its console.
    """

    name: str
    server_id: str
    address: str
    proof: str = ""
    strangers: bool = False

    def __str__(self) -> str:
        return f"node {self.name} ({self.address})"


@dataclass(frozen=True)
class SshConfig:
    """How to connect to the nodes of a cluster.

    Attributes:
        known_hosts: the file with the pinned keys.
        control_dir: directory for the sockets of shared connections; see ``control_directory``.
        bastion: ``[user@]host[:port]``; its host key is checked by the operator's own known_hosts.
        identity: private key file; None leaves the choice to ssh.
    """

    user: str
    known_hosts: Path
    control_dir: Path
    bastion: str | None = None
    identity: Path | None = None
    connect_timeout_s: int = 20  # an emulated VM under load takes 12 s for the first connection
    persist_s: int = 60


def control_directory(environ: Mapping[str, str] = os.environ, *, fallback: Path = Path("/tmp")) -> Path:  # noqa: S108
    """A directory, ours alone, short enough for socket names (sun_path has 108 bytes, unix(7)).

    In ``$XDG_RUNTIME_DIR`` where that is usable and short, else in ``fallback``. ssh appends 17 characters to a
    ControlPath while it makes the socket, and our names have 16.

    Raises:
        ClusterctlError: somebody else owns it, so a socket in it could be theirs.
    """
    base = Path(environ.get("XDG_RUNTIME_DIR", ""))
    if base.is_absolute() and len(str(base)) <= 50 and os.access(base, os.W_OK):
        path = base / "clusterctl"
    else:
        path = fallback / f"clusterctl-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if path.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ClusterctlError(
            f"{path} is not a directory that only you can use",
            hint="Remove it, or set XDG_RUNTIME_DIR to a directory of your own.",
        )
    return path


def identity_from(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The key file that ``$CLUSTERCTL_SSH_KEY`` names; None where it is unset.

    Raises:
        InputError: there is no such file.
    """
    if not (name := environ.get(KEY_VARIABLE)):
        return None
    path = Path(name).expanduser().absolute()
    if not path.is_file():
        raise InputError(f"{KEY_VARIABLE}: found {name!r}, which is not a file; allowed: the path of a private key")
    return path


def ssh_options(config: SshConfig, target: Target) -> list[str]:
    """The options for one node, ``["-o", "Name=value", ...]``."""
    # The server's id is in the socket's name: a replaced server with the same address gets a connection of its own
    identity = f"{config.user}\n{target.server_id}\n{target.address}\n{config.bastion}\n{config.identity}"
    options = {
        "StrictHostKeyChecking": "yes",
        "HostKeyAlias": target.server_id,
        "UserKnownHostsFile": _quoted(config.known_hosts),
        "GlobalKnownHostsFile": "none",
        "UpdateHostKeys": "no",
        "CheckHostIP": "no",
        "ForwardX11": "no",
        "ForwardAgent": "no",
        "ControlMaster": "auto",
        "ControlPath": _quoted(config.control_dir / sha256(identity.encode()).hexdigest()[:16]),
        "ControlPersist": f"{config.persist_s}s",
    } | _bounds(config)
    if config.identity is not None:
        options |= {"IdentityFile": _quoted(config.identity), "IdentitiesOnly": "yes"}
    if config.bastion is not None:
        options["ProxyCommand"] = _bastion_command(config, config.bastion)
    return _words(options)


def ansible_ssh_args(config: SshConfig, target: Target) -> str:
    """The same as the value of Ansible's host variable ``ansible_ssh_common_args``."""
    return shlex.join(ssh_options(config, target))


# One login for all nodes: an sshd lets few people in at once (MaxStartups, 10 by default) and drops the others without
# a word. Whoever finds no shared connection makes it, one at a time, and tries again a few times: others log in, too.
# $1 is the socket, the rest are the words of ssh up to the host. Without flock(1) (util-linux) each logs in by itself.
_THROUGH_BASTION = (
    's=$1; shift; up() { ssh -O check -S "$s" "$@" </dev/null >/dev/null 2>&1; }; '
    'if command -v flock >/dev/null && ! up "$@"; then exec 9>"$s.lock"; flock -w 120 9; n=1; '
    'until up "$@" || ssh -fNM -S "$s" "$@" </dev/null >/dev/null 9>&-; do '
    "[ $n -lt 5 ] || exit 255; sleep $n; n=$((n + 1)); done; exec 9>&-; fi; "
    'exec ssh -S "$s" -W "[%h]:%p" "$@"'
)


def _bastion_command(config: SshConfig, bastion: str) -> str:
    """ssh through the bastion. ``-J`` logs in for each node, and passes neither time limits nor the key on (ssh(1))."""
    host, _, port = bastion.partition(":")
    options = {"BatchMode": "yes", "ForwardX11": "no", "ControlPersist": f"{config.persist_s}s", **_bounds(config)}
    if config.identity is not None:
        # twice: the outer ssh expands tokens in a ProxyCommand, too
        options["IdentityFile"] = _quoted(config.identity).replace("%", "%%")
    name = sha256(f"{bastion}\n{config.identity}".encode()).hexdigest()[:16]
    socket = str(config.control_dir / name).replace("%", "%%")
    words = [*_words(options), *(["-p", port] if port else []), host]
    return shlex.join(["sh", "-c", _THROUGH_BASTION, "bastion", socket, *words])


def _bounds(config: SshConfig) -> dict[str, str]:
    """Limits: a dead connection is noticed within 20 s, also by the shared one in the background."""
    return {
        "ConnectTimeout": str(config.connect_timeout_s),
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "4",
        "LogLevel": "ERROR",
    }


def _words(options: Mapping[str, str]) -> list[str]:
    return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]


def _quoted(path: Path) -> str:
    """A path as an option's value: ssh splits these at spaces and expands ``%`` tokens."""
    return '"{}"'.format(str(path).replace("%", "%%"))
