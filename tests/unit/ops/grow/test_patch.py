"""A newer image of the same artifacts comes to all nodes, one by one, and the cluster serves before and after each."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from clusterctl.errors import CancelledError, ClusterctlError, InputError, UnhealthyError
from clusterctl.ops.grow.patch import PatchReport, patch
from clusterctl.ops.lifecycle.majorities import LostMajorityError
from clusterctl.ops.observe.verify import VerifyReport, WaitHealthy
from clusterctl.resources import Image
from clusterctl.spec.model import ClusterSpec
from tests.memory.faults import When
from tests.unit.ops.clouds import kill, revive
from tests.unit.ops.grow.test_new_nodes import FIRST, SECOND, ids, images_of
from tests.unit.ops.operations import Running

PATCHED = Image("base-9", "base-9", "active", "2026-01-09T00:00:00Z", 4, 0, FIRST.properties)


def cluster() -> Running:
    """Of the first image; there are newer ones, with other artifacts and with the same."""
    running = Running(images=[FIRST])
    running.cloud.image_list += [SECOND, PATCHED]
    return running


def act(
    running: Running,
    only: Sequence[str] = (),
    wait_healthy: WaitHealthy | None = None,
    shown: list[str] | None = None,
) -> PatchReport:
    def confirm(lines: Sequence[str]) -> None:
        (shown if shown is not None else []).extend(lines)

    return patch(running.operation(wait_healthy), only, confirm, drain_s=60, force=False)


def test_every_node_gets_it_agents_first_and_leaders_last() -> None:
    running, shown = cluster(), []  # type: ignore[var-annotated]
    before = ids(running)
    report = act(running, shown=shown)
    assert set(images_of(running).values()) == {"base-9"}
    assert not before & ids(running)
    assert report.replaced[2:] == ["demo-control-2", "demo-control-3", "demo-control-1"]
    assert report.image == dict.fromkeys(("builders", "control", "jenkins"), "base-9")
    assert report.healthy
    assert shown[0] == "5 nodes get a new server, one after the other:"
    assert "- demo-control-1: base-1 -> base-9" in shown


def test_one_at_a_time_and_the_cluster_is_healthy_before_the_next() -> None:
    running = cluster()
    steps: list[int] = []

    def healthy(spec: ClusterSpec, fresh: bool) -> VerifyReport:
        steps.append(sum(name == "base-9" for name in images_of(running).values()))
        return running.wait_healthy(spec, fresh)

    act(running, wait_healthy=healthy)
    assert steps == [1, 2, 3, 4, 5]


def test_again_there_is_nothing_to_do() -> None:
    running = cluster()
    act(running)
    running.cloud.reset_calls()
    report = act(running)
    assert (report.replaced, running.cloud.calls.write) == ([], 0)
    assert act(running).healthy is None, "nobody asked"


def test_it_stops_at_the_first_node_that_hurts_and_goes_on_from_there() -> None:
    running = cluster()
    bad = [True]

    def healthy(spec: ClusterSpec, fresh: bool) -> VerifyReport:
        if bad[0]:
            raise UnhealthyError("cluster demo is not healthy after 1200 s")
        return running.wait_healthy(spec, fresh)

    with pytest.raises(UnhealthyError):
        act(running, wait_healthy=healthy)
    assert sorted(images_of(running).values()) == ["base-1"] * 4 + ["base-9"]
    bad[0] = False
    assert len(act(running, wait_healthy=healthy).replaced) == 4


def test_tasks_that_move_are_shown_and_who_declines_changes_nothing() -> None:
    running = cluster()
    agent = running.agent_on(running.servers("builders")[0])
    running.masters.tasks["/app.1"] = agent
    running.cloud.reset_calls()

    def decline(lines: Sequence[str]) -> None:
        assert any("1 tasks move" in line for line in lines), lines
        raise CancelledError("declined")

    with pytest.raises(CancelledError):
        patch(running.operation(), (), decline, drain_s=60, force=False)
    assert running.cloud.calls.write == 0


def test_only_some() -> None:
    running = cluster()
    assert act(running, ["demo-control-2"]).replaced == ["demo-control-2"]
    with pytest.raises(InputError, match="--only: found nobody; allowed: demo-builders-"):
        act(running, ["nobody"])


def test_a_member_is_not_replaced_while_another_is_out() -> None:
    running = cluster()
    running.nodes.silent.add("demo-control-3")
    with pytest.raises(ClusterctlError, match="demo-control-1 can't be replaced now"):
        act(running, ["demo-control-1"])


def test_without_an_image_of_what_runs_nothing_is_touched() -> None:
    running = cluster()
    running.cloud.image_list = [SECOND]
    running.cloud.reset_calls()
    with pytest.raises(ClusterctlError, match="new nodes need an image with"):
        act(running)
    assert running.cloud.calls.write == 0


def changing_calls() -> list[int]:
    """Numbers of the calls of an undisturbed run that change something, and of those that follow: servers are built
    from one look to the next.
    """
    running, found = cluster(), set[int]()

    def note(number: int, kind: str, when: When) -> None:
        if not kind.startswith("GET"):
            found.update((number, number + 1))

    running.cloud.reset_calls()
    running.cloud.faults.append(note)
    act(running)
    return sorted(found)[:-1]  # nothing follows the last one


@pytest.mark.parametrize("call", changing_calls())
def test_killed_after_any_call_the_same_command_finishes(call: int) -> None:
    running = cluster()
    kill(running.cloud, call, "after")
    with pytest.raises(SystemExit):
        act(running)
    revive(running.cloud)
    act(running)
    assert sorted(images_of(running).values()) == ["base-9"] * 5
    assert {server.status for server in running.cloud.servers("demo")} == {"ACTIVE"}
    assert act(running).healthy is None, "nothing is left"


def test_what_a_killed_run_left_is_shown_and_comes_first() -> None:
    running, shown = cluster(), []  # type: ignore[var-annotated]
    running.vanish("demo-control-3")
    running.vanish(running.servers("builders")[0])
    assert act(running, ["demo-control-3"], shown=shown).finished == ["demo-control-3", "builders"]
    assert shown == [
        "- demo-control-3: has no server, and gets one",
        "- group builders: has 1 agents too few, and gets them",
    ]
    assert list(images_of(running).values()).count("base-9") == 2


def test_a_new_server_that_does_not_serve_yet_is_waited_for() -> None:
    """It may lack its secrets, which come with the wait."""
    running = cluster()
    act(running)
    running.nodes.sick.add("demo-control-2")
    waited: list[bool] = []

    def healthy(spec: ClusterSpec, fresh: bool) -> VerifyReport:
        waited.append(fresh)
        running.nodes.sick.clear()
        return running.wait_healthy(spec, fresh)

    report = act(running, wait_healthy=healthy)
    assert (report.finished, report.replaced, report.healthy, waited) == (["demo-control-2"], [], True, [True])


def test_members_that_only_recover_may_make_are_not_made() -> None:
    running = cluster()
    for name in ("demo-control-1", "demo-control-2"):
        running.vanish(name)
    running.cloud.reset_calls()
    with pytest.raises(LostMajorityError):
        act(running)
    assert len(running.servers("control")) == 1
