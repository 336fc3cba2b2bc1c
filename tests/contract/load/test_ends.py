"""Whatever ends a load test, nothing of it remains."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.load.plan import NAME_PREFIX
from clusterctl.load.result import from_json
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.loadtest.run import clean_up, load_test
from tests.contract.load.child import PLAN
from tests.contract.load.field import Field
from tests.contract.mesos.cluster import Json, wait_for
from tests.contract.mesos.framework import Framework

pytestmark = [pytest.mark.mesos, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[3]
SLEEPING = 12  # builds of both groups, the canary's base and its one turn


def ours(field: Field) -> list[Json]:
    """The test's frameworks that the leader has not removed."""
    found = field.operator({"type": "GET_FRAMEWORKS"})["get_frameworks"].get("frameworks", [])
    return [each for each in found if each["framework_info"]["name"].startswith(NAME_PREFIX)]


def running(field: Field) -> int:
    tasks = field.operator({"type": "GET_TASKS"})["get_tasks"].get("tasks", [])
    return sum(task["state"] == "TASK_RUNNING" for task in tasks)


def sleepers() -> int:
    """Processes of builds, on all agents of this network."""
    here = Path("/proc/thread-self/ns/net").readlink()
    found = 0
    for path in Path("/proc").glob("[0-9]*"):
        try:
            is_build = (path / "cmdline").read_bytes().split(b"\0")[:2] == [b"sleep", b"600"]
            found += is_build and (path / "ns/net").readlink() == here
        except OSError:  # it ended meanwhile
            continue
    return found


@contextmanager
def driver(field: Field, result: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A load test at work in a process of its own, all of whose builds run."""
    addresses = [endpoint.address for endpoint in field.endpoints]
    command = [sys.executable, "-m", "tests.contract.load.child", str(result), *addresses]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        wait_for("running builds", lambda: running(field) >= SLEEPING or process.poll() is not None, 90)
        assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_killed_driver_and_clean(field: Field, tmp_path: Path) -> None:
    with driver(field, tmp_path / "result") as process:
        with pytest.raises(ClusterctlError, match="is at work") as caught:
            clean_up(field.endpoints, even_at_work=False)
        assert "--yes" in str(caught.value.hint)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    # those that stay without a connection, and the canary; the others went with their connections
    wait_for("the masters to notice", lambda: len(ours(field)) == 6 and not any(f["active"] for f in ours(field)))
    assert sleepers() >= 6, "the killed test has left nothing that clean could remove"
    with pytest.raises(ClusterctlError, match=r"the cluster is in use:\n.*another load test, left over") as refused:
        load_test("test", field.endpoints, PLAN, Progress(), beside_others=False)
    assert "clusterctl loadtest clean FILE" in str(refused.value.hint)

    removed = clean_up(field.endpoints, even_at_work=False)

    assert len(removed) == 6
    assert ours(field) == []
    wait_for("no builds", lambda: running(field) == 0 and sleepers() == 0)
    assert clean_up(field.endpoints, even_at_work=False) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_driver_leaves_nothing_but_its_result(
    field: Field, tmp_path: Path, number: signal.Signals
) -> None:
    with driver(field, tmp_path / "result") as process:
        process.send_signal(number)
        assert process.wait(60) == 0
    assert ours(field) == []
    wait_for("no builds", lambda: running(field) == 0 and sleepers() == 0)
    result = from_json((tmp_path / "result").read_bytes(), "result")
    assert result.ended == "interrupted"
    assert sum(build.state == "TASK_RUNNING" for build in result.builds) >= SLEEPING - 1  # without the base


def test_it_refuses_to_disturb_others(field: Field) -> None:
    other = Framework(field)
    try:
        with pytest.raises(ClusterctlError, match="in use:\ntest: registered"):
            load_test("test", field.endpoints, PLAN, Progress(), beside_others=False)
        assert ours(field) == []
        assert clean_up(field.endpoints, even_at_work=True) == []
        assert field.operator({"type": "GET_FRAMEWORKS"})["get_frameworks"]["frameworks"], "another's is not removed"
    finally:
        other.close()
