"""Runs as ``python3 -I -S keeper.py PARENT COMMAND...``: a command that ends, with all it started, with its parent.

Ansible's workers are processes of their own sessions, and a playbook whose clusterctl was killed would go on while the
cluster's lock counts as that of a dead process. So this process asks the kernel for SIGTERM at its parent's death
(prctl(2), PR_SET_PDEATHSIG), and to be given the orphans among its descendants (PR_SET_CHILD_SUBREAPER): then none of
them is out of its reach. It ends as the command does. Linux only; elsewhere it only runs the command.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PATIENCE_S = 10.0


def main() -> None:
    """See the module."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    # Ctrl-C reaches the command, too, whose end is waited for
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    _ask_the_kernel()
    if os.getppid() != parent:  # it died before it was asked for
        sys.exit(128 + signal.SIGTERM)
    child = subprocess.Popen(command, restore_signals=True, preexec_fn=_heed_ctrl_c)  # noqa: PLW1509 (one thread)
    code = child.wait()
    sys.exit(code if code >= 0 else 128 - code)


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _ask_the_kernel() -> None:
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def _end(_signal: int, _frame: object) -> None:
    """Kills all descendants, and those that they start meanwhile."""
    end = time.monotonic() + _PATIENCE_S
    while (found := descendants(os.getpid())) and time.monotonic() < end:
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)
        _collect()
    os._exit(128 + signal.SIGTERM)


def _collect() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return


def descendants(pid: int) -> list[int]:
    """Children, their children, and so on (proc(5), ``children``)."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in path.read_text().split()]
        except OSError:  # ended meanwhile
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


if __name__ == "__main__":
    main()
