"""The inventory in the form of a dynamic inventory script."""

from __future__ import annotations

from clusterctl.ansible.inventory import InventoryHost, inventory


def test_groups_are_services_and_node_groups() -> None:
    found = inventory(
        all_variables={"x": 1},
        group_variables={"build-ers": {"y": 2}, "empty": {"z": 3}},
        hosts=[
            InventoryHost("c-1", "control", ("zookeeper", "marathon"), {"clusterctl_address": "192.0.2.1"}),
            InventoryHost("b-1", "build-ers", ("mesos_agent",), {}),
        ],
    )
    assert found["zookeeper"] == {"hosts": ["c-1"]}
    assert found["group_build_ers"] == {"hosts": ["b-1"], "vars": {"y": 2}}
    assert found["all"]["vars"] == {"x": 1}
    assert found["_meta"]["hostvars"]["c-1"] == {"clusterctl_address": "192.0.2.1"}
    assert "group_empty" not in found
