"""A port of a cluster as a port of this machine: ``ssh -L`` over a connection of its own, host key pinned as always."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from clusterctl.errors import ClusterctlError
from clusterctl.ssh.client import Ssh, failure
from clusterctl.ssh.config import Target
from clusterctl.ssh.process import Finished, mortal

LOCALHOST = "127.0.0.1"
_OPEN_TIMEOUT_S = 60.0


class WaitsUntil(Protocol):
    """``ops.kit.waiting.Waiter``."""

    def until(
        self,
        condition: Callable[[], bool],
        *,
        what: str,
        timeout_s: float,
        every_s: float = 2.0,
        hint: str | None = None,
    ) -> None: ...


def free_port(preferred: int) -> int:
    """``preferred`` if nobody listens there on this machine, else a port that is free now."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOCALHOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ClusterctlError(f"no port of {LOCALHOST} is free")


@contextmanager
def tunnel(
    ssh: Ssh, target: Target, *, local: int, host: str, port: int, waiter: WaitsUntil
) -> Iterator[Callable[[], int]]:
    """Connects port ``local`` of this machine with ``host:port`` as the node sees it, for as long as the body runs.

    Yields:
        A function that waits for the end of ssh and gives its exit code.

    Raises:
        SshError: the node can't be reached, is not trusted, or refuses us.
        ClusterctlError: the tunnel doesn't open in time.
    """
    argv = ssh.argv(target, options=_OPTIONS, before=["-N", "-L", f"{LOCALHOST}:{local}:{host}:{port}"])
    with tempfile.TemporaryFile() as said:
        try:
            child = subprocess.Popen(
                mortal(argv), stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
            )
        except OSError as error:
            raise ClusterctlError(f"can't run ssh: {error}", hint="Is the OpenSSH client installed?") from error

        def opened() -> bool:
            if child.poll() is not None:
                said.seek(0)
                text = said.read().decode("utf-8", "replace")
                raise failure(target, ssh.config, Finished(child.returncode, "", text))
            return _accepts(local)

        try:
            waiter.until(opened, what=f"the tunnel to {target}", timeout_s=_OPEN_TIMEOUT_S, every_s=0.1)
            yield child.wait
        finally:
            child.terminate()
            child.wait()


# A shared connection would keep the port open after us
_OPTIONS = ("-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes", "-o", "BatchMode=yes")


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((LOCALHOST, port), timeout=1).close()
    except OSError:
        return False
    return True
