"""No two slots share anything."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusterctl.errors import ClusterctlError
from clusterctl.jenkins.slots import (
    PortPlan,
    build_uid,
    build_user,
    free_slots,
    master_uid,
    master_user,
    port_plan,
)
from clusterctl.spec.jenkins import MAX_SLOTS
from tests.unit.jenkins.specs import tier
from tests.unit.specs import demo_spec


def test_users_and_numbers() -> None:
    assert (master_user(7), build_user(7), master_uid(7), build_uid(7)) == ("jm-007", "b-007", 30007, 31007)
    assert (master_user(999), build_uid(999)) == ("jm-999", 31999)
    slots = range(1, MAX_SLOTS + 1)
    assert len({f(slot) for slot in slots for f in (master_uid, build_uid)}) == 2 * MAX_SLOTS
    for wrong in (0, 1000):
        with pytest.raises(ValueError, match=f"slot {wrong}"):
            master_user(wrong)


def test_ports_of_the_docs() -> None:
    ports = port_plan(tier()).of(7)
    assert (ports.http, ports.inbound, ports.libprocess) == (31012, 31013, 31994)


@settings(max_examples=50)
@given(st.integers(1, 300), st.integers(0, 2000), st.integers(1024, 30000))
def test_ports_never_clash(masters: int, more: int, low: int) -> None:
    plan = PortPlan(low, low + 3 * masters - 1 + more, masters)
    each = [plan.of(slot) for slot in range(1, masters + 1)]
    all_ports = [port for ports in each for port in (ports.http, ports.inbound, ports.libprocess)]
    assert len(set(all_ports)) == len(all_ports)
    assert min(all_ports) >= plan.low
    assert max(all_ports) <= plan.high
    first, last = plan.libprocess
    assert {ports.libprocess for ports in each} == set(range(first, last + 1))
    first, last = plan.http_and_inbound
    assert {port for ports in each for port in (ports.http, ports.inbound)} == set(range(first, last + 1))
    assert plan.free == more


def test_more_masters_move_no_port() -> None:
    few, many = PortPlan(31000, 32000, 10), PortPlan(31000, 32000, 300)
    assert [few.of(slot) for slot in range(1, 11)] == [many.of(slot) for slot in range(1, 11)]


def test_the_lowest_free_slot_comes_first() -> None:
    assert free_slots({1, 3}, 5) == [2, 4, 5]
    assert free_slots({1, 2}, 2) == []


def test_without_a_tier_there_are_no_ports() -> None:
    with pytest.raises(ClusterctlError, match="cluster demo has no Jenkins tier"):
        port_plan(demo_spec())
