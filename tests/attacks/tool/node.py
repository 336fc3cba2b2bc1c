"""Attacks on the node that a build runs on: files, other users' processes, the way to root, the kernel's log."""

from __future__ import annotations

import ctypes
import errno
import http.client
import os
import socket
import subprocess
import sys

from .outcome import Denied, of_connection, of_system
from .wire import TIMEOUT_S

PTRACE_ATTACH, PTRACE_DETACH = 16, 17
NEW_NAMESPACE, NEW_USER = 0x00020000, 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)


def read_file(path: str) -> str:
    """A file, or the names in a directory."""
    try:
        if os.path.isdir(path):  # noqa: PTH112
            return f"holds {sorted(os.listdir(path))}"  # noqa: PTH208
        with open(path, "rb") as file:  # noqa: PTH123
            return f"{len(file.read())} bytes"
    except OSError as error:
        raise of_system(error) from error


def write_file(path: str) -> str:
    """A new file."""
    try:
        with open(path, "x"):  # noqa: PTH123
            pass
        os.unlink(path)  # noqa: PTH108
    except OSError as error:
        raise of_system(error) from error
    return f"wrote {path}"


def end_process(pid: int) -> str:
    """A signal that would end a process of another user, but is only asked for."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        raise of_system(error) from error
    return f"may end {pid}"


def trace_process(pid: int) -> str:
    """Its memory and registers."""
    if _libc.ptrace(PTRACE_ATTACH, pid, None, None) != 0:
        number = ctypes.get_errno()
        raise Denied(errno.errorcode[number], os.strerror(number))
    os.waitpid(pid, 0)
    _libc.ptrace(PTRACE_DETACH, pid, None, None)
    return f"traced {pid}"


def journal() -> str:
    """What services said."""
    done = subprocess.run(
        ["journalctl", "--no-pager", "--output=cat", "--lines=5"], capture_output=True, text=True, check=False
    )
    if not done.stdout.strip() or "-- No entries --" in done.stdout:
        raise Denied("no entries", done.stderr[:300])
    return done.stdout[:200]


def setuid(program: str) -> str:
    """A program of root's with the setuid bit, which prints whom it runs as."""
    done = subprocess.run([program, "-u"], capture_output=True, text=True, check=False)
    if done.stdout.strip() != "0":
        with open("/proc/self/status") as file:  # noqa: PTH123
            [line] = [line for line in file if line.startswith("NoNewPrivs")]
        raise Denied(" ".join(line.split()), f"{done.stdout}{done.stderr}")
    return f"{program} ran as root"


def user_namespace(text: str) -> str:
    """A name space in which one is root, and from there a line in the kernel's log, which is on the console."""
    code = (
        "import ctypes, sys\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        f"if libc.unshare({NEW_USER | NEW_NAMESPACE}): sys.exit(ctypes.get_errno())\n"
        "print('made', flush=True)\n"
        "options = ('lowerdir=/' + sys.argv[1].replace(':', chr(92) + ':')).encode()\n"
        "libc.mount(b'overlay', b'/mnt', b'overlay', 0, options)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, text], capture_output=True, text=True, check=False)
    if "made" not in done.stdout:
        raise Denied(errno.errorcode.get(done.returncode, str(done.returncode)), done.stderr[:300])
    return "made a name space, and tried to mount"


def metadata(at: str) -> str:
    """The cloud's metadata service; ``at`` may name an interface."""
    connection = http.client.HTTPConnection(at, 80, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/openstack/latest/user_data")
        return f"{connection.getresponse().status}"
    except (OSError, http.client.HTTPException) as error:
        raise of_connection(error) from error
    finally:
        connection.close()


def enter(at: str, port: int = 22) -> str:
    """A connection to a port, and what the service says first, if it does."""
    try:
        with socket.create_connection((at, port), TIMEOUT_S) as connection:
            if port != 22:
                return f"connected to {port}"
            return connection.recv(100).decode(errors="replace")
    except OSError as error:
        raise of_connection(error) from error


def many_threads(number: int, hold_s: float) -> str:
    """So many at once, as a fork bomb makes processes: one count bounds both. They stay for ``hold_s`` seconds."""
    code = (
        "import os, threading\nthreading.stack_size(65536)\nnever = threading.Event()\nmade = 0\n"
        f"while made < {number}:\n"
        "    try: threading.Thread(target=never.wait, daemon=True).start()\n"
        "    except RuntimeError as error:\n        print(error)\n        break\n"
        "    made += 1\n"
        f"print('made', made, flush=True)\nnever.wait({hold_s})\nos._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    told = (done.stdout + done.stderr).strip()
    if f"made {number}" not in told:
        raise Denied("can't start new thread" if "can't start new thread" in told else "?", told[-300:])
    return told
