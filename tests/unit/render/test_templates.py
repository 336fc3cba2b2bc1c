"""Both engines give the same files, and what is wrong is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, lookup_loader
from ansible.template import Templar

from clusterctl.paths import roles_dir
from clusterctl.render.roles import SERVICE_ROLES, roles_of
from clusterctl.render.templates import RenderError, render_files, units

from .conftest import Node

NODES = (
    *("control", "closed", "jenkins", "builders", "masters-0.x", "masters-1.x", "masters-2.x"),
    *("settings-control", "settings-builders"),
)


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    init_plugin_loader([])


def ansible_render(template: Path, values: dict[str, Any]) -> str:
    """The text that ansible-core makes of a template file."""
    loader = DataLoader()
    templar = Templar(loader=loader, variables=values)
    lookup = lookup_loader.get("ansible.builtin.template", loader=loader, templar=templar)
    (text,) = lookup.run([str(template)], variables=values)
    return str(text)


def load(role: str, part: str) -> dict[str, Any]:
    data = yaml.safe_load((roles_dir() / role / part / "main.yml").read_text())
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize("name", NODES)
def test_ansible_renders_the_same(name: str, nodes: dict[str, Node]) -> None:
    services, variables = nodes[name]
    ours = {file.path: file.content for file in render_files(roles_dir(), roles_of(services), variables)}
    theirs: dict[str, str] = {}
    values: dict[str, Any] = {}
    for role in roles_of(services):
        values |= load(role, "defaults")
    values |= variables
    for role in roles_of(services):
        for entry in load(role, "vars")[f"{role}_files"]:
            if "when" not in entry or values[entry["when"]]:
                theirs[entry["dest"]] = ansible_render(roles_dir() / role / "templates" / entry["src"], values)
    assert ours == theirs


def test_every_template_is_rendered_for_some_node(nodes: dict[str, Node]) -> None:
    rendered = {
        f"{file.path.lstrip('/')}.j2"
        for services, variables in nodes.values()
        for file in render_files(roles_dir(), roles_of(services), variables)
    }
    templates = {
        str(path.relative_to(directory))
        for directory in roles_dir().glob("*/templates")
        for path in directory.rglob("*")
        if path.is_file()
    }
    assert rendered == templates


def test_every_role_is_used_and_every_list_is_complete() -> None:
    used = {role for roles in SERVICE_ROLES.values() for role in roles}
    assert used == {path.name for path in roles_dir().iterdir() if path.is_dir()}
    for role in used:
        for entry in load(role, "vars")[f"{role}_files"]:
            assert entry["dest"] == "/" + entry["src"].removesuffix(".j2")
            assert isinstance(entry["mode"], str)
            assert entry["mode"].startswith("0")


def test_what_a_member_says_of_its_ensemble(nodes: dict[str, Node]) -> None:
    services, variables = nodes["control"]
    files = {file.path: file.content for file in render_files(roles_dir(), roles_of(services), variables)}
    assert files["/etc/zookeeper/myid"] == "1\n"
    lines = files["/etc/zookeeper/zoo.cfg"].splitlines()
    assert [line for line in lines if line.startswith("server.")] == [
        f"server.{number}=192.0.2.{9 + number}:2888:3888" for number in (1, 2, 3)
    ]
    assert "standaloneEnabled=false" in lines
    assert "reconfigEnabled=false" in lines
    master = files["/etc/default/mesos-master"].splitlines()
    assert "MESOS_QUORUM=2" in master
    assert "MESOS_ZK=zk://192.0.2.10:2181,192.0.2.11:2181,192.0.2.12:2181/mesos" in master
    assert "MARATHON_ACCEPTED_RESOURCE_ROLES_DEFAULT_BEHAVIOR=unreserved" in files["/etc/default/marathon"]


def test_a_closed_control_node_names_files_with_secrets_and_holds_none(nodes: dict[str, Node]) -> None:
    services, variables = nodes["closed"]
    files = {file.path: file.content for file in render_files(roles_dir(), roles_of(services), variables)}
    assert "MESOS_ZK=file:///run/mesos-master/zk" in files["/etc/default/mesos-master"].splitlines()
    assert "MARATHON_ZK=" not in files["/etc/default/marathon"]
    assert "-Dlogback.configurationFile=/etc/clusterctl/marathon-logback.xml" in files["/etc/default/marathon"]
    unit = files["/etc/systemd/system/marathon.service"].splitlines()
    assert "EnvironmentFile=/etc/clusterctl/secrets/marathon.env" in unit
    assert "@/etc/clusterctl/secrets/zookeeper.options" in files["/etc/systemd/system/zookeeper.service"]
    assert "quorum.auth.serverRequireSasl=true" in files["/etc/zookeeper/zoo.cfg"].splitlines()


def test_settings_and_flags_stand_in_the_files(nodes: dict[str, Node]) -> None:
    lines = {}
    for name in ("settings-control", "settings-builders"):
        services, variables = nodes[name]
        for file in render_files(roles_dir(), roles_of(services), variables):
            lines[file.path] = file.content.splitlines()
    assert {
        "JAVA_HOME=/opt/marathon-java/current",
        'JAVA_OPTS="-Xmx512m -XX:+ExitOnOutOfMemoryError -Xlog:gc*:file=/tmp/gc-%p.log -Da=#b;c"',
        "MARATHON_METRICS_PROMETHEUS=",
        "MARATHON_DISABLE_HTTP_COMPRESSION=",
        'MARATHON_MAX_APPS="9"',
        "MARATHON_ZK_SESSION_TIMEOUT=10000",
    } <= set(lines["/etc/default/marathon"])
    master = lines["/etc/default/mesos-master"]
    assert r'MESOS_MODULES="{\"limits\":[{\"principal\":\"a \\\"b\\\" \$c\",\"qps\":1.5}]}"' in master
    assert "MESOS_RECOVERY_AGENT_REMOVAL_LIMIT=75%" in master
    assert not any("AGENT_REMOVAL_RATE_LIMIT" in line for line in master)
    agent = lines["/etc/default/mesos-agent"]
    assert {'MESOS_SWITCH_USER="false"', 'MESOS_CGROUPS_ROOT="mesos"', "MESOS_GC_DELAY=48hrs"} <= set(agent)
    assert "dataLogDir=/srv/zookeeper" in lines["/etc/zookeeper/zoo.cfg"]
    assert any("-Dzookeeper.tcpKeepAlive=false " in line for line in lines["/etc/default/zookeeper"])
    assert (
        "ExecStartPre=+/usr/bin/install -d -o zookeeper -g zookeeper -m 0750 /srv/zookeeper"
        in (lines["/etc/systemd/system/zookeeper.service"])
    )


def test_a_hardened_zookeeper_may_write_its_transaction_logs(nodes: dict[str, Node]) -> None:
    services, variables = nodes["settings-control"]
    hardened = {**variables, "clusterctl_hardened": True}
    files = {file.path: file.content for file in render_files(roles_dir(), roles_of(services), hardened)}
    assert "ReadWritePaths=-/srv/zookeeper" in files["/etc/systemd/system/zookeeper.service"].splitlines()


def test_programs_name_their_interpreter_in_their_first_bytes(nodes: dict[str, Node]) -> None:
    for services, variables in nodes.values():
        for file in render_files(roles_dir(), roles_of(services), variables):
            if file.mode == "0755":
                assert file.content.startswith("#!/"), file.path


def test_an_agent_holds_nothing_individual(nodes: dict[str, Node]) -> None:
    services, variables = nodes["builders"]
    agent = next(
        file.content
        for file in render_files(roles_dir(), roles_of(services), variables)
        if file.path == "/etc/default/mesos-agent"
    )
    assert "MESOS_IP=" not in agent
    assert "MESOS_HOSTNAME=" not in agent
    assert "MESOS_ATTRIBUTES" not in agent
    assert 'MESOS_RESOURCES="cpus:2;mem:3904;disk:18432;ports:[31000-32000]"' in agent


def test_services_that_must_come_back_do(nodes: dict[str, Node]) -> None:
    for services, variables in nodes.values():
        for file in render_files(roles_dir(), roles_of(services), variables):
            # These do something once
            if file.path.endswith(".service") and not file.path.endswith(
                ("volume.service", "tree.service", "secrets.service", "sandbox-logs.service")
            ):
                assert "Restart=always" in file.content, file.path
                assert "StartLimitIntervalSec=0" in file.content, file.path


def test_the_volume_unit_only_where_there_is_a_volume(nodes: dict[str, Node]) -> None:
    found = {name: units(roles_dir(), roles_of(services), values) for name, (services, values) in nodes.items()}
    assert found == {
        "control": ["zookeeper.service", "mesos-master.service", "marathon.service"],
        "closed": ["zookeeper.service", "zookeeper-tree.service", "mesos-master.service", "marathon.service"],
        "jenkins": ["clusterctl-volume.service", "mesos-agent.service"],
        "builders": ["mesos-agent.service"],
        "closed-control": [
            "clusterctl-secrets.service",
            "zookeeper.service",
            "mesos-master.service",
            "marathon.service",
        ],
        "closed-masters": ["clusterctl-volume.service", "clusterctl-secrets.service", "mesos-agent.service"],
        "closed-builders": ["clusterctl-secrets.service", "mesos-agent.service"],
        **{
            f"masters-{plugin}": ["clusterctl-volume.service", "mesos-agent.service"]
            for plugin in ("0.x", "1.x", "2.x")
        },
        "settings-control": ["zookeeper.service", "mesos-master.service", "marathon.service"],
        "settings-builders": ["mesos-agent.service"],
    }


def role(root: Path, files: str, template: str = "", name: str = "one") -> Path:
    directory = root / name
    for part in ("vars", "defaults", "templates"):
        (directory / part).mkdir(parents=True, exist_ok=True)
    (directory / "vars" / "main.yml").write_text(f"{name}_files: {files}\n{name}_services: []\n")
    (directory / "defaults" / "main.yml").write_text("{a: 1}\n")
    (directory / "templates" / "f.j2").write_text(template)
    return root


FILE = "[{src: f.j2, dest: /f, mode: '0644'}]"


def test_none_is_empty_and_the_last_newline_stays(tmp_path: Path) -> None:
    root = role(tmp_path, FILE, "{% if a %}\n[{{ nothing }}]\n{% endif %}\n")
    assert render_files(root, ["one"], {"nothing": None})[0].content == "[]\n"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ unknown }}", "one/templates/f.j2: 'unknown' is undefined"),
        ("x\n{% if %}", "one/templates/f.j2:2: Expected an expression"),
        ("{{ a | to_json }}", "one/templates/f.j2:1: No filter named 'to_json'"),
        ("{{ lookup('file', '/etc/shadow') }}", "'lookup' is undefined"),
        ("{{ range(3) }}", "'range' is undefined"),
    ],
)
def test_a_wrong_template_is_named(template: str, expected: str, tmp_path: Path) -> None:
    root = role(tmp_path, FILE, template)
    with pytest.raises(RenderError, match=re.escape(expected)):
        render_files(root, ["one"], {})


def test_two_roles_may_not_write_one_file(tmp_path: Path) -> None:
    role(role(tmp_path, FILE), FILE, name="two")
    with pytest.raises(RenderError, match="two roles write /f"):
        render_files(tmp_path, ["one", "two"], {})


def test_missing_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=r"cannot read .*none/vars/main\.yml"):
        render_files(tmp_path, ["none"], {})
    root = role(tmp_path, "[{src: g.j2, dest: /g, mode: '0644'}]")
    with pytest.raises(RenderError, match=r"role one has no template g\.j2"):
        render_files(root, ["one"], {})
