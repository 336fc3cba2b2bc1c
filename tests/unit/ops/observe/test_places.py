"""Where a web page is, and who may see it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.health.expect import Node
from clusterctl.health.facts import NodeFacts
from clusterctl.ops.observe.places import page
from clusterctl.secrets.marathon_files import HTTP_FILE
from clusterctl.spec.model import ClusterSpec
from tests.memory.cloud import MemoryCloud
from tests.unit.health.clusters import all_facts, servers
from tests.unit.specs import demo_spec, only_closed


class Facts:
    """A prober of a healthy cluster, or of one where nothing answers."""

    def __init__(self, *, up: bool = True) -> None:
        self.up = up

    def probe(self, nodes: Sequence[Node]) -> dict[str, NodeFacts]:
        known = all_facts()
        return {node.name: known[node.name] if self.up else NodeFacts(error="down") for node in nodes}


def of(spec: ClusterSpec, *, up: bool = True) -> tuple[str, int, str]:
    cloud = MemoryCloud()
    cloud.servers = lambda cluster: servers()  # type: ignore[method-assign]
    found = page(spec, cloud, Facts(up=up), "marathon")
    return found.node.name, found.port, found.login


def test_a_page_is_the_leaders_and_open_unless_the_file_closes_it() -> None:
    name, port, login = of(demo_spec())
    assert (name.startswith("demo-control-"), port, login) == (True, 8080, "")
    assert of(demo_spec(security=only_closed("marathon"))) == (name, 8080, HTTP_FILE)


def test_without_a_leader_there_is_none() -> None:
    with pytest.raises(ClusterctlError, match="no marathon leads"):
        of(demo_spec(), up=False)
