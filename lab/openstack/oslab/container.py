"""The container in which the real systemd units of Debian's OpenStack packages run."""

import os
import time
from pathlib import Path

from . import limits, processes, storage
from .cache import tail
from .settings import LabError, Settings
from .shell import run


def pid(lab: Settings) -> int | None:
    """Process id of systemd-nspawn, if it runs."""
    try:
        number = int((lab.state / "nspawn.pid").read_text())
        command = Path(f"/proc/{number}/cmdline").read_bytes()
    except (FileNotFoundError, ValueError):
        return None
    return number if b"systemd-nspawn" in command and f"--machine={lab.name}".encode() in command else None


def start(lab: Settings, images: Path, kvm: bool) -> None:
    """Starts the container; returns at once. The network and the mounts must be there."""
    binds = [f"--bind={lab.data / name}:{place}" for name, place in storage.DATA.items()]
    binds += ["--bind=/dev/net/tun", f"--bind-ro={images}:/lab/images", f"--bind-ro={lab.key}.pub:/lab/ops.pub"]
    binds += [f"--bind-ro={lab.git}:/srv/git"] + (["--bind=/dev/kvm"] if kvm else [])
    # Not --network-namespace-path: that leaves the root namespace's /sys, and Neutron's agent would see no interface.
    argv = ["nsenter", f"--net=/run/netns/{lab.name}", "systemd-nspawn", "--quiet", "--register=no", "--keep-unit"]
    argv += ["--boot", f"--directory={lab.rootfs}", f"--machine={lab.name}", "--capability=all", "--console=pipe"]
    argv += ["--system-call-filter=@mount @module keyctl add_key bpf", *binds]
    (lab.rootfs / "var/log/openstack-init.log").unlink(missing_ok=True)
    processes.make_groups(lab)
    limits.raise_inotify()
    number = processes.spawn(lab, argv, lab.state / "nspawn.log", SYSTEMD_NSPAWN_API_VFS_WRITABLE="yes")
    (lab.state / "nspawn.pid").write_text(str(number))


def stop(lab: Settings, deadline_s: float = 90) -> None:
    """Shuts the container down in order, then ends what is left. Idempotent."""
    number = pid(lab)
    if number:
        os.kill(number, 15)  # nspawn passes it on as an order to power off
        end = time.monotonic() + deadline_s
        while pid(lab) and time.monotonic() < end:
            time.sleep(0.2)
    processes.kill(lab)
    (lab.state / "nspawn.pid").unlink(missing_ok=True)


def forget(lab: Settings) -> None:
    """Removes what systemd-nspawn leaves in /run. Idempotent."""
    for name in (lab.name, f"{lab.name}-apt"):
        place = Path("/run/systemd/nspawn/propagate") / name
        if place.is_dir():
            place.rmdir()


def wait_for_init(lab: Settings, deadline_s: float = 1200) -> None:
    """Waits until openstack-init said READY. Raises LabError, with the end of its log, if it fails or is late."""
    log = lab.rootfs / "var/log/openstack-init.log"
    end = time.monotonic() + deadline_s
    while True:
        text = log.read_text(errors="replace") if log.exists() else ""
        if text.endswith("READY\n"):
            return
        if "FAILED" in text:
            raise LabError(f"the lab's set-up failed, log {log}:\n{tail(log)}")
        if not pid(lab):
            raise LabError(f"the lab's container ended:\n{tail(lab.state / 'nspawn.log')}")
        if time.monotonic() > end:
            raise LabError(f"the lab is not ready after {deadline_s:.0f} s, log {log}:\n{tail(log)}")
        time.sleep(0.3)


def enter(lab: Settings) -> list[str]:
    """The words before a command that run it inside the container. Raises LabError if it does not run."""
    number = pid(lab)
    children = run("pgrep", "-P", str(number), check=False).split() if number else []
    if not children:
        raise LabError("the lab is not running: lab/lab up")
    return ["nsenter", f"--target={children[0]}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"]


def tool(base: Path, *options: str) -> list[str]:
    """The words before a command that run it alone, without systemd, in the cached tree."""
    argv = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--read-only", "--as-pid2"]
    return [*argv, f"--directory={base}", *options]
