"""The way of an open cluster to a closed one: what files tell of it, and what the next stage is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from clusterctl.paths import roles_dir
from clusterctl.render.templates import render_files
from clusterctl.resources import Flavor
from clusterctl.secrets.stages import FILES, ON_THE_WAY, Closing, Position, Stage, Way, kept_closed, position, way_of
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import WITH_SECRETS, Part
from clusterctl.topology import addresses, topology
from clusterctl.variables import cluster_variables, group_variables, node_variables
from tests.unit.specs import demo_spec

FLAVORS = {"m1.small": Flavor("1", "m1.small", 2, 4096, 20)}
BEFORE = Position(Stage.OPEN, Stage.OFFERED)
OPEN = demo_spec(security={"insecure": "all"})
ZK, MASTER, AGENT, MARATHON = Service.ZOOKEEPER, Service.MESOS_MASTER, Service.MESOS_AGENT, Service.MARATHON


def closed(*parts: str) -> ClusterSpec:
    names = parts or tuple(part.value for part in WITH_SECRETS)
    others = [part.value for part in Part if part.value not in names]
    return demo_spec(security={"require": list(names), "insecure": others})


def node(spec: ClusterSpec, group: str, changes: Mapping[str, Any] | None = None, **more: Any) -> Closing:
    """A node with the files that the roles make of these variables."""
    return Closing(dict(_texts(spec, group, tuple(sorted((changes or {}).items())))), **more)


@cache
def _rendered(security: str, group: str, changes: tuple[tuple[str, Any], ...]) -> tuple[tuple[Service, str], ...]:
    spec = demo_spec(security=eval(security))  # noqa: S307 (ours, from a line above)
    top = topology(spec)
    at = addresses(top, {each.name: f"10.0.0.{number}" for number, each in enumerate(top.nodes, 1)})
    values = cluster_variables(spec, at) | group_variables(spec, group, FLAVORS)
    if group == "control":
        values |= node_variables(spec, top.nodes[0], "10.0.0.1", None)
    return tuple((service, _file(service, values | dict(changes))) for service in spec.groups[group].services)


def _file(service: Service, values: Mapping[str, Any]) -> str:
    files = render_files(roles_dir(), [service.value], values)
    return next(file.content for file in files if file.path == FILES[service])


def _texts(spec: ClusterSpec, group: str, changes: tuple[tuple[str, Any], ...]) -> tuple[tuple[Service, str], ...]:
    security = spec.security
    return _rendered(repr({"require": list(security.require), "insecure": list(security.insecure)}), group, changes)


def nodes(spec: ClusterSpec, stage: Stage, **more: Any) -> list[Closing]:
    """All nodes with the files of a stage."""
    if stage is Stage.OPEN:
        return [node(OPEN, group, **more) for group in ("control", "control", "builders")]
    changes = Way(spec, dict.fromkeys(WITH_SECRETS, BEFORE)).variables(stage)
    return [node(spec, group, changes, **more) for group in ("control", "control", "builders")]


@pytest.mark.parametrize("part", WITH_SECRETS)
@pytest.mark.parametrize("stage", ON_THE_WAY)
def test_the_files_of_a_stage_tell_that_it_is_reached(stage: Stage, part: Part) -> None:
    following = Stage(stage + 1) if stage < Stage.REQUIRED else None
    found = position(part, nodes(closed(), stage)).left
    # Marathon alone has no more than two states, as open as closed masters take
    if part is Part.MARATHON:
        following = Stage.CLIENTS if stage is Stage.OFFERED else None
    assert found == following


def test_an_open_cluster_goes_through_all_stages() -> None:
    way = way_of(closed(), nodes(closed(), Stage.OPEN))
    assert way.stages == list(ON_THE_WAY)
    assert way.closing == list(WITH_SECRETS)


def test_a_closed_one_has_the_last_stage_before_it_which_changes_nothing() -> None:
    spec = closed()
    way = way_of(spec, nodes(spec, Stage.REQUIRED))
    assert (way.stages, way.closing) == ([Stage.REQUIRED], [])
    for group in ("control", "builders"):
        assert node(spec, group, way.variables(Stage.REQUIRED)).texts == node(spec, group).texts


@pytest.mark.parametrize("stage", ON_THE_WAY)
def test_a_run_that_was_killed_while_it_wrote_files_goes_on_with_them(stage: Stage) -> None:
    """Some nodes have the files of the next stage: going back would part them from their neighbours."""
    spec = closed()
    mixed = [*nodes(spec, Stage(stage - 1))[:1], *nodes(spec, stage)[1:]]
    assert position(Part.MESOS, mixed).left == (stage if stage is not Stage.OFFERED else Stage.OFFERED)
    assert position(Part.ZOOKEEPER, mixed).left == stage


@pytest.mark.parametrize("stage", ON_THE_WAY)
def test_a_run_that_was_killed_in_its_rolls_begins_with_what_runs_with_older_files(stage: Stage) -> None:
    unit = frozenset({"zookeeper.service", "mesos-master.service"})
    found = nodes(closed(), stage)
    found[0] = Closing(found[0].texts, unit, secrets=True)
    assert position(Part.ZOOKEEPER, found).left == stage
    assert position(Part.MESOS, found).left == (stage if stage is not Stage.OFFERED else Stage.OFFERED)


def test_what_waits_for_another_reason_lets_no_closed_cluster_step_back() -> None:
    spec = closed()
    found = nodes(spec, Stage.REQUIRED, pending=frozenset({"zookeeper.service"}))
    way = way_of(spec, found)
    assert way.stages == [Stage.REQUIRED]
    assert way.variables(Stage.REQUIRED)["zookeeper_members_auth"] == "required"


def test_members_that_are_more_than_a_stage_apart_meet_where_the_hindmost_is() -> None:
    """One was made anew, by a file that says closed."""
    spec = closed()
    mixed = [nodes(spec, Stage.OPEN)[0], nodes(spec, Stage.REQUIRED)[1]]
    assert position(Part.ZOOKEEPER, mixed).left is Stage.OFFERED
    assert position(Part.MESOS, mixed).left is Stage.OFFERED


def test_a_part_that_is_closed_stays_so_while_another_one_is_on_its_way() -> None:
    before, spec = closed("zookeeper"), closed("zookeeper", "mesos")
    found = [node(before, "control"), node(before, "builders")]
    way = way_of(spec, found)
    assert way.positions == {Part.MESOS: BEFORE, Part.ZOOKEEPER: Position(Stage.REQUIRED, None)}
    variables = way.variables(Stage.OFFERED)
    assert variables["zookeeper_members_auth"] == "required"
    assert variables["marathon_zk_credentials"] is True
    assert (variables["mesos_master_authentication_required"], variables["mesos_agent_authentication"]) == (
        False,
        False,
    )
    assert "marathon_secured" not in variables
    assert way.judged(Stage.OFFERED).secured(Part.ZOOKEEPER)


def test_the_tree_is_expected_to_be_closed_when_all_clients_are_known() -> None:
    way = way_of(closed(), nodes(closed(), Stage.OPEN))
    assert [way.judged(stage).secured(Part.ZOOKEEPER) for stage in ON_THE_WAY] == [False, False, True]
    assert all(way.judged(stage).secured(Part.MESOS) for stage in ON_THE_WAY)


def test_a_part_without_a_first_stage_waits_for_the_second_one() -> None:
    """Marathon's own password: else it would be rolled once for that and once for its secrets."""
    way = way_of(closed(), nodes(closed(), Stage.OPEN))
    assert [way.variables(stage)["marathon_secured"] for stage in ON_THE_WAY] == [False, True, True]
    assert [way.variables(stage)["marathon_zk_credentials"] for stage in ON_THE_WAY] == [False, True, True]


def test_the_file_may_not_open_what_nodes_have_closed() -> None:
    assert kept_closed(closed("mesos"), nodes(closed(), Stage.OFFERED)) == [Part.ZOOKEEPER]
    assert kept_closed(OPEN, nodes(closed(), Stage.REQUIRED)) == list(WITH_SECRETS)
    assert kept_closed(OPEN, nodes(OPEN, Stage.OPEN)) == []


def test_a_file_that_is_not_there_is_open() -> None:
    bare = Closing(dict.fromkeys((ZK, MASTER, MARATHON), ""))
    assert [position(part, [bare]).left for part in WITH_SECRETS] == [Stage.OFFERED, Stage.OFFERED, Stage.CLIENTS]
