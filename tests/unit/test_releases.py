"""Which image gives new nodes what the others run."""

from __future__ import annotations

from clusterctl.releases import (
    Release,
    after_upgrade,
    marks,
    newest_fitting,
    of_image,
    of_server,
    running,
)
from clusterctl.resources import Image, Server

CONTROL = ("zookeeper", "mesos_master", "marathon")
AGENT = ("mesos_agent",)


def release(component: str, version: str) -> Release:
    return Release(component, version, version[-1] * 64)


M1, M2, T1, T2 = release("mesos", "1"), release("mesos", "2"), release("marathon", "1"), release("marathon", "2")


def image(*releases: Release) -> Image:
    properties: dict[str, str] = {}
    for each in releases:
        properties |= {f"clusterctl_version_{each.component}": each.version}
        properties |= {f"clusterctl_sha256_{each.component}": each.sha256}
    return Image("i", "-".join(map(str, releases)), "active", "", 0, 0, properties)


def server(services: tuple[str, ...], *releases: Release) -> Server:
    metadata = marks({each.component: each for each in releases})
    return Server("s", "s", "ACTIVE", "g", None, None, "i", "f", services, "", metadata=metadata)


OLD, NEWER, NEW = image(M1, T1), image(M2, T1), image(M2, T2)


def test_an_image_tells_what_is_in_it() -> None:
    assert of_image(NEWER) == {"mesos": M2, "marathon": T1}
    assert of_image(image()) == {}


def test_a_server_tells_what_its_services_run() -> None:
    everything = server(CONTROL, M1, T1)
    assert of_server(everything) == {"mesos": M1, "marathon": T1}
    assert of_server(server(AGENT, M1, T1)) == {"mesos": M1}, "it has Marathon, but doesn't run it"
    assert of_server(server(("zookeeper",), M1)) == {}
    assert of_server(server(AGENT)) == {}, "of before this was recorded"


def test_a_new_node_gets_what_its_peers_run() -> None:
    servers = [server(CONTROL, M2, T1), server(AGENT, M1)]
    assert running(servers, CONTROL) == {"mesos": {M2}, "marathon": {T1}}
    assert running(servers, AGENT) == {"mesos": {M1}}, "masters go first: agents must not be newer than their peers"
    assert running(servers[:1], AGENT) == {"mesos": {M2}}, "the first of its kind: as the others of the component"
    assert running([], CONTROL) == {}
    assert running([server(AGENT)], AGENT) == {}


def test_in_the_middle_of_an_upgrade_either_will_do() -> None:
    assert running([server(AGENT, M1), server(AGENT, M2)], AGENT) == {"mesos": {M1, M2}}


def test_the_newest_fitting_image_is_taken() -> None:
    images = [NEW, NEWER, OLD]
    assert newest_fitting(images, {}) is NEW
    assert newest_fitting(images, {"mesos": {M2}}) is NEW
    assert newest_fitting(images, {"mesos": {M2}, "marathon": {T1}}) is NEWER
    assert newest_fitting(images, {"mesos": {M1, M2}, "marathon": {T1}}) is NEWER
    assert newest_fitting(images, {"mesos": {M1}, "marathon": {T2}}) is None
    assert newest_fitting([image()], {"mesos": {M1}}) is None, "nothing is known of it"


def test_the_same_version_of_another_digest_is_another() -> None:
    assert newest_fitting([OLD], {"mesos": {Release("mesos", "1", "f" * 64)}}) is None


def test_after_an_upgrade() -> None:
    assert [of_server(each) for each in after_upgrade([server(AGENT, M1)], {"mesos": M2})] == [{"mesos": M2}]
