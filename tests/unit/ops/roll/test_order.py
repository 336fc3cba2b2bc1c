"""Who is next, and who goes together."""

from __future__ import annotations

import pytest

from clusterctl.errors import InputError
from clusterctl.health.expect import Node
from clusterctl.ops.roll.order import batch_size, batches, chosen, next_member
from clusterctl.services import Service
from tests.unit.health.clusters import CONTROL, expect


def agents(**groups: int) -> list[Node]:
    return [
        Node(f"{group}-{number}", f"id-{group}-{number}", group, "10.0.0.1", (Service.MESOS_AGENT,))
        for group, count in groups.items()
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("remaining", "leader", "wanted"),
    [
        (["a", "b", "c"], "a", "b"),
        (["a", "b", "c"], "c", "a"),
        (["a"], "a", "a"),
        (["a", "b"], "c", "a"),
        (["a", "b"], None, "a"),
    ],
)
def test_the_leader_is_last(remaining: list[str], leader: str | None, wanted: str) -> None:
    assert next_member(remaining, leader) == wanted


def test_who_takes_no_part_is_next() -> None:
    assert next_member(["a", "b", "c"], "a", {"c"}) == "c"
    assert next_member(["a", "b"], "a", {"c"}) == "b"  # it is not to be restarted


@pytest.mark.parametrize(
    ("text", "count", "size"),
    [("20%", 10, 2), ("20%", 4, 1), ("20%", 0, 1), ("100%", 7, 7), ("33%", 10, 3), ("5", 3, 5), ("1", 100, 1)],
)
def test_size_of_a_batch(text: str, count: int, size: int) -> None:
    assert batch_size(text, count) == size


@pytest.mark.parametrize("text", ["0", "0%", "101%", "-1", "20 %", "abc", "", "1.5", "20%%"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--batch: found"):
        batch_size(text, 10)


def test_each_agent_is_in_one_batch_of_at_most_that_size() -> None:
    nodes = agents(a=7, b=3, c=1)
    found = batches(nodes, 4)
    assert [len(batch) for batch in found] == [4, 4, 3]
    assert sorted(name for batch in found for name in batch) == sorted(node.name for node in nodes)


def test_a_small_group_is_spread_over_batches() -> None:
    for batch in batches(agents(jenkins=2, builders=10), 3):
        assert sum(name.startswith("jenkins") for name in batch) <= 1


def test_no_agents_are_no_batches() -> None:
    assert batches([], 3) == []


def test_services_without_a_chosen_node_are_left_out() -> None:
    services = (Service.MESOS_MASTER, Service.MESOS_AGENT)
    assert chosen(expect(), services, [CONTROL[1]]) == {Service.MESOS_MASTER: [CONTROL[1]]}
    assert list(chosen(expect(), services, ())) == list(services)


def test_names_that_run_none_of_the_services_are_refused() -> None:
    with pytest.raises(InputError, match="--only: found demo-builders-abc-1; allowed: demo-control-1, demo-control-2"):
        chosen(expect(), (Service.ZOOKEEPER,), ["demo-builders-abc-1"])
