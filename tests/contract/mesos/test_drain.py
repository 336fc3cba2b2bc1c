"""What ``clusterctl.ops.roll.drain`` relies on, asked of real masters by the script that runs on control nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from clusterctl.ops.roll.drain import DrainError, Drains
from clusterctl.remote import mastercall
from clusterctl.remote.masters import DRAINED, Call, MasterError
from tests.contract.mesos.cluster import MASTER_PORT, Cluster, wait_for
from tests.contract.mesos.framework import Framework

pytestmark = pytest.mark.mesos


class Script:
    """``Masters`` by the script without ssh, asked of one master, leading or not."""

    def __init__(self, address: str) -> None:
        self.address = address

    def call(self, calls: Sequence[Call], agents: Sequence[str] = ()) -> list[Any]:
        request = {
            "address": self.address,
            "port": MASTER_PORT,
            "timeout_s": 10,
            "calls": list(calls),
            "agents": list(agents),
        }
        found = mastercall.run(request)
        if "error" in found:
            raise MasterError(found["error"])
        return list(found["answers"])


@pytest.fixture
def standby(cluster: Cluster) -> Drains:
    """By way of a master that doesn't lead."""
    cluster.agent_ids()
    leader = cluster.leader()
    return Drains(Script(next(host for host in cluster.hosts if host != leader)))


def test_drain_and_back(cluster: Cluster, standby: Drains, framework: Framework) -> None:
    task = framework.launch("exec sleep 1000", "127.0.0.1")
    framework.wait_state(task, "TASK_RUNNING")
    agent = standby.agents()["127.0.0.1"]
    assert (agent.active, agent.drain) == (True, None)
    assert [(each.id, each.state) for each in standby.tasks([agent.id])] == [(task, "TASK_RUNNING")]

    assert standby.drain([agent.id], deadline_s=30, grace_s=1) == frozenset()
    assert framework.wait_state(task, "TASK_KILLED")["reason"] == "REASON_AGENT_DRAINING"
    assert standby.agents()["127.0.0.1"].drain == DRAINED
    assert standby.tasks([agent.id]) == []
    with pytest.raises(MasterError, match="HTTP 4"):
        Script("127.0.0.1").call([{"type": "REACTIVATE_AGENT", "reactivate_agent": {"agent_id": {"value": "nobody"}}}])

    standby.reactivate([agent.id])
    assert standby.agents()["127.0.0.1"].drain is None
    again = framework.launch("true", "127.0.0.1")
    framework.wait_state(again, "TASK_FINISHED")


def test_a_drain_cannot_be_taken_back(cluster: Cluster, standby: Drains) -> None:
    framework = Framework(cluster)
    try:
        task = framework.launch("exec sleep 1000", "127.0.0.1")
        framework.wait_state(task, "TASK_RUNNING")
        framework.acknowledging = False
        agent = standby.agents()["127.0.0.1"]
        with pytest.raises(DrainError, match=r"127\.0\.0\.1"):
            standby.drain([agent.id], deadline_s=4, grace_s=1)
        standby.reactivate([agent.id])
        assert standby.agents()["127.0.0.1"].drain == "DRAINING"
    finally:
        framework.acknowledge_all()
        framework.close()
    standby.drain([agent.id], deadline_s=60)
    standby.reactivate([agent.id])


def test_gone_for_good_is_forgotten_at_once(cluster: Cluster, standby: Drains) -> None:
    """The last test of this module: the agent does not come back."""
    agent = standby.agents()["agent-two"]
    cluster.agents[1].kill()
    standby.mark_gone([agent.id])
    wait_for("the agent to be forgotten", lambda: "agent-two" not in standby.agents(), 10)
