"""Where the web pages of a cluster are: Marathon's and Mesos'."""

from __future__ import annotations

from dataclasses import dataclass

from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError
from clusterctl.health.expect import Node, expected
from clusterctl.health.leaders import leader_of
from clusterctl.remote.prober import Prober
from clusterctl.secrets.logins import operator_logins
from clusterctl.services import PORTS, Service
from clusterctl.spec.model import ClusterSpec

PAGES = {"marathon": Service.MARATHON, "mesos": Service.MESOS_MASTER}


@dataclass(frozen=True)
class PagePlace:
    """A web page: the node to go through, and the port there.

    Attributes:
        login: path on the node of who may see it, for root alone; empty where all may.
    """

    node: Node
    port: int
    login: str = ""


def page(spec: ClusterSpec, cloud: Cloud, prober: Prober, what: str) -> PagePlace:
    """The page of the instance that leads: another one sends browsers to an address that they don't reach.

    Args:
        what: a key of PAGES.

    Raises:
        ClusterctlError: none leads.
    """
    service = PAGES[what]
    expect = expected(spec, cloud.servers(spec.cluster), ())
    facts = prober.probe(expect.control)
    leader = leader_of(service, expect, facts)
    if leader is None:
        raise ClusterctlError(f"no {what} leads", hint="`clusterctl verify FILE` shows what it lacks.")
    node = next(node for node in expect.control if node.name == leader)
    return PagePlace(node, PORTS[service], operator_logins(spec).get(service, ""))
