"""Builds that fail: made again, past the time that Nova's scheduler needs to hear of them, then named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from clusterctl.cloud.faults import Fault
from clusterctl.cloud.memory import MemoryCloud
from clusterctl.errors import ClusterctlError, NodeError
from clusterctl.ops.builds import NO_HOST, PAUSES_S
from clusterctl.ops.create import CreateReport, create
from clusterctl.ops.progress import Progress, Silent
from clusterctl.resources import ServerRequest
from clusterctl.spec.model import ClusterSpec
from tests.unit.ops.clouds import Clock, create_in, demo_cloud, guard
from tests.unit.ops.operations import Running
from tests.unit.specs import demo, demo_spec


def failing(name: str, times: int, fault: str = "no valid host") -> Callable[[str], str | None]:
    """The first ``times`` builds of servers whose names begin so."""
    seen = Counter[str]()

    def fail(server: str) -> str | None:
        if not server.startswith(name):
            return None
        seen[name] += 1
        return f"{fault} {seen[name]}" if seen[name] <= times else None

    return fail


def without_waiting(
    cloud: MemoryCloud,
    spec: ClusterSpec,
    build_timeout_s: float = 1200,
    clock: Clock | None = None,
    progress: Progress | None = None,
) -> CreateReport:
    return create(
        spec,
        cloud,
        progress=progress or Progress(),
        wait_healthy=None,
        waiter=(clock or Clock()).waiter(),
        guard=guard(),
        file="f",
        build_timeout_s=build_timeout_s,
    )


class Notes(Silent):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def many_builders() -> ClusterSpec:
    groups = demo()["groups"]
    groups["builders"] |= {"count": 20, "anti_affinity": "off"}
    return demo_spec(groups=groups)


def test_without_waiting_it_ends_when_servers_are_active_and_claims_no_health() -> None:
    cloud = demo_cloud()
    cloud.build_ticks = 5
    report = without_waiting(cloud, demo_spec())
    assert (report.healthy, report.created, report.rebuilt) == (None, 5, ())
    assert report.to_json()["healthy"] is None
    assert {server.status for server in cloud.servers("demo")} == {"ACTIVE"}


def test_a_named_node_is_made_again_once_with_its_port() -> None:
    cloud = demo_cloud()
    cloud.fail_build = failing("demo-control-2", 1)
    report = create_in(cloud, demo_spec())
    assert (report.rebuilt, report.created, report.healthy) == (("demo-control-2",), 5, True)
    assert Counter(server.node for server in cloud.servers("demo") if server.node) == Counter(
        {"demo-control-1": 1, "demo-control-2": 1, "demo-control-3": 1}
    )
    ports = {port.name: port.device_id for port in cloud.observe("demo").ports}
    assert len(ports) == 3
    assert all(ports.values())
    assert (cloud.calls.by_kind["POST /ports"], cloud.calls.by_kind["DELETE /servers/{id}"]) == (1, 1)


def test_of_many_agents_only_the_failed_are_made_again_by_one_call() -> None:
    cloud = demo_cloud()
    cloud.fail_build = failing("demo-builders", 3)
    report = create_in(cloud, many_builders())
    assert len(report.rebuilt) == 3
    servers = cloud.servers("demo")
    assert Counter(server.group for server in servers) == {"control": 3, "jenkins": 1, "builders": 20}
    assert {server.status for server in servers} == {"ACTIVE"}
    assert cloud.calls.by_kind["POST /servers"] == 6


def test_after_the_last_failure_the_servers_are_named_with_the_first_and_the_last_reason() -> None:
    cloud = demo_cloud()
    cloud.fail_build = failing("demo-control-2", 5, "aborted")
    with pytest.raises(NodeError) as caught:
        create_in(cloud, demo_spec())
    assert caught.value.message == "the cloud failed 5 times to build 1 of 5 servers: demo-control-2 (aborted 5)"
    assert "The first time it said: demo-control-2 (aborted 1)." in (caught.value.hint or "")
    assert "`clusterctl create demo.yml` goes on from here" in (caught.value.hint or "")
    assert cloud.calls.by_kind["POST /servers"] == 9
    assert create_in(cloud, demo_spec()).created == 1
    assert not cloud.lock_records


def test_what_no_host_takes_is_asked_for_once_more_without_waiting() -> None:
    cloud, clock = demo_cloud(), Clock()
    cloud.fail_build = failing("demo-control-2", 9, f"{NO_HOST}. There are not enough hosts available.")
    with pytest.raises(NodeError, match="the cloud failed twice to build 1 of 5 servers"):
        without_waiting(cloud, demo_spec(), clock=clock)
    assert clock.now < min(pause for pause in PAUSES_S if pause)


class Computes:
    """Nova's hosts, as far as a failed build goes: a compute counts it in its memory; the scheduler knows what the
    compute wrote with its last claim or periodic update, and among hosts alike takes the emptiest.
    """

    def __init__(self, clock: Clock, broken: set[str], hosts: int = 3, interval_s: float = 60) -> None:
        self.clock, self.broken, self.interval_s = clock, broken, interval_s
        self.servers = dict.fromkeys((f"host-{n}" for n in range(1, hosts + 1)), 0)
        self.counted = dict.fromkeys(self.servers, 0)
        self.written = dict.fromkeys(self.servers, 0)
        self.updated = 0.0
        self.told: list[str] = []

    def build(self, server: str) -> str | None:
        """Why the build fails; None if it doesn't."""
        if self.clock.now - self.updated >= self.interval_s:
            self.updated, self.written = self.clock.now, dict(self.counted)
        host = min(self.servers, key=lambda name: (self.written[name], self.servers[name]))
        self.told.append(f"{server} on {host}")
        self.written[host] = self.counted[host]
        if host in self.broken:
            self.counted[host] += 1
            return f"Build of {server} aborted: {host} is broken"
        self.counted[host], self.servers[host] = 0, self.servers[host] + 1
        return None


@pytest.mark.parametrize("interval_s", [60, 200])
@pytest.mark.parametrize("broken", [{"host-1"}, {"host-1", "host-2"}])
def test_a_scheduler_that_hears_late_of_broken_hosts_is_outlasted(broken: set[str], interval_s: float) -> None:
    cloud, clock = demo_cloud(), Clock()
    computes = Computes(clock, broken, interval_s=interval_s)
    cloud.fail_build = computes.build
    without_waiting(cloud, demo_spec(), clock=clock)
    assert [server.status for server in cloud.servers("demo")] == ["ACTIVE"] * 5, computes.told
    assert sum(computes.servers.values()) == 5


def test_the_time_out_bounds_all_tries_together() -> None:
    cloud, clock = demo_cloud(), Clock()
    cloud.fail_build = failing("demo-control-2", 9, "aborted")
    with pytest.raises(NodeError, match="the cloud failed 3 times") as caught:
        without_waiting(cloud, demo_spec(), build_timeout_s=60, clock=clock)
    assert "--timeout left no time for another try, which waits 75 s" in (caught.value.hint or "")
    assert clock.now < 60


def test_a_pause_is_told_with_its_reason() -> None:
    cloud, notes = demo_cloud(), Notes()
    cloud.fail_build = failing("demo-control-2", 3, "aborted")
    without_waiting(cloud, demo_spec(), progress=Progress(notes))
    told = [line for line in notes.lines if line.startswith("try ")]
    assert told == [
        "try 2 of 5; builds failed: demo-control-2 (aborted 1)",
        "try 3 of 5; builds failed: demo-control-2 (aborted 2)",
        "try 4 of 5 in 75 s, when Nova's scheduler knows of it; builds failed: demo-control-2 (aborted 3)",
    ]


def test_a_reason_that_the_list_does_not_tell_is_asked_for() -> None:
    cloud = demo_cloud()
    cloud.fail_build = failing("demo-control-2", 2, NO_HOST)
    servers = cloud.servers
    cloud.servers = lambda cluster: [replace(each, fault=None) for each in servers(cluster)]  # type: ignore[method-assign]
    with pytest.raises(NodeError, match=rf"demo-control-2 \({NO_HOST} 2\)"):
        create_in(cloud, demo_spec())
    assert cloud.calls.by_kind["GET /servers/{id}"] == 2


def test_a_message_over_many_failures_is_bounded() -> None:
    cloud = demo_cloud()
    cloud.fail_build = lambda name: "full" if name.startswith("demo-builders") else None
    with pytest.raises(NodeError, match=r"failed 5 times to build 20 of 24 servers: .* and 12 more$"):
        create_in(cloud, many_builders())


def test_builds_that_never_end() -> None:
    cloud = demo_cloud()
    cloud.build_ticks = 10_000
    with pytest.raises(ClusterctlError, match="waited 60 s for the servers of demo to be built in vain"):
        without_waiting(cloud, demo_spec(), build_timeout_s=60)


def test_a_build_under_way_of_a_killed_run_is_made_again_too() -> None:
    cloud = demo_cloud()
    cloud.fail_build = failing("demo-jenkins", 1)
    cloud.build_ticks = 4
    # killed when all servers were asked for
    cloud.faults.append(Fault(SystemExit(9), kind="POST /servers", when="after", times=None))
    with pytest.raises(SystemExit):
        create_in(cloud, demo_spec())
    cloud.faults.clear()
    report = create_in(cloud, demo_spec())
    assert len(report.rebuilt) == 1
    assert {server.status for server in cloud.servers("demo")} == {"ACTIVE"}
    assert len(cloud.servers("demo")) == 5


def test_other_operations_try_again_and_touch_only_what_is_theirs() -> None:
    running = Running()
    running.cloud.fail_build = failing("demo-builders", 1)
    running.change("demo-control-3", status="ERROR", launched=False)
    broken = next(server.id for server in running.cloud.servers("demo") if server.node == "demo-control-3")
    operation = running.operation()
    made = operation.make(many_builders(), groups=["builders"])
    assert made == 19
    assert len(running.servers("builders")) == 20
    assert broken in {server.id for server in running.cloud.servers("demo")}


@pytest.mark.parametrize("late", [1, 20, 30])
def test_agents_of_a_killed_run_that_come_late_are_not_one_too_many(late: int) -> None:
    cloud = demo_cloud()
    create_servers = cloud.create_servers

    def crossed(request: ServerRequest) -> None:
        # the killed run's request is done only now, after this run has counted
        if request.metadata["clusterctl.group"] == "builders":
            earlier = {**request.metadata, "clusterctl.batch": "0dd"}
            create_servers(replace(request, name="demo-builders-0dd", metadata=earlier, count=late))
        create_servers(request)

    cloud.create_servers = crossed  # type: ignore[method-assign]
    create_in(cloud, many_builders())
    builders = [server for server in cloud.servers("demo") if server.group == "builders"]
    assert len(builders) == max(20, late), "what another run made is not ours to delete"
    assert sum(server.metadata["clusterctl.batch"] == "0dd" for server in builders) == late
    assert len(cloud.server_records) == len(builders) + 4
    assert not any(server.task_state for server in builders)
