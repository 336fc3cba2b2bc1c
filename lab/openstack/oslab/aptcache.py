"""Debian packages for the servers, which have no way out: apt-cacher-ng.

It runs in the machine's own network, because it must reach the Debian mirror that the machine itself uses, but listens
only on the wire into the lab; there a forwarder on the gateway (config/root/.../lab-apt.socket) hands connections on.
It serves that mirror and nothing else. What it fetched is kept in the cache directory.
"""

import re
import socket
import time
from pathlib import Path

from . import processes
from .cache import machine_sources, tail
from .container import tool
from .settings import LabError, Settings

PORT = 3142


def mirrors(sources: str) -> dict[str, str]:
    """From an apt sources file (deb822 or one-line style): the mirrors of `debian` and `debian-security`.

    Raises LabError if it names none for Debian itself.
    """
    found: dict[str, str] = {}
    pairs = re.findall(r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)", sources, re.MULTILINE)
    for stanza in re.split(r"\n\s*\n", sources):
        fields = dict(re.findall(r"^(URIs|Suites):[ \t]*(.*)$", stanza, re.MULTILINE))
        if len(fields) == 2:
            pairs += [(fields["URIs"].split()[0], suite) for suite in fields["Suites"].split()]
    for uri, suite in pairs:
        found.setdefault("debian-security" if "security" in suite else "debian", uri.rstrip("/"))
    if "debian" not in found:
        raise LabError("the machine's apt sources name no mirror of Debian")
    return found


def start(lab: Settings, base: Path) -> None:
    """Starts the cache, as a process of the lab, in the cached tree. The wire must be there."""
    store, conf = lab.cache / "lab-apt", lab.state / "apt"
    store.mkdir(exist_ok=True)
    conf.mkdir(exist_ok=True)
    options = {"CacheDir": "/mnt/store", "LogDir": "/mnt/store/log", "SupportDir": "/usr/lib/apt-cacher-ng"}
    options |= {"PidFile": "/run/acng", "BindAddress": lab.link_host, "Port": str(PORT), "ForeGround": "1"}
    options |= {"ForceManaged": "1", "ExThreshold": "30"}
    found = mirrors(machine_sources().read_text())
    options |= {f"Remap-{name}": f"/{name} ; {uri}" for name, uri in found.items()}
    (conf / "acng.conf").write_text("".join(f"{name}: {value}\n" for name, value in options.items()))
    nspawn = tool(base, f"--machine={lab.name}-apt", f"--bind={store}:/mnt/store", f"--bind-ro={conf}:/mnt/conf")
    nspawn += ["--tmpfs=/mnt", "--bind-ro=/etc/ssl/certs", "--resolv-conf=bind-host", "--console=pipe"]
    processes.spawn(lab, [*nspawn, "/usr/sbin/apt-cacher-ng", "-c", "/mnt/conf"], conf / "nspawn.log")


def answers(lab: Settings) -> bool:
    """Whether the cache can be reached at the gateway."""
    try:
        with socket.create_connection((lab.gateway, PORT), timeout=2) as connection:
            connection.settimeout(10)
            connection.sendall(b"HEAD /acng-report.html HTTP/1.0\r\n\r\n")
            return connection.recv(5) == b"HTTP/"
    except OSError:
        return False


def wait_until_answers(lab: Settings, deadline_s: float = 60) -> None:
    """Raises LabError if the cache does not answer in time."""
    end = time.monotonic() + deadline_s
    while not answers(lab):
        if time.monotonic() > end:
            raise LabError(f"the apt cache does not answer:\n{tail(lab.state / 'apt' / 'nspawn.log')}")
        time.sleep(0.3)
