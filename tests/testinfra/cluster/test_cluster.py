"""The nodes together: leaders, followers, registered agents. Asked on one node of each service, about all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import testinfra

from tests.testinfra.asking import asked

Members = Callable[[str], list[Any]]


@pytest.fixture(scope="module")
def members(request: pytest.FixtureRequest) -> Members:
    """The hosts of an inventory group."""
    options = request.config.option

    def of(group: str) -> list[Any]:
        hosts: list[Any] = testinfra.get_hosts(
            [f"ansible://{group}"], ansible_inventory=options.ansible_inventory, sudo=options.sudo
        )
        return hosts

    return of


def own(host: Any) -> str:
    return str(host.check_output("/usr/lib/clusterctl/primary-address"))


def mntr(host: Any) -> dict[str, str]:
    answer = host.check_output(f"echo mntr | nc -w 3 {own(host)} 2181").splitlines()
    return dict(line.split("\t", 1) for line in answer if "\t" in line)


def elected(masters: list[Any]) -> list[str]:
    """Addresses of the masters that say that they lead."""
    addresses = [(host, own(host)) for host in masters]
    url = "http://{}:5050/metrics/snapshot"
    return [address for host, address in addresses if asked(host, url.format(address))["master/elected"] == 1]


def test_one_zookeeper_leads_and_all_others_follow_in_step(members: Members, eventually: Any) -> None:
    ensemble = members("zookeeper")
    followers = len(ensemble) - 1

    def states() -> Counter[str]:
        return Counter(mntr(host)["zk_server_state"] for host in ensemble)

    wanted = Counter(leader=1, follower=followers)
    assert eventually(states, wanted) == wanted

    def synced() -> list[int]:
        return [
            int(float(each["zk_synced_followers"])) for each in map(mntr, ensemble) if "zk_synced_followers" in each
        ]

    assert eventually(synced, [followers]) == [followers]


def test_one_master_is_elected_and_knows_every_agent(members: Members, eventually: Any) -> None:
    masters = members("mesos_master")
    agents = {own(host): host.ansible.get_variables() for host in members("mesos_agent")}
    eventually(lambda: len(elected(masters)) == 1)
    (leader,) = elected(masters)

    def active() -> dict[str, Any]:
        known = asked(masters[0], f"http://{leader}:5050/slaves")["slaves"]
        return {agent["hostname"]: agent for agent in known if agent["active"]}

    eventually(lambda: active().keys() >= agents.keys())
    known = active()
    for address, variables in agents.items():
        attributes = ";".join(f"{name}:{text}" for name, text in sorted(known[address]["attributes"].items()))
        assert attributes == variables["mesos_agent_attributes"]
        role = variables["mesos_agent_default_role"]
        assert set(known[address]["reserved_resources"]) == (set() if role == "*" else {role})


def test_one_marathon_leads_and_is_registered_in_its_role(members: Members, eventually: Any) -> None:
    marathons = members("marathon")
    addresses = {own(host) for host in marathons}

    def leaders() -> set[str]:
        return {asked(host, f"http://{own(host)}:8080/v2/leader")["leader"] for host in marathons}

    eventually(lambda: len(leaders()) == 1)
    assert {leader.split(":")[0] for leader in leaders()} < addresses
    masters = members("mesos_master")
    (leader,) = eventually(lambda: elected(masters))

    def registered() -> list[Any]:
        frameworks = asked(masters[0], f"http://{leader}:5050/frameworks")["frameworks"]
        return [each for each in frameworks if each["name"] == "marathon" and each["active"]]

    (framework,) = eventually(registered)
    role = marathons[0].ansible.get_variables()["marathon_mesos_role"]
    assert (framework.get("roles") or [framework["role"]]) == [role]
    assert framework["checkpoint"]
