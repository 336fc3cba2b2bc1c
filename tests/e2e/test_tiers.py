"""Zone container: an open network is parted into tiers under a running task; then what each tier still reaches."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import labkit
import pytest

from tests.e2e.cluster import COUNTER, Cluster, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.operate]
ONE_GROUP = "security: {insecure: [network]}\n"
# A build that became root: nothing on its node holds it, only the network does
CAN = "timeout 4 bash -c 'echo > /dev/tcp/{0}/{1}' 2>/dev/null && echo {0}:{1}"


@pytest.fixture(scope="module")
def cluster(container_image: dict[str, Any]) -> Iterator[Cluster]:
    """Closed but for the network: in one security group."""
    file = labkit.cluster_file("demo", "container", name="tiers")
    file.write_text(file.read_text() + ONE_GROUP)
    with Cluster(file) as made:
        yield made


def by_group(cluster: Cluster) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for node in cluster.status()["nodes"]:
        found.setdefault(node["group"], []).append(node)
    return found


def reached(cluster: Cluster, node: str, places: list[tuple[str, int]], user: str = "root") -> set[tuple[str, int]]:
    """Those of the places that a user of the node can connect to."""
    script = "; ".join(CAN.format(*place) for place in places) + "; true"
    told = cluster.on(node, f"sudo -u {user} sh -c {shlex.quote(script)}")
    return {(at, int(port)) for at, _, port in (line.partition(":") for line in told.split())}


def listen(cluster: Cluster, node: str, ports: list[int]) -> None:
    """Something answers there, on all of a node's addresses."""
    code = (
        "import selectors, socket, sys; s = selectors.DefaultSelector(); "
        "[s.register(socket.create_server(('', int(p))), 1) for p in sys.argv[1:]]\n"
        "while True: [k.fileobj.accept()[0].close() for k, _ in s.select()]"
    )
    cluster.on(node, f"sudo systemd-run --unit=listen python3 -c {shlex.quote(code)} {' '.join(map(str, ports))}")


def test_a_serving_cluster_is_parted_into_tiers_and_loses_no_task(cluster: Cluster) -> None:
    nodes = by_group(cluster)
    [builder], [masters], control = nodes["builders"], nodes["jenkins"], nodes["control"]
    at = control[0]["address"]
    cluster.marathon("PUT", "/v2/apps/counter", COUNTER)
    eventually(
        "the counter runs",
        lambda: cluster.tasks("counter"),
        lambda tasks: [task["state"] for task in tasks] == ["TASK_RUNNING"],
    )
    # 31000 and 31001 are slot 1's, 32000 is its libprocess port, 31500 is for tasks that take what comes
    listen(cluster, masters["name"], [31000, 31001, 31500, 32000])
    listen(cluster, builder["name"], [31000, 31500])
    places = [(at, port) for port in (22, 2181, 2888, 3888, 5050, 8080, 9090)]
    places += [(masters["address"], port) for port in (22, 5051, 31000, 31001, 31500, 32000)]
    leader_ports = {(at, 2888), (at, 9090)}  # only who leads listens there
    before = reached(cluster, builder["name"], places)
    assert before >= set(places) - leader_ports - {(masters["address"], 32000)}

    cluster.file.write_text(cluster.file.read_text().replace(ONE_GROUP, ""))
    told = subprocess.run(
        [labkit.PROGRAM, "plan", cluster.file], check=True, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    ).stdout
    assert "+ security group clusterctl.tiers.builders" in told
    assert f"+ {builder['name']}: into security group clusterctl.tiers.builders" in told
    report = cluster.create()
    assert report["healthy"]
    assert (report["created"], report["problems"]) == (0, [])
    again = cluster.create()
    assert (again["api_calls"]["write"], again["healthy"]) == (0, True)
    tasks = cluster.marathon("GET", "/v2/apps/counter/tasks")["tasks"]
    assert [task["state"] for task in tasks] == ["TASK_RUNNING"]
    assert cluster.on(builder["name"], "sort -u /tmp/counter | wc -l").strip() == "1"

    after = reached(cluster, builder["name"], places)
    assert after == {(at, 2181), (at, 5050), (masters["address"], 31000), (masters["address"], 31001)}
    from_masters = [*places[:7], (builder["address"], 22), (builder["address"], 5051), (builder["address"], 31500)]
    assert reached(cluster, masters["name"], from_masters) == {(at, 2181), (at, 5050)}
    from_control = [(masters["address"], port) for port in (22, 5051, 31000, 31500, 32000)]
    from_control += [(builder["address"], port) for port in (22, 5051, 31500)]
    assert reached(cluster, control[1]["name"], from_control) == set(from_control)
    assert reached(cluster, control[1]["name"], places[:6]) >= {(at, port) for port in (22, 2181, 3888, 5050, 8080)}


def test_its_builds_are_held_on_their_node_too(cluster: Cluster) -> None:
    nodes = by_group(cluster)
    [builder], [masters], control = nodes["builders"], nodes["jenkins"], nodes["control"]
    places = [(node["address"], port) for node in control for port in (22, 2181, 5050, 8080)]
    places += [("169.254.169.254", 80), (masters["address"], 5051), (builder["address"], 22), ("127.0.0.1", 22)]
    own = (masters["address"], 31000)
    assert reached(cluster, builder["name"], [*places, own, (masters["address"], 31001)], "b-001") == {
        own,
        (masters["address"], 31001),
    }
    assert reached(cluster, builder["name"], [own], "b-002") == set()


def test_what_a_task_can_do(cluster: Cluster) -> None:
    """As in tests/hosts, once more where a cloud booted the node."""
    [builder] = by_group(cluster)["builders"]
    tries = "unshare --user true; mount -t tmpfs none /mnt; touch /etc/mine; ls /proc/1; echo tried"
    app = {**COUNTER, "id": "/tries", "user": "b-001", "cmd": f"({tries}) > /tmp/tries 2>&1; exec sleep 1000"}
    cluster.marathon("PUT", "/v2/apps/tries", app)
    told = eventually(
        "the task tried",
        lambda: cluster.on(builder["name"], "sudo cat /tmp/tries 2>/dev/null || true"),
        lambda text: text.endswith("tried\n"),
    )
    assert "unshare failed: Operation not permitted" in told
    assert "mount: " in told
    assert "'/etc/mine': Read-only file system" in told or "'/etc/mine': Permission denied" in told
    assert "cannot access '/proc/1': No such file or directory" in told
