"""Election order, master detection, state formats, commits: the parts around ZooKeeper that need none."""

import json

import pytest

from lab.standins.marathon.marathon_standin.detector import MasterDetector, address_of, leader_node
from lab.standins.marathon.marathon_standin.election import in_order
from lab.standins.marathon.marathon_standin.state import State
from tests.unit.standins.marathon.make import Memory, app, instance


def test_the_lowest_number_leads_whatever_the_uuid() -> None:
    nodes = ["_c_ffff-latch-0000000002", "_c_0000-latch-0000000010", "lock", "_c_aaaa-latch-0000000009"]
    assert in_order(nodes) == [nodes[0], nodes[3], nodes[1]]


def test_leading_master() -> None:
    assert leader_node(["log_replicas", "json.info_0000000012", "json.info_0000000003"]) == "json.info_0000000003"
    assert leader_node(["log_replicas"]) is None
    info = {"address": {"hostname": "m", "ip": "10.0.0.1", "port": 5050}, "hostname": "m"}
    assert address_of(json.dumps(info).encode()) == "10.0.0.1:5050"


@pytest.mark.parametrize("master", ["10.0.0.1:5050", "http://10.0.0.1:5050/"])
def test_a_fixed_master_needs_no_detection(master: str) -> None:
    assert MasterDetector(master, 1).wait(not_this=None, timeout_s=0) == "10.0.0.1:5050"


def test_changes_of_a_turn_are_written_once_and_together() -> None:
    repository = Memory()
    state, the_app = State(repository), app()
    state.put_app(the_app)
    state.put_instance(instance(1, the_app))
    state.put_instance(instance(1, the_app, healthy=True))
    state.put_instance(instance(2, the_app))
    state.remove_instance("i2")
    assert repository.commits == []
    state.flush()
    state.flush()
    (changes,) = repository.commits
    assert [(kind, key) for kind, key, _ in changes] == [
        ("apps", "/a"),
        ("versions", f"/a@{the_app.version}"),
        ("instances", "i1"),
        ("instances", "i2"),
    ]
    assert repository.data["instances"] == {"i1": instance(1, the_app, healthy=True).to_json()}
    again = State(repository, repository.data)
    assert (again.apps, again.instances) == (state.apps, state.instances)


def test_removing_an_app_takes_its_failure_along() -> None:
    repository = Memory()
    state = State(repository)
    state.put_app(app())
    state.flush()
    repository.data.clear()
    state.put_failure("/a", {"state": "TASK_FAILED"})
    state.flush()
    state.remove_app("/a")
    state.flush()
    assert repository.data == {"apps": {}, "failures": {}}
