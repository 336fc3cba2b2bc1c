"""Pure: what each service is, one row each. All that treats services alike reads it here.

The command line builds its choices from it, so: standard library only. ``render/roles.py`` and ``remote/probe.py`` run
on nodes and keep plain keys of their own; ``tests/unit/test_services.py`` holds them against this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Service(StrEnum):
    """A service that a node group runs; the value is also the name of its Ansible role and inventory group."""

    ZOOKEEPER = "zookeeper"
    MESOS_MASTER = "mesos_master"
    MARATHON = "marathon"
    MESOS_AGENT = "mesos_agent"


CONTROL_SERVICES = (Service.ZOOKEEPER, Service.MESOS_MASTER, Service.MARATHON)
# Services whose members vote: a majority of them must stay
ENSEMBLES = (Service.ZOOKEEPER, Service.MESOS_MASTER)

# ZooKeeper administrator's guide: 2888 follower to leader, 3888 leader election
ZOOKEEPER_QUORUM_PORTS = (2888, 3888)
MARATHON_LIBPROCESS_PORT = 9090
ZOOKEEPER_PACKAGE = "libzookeeper-java"


@dataclass(frozen=True)
class Row:
    """One service.

    Attributes:
        unit: its systemd unit, without ``.service``.
        port: TCP, where it is asked and serves its clients.
        component: what an upgrade brings to it; services of one component get it together.
        roles: its Ansible roles, a role after those it builds on.
        package: the distribution's package that the component is; None if it is an artifact of the base image (D9).
        peer_ports: TCP, between members only.
    """

    unit: str
    port: int
    component: str
    roles: tuple[str, ...]
    package: str | None = None
    peer_ports: tuple[int, ...] = ()


# In the order of a roll: masters go before agents, ZooKeeper before the masters, schedulers after the agents (Mesos:
# upgrades)
TABLE: Mapping[Service, Row] = {
    Service.ZOOKEEPER: Row(
        unit="zookeeper",
        port=2181,
        component="zookeeper",
        roles=("common", "zookeeper"),
        package=ZOOKEEPER_PACKAGE,
        peer_ports=ZOOKEEPER_QUORUM_PORTS,
    ),
    Service.MESOS_MASTER: Row(
        unit="mesos-master", port=5050, component="mesos", roles=("common", "mesos", "mesos_master")
    ),
    Service.MESOS_AGENT: Row(
        unit="mesos-agent", port=5051, component="mesos", roles=("common", "mesos", "jenkins", "builder", "mesos_agent")
    ),
    Service.MARATHON: Row(
        unit="marathon",
        port=8080,
        component="marathon",
        roles=("common", "marathon"),
        peer_ports=(MARATHON_LIBPROCESS_PORT,),
    ),
}

ROLL_ORDER: tuple[Service, ...] = tuple(TABLE)
UNITS: Mapping[Service, str] = {service: row.unit for service, row in TABLE.items()}
PORTS: Mapping[Service, int] = {service: row.port for service, row in TABLE.items()}
COMPONENTS: Mapping[Service, str] = {service: row.component for service, row in TABLE.items()}
# Components that are artifacts; by the service's plain name, too, as servers' metadata have it
ARTIFACTS: Mapping[str, str] = {service: row.component for service, row in TABLE.items() if row.package is None}


def _rolls() -> dict[str, tuple[Service, ...]]:
    components = {
        name: tuple(service for service in TABLE if COMPONENTS[service] == name)
        for name in dict.fromkeys(COMPONENTS.values())
    }
    return {**{service.value: (service,) for service in TABLE}, **components, "all": ROLL_ORDER}


# What `restart` and `upgrade` accept, and the services each is, in order
ROLLS: Mapping[str, tuple[Service, ...]] = _rolls()
RESTARTABLE: tuple[str, ...] = tuple(name for name in ROLLS if name != "all")
UPGRADABLE: tuple[str, ...] = (*dict.fromkeys(COMPONENTS.values()), "all")
