from typing import Any

import pytest

from lab.standins.marathon.marathon_standin.constraints import Place
from lab.standins.marathon.marathon_standin.matcher import Fit, OpenOffer, match
from tests.unit.standins.marathon.make import app, offer


def fit(the_app: Any, the_offer: OpenOffer, placed: list[Place] | None = None, maintenance: bool = False) -> Fit | str:
    return match(the_app, the_offer, placed or [], maintenance, lambda free: free[0])


def test_a_fit_takes_its_share_of_the_offer() -> None:
    the_app, the_offer = app(cpus=2, acceptedResourceRoles=["*"]), OpenOffer(offer(cpus=4))
    first = fit(the_app, the_offer)
    assert isinstance(first, Fit)
    assert first.host_ports == [31000]
    assert {r["name"] for r in first.resources} == {"cpus", "mem", "ports"}
    second = fit(the_app, the_offer)
    assert isinstance(second, Fit)
    assert second.host_ports == [31001]
    assert fit(the_app, the_offer) == "InsufficientCpus"


@pytest.mark.parametrize(
    ("fields", "offer_role", "says"),
    [
        ({"acceptedResourceRoles": ["marathon"]}, "*", "UnfulfilledRole"),
        ({"acceptedResourceRoles": ["*"]}, "marathon", "UnfulfilledRole"),
        ({"constraints": [["pool", "CLUSTER", "x"]]}, "*", "UnfulfilledConstraint"),
        ({"cpus": 5}, "*", "InsufficientCpus"),
        ({"mem": 1025}, "*", "InsufficientMemory"),
        ({"disk": 1025}, "*", "InsufficientDisk"),
        ({"portDefinitions": [{"port": 80}], "requirePorts": True}, "*", "InsufficientPorts"),
    ],
)
def test_reasons_for_a_no(fields: dict[str, Any], offer_role: str, says: str) -> None:
    the_offer = OpenOffer(offer(role=offer_role, pool="y"))
    assert fit(app(**fields), the_offer) == says
    assert fit(app(acceptedResourceRoles=[offer_role], cpus=4), the_offer) != "InsufficientCpus"  # nothing was taken


def test_required_ports_are_host_ports() -> None:
    found = fit(app(portDefinitions=[{"port": 31005}], requirePorts=True), OpenOffer(offer()))
    assert isinstance(found, Fit)
    assert found.host_ports == [31005]


def test_maintenance_is_a_no_after_role_and_constraints() -> None:
    assert fit(app(), OpenOffer(offer()), maintenance=True) == "AgentMaintenance"
    assert fit(app(acceptedResourceRoles=["marathon"]), OpenOffer(offer()), maintenance=True) == "UnfulfilledRole"


@pytest.mark.parametrize(
    ("now", "draining", "closed"),
    [(99, 0, False), (99, 1, True), (100, 0, True), (109.9, 0, True), (110, 0, False)],
)
def test_maintenance_window_with_draining_time(now: float, draining: float, closed: bool) -> None:
    window = {"start": {"nanoseconds": 100 * 10**9}, "duration": {"nanoseconds": 10 * 10**9}}
    assert OpenOffer({**offer(), "unavailability": window}).in_maintenance(now, draining) is closed


def test_maintenance_without_end_and_without_window() -> None:
    endless = OpenOffer({**offer(), "unavailability": {"start": {"nanoseconds": 100 * 10**9}}})
    assert endless.in_maintenance(10**9, 0)
    assert not OpenOffer(offer()).in_maintenance(10**9, 0)
