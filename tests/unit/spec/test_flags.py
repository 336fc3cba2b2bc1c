"""Further flags: what may be given, and how the daemons get it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from clusterctl.errors import InputError
from clusterctl.paths import roles_dir
from clusterctl.spec import flagowners, mesosflags
from clusterctl.spec.flags import marathon_lines, mesos_lines
from clusterctl.spec.load import model_at, parse_model
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.rolevars import Place, role_variables
from tests.unit.specs import DEMO

OWNERS = {"mesos-master": flagowners.MASTER, "mesos-agent": flagowners.AGENT, "marathon": flagowners.MARATHON}


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            "mesos: {master_flags: {offer_timeot: 1mins}}",
            "c.yml:22:24: mesos.master_flags.offer_timeot: is not a flag of me",
        ),
        (
            "mesos: {master_flags: {allocation_intervall: 1secs}}",
            "(did you mean 'allocation_interval'?); Mesos 1.11 would",
        ),
        ("mesos: {master_flags: {gc_delay: 1days}}", "is not a flag of mesos-master"),
        ("mesos: {master_flags: {user_sorter: drf}}", "is an old name; Mesos 1.11 calls it 'role_sorter'"),
        ("mesos: {master_flags: {quorum: 1}}", "c.yml:22:24: mesos.master_flags.quorum: is computed from the number"),
        ("mesos: {master_flags: {zk: 'zk://a'}}", "is set by clusterctl: units, image and checks rely on it"),
        ("mesos: {master_flags: {offer_timeout: 1mins}}", "is set by the key 'mesos.offer_timeout_s'; write it there"),
        ("mesos: {master_flags: {credentials: /etc/x}}", "belongs to the section 'security'"),
        ("mesos: {master_flags: {--quiet: true}}", "is not the name of a flag; allowed: lower-case letters"),
        ("mesos: {master_flags: {QUIET: true}}", "without '--': quiet"),
        ("mesos: {master_flags: {help: true}}", "would make the daemon print something and end"),
        ("mesos: {master_flags: {quiet: }}", "found nothing; allowed: true, false, a number or text"),
        ("mesos: {master_flags: {quiet: ''}}", "found ''; allowed: one line of 1 to 4096"),
        ('mesos: {master_flags: {modules: "a\\nb"}}', "mesos.master_flags.modules: found 'a\\nb'; allowed: one line"),
        (
            "mesos: {agent_flags: {cgroups_root: '{{ x }}'}}",
            "c.yml:22:37: mesos.agent_flags.cgroups_root: found '{{ x }}'",
        ),
        (
            "mesos: {agent_flags: {gc_delay: 1days}}",
            "by the variable 'mesos_agent_gc_delay_h'; write it into 'settings'",
        ),
        ("mesos: {agent_flags: {docker_config: {auths: {}}}}", "is allowed as the path of a file only"),
        ("mesos: {agent_flags: [quiet]}", "mesos.agent_flags: found a list; allowed: a mapping"),
        ("marathon: {flags: {zk_session_timeout: 1}}", "is set by the key 'marathon.zk_session_timeout_s'"),
        ("marathon: {flags: {http_credentials: 'a:b'}}", "belongs to the section 'security'"),
        ("marathon: {flags: {ssl_keystore_password: a}}", "holds a secret, and flags can be read"),
        ("marathon: {flags: {disable_metrics_prometheus: true}}", "write 'metrics_prometheus: false'"),
        (
            "marathon: {flags: {app_info_module_execution_context_size: 8}}",
            "Marathon ignores variables that begin with",
        ),
        ("marathon: {flags: {max_apps: [1]}}", "found [1]; allowed: true, false, a number or text"),
        ("marathon: {zk_session_timeout_s: 41}", "found 41; allowed: 4 to 40, which are 2 to 20 ticks of 2000 ms"),
    ],
)
def test_a_mistake_is_explained(section: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_model(f"{DEMO}{section}\n", ClusterSpec, "c.yml")
    assert expected in caught.value.message


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parse_model(f"{DEMO}mesos: {{master_flags: {{quorum: 1, zk: a, x: [.inf, 1]}}}}\n", ClusterSpec, "c.yml")
    assert len(caught.value.message.splitlines()) == 3


def test_a_group_of_agents_has_flags_and_a_reserve_of_its_own() -> None:
    own = "    mesos: {agent_flags: {switch_user: false}, agent_reserve: {mem_mib: 512}}\n"
    text = DEMO.replace("access:", f"{own}access:") + "mesos: {agent_reserve: {cpus: 0.5}}\n"
    spec = parse_model(text, ClusterSpec, "c.yml")
    assert spec.groups["builders"].mesos.agent_flags == {"switch_user": False}
    reserves = {name: spec.agent_reserve_of(name) for name in ("jenkins", "builders")}
    assert {name: (each.cpus, each.mem_mib, each.disk_mib) for name, each in reserves.items()} == {
        "jenkins": (0.5, 192, 2048),
        "builders": (0.5, 512, 2048),
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "mesos: {agent_flags: {strict: false}}",
            "groups.control.mesos: 'mesos' is allowed only in groups of mesos_agent",
        ),
        (
            "zookeeper: {heap_mib: 512}",
            "one group runs zookeeper: its settings stand in section 'zookeeper' at the top",
        ),
        ("marathon: {heap_mib: 512}", "one group runs marathon: its settings stand in section 'marathon' at the top"),
    ],
)
def test_control_services_have_one_section(line: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_model(DEMO.replace("  jenkins:", f"    {line}\n  jenkins:"), ClusterSpec, "c.yml")
    assert expected in caught.value.message


def test_mesos_takes_text_for_everything() -> None:
    flags: dict[str, Any] = {"quiet": True, "switch_user": False, "weights": 'a "b" $c `d` \\e', "x": 0.25, "y": 3}
    assert mesos_lines({**flags, "rate_limits": {"limits": [{"qps": 1.5}]}}) == [
        'MESOS_QUIET="true"',
        r'MESOS_RATE_LIMITS="{\"limits\":[{\"qps\":1.5}]}"',
        'MESOS_SWITCH_USER="false"',
        r'MESOS_WEIGHTS="a \"b\" \$c \`d\` \\e"',
        'MESOS_X="0.25"',
        'MESOS_Y="3"',
    ]


def test_marathons_switches_are_variables_without_a_value() -> None:
    flags = {
        "metrics_prometheus": True,
        "http_compression": False,
        "leader_proxy_ssl_ignore_hostname": False,
        "max_apps": 9,
    }
    assert marathon_lines(flags) == [
        "MARATHON_DISABLE_HTTP_COMPRESSION=",
        'MARATHON_MAX_APPS="9"',
        "MARATHON_METRICS_PROMETHEUS=",
    ]


@pytest.mark.parametrize("program", OWNERS)
def test_every_flag_of_a_template_has_its_owner(program: str) -> None:
    text = (roles_dir() / program.replace("-", "_") / "templates/etc/default" / f"{program}.j2").read_text()
    prefix = "MARATHON_" if program == "marathon" else "MESOS_"
    flags = {name.lower() for name in re.findall(rf"^{prefix}([A-Z_]+)=", text, re.MULTILINE)}
    assert flags
    assert flags <= OWNERS[program].keys()


@pytest.mark.parametrize("program", OWNERS)
def test_owners_exist(program: str) -> None:
    settable = {variable.name for variable in role_variables() if variable.place is Place.SETTINGS}
    for flag, why in OWNERS[program].items():
        if found := re.search(r"by the variable '(\w+)'", why):
            assert found[1] in settable, flag
        if found := re.search(r"by the key '([\w.]+)'", why):
            *parents, last = found[1].split(".")
            model = model_at(ClusterSpec, tuple(parents))
            assert model is not None
            assert last in model.model_fields, flag


def test_owned_flags_of_mesos_are_mesos_own() -> None:
    assert flagowners.MASTER.keys() - mesosflags.MASTER <= {"help", "ip_discovery_command"}
    assert flagowners.AGENT.keys() - mesosflags.AGENT <= {"help"}
    assert set(mesosflags.RENAMED.values()) <= mesosflags.MASTER | mesosflags.AGENT
    assert not mesosflags.RENAMED.keys() & (mesosflags.MASTER | mesosflags.AGENT)
