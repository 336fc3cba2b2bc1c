"""Rules go, and with them connections between members: who stays out is restarted, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.errors import ClusterctlError, UnhealthyError
from clusterctl.ops.grow.repair import repair
from clusterctl.ops.kit.run import Run
from clusterctl.ops.lifecycle.create import create
from clusterctl.ops.lifecycle.cutoff import stuck
from clusterctl.ops.observe.look import Cluster
from clusterctl.ops.observe.verify import VerifyReport
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from tests.memory.faults import When
from tests.unit.ops.operations import Running
from tests.unit.specs import demo_spec

NARROW = demo_spec(access={"ssh_from": ["10.0.0.0/8"]})
OTHER_PORTS = demo_spec(mesos={"task_ports": "20000-21000"})


class Cutting(Running):
    """The demo cluster; with the first rule that goes, connections of these members do."""

    def __init__(self, *cut: tuple[str, str]) -> None:
        super().__init__()
        self.cut, self.waits = cut, 0
        self.slow = False  # whether what has lost ZooKeeper takes minutes
        self.cloud.faults.append(self._watch)

    def _watch(self, _number: int, kind: str, when: When) -> None:
        if kind.startswith("DELETE /security-group-rules") and when == "after":
            self.nodes.dead |= dict.fromkeys(self.cut, "active")
            self.cut = ()

    def healthy(self, _spec: ClusterSpec, fresh: bool) -> VerifyReport:
        self.waits += 1
        if self.nodes.dead:
            raise UnhealthyError("cluster demo is not healthy after 120 s")
        if self.slow and not fresh:
            raise UnhealthyError("marathon.leader: found no leader")
        return VerifyReport(checks=())

    def create(self, spec: ClusterSpec, **options: Any) -> None:
        run: Run = self.operation(spec=spec).run
        create(run, wait_healthy=self.healthy, restart=self.unit_work.restart, **options)


@pytest.mark.parametrize("spec", [NARROW, OTHER_PORTS], ids=["from outside", "between members"])
def test_a_member_that_stays_out_is_restarted(spec: ClusterSpec) -> None:
    running = Cutting(("demo-control-2", "zookeeper"))
    running.create(spec)
    assert running.unit_work.done == [("restart", "zookeeper", "demo-control-2")]


def test_so_is_one_that_repair_cuts_off() -> None:
    running = Cutting(("demo-control-2", "zookeeper"))
    op = running.operation(running.healthy, spec=OTHER_PORTS)
    report = repair(op, running.unit_work, apply=True)
    assert running.unit_work.done == [("restart", "zookeeper", "demo-control-2")]
    assert report.healthy


def test_who_comes_back_by_himself_is_left_alone() -> None:
    running = Cutting()
    running.create(OTHER_PORTS)
    assert running.unit_work.done == []
    assert running.waits == 2  # before the rules went, and after


def test_one_after_the_other_zookeepers_first() -> None:
    running = Cutting(("demo-control-1", "mesos_master"), ("demo-control-2", "zookeeper"))
    running.create(NARROW)
    assert running.unit_work.done == [
        ("restart", "zookeeper", "demo-control-2"),
        ("restart", "mesos_master", "demo-control-1"),
    ]


def test_without_a_majority_of_others_nobody_is_restarted() -> None:
    running = Cutting(("demo-control-1", "zookeeper"), ("demo-control-2", "zookeeper"))
    with pytest.raises(UnhealthyError):
        running.create(NARROW)
    assert running.unit_work.done == []


def test_one_that_a_restart_does_not_help_is_told_and_restarted_once() -> None:
    running = Cutting(("demo-control-2", "zookeeper"))
    running.unit_work.broken = {"demo-control-2"}
    with pytest.raises(ClusterctlError, match="180 s waiting for zookeeper on demo-control-2 to take part") as caught:
        running.create(NARROW)
    assert running.unit_work.done == [("restart", "zookeeper", "demo-control-2")]
    assert "`clusterctl scale demo.yml` goes on from here" in (caught.value.hint or "")


def test_a_cluster_that_is_sick_for_another_reason_is_left_alone() -> None:
    """Nothing was deleted from its security group."""
    running = Cutting()
    running.nodes.dead["demo-control-2", "zookeeper"] = "active"
    running.vanish(running.servers("builders")[0])
    with pytest.raises(UnhealthyError):
        running.create(demo_spec())
    assert running.unit_work.done == []


def test_what_ends_or_is_silent_is_not_stuck() -> None:
    running = Running()
    running.nodes.dead["demo-control-1", "zookeeper"] = "activating"
    running.nodes.silent.add("demo-control-2")
    look = Cluster(running.spec, running.cloud, running.nodes).look()
    assert stuck(look) == []
    running.nodes.silent.clear()
    running.nodes.dead["demo-control-1", "zookeeper"] = "active"
    look = Cluster(running.spec, running.cloud, running.nodes).look()
    assert stuck(look) == [(Service.ZOOKEEPER, "demo-control-1")]


def test_what_takes_minutes_is_waited_for_and_nobody_is_restarted() -> None:
    """Marathon ends when it loses ZooKeeper, loads a JVM, and waits for its old session's end."""
    running = Cutting()
    running.slow = True
    running.create(NARROW)
    assert running.unit_work.done == []
    assert running.waits == 2
