"""Every variable of a role has one place where it is set."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from clusterctl.resources import Flavor, Volume
from clusterctl.spec.load import model_at
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.rolevars import COMPUTED, IMAGE_KEYS, KEYS, Place, role_variables
from clusterctl.topology import addresses, topology
from clusterctl.variables import pool_variables, variables_of
from tests.unit.specs import demo, demo_spec

VARIABLES = role_variables()
DECLARED = {variable.name for variable in VARIABLES}


def assembled() -> set[str]:
    """All variables that some node has, with a volume and Jenkins masters."""
    groups = demo()["groups"]
    groups["jenkins"] |= {"volume": {"size": 10, "mount": "/srv/jenkins"}}
    spec = demo_spec(groups=groups, jenkins={})
    top = topology(spec)
    address_of = {node.name: f"192.0.2.{number}" for number, node in enumerate(top.nodes, 1)}
    at, flavors = addresses(top, address_of), {"m1.small": Flavor("f", "m1.small", vcpus=1, ram_mib=1024, disk_gib=10)}
    names: set[str] = set()
    for node in top.nodes:
        volume = Volume("0123", node.name, "available", 10, node.group, None)
        names |= variables_of(spec, node, flavors, at, address_of[node.name], volume).keys()
    for pool in top.pools:
        names |= pool_variables(spec, pool, flavors, at).keys()
    return names


def test_what_clusterctl_assembles_can_be_set_nowhere_else() -> None:
    assert assembled() - {"clusterctl_node"} <= KEYS.keys() | COMPUTED.keys()


def test_the_tables_name_what_roles_declare() -> None:
    assert KEYS.keys() | COMPUTED.keys() | IMAGE_KEYS.keys() <= DECLARED
    assert not KEYS.keys() & COMPUTED.keys()


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: f"{variable.role}.{variable.name}")
def test_what_can_be_set_has_type_default_and_meaning(variable: Any) -> None:
    assert variable.meaning
    assert variable.told
    if variable.place is Place.SETTINGS:
        assert variable.kind in ("str", "path", "int", "float", "bool", "list")
        assert variable.default is not None
        assert not variable.refusal
    else:
        assert variable.refusal


@pytest.mark.parametrize(("name", "key"), KEYS.items())
def test_keys_exist_and_have_the_roles_defaults(name: str, key: str) -> None:
    *parents, last = key.split(".")
    model = model_at(ClusterSpec, tuple(parents))
    assert model is not None
    assert issubclass(model, BaseModel)
    default = model.model_fields[last].default
    for variable in VARIABLES:
        if variable.name == name and variable.kind in ("int", "float") and variable.default is not None:
            same_unit = name.rpartition("_")[2] == last.rpartition("_")[2]
            assert variable.default == (default if same_unit else default * 1000), key
