"""Units that packages bring for our services: which are found, guarded, and told of at the build of an image."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from clusterctl.paths import roles_dir
from clusterctl.render.roles import roles_of
from clusterctl.render.templates import render_files
from clusterctl.services import UNITS
from tests.unit.render.conftest import Node


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = roles_dir() / "common" / "files" / "foreign_units.py"
    spec = importlib.util.spec_from_file_location("foreign_units", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_knows_our_units(script: ModuleType) -> None:
    assert sorted(script.OURS) == sorted(UNITS.values())
    for unit in UNITS.values():
        role = unit.replace("-", "_")
        assert (roles_dir() / role / "templates" / script.ADMIN.relative_to("/") / f"{unit}.service.j2").is_file()


def test_a_unit_starts_only_where_ours_lies(script: ModuleType) -> None:
    assert "\nConditionPathExists=/etc/systemd/system/mesos-master.service\n" in script.guard("mesos-master.service")
    assert "\nConditionPathExists=!/\n" in script.guard("mesos-slave.service")


def test_guards_are_written_once(script: ModuleType, tmp_path: Path) -> None:
    names = ["mesos-slave.service", "zookeeper.service"]
    written = script.write_guards(names, tmp_path)
    assert written == [str(tmp_path / f"{name}.d" / "clusterctl-foreign.conf") for name in names]
    assert script.write_guards(names, tmp_path) == []
    (tmp_path / "mesos-slave.service.d" / "clusterctl-foreign.conf").write_text("[Unit]\n")
    assert script.write_guards(names, tmp_path) == written[:1]


def test_units_of_a_package_are_found_by_name_or_text(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init, vendor = tmp_path / "init.d", tmp_path / "system"
    monkeypatch.setattr(script, "INIT", init)
    monkeypatch.setattr(script, "VENDOR", (vendor,))
    for directory in (init, vendor):
        directory.mkdir()
    (vendor / "dcos-agent.service").write_text("[Service]\nExecStart=/usr/bin/mesos-init-wrapper slave\n")
    (vendor / "haproxy.service").write_text("[Service]\nExecStart=/usr/sbin/haproxy\n")
    (vendor / "mesos-slave.timer").write_text("")
    (init / "cluster").write_text("#!/bin/sh\nexec /usr/bin/marathon\n")
    (init / "cron").write_text("#!/bin/sh\n")
    paths = [str(path) for directory in (init, vendor) for path in directory.iterdir()]
    found = script.units_of([*paths, "/usr/sbin/mesos-master", "/etc/default/mesos-master"])
    assert found == ["cluster.service", "dcos-agent.service", "mesos-slave.timer"]


UNIT = {
    "Id": "mesos-master.service",
    "FragmentPath": "/lib/systemd/system/mesos-master.service",
    "UnitFileState": "disabled",
    "ActiveState": "inactive",
}


def told(script: ModuleType, admin: Path, **properties: str) -> list[str]:
    return list(script.problems([{**UNIT, **properties}], admin))


def test_what_would_start_is_told(script: ModuleType, tmp_path: Path) -> None:
    assert told(script, tmp_path) == []
    place = "(/lib/systemd/system/mesos-master.service"
    assert told(script, tmp_path, UnitFileState="enabled") == [f"mesos-master.service would start at boot {place})"]
    by = ", by multi-user.target)"
    assert told(script, tmp_path, UnitFileState="static", WantedBy="multi-user.target") == [
        f"mesos-master.service would start at boot {place}{by}"
    ]
    assert told(script, tmp_path, ActiveState="active") == [f"mesos-master.service runs {place})"]


def test_a_guarded_one_would_not_start(script: ModuleType, tmp_path: Path) -> None:
    drop_in = str(tmp_path / "mesos-master.service.d" / "clusterctl-foreign.conf")
    enabled = {"UnitFileState": "enabled", "DropInPaths": f"/a/b.conf {drop_in}"}
    assert told(script, tmp_path, **enabled) == []
    assert told(script, tmp_path, **enabled, ActiveState="active") != [], "it runs all the same"
    (tmp_path / "mesos-master.service").write_text("a package's, in the place of ours")
    assert told(script, tmp_path, **enabled) != []


def test_a_strange_name_is_known_by_what_it_runs(script: ModuleType, tmp_path: Path) -> None:
    enabled = {"Id": "dcos.service", "UnitFileState": "enabled"}
    assert told(script, tmp_path, **enabled, ExecStart="{ path=/bin/sh ; argv[]=/bin/sh -c true ; }") == []
    assert told(script, tmp_path, **enabled, ExecStart="{ path=/usr/bin/mesos-init-wrapper ; }") != []


def test_an_init_script_is_known_by_its_text(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "INIT", tmp_path)
    (tmp_path / "cluster").write_text("#!/bin/sh\nexec java org.apache.zookeeper.server.quorum.QuorumPeerMain\n")
    properties = {"Id": "cluster.service", "SourcePath": f"{tmp_path}/cluster", "UnitFileState": "generated"}
    assert told(script, tmp_path, **properties) == []
    assert told(script, tmp_path, **properties, WantedBy="multi-user.target") == [
        f"cluster.service would start at boot ({tmp_path}/cluster, by multi-user.target)"
    ]


def test_what_systemctl_shows_is_read(script: ModuleType) -> None:
    text = "Id=a.service\nExecStart={ path=/x ; argv[]=/x --a=b ; }\n\nId=b.timer\nWantedBy=timers.target\n"
    assert script.shown(text) == [
        {"Id": "a.service", "ExecStart": "{ path=/x ; argv[]=/x --a=b ; }"},
        {"Id": "b.timer", "WantedBy": "timers.target"},
    ]


def test_another_verb_is_refused(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main("start") == 2
    assert "found 'start'; allowed: quiet, check" in capsys.readouterr().err


def test_ours_read_nothing_that_upstreams_packages_bring(nodes: dict[str, Node]) -> None:
    for services, variables in nodes.values():
        for file in render_files(roles_dir(), roles_of(services), variables):
            assert not re.search(r"/etc/mesos(/zk|-master|-slave)|/etc/default/mesos\b(?!-)|init-wrapper", file.content)
            assert not re.match(r"/etc/mesos(/zk|-master|-slave)|/etc/default/mesos(-slave)?$", file.path)
