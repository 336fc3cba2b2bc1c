"""The lab's network namespace and its wires.

    root namespace   lab-host ── veth ── lab-in    network namespace of the lab
                                         lab-p0    the gateway's address; APIs, apt cache, git
                                           └ veth ─ lab-p1  "physical" interface that Neutron puts into its bridge
"""

from .settings import Settings
from .shell import run, succeeds


def up(lab: Settings) -> None:
    """Makes what is missing. Idempotent."""
    name, inner = lab.name, ("ip", "-n", lab.name)
    if not exists(lab):
        run("ip", "netns", "add", name)
    if not succeeds(*inner, "link", "show", "lab-p0"):
        run(*inner, "link", "add", "lab-p0", "type", "veth", "peer", "name", "lab-p1")
    if not (succeeds(*inner, "link", "show", "lab-in") and succeeds("ip", "link", "show", lab.veth_host)):
        succeeds("ip", "link", "del", lab.veth_host)
        succeeds(*inner, "link", "del", "lab-in")
        run("ip", "link", "add", lab.veth_host, "type", "veth", "peer", "name", "lab-in", "netns", name)
    for device in ("lo", "lab-p0", "lab-p1", "lab-in"):
        run(*inner, "link", "set", device, "up")
    run(*inner, "addr", "replace", f"{lab.gateway}/22", "dev", "lab-p0")
    run(*inner, "addr", "replace", f"{lab.link_lab}/30", "dev", "lab-in")
    run("ip", "addr", "replace", f"{lab.link_host}/30", "dev", lab.veth_host)
    run("ip", "link", "set", lab.veth_host, "up")
    run("ip", "route", "replace", lab.network, "via", lab.link_lab)
    sysctl = ["net.ipv4.ip_forward=1", "net.ipv4.ip_nonlocal_bind=1"]
    run("ip", "netns", "exec", name, "sysctl", "-qw", *sysctl)


def down(lab: Settings) -> None:
    """Removes namespace, wires and route. Idempotent."""
    if succeeds("ip", "link", "show", lab.veth_host):
        run("ip", "link", "del", lab.veth_host)
    if exists(lab):
        run("ip", "netns", "del", lab.name)


def exists(lab: Settings) -> bool:
    return succeeds("ip", "netns", "exec", lab.name, "true")
