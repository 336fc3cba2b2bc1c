"""Compute hosts of zone ``fake``: one that fails builds, and the counts of failed builds that tests leave behind."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from openstack.connection import Connection

from tests.contract.cloud.lab import FLAVOR, IMAGE, ZONE, wait_for
from tests.faults.lab import ROOT
from tests.faults.project import admin

# The file by which the lab's fake driver is told to fail (lab/openstack/config/root/usr/local/sbin/nova-compute-fake)
BROKEN = "/var/lib/nova/fake/broken-host"


def in_lab(*command: str) -> str:
    """Output of a command within the lab's container."""
    done = subprocess.run(
        [ROOT / "lab" / "lab", "shell", *command], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    return done.stdout


@contextmanager
def a_broken_host() -> Iterator[Callable[[], str]]:
    """The compute host that takes the next build fails it, and all later ones; gives its name once there is one.

    No host has a failed build on its account before or afterwards: what earlier tests left would draw servers to some
    host or keep them from another, and what this one leaves would do so to later tests.
    """
    in_lab("rm", "-f", BROKEN)
    forgive(fake_hosts())
    in_lab("install", "-o", "nova", "-g", "nova", "-m", "644", "/dev/null", BROKEN)
    try:
        yield lambda: in_lab("cat", BROKEN).strip()
    finally:
        broken = in_lab("cat", BROKEN).strip()
        in_lab("rm", "-f", BROKEN)
        forgive([broken] if broken else [])


def fake_hosts() -> list[str]:
    """All of the zone."""
    zones = admin().compute.availability_zones(details=True)
    return sorted(host for zone in zones if zone.name == ZONE for host in zone.hosts)


def forgive(hosts: Iterable[str]) -> None:
    """Nova forgets that builds failed on these hosts: it does when one succeeds (``build_succeeded`` of
    nova/compute/stats.py), and only an administrator can send one to a host that is avoided.
    """
    compute = admin().compute
    image, flavor = compute.find_image(IMAGE, ignore_missing=False), compute.find_flavor(FLAVOR, ignore_missing=False)
    made = {
        host: compute.create_server(
            name=f"forgive-{host}-{secrets.token_hex(3)}",
            image_id=image.id,
            flavor_id=flavor.id,
            networks="none",
            availability_zone=f"{ZONE}:{host}",
        ).id
        for host in hosts
    }
    try:
        for host, server_id in made.items():
            status = wait_for(f"a build on {host}", lambda server_id=server_id: _ended(admin(), server_id))
            assert status == "ACTIVE", f"a build on {host} ended as {status}"
    finally:
        for server_id in made.values():
            compute.delete_server(server_id)
        for host, server_id in made.items():
            wait_for(f"the server on {host} gone", lambda server_id=server_id: not _there(admin(), server_id))


def _ended(connection: Connection, server_id: str) -> str | None:
    status = str(connection.compute.get_server(server_id).status)
    return status if status != "BUILD" else None


def _there(connection: Connection, server_id: str) -> bool:
    return connection.compute.find_server(server_id) is not None
