"""``verify``: asks the services, not the VMs, whether the cluster is healthy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clusterctl.errors import NodeError
from clusterctl.health.check import Check
from clusterctl.health.expect import Expected, expected
from clusterctl.health.facts import NodeFacts
from clusterctl.health.judge import judge_all, server_check
from clusterctl.remote.prober import Prober
from clusterctl.resources import Flavor, Server
from clusterctl.spec.model import ClusterSpec
from clusterctl.ssh.config import KEY_VARIABLE


@dataclass(frozen=True)
class VerifyReport:
    """What was checked; ``healthy`` if every check holds. ``insecure``: parts open to whoever reaches them."""

    checks: tuple[Check, ...]
    insecure: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that don't hold."""
        return tuple(check for check in self.checks if not check.ok)

    def to_json(self) -> dict[str, Any]:
        """``{"healthy", "checks": [{"name", "ok", "detail"}], "insecure": [...]}``."""
        checks = [check.to_json() for check in self.checks]
        return {"healthy": self.healthy, "checks": checks, "insecure": list(self.insecure)}


# Waits until the cluster serves, or raises. Given the spec; ``fresh`` tells that servers were just made.
WaitHealthy = Callable[[ClusterSpec, bool], VerifyReport]


def verify(
    spec: ClusterSpec,
    servers: Sequence[Server],
    flavors: Iterable[Flavor],
    prober: Prober,
    *,
    deep: bool = False,
) -> VerifyReport:
    """Probes once and judges.

    Args:
        servers: those of the cluster (``cloud.servers``).
        deep: asks every agent's node, too; otherwise only those for Jenkins masters, for their homes. The rest are
            judged by what the leading master says.

    Raises:
        NodeError: no control node could be asked, though their servers run: that is not known to be unhealthy.
    """
    expect = expected(spec, servers, flavors)
    facts = prober.probe((*expect.control, *(node for node in expect.agents if deep or node.homes)))
    _fail_on_nothing_reached(spec, servers, expect, facts)
    return VerifyReport(tuple(judge_all(spec, servers, expect, facts)), spec.security.open_parts)


def _fail_on_nothing_reached(
    spec: ClusterSpec, servers: Sequence[Server], expect: Expected, facts: Mapping[str, NodeFacts]
) -> None:
    """Raises: NodeError: all servers are as they should be, and no control node could be asked: nothing is known."""
    reasons = {facts[node.name].error for node in expect.control}
    if not expect.control or "" in reasons or not server_check(spec, servers).ok:
        return
    raise NodeError(
        f"none of the {len(expect.control)} control nodes could be asked, so whether cluster {spec.cluster} is "
        f"healthy is unknown: {'; '.join(sorted(reasons))}",
        hint=f"If you are not let in, load the cluster's private key into your ssh agent, or set {KEY_VARIABLE} to its "
        f"path; else look at the way to the nodes: `clusterctl ssh FILE {expect.control[0].name}`.",
    )
