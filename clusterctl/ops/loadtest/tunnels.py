"""Ways to the masters' ports through ssh: only ssh is open to operators (D15).

Each tunnel is an ``ssh`` child with the pinned host key that listens on a Unix socket in a directory of our own: no
port has to be guessed, and nobody else on this machine can use it. On the node it runs ``cat``, which ends when our end
of its input closes: the tunnels of a driver that is killed end by themselves.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from clusterctl.errors import ClusterctlError
from clusterctl.health.expect import Node
from clusterctl.ops.kit.access import Access
from clusterctl.ops.loadtest.masters import Endpoint, allow_connections
from clusterctl.remote.prober import target
from clusterctl.ssh.config import PORT, SshConfig, Target, ssh_options
from clusterctl.ssh.hostkeys import lack

_READY = b"ready"
_OPEN_S = 60.0
_DIRECTORY = re.compile(r"load-(\d+)-")


def tunnel_command(config: SshConfig, to: Target, socket: Path, port: int) -> list[str]:
    """The command of one tunnel; it prints a line as soon as the socket listens.

    Its connection is its own: one that is shared (ssh_config(5), ControlMaster) would keep the socket after our end.
    """
    own = ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes", "-o", "BatchMode=yes"]
    forward = ["-L", f"{socket}:{to.address}:{port}"]
    # the first value of an option counts
    words = ["ssh", "-T", *own, *ssh_options(config, to), *forward, "-l", config.user, "-p", str(PORT), to.address]
    return [*words, f"echo {_READY.decode()}; exec cat"]


@contextmanager
def tunnels(access: Access, nodes: Sequence[Node], port: int) -> Iterator[list[Endpoint]]:
    """Tunnels to that port of the nodes, all opened at once; those that can't be had are left out.

    Raises:
        ClusterctlError: there is none.
    """
    allow_connections()
    config = access.ssh.config
    remove_dead(config.control_dir)
    directory = Path(tempfile.mkdtemp(prefix=f"load-{os.getpid()}-", dir=config.control_dir))
    children: list[tuple[Node, Path, subprocess.Popen[bytes]]] = []
    try:
        failures = []
        for node in nodes:
            if not access.host_keys.find(target(node)):
                failures.append(f"{node}: {lack(target(node))}")
                continue
            socket = directory / str(len(children))
            children.append((node, socket, _start(tunnel_command(config, target(node), socket, port), directory)))
        end = time.monotonic() + _OPEN_S
        endpoints = []
        for number, (node, socket, child) in enumerate(children):
            if _ready(child, end):
                endpoints.append(Endpoint(f"{node.address}:{port}", socket))
            else:
                failures.append(f"{node}: {_said(directory, number, child, end)}")
        if not endpoints:
            raise ClusterctlError(
                "no tunnel to a Mesos master:\n" + "\n".join(failures or ["no master has a running server"]),
                hint="`clusterctl verify FILE` shows which nodes answer.",
            )
        yield endpoints
    finally:
        for _, _, child in children:
            _end(child)
        shutil.rmtree(directory, ignore_errors=True)


def remove_dead(control_dir: Path) -> None:
    """Removes the sockets' directories of processes that are gone."""
    for path in control_dir.glob("load-*"):
        found = _DIRECTORY.match(path.name)
        if found and not Path(f"/proc/{found[1]}").exists():
            shutil.rmtree(path, ignore_errors=True)


def _start(argv: Sequence[str], directory: Path) -> subprocess.Popen[bytes]:
    number = len(list(directory.glob("*.err")))
    with (directory / f"{number}.err").open("wb") as said:
        try:
            # a session of its own: Ctrl-C reaches us alone, and the frameworks are removed through the tunnels
            return subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True
            )
        except OSError as error:
            raise ClusterctlError(f"can't run ssh: {error}", hint="Is the OpenSSH client installed?") from error


def _ready(child: subprocess.Popen[bytes], end: float) -> bool:
    output = _pipe(child.stdout)
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        if not selector.select(max(end - time.monotonic(), 0.0)):
            return False
    return output.readline().strip() == _READY


def _said(directory: Path, number: int, child: subprocess.Popen[bytes], end: float) -> str:
    try:
        # its output has ended, or time is up; an ssh that ends is gone a moment after its output
        child.wait(max(end - time.monotonic(), 0.0))
    except subprocess.TimeoutExpired:
        return f"not there within {_OPEN_S:g} s"
    text = (directory / f"{number}.err").read_text(errors="replace").strip()
    return text.splitlines()[-1] if text else f"ssh exited with {child.returncode} and said nothing"


def _end(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 (asked for as PIPE)
    return pipe
