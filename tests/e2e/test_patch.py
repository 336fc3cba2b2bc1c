"""A newer image of the same artifacts comes to every node of a real cluster; what a killed run had begun is finished.

The images have a family of their own, so that no other test starts from them.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import labkit
import openstack
import pytest

from tests.e2e.cluster import COUNTER, Cluster, eventually
from tests.e2e.conftest import run

pytestmark = [pytest.mark.e2e, pytest.mark.operate]

NAME = "e2epatch"
CONTROL = tuple(f"{NAME}-control-{number}" for number in (1, 2, 3))


@pytest.fixture(scope="module")
def cloud(lab: dict[str, str]) -> Any:
    """The cloud's own APIs."""
    return openstack.connect(cloud="lab")


@pytest.fixture(scope="module")
def first_image(artifacts: dict[str, Any], cloud: Any) -> Iterator[str]:
    """Id of the image that the cluster is made from; all images of the family are deleted afterwards."""
    try:
        yield build("--force")["id"]
    finally:
        for image in list(cloud.image.images()):
            if image.name.startswith(f"{NAME}-"):
                cloud.image.delete_image(image)


def build(*options: str) -> dict[str, Any]:
    """`clusterctl image build` of the family."""
    file = labkit.artifacts_file("container", labkit.build_artifacts(), family=NAME)
    return labkit.clusterctl("image", "build", file, *options)


@pytest.fixture(scope="module")
def cluster(first_image: str) -> Iterator[Cluster]:
    """The demo with a second builder: a task that has to leave one has somewhere to go."""
    file = labkit.cluster_file("demo", "container", name=NAME, family=NAME)
    head, builders = file.read_text().split("  builders:\n")
    file.write_text(f"{head}  builders:\n{builders.replace('count: 1', 'count: 2')}")
    with Cluster(file) as made:
        made.marathon("PUT", "/v2/apps/counter", COUNTER)
        yield made


def images(cloud: Any) -> dict[str, str]:
    """Server -> id of the image that it was made from."""
    return {server.name: server.image["id"] for server in cloud.compute.servers(tags=f"clusterctl.cluster={NAME}")}


def state(cluster: Cluster) -> dict[str, Any]:
    """What new servers must not change."""
    nodes = cluster.status()["nodes"]
    return {
        "framework": cluster.marathon("GET", "/v2/info")["frameworkId"],
        "apps": [app["id"] for app in cluster.marathon("GET", "/v2/apps")["apps"]],
        "addresses": {node["name"]: node["address"] for node in nodes if node["name"] in CONTROL},
        "members": [cluster.on(name, "sudo cat /etc/zookeeper/myid").strip() for name in CONTROL],
    }


def test_of_the_newest_image_there_is_nothing_to_do(cluster: Cluster, first_image: str, cloud: Any) -> None:
    assert not build()["built"], "these artifacts have an image"
    report = labkit.clusterctl("patch", cluster.file, "--yes")
    assert (report["replaced"], report["finished"], report["healthy"]) == ([], [], None)
    assert set(images(cloud).values()) == {first_image}


def test_it_is_killed_in_the_middle_and_the_same_command_finishes_it(
    cluster: Cluster, first_image: str, cloud: Any
) -> None:
    before, old = state(cluster), images(cloud)
    counted = cluster.counter()
    newer = build("--max-age", "0")
    assert newer["built"]

    declined = run("patch", cluster.file)
    assert declined.returncode != 0, "without a terminal nobody consents"
    assert images(cloud) == old

    child = subprocess.Popen([labkit.PROGRAM, "patch", cluster.file, "--yes"], stdin=subprocess.DEVNULL)
    try:
        eventually(
            "the first server goes", lambda: images(cloud), lambda now: not old.keys() <= now.keys(), within_s=180
        )
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    done = images(cloud)
    assert first_image in done.values(), "most is to be done still"

    # one more that is not the killed run's: that comes first all the same
    (other, *_) = sorted(name for name, image in done.items() if image == first_image and name in CONTROL)
    part = labkit.clusterctl("patch", cluster.file, "--yes", "--only", other)
    assert (len(part["finished"]), part["replaced"], part["healthy"]) == (1, [other], True), part
    assert sorted(images(cloud)[name] == newer["id"] for name in CONTROL) == [False, False, True]

    report = labkit.clusterctl("patch", cluster.file, "--yes")
    assert report["healthy"]
    assert set(report["replaced"][-2:]) == set(CONTROL) - {other}, "control nodes come after agents"
    assert set(images(cloud).values()) == {newer["id"]}
    assert len(images(cloud)) == len(old)
    assert state(cluster) == before
    assert cluster.counter() != counted, "its node was replaced"
    verified = cluster.verify()
    assert verified["healthy"], [check for check in verified["checks"] if not check["ok"]]
    assert labkit.clusterctl("patch", cluster.file, "--yes")["replaced"] == []
