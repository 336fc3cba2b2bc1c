"""A network namespace of this process's own, with only a loopback interface.

Inside, the daemons use the ports of production on 127.0.0.0/8 whatever else runs on the machine, and
every process that was left behind can be told by its namespace.
"""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CLONE_NEWNET = 0x40000000  # <linux/sched.h>
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _processes_in(namespace: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if (entry / "ns/net").readlink() == namespace:
                    found.append(int(entry.name))
            except OSError:  # it ended meanwhile
                continue
    return found


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def private_network() -> Iterator[None]:
    """Run the block, and all that it starts, in a new network namespace; kill what is left in it.

    Moves the calling thread only (and threads that it starts inside). Raises OSError without root.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _check(_libc.unshare(CLONE_NEWNET), "unshare")
        namespace = Path("/proc/thread-self/ns/net").readlink()
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            _check(_libc.setns(home, CLONE_NEWNET), "setns")
            while left := _processes_in(namespace):  # again, for what they forked meanwhile
                for pid in left:
                    _kill(pid)
                time.sleep(0.02)
    finally:
        os.close(home)
