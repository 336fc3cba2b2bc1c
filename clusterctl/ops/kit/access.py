"""The way to a cluster's nodes, put together from its file, its cloud and the operator's environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from clusterctl.cloud.base import Cloud
from clusterctl.remote.prober import DISKS, Prober, SshProber
from clusterctl.resources import KEY_CONSOLE, Server
from clusterctl.secrets.logins import probe_logins
from clusterctl.services import Service
from clusterctl.spec.model import AccessSettings, ClusterSpec
from clusterctl.spec.zookeeper_rules import log_directory
from clusterctl.ssh.client import Ssh
from clusterctl.ssh.config import SshConfig, Target, control_directory, identity_from
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts, known_hosts_path
from clusterctl.ssh.reach import open_ports


@dataclass(frozen=True)
class Access:
    """Commands on nodes, the host keys they are trusted by, and the probe of their services.

    Attributes:
        ports_open: tells which addresses answer on a port.
        watcher: makes one for looks that last, with ssh processes of its own that end with it; None: looks are taken
            again and again.
    """

    ssh: Ssh
    host_keys: HostKeys
    prober: Prober
    ports_open: Callable[[Iterable[str], int], frozenset[str]] = open_ports
    watcher: Callable[[], SshProber] | None = None


def target_of(server: Server) -> Target:
    """Where ssh finds a server, and what its console is worth."""
    return Target(
        server.node or server.name,
        server.id,
        server.address or "",
        proof=server.metadata.get(KEY_CONSOLE, ""),
        strangers=Service.MESOS_AGENT in server.services,
    )


def open_access(spec: ClusterSpec, cloud: Cloud, environ: Mapping[str, str] = os.environ) -> Access:
    """Connects to nothing yet.

    Raises:
        InputError: ``$CLUSTERCTL_SSH_KEY`` names no file.
        ClusterctlError: the directory for shared connections is somebody else's.
    """
    ssh, host_keys = connection(spec.cloud, spec.cluster, spec.access, cloud, environ)
    logins = probe_logins(spec)
    disks = [*DISKS, *([log] if (log := log_directory(spec)) else [])]
    return Access(
        ssh=ssh,
        host_keys=host_keys,
        prober=SshProber(ssh, host_keys, disks=disks, logins=logins),
        watcher=lambda: SshProber(Ssh(ssh.config), host_keys, disks=disks, logins=logins),
    )


def connection(
    cloud_name: str, cluster: str, access: AccessSettings, cloud: Cloud, environ: Mapping[str, str] = os.environ
) -> tuple[Ssh, HostKeys]:
    """ssh to the servers of a cluster, and their host keys. Raises as ``open_access``.

    Args:
        cloud_name: the entry of clouds.yaml; clusters of one name may be in several.
    """
    known_hosts = KnownHosts(known_hosts_path(cloud_name, cluster, environ))
    config = SshConfig(
        user=access.user,
        known_hosts=known_hosts.path,
        control_dir=control_directory(environ),
        bastion=access.bastion,
        identity=identity_from(environ),
    )
    return Ssh(config), HostKeys(known_hosts, cloud.console, cloud.rebuilt)
