"""When nodes are asked for, when they arrive, and when they go."""

from pathlib import Path

import pytest

from lab.standins.jenkins.jenkins_standin.buildqueue import BuildQueue, Item
from lab.standins.jenkins.jenkins_standin.errors import PluginError
from lab.standins.jenkins.jenkins_standin.job import Job, read_definition
from lab.standins.jenkins.jenkins_standin.node import Node, node_name
from lab.standins.jenkins.jenkins_standin.provisioner import Provisioner, excess_of
from lab.standins.jenkins.jenkins_standin.retention import Retention
from tests.unit.standins.jenkins.make import CLASSIC, SECOND, Clock, FakeChannel, FakeCloud, cloud, job_xml, node


def items(count: int, label: str | None = "mesos") -> list[Item]:
    queue = BuildQueue(Clock())
    definition = read_definition(job_xml("x", label=label))
    return [queue.schedule(Job(Path(f"/j/{n}"), definition), 0, {}, "c")[0] for n in range(count)]


class TestExcess:
    def test_counts_what_nobody_serves(self) -> None:
        assert excess_of("mesos", items(3), [], []) == 3
        assert excess_of("other", items(3), [], []) == 0

    def test_free_connecting_and_planned_executors_count(self) -> None:
        ready, gone = node("a", executors=2), node("b")
        ready.channel, ready.connecting = FakeChannel(), False
        gone.connecting = False
        assert excess_of("mesos", items(5), [ready, gone, node("c")], [node("d")]) == 1

    def test_jobs_without_a_label_use_nodes_in_mode_normal(self) -> None:
        assert excess_of(None, items(1, None), [node("a")], []) == 0
        assert excess_of(None, items(1, None), [node("a", xml=SECOND, generation=2)], []) == 1


class TestReview:
    def test_due(self) -> None:
        made = Provisioner(0.0, 100.0, 10.0)
        assert [now for now in (0, 99, 100, 105, 110, 119, 120) if made.due(now)] == [100, 110, 120]

    def test_planned_nodes_are_added_at_the_next_review(self) -> None:
        made, added = Provisioner(0.0, 0.0, 10.0), []
        for _ in range(4):
            made.review([FakeCloud()], items(2), [], lambda c, n: added.append(n.name), 0.0)
        # the second review adds what the first planned; the test shows it no nodes, so the third plans again
        assert added == ["n0", "n1", "n0", "n1"]

    def test_2x_adds_them_at_once(self) -> None:
        made, added = Provisioner(0.0, 0.0, 10.0), []
        made.review([FakeCloud(SECOND, 2)], items(1), [], lambda c, n: added.append(n.name), 0.0)
        assert added == ["n0"]

    def test_an_error_of_the_plugin_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        made = Provisioner(0.0, 0.0, 10.0)
        made.review([FakeCloud(error=PluginError("why"))], items(1), [], lambda c, n: None, 0.0)
        assert "Failed to create instances on Mesos: why" in caplog.text
        assert made.planned == []


class TestRetention:
    """The template's idle time is 3 minutes, the timers look at 60, 120, ... and 90, 150, ... seconds."""

    @staticmethod
    def removed(each: Node, generation: int, until: int) -> int | None:
        """The second at which a node is removed."""
        made = Retention(0.0, 60.0)
        return next((now for now in range(until) if made.terminated([each], now, lambda n: generation)), None)

    def test_marked_by_one_timer_removed_by_the_other(self) -> None:
        each = node()
        each.channel, each.connecting = FakeChannel(), False
        assert self.removed(each, 0, 1000) == 270  # marked at 240, the first look after more than 180
        assert not each.online

    def test_busy_nodes_stay(self) -> None:
        each = node()
        each.executors[0] = object()  # type: ignore[call-overload]
        assert self.removed(each, 0, 1000) is None

    def test_zero_is_never(self) -> None:
        zero = CLASSIC.replace("Minutes>3<", "Minutes>0<")
        assert self.removed(node(xml=zero), 0, 3000) is None

    def test_one_that_waits_for_its_task_goes_too(self) -> None:
        assert self.removed(node(), 0, 1000) == 270

    def test_2x_at_the_first_look(self) -> None:
        each = node(xml=SECOND, generation=2)
        assert self.removed(each, 2, 1000) is None  # it may still connect
        each.connecting = False
        assert self.removed(each, 2, 1000) == 120


def test_names() -> None:
    first = node_name(cloud().templates[0], 0)
    assert first.startswith("mesos-jenkins-")
    assert first.endswith("-mesos")
    assert len(first) == len("mesos-jenkins-") + 32 + len("-mesos")
    long = cloud(CLASSIC.replace(">mesos<", ">a very long label that has words in it<")).templates[0]
    assert len(node_name(long, 0)) == 63
    assert " " not in node_name(long, 0)
    assert node_name(cloud(SECOND, 2).templates[0], 2).startswith("jenkins-agent-mesos-")
