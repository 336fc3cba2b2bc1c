"""Whether KVM works here. /dev/kvm may exist and still hang every stock kernel, so one is booted."""

import json
import os
import subprocess
from pathlib import Path

from .container import tool
from .settings import Settings

DEADLINE_S = 25.0
MARK = b"Run /init as init process"
"""What the kernel prints once it is up and starts the initial RAM disk."""


def works(lab: Settings, base: Path, images: Path) -> bool:
    """Boots the guests' kernel for a few seconds under KVM; the answer is kept until the machine boots again."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    note, boot = note_of(lab), Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    if note.exists() and (known := json.loads(note.read_text()))["boot"] == boot:
        return bool(known["works"])
    answer = boots(base, images)
    note.write_text(json.dumps({"boot": boot, "works": answer}))
    return answer


def boots(base: Path, images: Path) -> bool:
    """Whether the kernel reaches its initial RAM disk in time under KVM. The emulator is the container's own."""
    nspawn = tool(base, "--private-network", f"--bind-ro={images}:/mnt", "--bind=/dev/kvm")
    qemu = ["/usr/bin/qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "256", "-display", "none"]
    qemu += ["-nodefaults", "-no-reboot", "-serial", "stdio", "-kernel", "/mnt/vmlinuz", "-initrd", "/mnt/initrd.img"]
    qemu += ["-append", "console=ttyS0 panic=-1"]
    process = subprocess.Popen(
        [*nspawn, *qemu],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        output, _ = process.communicate(timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
    return MARK in output


def note_of(lab: Settings) -> Path:
    """Where the answer is kept: in the cache, since it outlives the lab."""
    return lab.cache / "lab-kvm.json"
