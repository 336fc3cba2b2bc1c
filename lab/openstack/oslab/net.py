"""The lab's network namespace and its wires.

root namespace   lab-host ── veth ── lab-in    network namespace of the lab
                                     lab-p0    the gateway's address; APIs, apt cache, git
                                       └ veth ─ lab-p1  "physical" interface that Neutron puts into its bridge
"""

from .settings import Settings
from .shell import run, succeeds

SYSCTL = [
    "net.ipv4.ip_forward=1",
    "net.ipv4.ip_nonlocal_bind=1",
    # The address of a deleted server may belong to a new one a second later: with the kernel's usual times the
    # gateway would go on sending to the old one's MAC for 8 s to half a minute.
    "net.ipv4.neigh.lab-p0.base_reachable_time_ms=3000",
    "net.ipv4.neigh.lab-p0.delay_first_probe_time=1",
    "net.ipv4.neigh.lab-p0.retrans_time_ms=300",
    "net.ipv4.neigh.lab-p0.ucast_solicit=2",
]


def up(lab: Settings) -> None:
    """Makes what is missing. Idempotent. The servers get no way out: only answers leave the lab."""
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
    run("ip", "netns", "exec", name, "sysctl", "-qw", *SYSCTL)
    drop = ["FORWARD", "-i", "lab-p0", "-o", "lab-in", "-m", "conntrack", "--ctstate", "NEW", "-j", "REJECT"]
    if not succeeds("ip", "netns", "exec", name, "iptables", "-C", *drop):
        run("ip", "netns", "exec", name, "iptables", "-I", *drop)


def down(lab: Settings) -> None:
    """Removes namespace, wires and route. Idempotent."""
    if succeeds("ip", "link", "show", lab.veth_host):
        run("ip", "link", "del", lab.veth_host)
    if exists(lab):
        run("ip", "netns", "del", lab.name)


def exists(lab: Settings) -> bool:
    return succeeds("ip", "netns", "exec", lab.name, "true")
