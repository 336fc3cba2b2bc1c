"""One host: its disk, its container, what runs in it."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from oslab import limits
from oslab.cache import tail
from oslab.settings import LabError
from oslab.shell import run, succeeds

from . import image, net
from .settings import Host, Lab

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CLOUD_INIT_OFF = "etc/cloud/cloud-init.disabled"
_LXC = """\
lxc.include = /usr/share/lxc/config/common.conf
lxc.uts.name = {host.name}
lxc.rootfs.path = dir:{host.root}
lxc.namespace.share.net = /run/netns/{host.id}
lxc.apparmor.profile = unconfined
lxc.mount.entry = {repository} opt/repo none bind,ro 0 0
lxc.console.logfile = {host.console}
# Loop devices stand for data volumes; major 7
lxc.cgroup.devices.allow = b 7:* rwm
lxc.init.cmd = /sbin/init
"""


def up(host: Host, address: str, layer: str, files: Path | None, *, wait: bool = True) -> bool:
    """Boots a host; makes its disk if it has none. Returns whether it was down.

    Args:
        files: a directory copied over the new disk.
        wait: return only when systemd says that it is up.

    Raises:
        LabError: a program failed, or the host is not up in 60 s.
    """
    net.up(host.lab)
    net.plug(host, address)
    keys(host.lab)
    if not (host.state / "up").is_dir():
        _make_disk(host, layer, files)
    _mount(host)
    was_down = not pid(host)
    if was_down:
        _boot(host)
    if wait:
        _wait(host)
    return was_down


def _make_disk(host: Host, layer: str, files: Path | None) -> None:
    lower = image.layers(layer)
    (host.state / "work").mkdir(parents=True, exist_ok=True)
    new = host.state / "up.partial"
    shutil.rmtree(new, ignore_errors=True)
    (new / "etc" / "ssh").mkdir(parents=True)
    (new / "root" / ".ssh").mkdir(parents=True)
    for directory in (new / "root", new / "root" / ".ssh"):
        directory.chmod(0o700)
    (new / "etc" / "hostname").write_text(f"{host.name}\n")
    (new / "etc" / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {host.name}\n")
    shutil.copy2(host.lab.host_key, new / "etc" / "ssh" / "ssh_host_ed25519_key")
    shutil.copy2(f"{host.lab.host_key}.pub", new / "etc" / "ssh" / "ssh_host_ed25519_key.pub")
    shutil.copy2(f"{host.lab.key}.pub", new / "root" / ".ssh" / "authorized_keys")
    if files:
        shutil.copytree(files, new, dirs_exist_ok=True, copy_function=shutil.copy2)
        new.chmod(0o755)
    if not (new / "var" / "lib" / "cloud" / "seed").is_dir():
        (new / "etc" / "cloud").mkdir(exist_ok=True)
        (new / _CLOUD_INIT_OFF).touch()  # without a seed it would only make new host keys
    (host.state / "lower").write_text(":".join(map(os.fspath, lower)))
    new.rename(host.state / "up")


def _mount(host: Host) -> None:
    host.root.mkdir(exist_ok=True)
    if succeeds("mountpoint", "-q", host.root):
        return
    lower = (host.state / "lower").read_text()
    options = f"lowerdir={lower},upperdir={host.state / 'up'},workdir={host.state / 'work'}"
    run("mount", "-t", "overlay", host.id, "-o", options, host.root)


def _boot(host: Host) -> None:
    directory = host.state / "lxc" / host.id
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config").write_text(_LXC.format(host=host, repository=image.base() / "repo"))
    log = host.state / "lxc.log"
    limits.raise_inotify()
    try:
        run("lxc-start", "-P", directory.parent, "-n", host.id, "-o", log, "-d")
    except LabError as error:
        raise LabError(f"{error}\n{tail(log)}") from error


def _wait(host: Host, deadline_s: float = 60) -> None:
    end = time.monotonic() + deadline_s
    state = "down"
    while state not in ("running", "degraded"):
        if time.monotonic() > end:
            words = f"{host.name} is not up after {deadline_s:.0f} s ({state})"
            raise LabError(f"{words}, console {host.console}:\n{tail(host.console)}")
        time.sleep(0.1)
        done = inside(host, "systemctl", "is-system-running", capture=True)
        state = done.stdout.strip() or "down"


def pid(host: Host) -> int | None:
    """Process id of the host's init, if it runs."""
    found = run("lxc-info", "-P", host.state / "lxc", "-n", host.id, "-pH", check=False).strip()
    return int(found) if found else None


def inside(host: Host, *argv: str, capture: bool = False) -> "subprocess.CompletedProcess[str]":
    """Runs a program in a host, without SSH. Exit code 255 if the host is down."""
    number = pid(host)
    if number is None:
        return subprocess.CompletedProcess(argv, 255, "", f"{host.name} is down\n")
    enter = ["nsenter", "-t", str(number), "-m", "-u", "-i", "-n", "-p", "-C"]
    clean = ["env", "-i", f"PATH={_PATH}", "HOME=/root", "LC_ALL=C.UTF-8"]
    return subprocess.run([*enter, *clean, *argv], check=False, text=True, capture_output=capture)


def stop(host: Host, *, at_once: bool) -> None:
    """Shuts a host down in order, or cuts its power. Its disk stays. Idempotent."""
    if pid(host):
        how = ["-k"] if at_once else ["-t", "30"]
        run("lxc-stop", "-P", host.state / "lxc", "-n", host.id, *how)


def take(host: Host, target: Path) -> None:
    """Moves the disk of a stopped host to ``target`` and removes what the lab put there; the host is gone then."""
    if pid(host):
        raise LabError(f"{host.name} runs; stop it first")
    _unmount(host)
    for name in ("etc/hostname", "etc/hosts", "root/.ssh", _CLOUD_INIT_OFF):
        path = host.state / "up" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    shutil.move(host.state / "up", target)
    destroy(host)


def destroy(host: Host) -> None:
    """Removes a host and all traces of it. Idempotent."""
    stop(host, at_once=True)
    _unmount(host)
    net.unplug(host)
    shutil.rmtree(host.state, ignore_errors=False)


def _unmount(host: Host) -> None:
    if succeeds("mountpoint", "-q", host.root):
        run("umount", host.root)


def keys(lab: Lab) -> None:
    """Makes the lab's keys and pins its host key for all its addresses. Idempotent."""
    lab.state.mkdir(parents=True, exist_ok=True)
    for key in (lab.key, lab.host_key):
        if not key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", lab.namespace, "-f", key)
    words = Path(f"{lab.host_key}.pub").read_text().split()
    lab.known_hosts.write_text(f"10.99.0.* {words[0]} {words[1]}\n")
