"""How a turn goes: of each name, who knows which secret when, and that a file of it tells all."""

from __future__ import annotations

import json

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.secrets.epochs import FIRST, Epochs, furthest, parse_epochs
from clusterctl.secrets.names import names
from clusterctl.secrets.stages import ON_THE_WAY, Stage
from tests.unit.specs import demo_spec

# Of each name, what servers take by stage, the one that clients say first
TAKEN: dict[str, list[tuple[int, ...]]] = {
    "mesos/operator": [(1, 2), (2, 1), (2,)],
    "mesos/agent-builders": [(1, 2), (2, 1), (2,)],
    "mesos/agent-http": [(1,), (1, 2), (2,)],
    "zookeeper/quorum": [(1, 2), (2, 1), (2,)],
    "zookeeper/marathon": [(1, 2), (2, 1), (2,)],
    "zookeeper/mesos": [(1, 2), (1, 2), (2,)],
    "zookeeper/super": [(1,), (1,), (2,)],
    "marathon/http": [(1,), (2, 1), (2,)],
    "mesos/marathon": [(2,), (2,), (2,)],
    "mesos/jenkins-001": [(1, 2), (2, 1), (2,)],
}


@pytest.mark.parametrize("name", TAKEN)
def test_who_knows_which_secret_when(name: str) -> None:
    turns = [FIRST.at(stage, name) for stage in ON_THE_WAY]
    assert [turn.taken(name) for turn in turns] == TAKEN[name]
    assert [turn[name] for turn in turns] == [taken[0] for taken in TAKEN[name]]
    assert all(turn.taken("zookeeper/other") == (1,) for turn in turns)
    assert turns[-1].taken(name) == turns[-1].over().taken(name)


def test_a_turn_without_names_is_one_of_all_also_of_those_that_come_later() -> None:
    ahead = FIRST.next("mesos/operator")
    turn = ahead.at(Stage.CLIENTS)
    for name in (*names(demo_spec()), "mesos/jenkins-050"):
        assert turn.turns(name)
        assert turn.over()[name] == 3
    assert turn.taken("mesos/operator") == (3, 2)
    assert turn.taken("zookeeper/quorum") == (3, 1)


def test_whoever_is_further_tells() -> None:
    way = [FIRST]
    turns: list[tuple[str, ...]] = [(), ("mesos/operator",), ("mesos/operator", "marathon/http"), ()]
    for turned in turns:
        start = way[-1]
        way += [*(start.at(stage, *turned) for stage in ON_THE_WAY), start.next(*turned)]
    places = [each.place for each in way]
    assert places == sorted(set(places))
    assert all(furthest(way[: count + 1][::-1]) == way[count] for count in range(len(way)))
    assert furthest([]) == FIRST


@pytest.mark.parametrize("epochs", [FIRST, FIRST.next(), FIRST.next("a/b").at(Stage.REQUIRED, "c/d", "a/b")])
def test_a_file_tells_all(epochs: Epochs) -> None:
    assert parse_epochs(json.dumps(epochs.to_json()), "here") == epochs


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"all": 1, "of": [], "turning": [], "stage": "open"}'])
def test_what_a_newer_release_wrote_is_refused(text: str) -> None:
    with pytest.raises(ClusterctlError, match=r"node-1:/x: is not what this release of clusterctl writes there"):
        parse_epochs(text, "node-1:/x")


def test_a_stage_that_is_none_is_refused() -> None:
    told = FIRST.next().at(Stage.CLIENTS).to_json() | {"stage": "later"}
    with pytest.raises(ClusterctlError, match="here: is not"):
        parse_epochs(json.dumps(told), "here")
