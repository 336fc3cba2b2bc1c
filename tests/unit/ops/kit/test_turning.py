"""Whoever looks at a cluster is told of a turn that was left lying; the key stays where it is."""

from __future__ import annotations

import json
from pathlib import Path

from clusterctl.ops.kit.standing import ask_standing
from clusterctl.ops.kit.turning import told_epochs, turning_check
from clusterctl.secrets.epochs import FIRST
from clusterctl.secrets.nodes import EPOCHS_FILE
from clusterctl.secrets.stages import Stage
from tests.unit.ops.kit.nodes import Nodes
from tests.unit.ops.kit.test_delivery import CONTROL, servers


def test_the_furthest_control_node_tells(tmp_path: Path) -> None:
    nodes = Nodes.at(tmp_path, servers())
    assert told_epochs(ask_standing(nodes.access, servers())) == FIRST
    turn = FIRST.next().at(Stage.CLIENTS, "marathon/http")
    for address, epochs in zip(CONTROL, (FIRST.next().at(Stage.OFFERED, "marathon/http"), turn), strict=False):
        nodes.of[address].files[EPOCHS_FILE] = json.dumps(epochs.to_json())
    nodes.of[CONTROL[2]].up = False
    assert told_epochs(ask_standing(nodes.access, servers())) == turn
    assert {script for _, script in nodes.asked} == {"keyfile.py"}


def test_what_nobody_can_tell_is_unknown(tmp_path: Path) -> None:
    nodes = Nodes.at(tmp_path, servers())
    for address in CONTROL:
        nodes.of[address].up = False
    told = told_epochs(ask_standing(nodes.access, servers()))
    assert told is None
    assert turning_check(told).detail.startswith("unknown")


def test_a_turn_is_no_fault_and_its_command_is_named() -> None:
    assert (turning_check(FIRST.next()).ok, turning_check(FIRST).detail) == (True, "none under way")
    check = turning_check(FIRST.at(Stage.CLIENTS, "mesos/probe", "marathon/http"))
    assert (check.ok, check.detail) == (
        True,
        "one of marathon/http, mesos/probe is under way (clients); `clusterctl secrets rotate FILE marathon/http "
        "mesos/probe` finishes it",
    )
    assert "`clusterctl secrets rotate FILE` finishes it" in turning_check(FIRST.at(Stage.REQUIRED)).detail
