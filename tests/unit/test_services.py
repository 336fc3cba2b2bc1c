"""The table of services, and those that keep plain keys of their own because they run on nodes."""

from __future__ import annotations

import pytest

from clusterctl import services
from clusterctl.health.facts import NodeFacts
from clusterctl.paths import roles_dir
from clusterctl.remote.probe import PROBES
from clusterctl.render.roles import SERVICE_ROLES
from clusterctl.services import CONTROL_SERVICES, ROLLS, TABLE, Service
from clusterctl.spec.artifacts import Artifacts


def test_every_service_has_its_row() -> None:
    assert set(TABLE) == set(Service)
    assert len({row.unit for row in TABLE.values()}) == len({row.port for row in TABLE.values()}) == len(TABLE)


@pytest.mark.parametrize("table", [SERVICE_ROLES, PROBES], ids=["roles", "probes"])
def test_what_runs_on_nodes_knows_the_same_services(table: dict[str, object]) -> None:
    assert set(table) == {service.value for service in Service}


def test_nodes_and_cluster_files_know_the_same_roles() -> None:
    assert {service.value: row.roles for service, row in TABLE.items()} == SERVICE_ROLES


def test_every_service_has_a_role_and_facts() -> None:
    for service in Service:
        assert service.value in SERVICE_ROLES[service.value]
        assert (roles_dir() / service.value / "tasks" / "main.yml").is_file()
        assert service.value in NodeFacts.model_fields


def test_the_artifacts_file_names_every_component_that_is_an_artifact() -> None:
    assert set(services.ARTIFACTS.values()) <= set(Artifacts.model_fields)


def test_masters_are_rolled_before_agents_zookeeper_before_masters_and_schedulers_last() -> None:
    order = [Service.ZOOKEEPER, Service.MESOS_MASTER, Service.MESOS_AGENT, Service.MARATHON]
    assert list(services.ROLL_ORDER) == list(ROLLS["all"]) == order
    assert ROLLS["mesos"] == (Service.MESOS_MASTER, Service.MESOS_AGENT)


def test_choices_of_the_command_line() -> None:
    assert set(services.RESTARTABLE) == {"zookeeper", "mesos_master", "mesos_agent", "mesos", "marathon"}
    assert services.UPGRADABLE == ("zookeeper", "mesos", "marathon", "all")


def test_control_services_are_all_but_the_agent() -> None:
    assert set(CONTROL_SERVICES) == set(Service) - {Service.MESOS_AGENT}
