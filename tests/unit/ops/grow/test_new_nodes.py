"""New nodes get the versions that the cluster runs, whichever image is the newest; without such an image, none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.grow.operation import Operation
from clusterctl.ops.grow.repair import repair
from clusterctl.ops.grow.replace import replace
from clusterctl.ops.grow.scale import scale
from clusterctl.ops.grow.scale_checks import Options
from clusterctl.resources import KEY_IMAGE, Image
from clusterctl.spec.model import ClusterSpec
from tests.unit.ops.clouds import create_in, demo_cloud
from tests.unit.ops.grow.test_scale import NoWork
from tests.unit.ops.operations import Running
from tests.unit.specs import demo_spec


class Work(NoWork):
    """Nodes are as they should be at once."""

    def configure(self, spec: ClusterSpec, names: Sequence[str] | None, master_quorum: int | None) -> dict[Any, Any]:
        return {}

    def out(self, spec: ClusterSpec) -> Collection[str]:
        return ()


def image(name: str, mesos: str, marathon: str) -> Image:
    properties = {"clusterctl_family": "clusterctl-base"}
    for component, version in (("mesos", mesos), ("marathon", marathon)):
        properties |= {
            f"clusterctl_version_{component}": version,
            f"clusterctl_sha256_{component}": version * 64,
        }
    return Image(name, name, "active", f"2026-01-0{name[-1]}T00:00:00Z", 4, 0, properties)


FIRST, SECOND, THIRD = image("base-1", "1", "1"), image("base-2", "2", "1"), image("base-3", "2", "2")
MESOS_2 = {"clusterctl.artifact.mesos": f"2 {'2' * 64}"}


def images_of(running: Running) -> dict[str, str]:
    return {server.name: server.metadata[KEY_IMAGE] for server in running.cloud.servers("demo")}


def ids(running: Running) -> set[str]:
    return {server.id for server in running.cloud.servers("demo")}


def upgraded(running: Running, *groups: str) -> None:
    """As `upgrade mesos` records it."""
    for server in running.cloud.servers("demo"):
        if server.group in groups:
            running.cloud.set_metadata(server.id, MESOS_2)


def replace_control(op: Operation) -> object:
    return replace(op, "demo-control-2", lambda _: None, deadline_s=60, force=False)


def grow(op: Operation) -> object:
    return scale(op, {"builders": 3}, Work(), lambda _: None, Options())


def grow_control(op: Operation) -> object:
    return scale(op, {"control": 5}, Work(), lambda _: None, Options())


def mend(op: Operation) -> object:
    return repair(op, Running().unit_work, apply=True)


def test_an_unfinished_cluster_is_finished_with_what_it_began_with() -> None:
    cloud = demo_cloud()
    cloud.image_list = [FIRST]
    create_in(cloud, demo_spec())
    cloud.image_list.append(THIRD)
    lost = next(record.shown for record in cloud.server_records.values() if record.shown.name == "demo-control-1")
    cloud.remove(lost.id)
    create_in(cloud, demo_spec())
    found = {server.name: server.metadata for server in cloud.servers("demo")}
    assert found["demo-control-1"][KEY_IMAGE] == "base-1"
    assert found["demo-control-1"]["clusterctl.artifact.marathon"] == f"1 {'1' * 64}"


def test_builds_that_failed_bind_nobody() -> None:
    cloud = demo_cloud()
    cloud.image_list = [FIRST]
    cloud.fail_build = lambda _name: "no valid host"
    with pytest.raises(ClusterctlError, match="the cloud failed 5 times"):
        create_in(cloud, demo_spec())
    cloud.fail_build = lambda _name: None
    cloud.image_list = [SECOND]
    create_in(cloud, demo_spec())
    assert {server.metadata[KEY_IMAGE] for server in cloud.servers("demo")} == {"base-2"}


def test_new_agents_get_what_agents_run() -> None:
    running = Running(images=[FIRST])
    running.cloud.image_list += [SECOND, THIRD]
    grow(running.operation())
    assert set(images_of(running).values()) == {"base-1"}
    upgraded(running, "control", "jenkins", "builders")
    scale(running.operation(), {"builders": 4}, Work(), lambda _: None, Options())
    assert sorted(images_of(running).values()) == ["base-1"] * 7 + ["base-3"], "agents don't run Marathon"


def test_a_new_control_node_has_both() -> None:
    running = Running(images=[FIRST])
    running.cloud.image_list += [SECOND, THIRD]
    upgraded(running, "control")
    replace_control(running.operation())
    assert images_of(running)["demo-control-2"] == "base-2", "Mesos was upgraded, and Marathon was not"


HURT: dict[str, Callable[[Running], None]] = {
    "replace": lambda _running: None,
    "grow": lambda _running: None,
    "grow_control": lambda _running: None,
    "error": lambda running: running.change("demo-control-3", status="ERROR"),
    "lost": lambda running: running.vanish("demo-control-3"),
}
ACTS: dict[str, Callable[[Operation], object]] = {
    "replace": replace_control,
    "grow": grow,
    "grow_control": grow_control,
    "error": mend,
    "lost": mend,
}


@pytest.mark.parametrize("act", ACTS)
def test_without_such_an_image_nothing_is_taken_away(act: str) -> None:
    running = Running(images=[FIRST])
    upgraded(running, "control", "jenkins", "builders")
    HURT[act](running)
    before = ids(running)
    with pytest.raises(ClusterctlError, match=r"new nodes need an image with mesos 2") as caught:
        ACTS[act](running.operation())
    assert "as the others run it; base-1 has mesos 1 and marathon 1" in caught.value.message
    assert "--image NAME" in str(caught.value.hint)
    assert caught.value.exit_code == 1
    assert ids(running) == before
    ACTS[act](running.operation(image="base-1"))  # consent
    assert ids(running) != before


def test_what_needs_no_image_is_mended_all_the_same() -> None:
    running = Running(images=[FIRST])
    upgraded(running, "control", "jenkins", "builders")
    running.change("demo-control-2", status="SHUTOFF")
    running.vanish(running.servers("builders")[0])
    with pytest.raises(ClusterctlError, match="group builders: new nodes need an image with mesos 2"):
        mend(running.operation())
    assert [server.status for server in running.cloud.servers("demo") if server.name == "demo-control-2"] == ["ACTIVE"]


def test_an_image_by_name_is_checked_as_well() -> None:
    running = Running(images=[FIRST])
    upgraded(running, "jenkins", "builders")
    pinned = running.spec.model_copy(update={"image": "base-1"})
    with pytest.raises(ClusterctlError, match="need an image with mesos 2"):
        grow(running.operation(spec=pinned))


def test_an_unknown_image_is_bad_input() -> None:
    running = Running()
    with pytest.raises(InputError, match="--image: found 'nope', and your project has no image"):
        grow(running.operation(image="nope"))


def test_of_a_cluster_that_nothing_is_recorded_of_the_newest_is_taken() -> None:
    running = Running()
    running.cloud.image_list.append(THIRD)
    grow(running.operation())
    assert sorted(images_of(running).values()) == ["base-1"] * 5 + ["base-3"] * 2
