"""Who leads, and who takes part."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusterctl.health.leaders import leader_of, takes_part
from clusterctl.services import CONTROL_SERVICES, Service
from tests.unit.health.clusters import CONTROL, all_facts, expect, facts

ZK = Service.ZOOKEEPER


def test_a_whole_cluster_has_a_leader_of_every_control_service() -> None:
    assert {leader_of(service, expect(), all_facts()) for service in CONTROL_SERVICES} <= set(CONTROL)
    assert leader_of(Service.MESOS_AGENT, expect(), all_facts()) is None


@pytest.mark.parametrize(("size", "leader"), [(3, None), (1, CONTROL[0])])
def test_a_zookeeper_that_stands_alone_leads_only_an_ensemble_of_one(size: int, leader: str | None) -> None:
    whole = expect()
    wanted = replace(whole, size={**whole.size, ZK: size})
    seen = facts(1, zookeeper={"state": "standalone"})
    assert leader_of(ZK, wanted, {CONTROL[0]: seen}) == leader
    assert takes_part(ZK, wanted, whole.control[0], seen) is (leader is not None)


def test_nobody_leads_where_two_say_so() -> None:
    seen = {name: facts(number, zookeeper={"state": "leader"}) for number, name in enumerate(CONTROL, 1)}
    assert leader_of(ZK, expect(), seen) is None


def test_who_does_not_answer_or_has_no_running_server_takes_no_part() -> None:
    node = expect().control[0]
    seen = all_facts()[node.name]
    assert takes_part(ZK, expect(), node, seen)
    assert not takes_part(ZK, expect(), replace(node, status="SHUTOFF"), seen)
    assert not takes_part(ZK, expect(), node, None)
    assert not takes_part(Service.MESOS_MASTER, expect(), node, seen.model_copy(update={"mesos_master": None}))
