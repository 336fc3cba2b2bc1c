"""A network namespace with a bridge for each lab, and one with a cable to that bridge for each host."""

from oslab.shell import run, succeeds

from .settings import GATEWAY, Host, Lab


def up(lab: Lab) -> None:
    """Makes the lab's bridge. Idempotent."""
    if not exists(lab.namespace):
        run("ip", "netns", "add", lab.namespace)
    inner = ("ip", "-n", lab.namespace)
    run(*inner, "link", "set", "lo", "up")
    if not succeeds(*inner, "link", "show", "br0"):
        run(*inner, "link", "add", "br0", "type", "bridge")
    run(*inner, "addr", "replace", GATEWAY, "dev", "br0")
    run(*inner, "link", "set", "br0", "up")


def plug(host: Host, address: str) -> None:
    """Gives a host its namespace and address. Idempotent."""
    bridge, own = ("ip", "-n", host.lab.namespace), ("ip", "-n", host.id)
    if not exists(host.id):
        run("ip", "netns", "add", host.id)
    port = f"v{address.rpartition('.')[2]}"
    if not succeeds(*own, "link", "show", "eth0"):
        run(*bridge, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host.id)
    run(*bridge, "link", "set", port, "master", "br0", "up")
    run(*own, "link", "set", "lo", "up")
    run(*own, "addr", "replace", f"{address}/24", "dev", "eth0")
    run(*own, "link", "set", "eth0", "up")
    run(*own, "route", "replace", "default", "via", GATEWAY.partition("/")[0])


def unplug(host: Host) -> None:
    """Removes the host's namespace, and with it the cable. Idempotent."""
    if exists(host.id):
        run("ip", "netns", "del", host.id)


def down(lab: Lab) -> None:
    """Removes the lab's namespace. Idempotent."""
    if exists(lab.namespace):
        run("ip", "netns", "del", lab.namespace)


def exists(namespace: str) -> bool:
    return succeeds("ip", "netns", "exec", namespace, "true")
