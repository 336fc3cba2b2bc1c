"""``jenkins list`` and ``jenkins status``."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from clusterctl.cli.jenkins_tables import render_list
from clusterctl.errors import ClusterctlError
from clusterctl.ops.jenkins.create import create
from clusterctl.ops.jenkins.looks import list_masters, status
from tests.unit.ops.jenkins.world import RELEASE, World

SMALL = {"cpus": 0.1, "mem_mib": 320, "heap_mib": 64}


@pytest.fixture
def world() -> World:
    made = World(master=SMALL)
    create(made.tier(), ["alice", "bob"])
    return made


def states(world: World) -> dict[str, str]:
    return {each["name"]: each["state"] for each in list_masters(world.tier()).to_json()["masters"]}


def test_masters_and_their_nodes(world: World) -> None:
    report = list_masters(world.tier()).to_json()
    assert report["masters"][0] == {
        "name": "alice",
        "slot": 1,
        "state": "running",
        "node": "demo-jenkins-1",
        "url": "http://10.0.0.11:31000/",
        "ports": {"http": 31000, "inbound": 31001, "libprocess": 32000},
        "release": RELEASE,
        "failure": "",
        "lacks": "",
        "problems": [],
    }
    assert [(each["name"], each["masters"], each["release"]) for each in report["nodes"]] == [
        ("demo-jenkins-1", 1, RELEASE),
        ("demo-jenkins-2", 1, RELEASE),
    ]


def test_states(world: World) -> None:
    world.marathon.apps["/jenkins/alice"]["instances"] = 0
    world.marathon.failing = {"bob"}
    assert states(world) == {"alice": "hibernating", "bob": "waiting"}
    del world.marathon.apps["/jenkins/alice"]
    assert states(world)["alice"] == "kept"


def test_a_node_without_the_release_of_its_masters_is_told(world: World) -> None:
    tier = world.tier()
    assert {each["lacks"] for each in list_masters(tier).to_json()["masters"]} == {""}
    world.nodes.releases = {"2.277.1-old": 1}
    wanted = (
        f"demo-jenkins-1 lacks its release {RELEASE}; "
        "`clusterctl jenkins upgrade FILE alice --artifacts artifacts.yml` brings the one of that file there"
    )
    [alice] = [each for each in list_masters(tier).to_json()["masters"] if each["name"] == "alice"]
    assert (alice["lacks"], alice["problems"]) == (wanted, []), "its home can be backed up and moved as before"
    assert wanted in status(tier, "alice").trouble


@pytest.mark.parametrize(
    ("hurt", "problem"),
    [
        (lambda w: w.nodes.homes_at["demo-jenkins-1"].clear(), "has an app and no home on demo-jenkins-1"),
        (
            lambda w: w.nodes.homes_at["demo-jenkins-2"].update(w.nodes.homes_at["demo-jenkins-1"]),
            "has homes on demo-jenkins-1 and demo-jenkins-2",
        ),
        (
            lambda w: setattr(w.nodes.homes_at["demo-jenkins-1"]["alice"], "mode", 0o755),
            "home on demo-jenkins-1: others can enter it: mode 0755, expected 0700",
        ),
        (
            lambda w: setattr(w.nodes.homes_at["demo-jenkins-1"]["alice"], "user", "jm-009"),
            "home on demo-jenkins-1: it belongs to uid 30009, expected 30001 of slot 1",
        ),
        (
            lambda w: w.marathon.apps["/jenkins/alice"].update(constraints=[["hostname", "CLUSTER", "10.0.0.12"]]),
            "app is bound to demo-jenkins-2, its home is on demo-jenkins-1",
        ),
        (
            lambda w: w.marathon.apps["/jenkins/alice"].update(constraints=[["hostname", "CLUSTER", "10.0.0.99"]]),
            "app is bound to 10.0.0.99, which is not a node for masters",
        ),
    ],
)
def test_what_does_not_fit_together(world: World, hurt: Any, problem: str) -> None:
    hurt(world)
    [alice] = [each for each in list_masters(world.tier()).to_json()["masters"] if each["name"] == "alice"]
    assert alice["state"] == "broken"
    assert problem in alice["problems"]


def test_a_silent_node_is_part_of_the_report(world: World) -> None:
    world.nodes.silent["demo-jenkins-1"] = "no route to host"
    report = list_masters(world.tier()).to_json()
    assert report["nodes"][0]["error"] == "node demo-jenkins-1: no route to host"
    assert states(world) == {"alice": "running", "bob": "running"}, "its app is known, its home isn't"


def test_status_asks_the_master(world: World) -> None:
    world.nodes.master("alice").busy = 2
    world.nodes.master("alice").queue = 3
    world.prober.frameworks = ["jenkins-alice"]
    found = status(world.tier(), "alice").to_json()
    assert (found["core"], found["plugin"], found["framework"], found["quiet"]) == ("2.319.3", "0.16", True, False)
    assert (found["jobs"], found["builds"], found["queue"], found["agents"], found["home_mib"]) == (1, 2, 3, 0, 40)
    assert found["trouble"] == []
    assert status(world.tier(), "bob").to_json()["framework"] is False


def test_status_of_one_that_does_not_answer(world: World) -> None:
    world.marathon.failing = {"alice"}
    found = status(world.tier(), "alice").to_json()
    assert (found["core"], found["jobs"]) == (None, None)
    assert found["trouble"] == ["/api/json: connection refused"]


def test_status_of_one_that_is_not_there(world: World) -> None:
    world.nodes.silent["demo-jenkins-1"] = "no route to host"
    with pytest.raises(ClusterctlError) as caught:
        status(world.tier(), "carol")
    assert "there is no Jenkins master carol; there are: alice, bob; node demo-jenkins-1" in caught.value.message


def test_homes_without_room_are_told(world: World) -> None:
    assert {each["trouble"] for each in list_masters(world.tier()).to_json()["nodes"]} == {""}
    world.nodes.free_mib = 900
    told = (
        "demo-jenkins-1:/srv/jenkins has 900 of 10000 MiB free, expected 10%; "
        "`clusterctl jenkins prune FILE --all` deletes homes that were set aside"
    )
    report = list_masters(world.tier())
    assert report.to_json()["nodes"][0]["trouble"] == told
    assert status(world.tier(), "alice").trouble == (told,)
    shown = Console(width=200, record=True, file=StringIO())
    shown.print(render_list(report))
    assert told in shown.export_text()
