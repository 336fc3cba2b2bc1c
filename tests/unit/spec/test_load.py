"""Every mistake in a cluster file is found, with its position, what was found and what is allowed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clusterctl.errors import InputError
from clusterctl.resources import owner_mark
from clusterctl.spec import limits
from clusterctl.spec.load import load_spec, parse_model
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.types import attribute_value
from tests.unit.specs import DEMO

FETCH = "keypair: ops\nuser_data: {{url: '{}', commit: '" + "a" * 40 + "', sha256: '" + "a" * 64 + "'}}"
REPOSITORY = Path(__file__).parents[3]


def error_of(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_model(text, ClusterSpec, "c.yml")
    return caught.value.message


@pytest.mark.parametrize("path", sorted((REPOSITORY / "examples").glob("*.yml")), ids=lambda path: path.stem)
def test_examples_are_well_formed(path: Path) -> None:
    assert load_spec(path).cluster


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("cluster: demo", "cluster: Demo", "c.yml:1:10: cluster: found 'Demo'; allowed: lower-case"),
        (
            "network: lab",
            "networks: lab",
            "c.yml:3:1: networks: unknown key (did you mean 'network'?); allowed: access,",
        ),
        ("network: lab", "", "c.yml:1:1: network: is missing; add it"),
        ("    count: 3", "    count: '3'", "c.yml:7:12: groups.control.count: found '3'; allowed: a whole number"),
        ("    count: 3", "    count: -3", "c.yml:7:12: groups.control.count: found -3; allowed: 0 or more"),
        ("    count: 3", "    count: 4", "c.yml:7:12: groups.control.count: found 4 zookeeper nodes; allowed: an odd"),
        ("    count: 3", "    count: 1", "allowed: at least 3 for high availability, or 'allow_non_ha: true'"),
        (
            "[zookeeper, ",
            "[zookeper, ",
            "c.yml:9:16: groups.control.services.0: found 'zookeper'; allowed: 'zookeeper'",
        ),
        ("[zookeeper, ", "[", "c.yml:5:1: groups: no group runs zookeeper"),
        ("marathon]", "mesos_agent]", "groups.control.services: mesos_agent shares its nodes"),
        ("    reserve_for: marathon\n", "", "c.yml:5:1: groups: no group of agents has 'reserve_for: marathon'"),
        (
            "reserve_for: marathon",
            "reserve_for: web",
            "c.yml:5:1: groups: no group of agents has 'reserve_for: marathon'",
        ),
        ("{pool: jenkins-builder}", "{pool: jenkins-master}", "found the same on 'builders'"),
        ("{pool: jenkins-builder}", "{pool: 'a b'}", "c.yml:20:24: groups.builders.attributes.pool: found 'a b'"),
        ("keypair: ops", "keypair: ops\nmarathon: {role: '*'}", "marathon.role: found '*'; allowed: letters"),
        ("keypair: ops", "keypair: ops\nkeypair: ops", "c.yml:5:1: duplicate key 'keypair'; remove one"),
        ("keypair: ops", "keypair: [ops", "not YAML:"),
        (
            "[198.51.100.0/24]",
            "[10.0.0.1/8]",
            "c.yml:21:21: access.ssh_from.0: found '10.0.0.1/8'; allowed: 'network', or a network such as",
        ),
        (
            "keypair: ops",
            "keypair: ops\nuser_data: fetched",
            "c.yml:5:12: user_data: found 'fetched'; allowed: 'embedded'",
        ),
        (
            "    count: 3",
            "    count: 3\n    attributes: {a: b}",
            "'attributes' is allowed only in groups of mesos_agent",
        ),
        ("cluster: demo", "cluster: " + "d" * 42, "c.yml:1:10: cluster: found 42 characters; allowed: 41, so that"),
        ("  builders:", "  b" + "u" * 50 + ":", "would have 68 characters; allowed: 63 (one DNS label)"),
        ("  builders:", "  b" + "u" * 80 + ":", "allowed: at most 63 characters"),
        ("count: 3", "count: 301", "found 301 zookeeper nodes; allowed: 255 at most"),
        ("network: lab", "network: ' '", "c.yml:3:10: network: found ' '; allowed: printable text"),
        ("network: lab", 'network: "a\\nb"', "allowed: printable text without spaces at its ends"),
        ("    count: 3", "    availability_zones: [a, b, a]\n    count: 3", "a zone is named twice"),
        ("[198.51.100.0/24]", "nowhere", "c.yml:21:20: access.ssh_from.0: found 'nowhere'; allowed: 'network', or a"),
        ("[198.51.100.0/24]", "[]", "access.ssh_from: found a list; allowed: at least 1"),
        (
            "ssh_from: [198.51.100.0/24]",
            "ssh_from: network, bastion: 'b:70000'",
            "access.bastion: found 'b:70000'; allowed:",
        ),
        ("ssh_from:", f"user: {'u' * 33}, ssh_from:", "access.user: found"),
        (
            "keypair: ops",
            "keypair: ops\nmesos: {zk_session_timeout_s: 41}",
            "c.yml:5:31: mesos.zk_session_timeout_s: found 41; allowed: 4 to 40, which are 2 to 20 ticks of 2000 ms",
        ),
        ("keypair: ops", "keypair: ops\nzookeeper: {tick_time_ms: 200}", "found 10; allowed: 0.4 to 4"),
        ("keypair: ops", "keypair: ops\nmesos: {agent_reserve: {cpus: 'inf'}}", "cpus: found 'inf'; allowed: a finite"),
        (
            "keypair: ops",
            "keypair: ops\nmesos: {agent_reserve: {cpus: .nan}}",
            "mesos.agent_reserve.cpus: found '.nan'",
        ),
        ("keypair: ops", "keypair: ops\nzookeeper: {init_limit: 9999999999}", "allowed: 3600 or less"),
        ("keypair: ops", "keypair: ops\nmarathon: {heap_mib: 99999999999}", "allowed: 16777216 or less"),
        ("keypair: ops", FETCH.format("ftp://git.example.com/x"), "user_data.url: found 'ftp://git.example.com/x'"),
        ("keypair: ops", FETCH.format("https://ann:pw@git.example.com/x"), "without user and password"),
    ],
)
def test_mistake_is_explained(old: str, new: str, expected: str) -> None:
    assert old in DEMO
    assert expected in error_of(DEMO.replace(old, new, 1))


@pytest.mark.parametrize("ports", ["32000-31000", "5000-70000", "5000-6000", "1023-2000", "31000", "031000-32000"])
def test_ports_that_tasks_can_not_have(ports: str) -> None:
    message = error_of(DEMO.replace("keypair: ops", f"keypair: ops\nmesos: {{task_ports: '{ports}'}}"))
    assert f"mesos.task_ports: found '{ports}'; allowed: a range" in message


@pytest.mark.parametrize(
    ("mount", "reason"),
    [
        ("/usr", "lie in /usr"),
        ("/usr/local/data", "lie in /usr"),
        ("/etc/x", "lie in /etc"),
        ("/run/x", "lie in /run"),
        ("/var", "hide /var/cache/apt"),
        ("/var/lib", "hide /var/lib/apt"),
        ("/var/lib/clusterctl", "hide /var/lib/clusterctl"),
        ("/home", "hide /home"),
        ("/opt", "hide /opt/jenkins"),
        ("/var/log", "hide /var/log/journal"),
        ("/srv/.", "an absolute path of plain names"),
        ("/srv/../etc", "an absolute path of plain names"),
        ("/", "an absolute path of plain names"),
    ],
)
def test_a_volume_that_would_hide_the_operating_system(mount: str, reason: str) -> None:
    assert reason in error_of(
        DEMO.replace("reserve_for: marathon", f"reserve_for: marathon\n    volume: {{size: 1, mount: {mount}}}")
    )


@pytest.mark.parametrize(
    "mount", ["/srv/jenkins", "/var/lib/zookeeper", "/var/lib/mesos", "/data", "/users", "/mnt/a.b"]
)
def test_a_volume_at_other_places(mount: str) -> None:
    text = DEMO.replace("reserve_for: marathon", f"reserve_for: marathon\n    volume: {{size: 1, mount: {mount}}}")
    volume = parse_model(text, ClusterSpec, "c.yml").groups["jenkins"].volume
    assert volume is not None
    assert volume.mount == mount


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1e5", "the number 100000; write 100000"),
        ("1E5", "the number 100000"),
        ("0x1F", "the number 31"),
        ("007", "the number 7; write 7"),
        ("1.0", "the number 1; write 1"),
        ("1.2345", "the number 1.234"),
        ("nan", "the number nan; begin it with a letter"),
        ("Infinity", "the number inf; begin"),
        ("1e400", "the number inf; begin"),
        ("99999999999999999999", "the number 1e+20"),
    ],
)
def test_an_attribute_that_mesos_would_not_give_back_as_it_stands(text: str, number: str) -> None:
    message = error_of(DEMO.replace("{pool: jenkins-builder}", f"{{pool: '{text}'}}"))
    assert f"c.yml:20:24: groups.builders.attributes.pool: found '{text}', which Mesos takes for {number}" in message


@pytest.mark.parametrize("text", ["109", "0", "1.5", "r109", "1-2", "1_000", "e5", "0xyz", "12.0.1", "nano"])
def test_an_attribute_that_mesos_gives_back(text: str) -> None:
    spec = parse_model(DEMO.replace("{pool: jenkins-builder}", f"{{pool: '{text}'}}"), ClusterSpec, "c.yml")
    value = attribute_value(spec.groups["builders"].attributes["pool"])
    assert (f"{value:g}" if isinstance(value, float) else value) == text


def test_networks_are_kept_as_neutron_gives_them_back() -> None:
    given = "[192.0.2.7, '2001:DB8:0::/32', 198.51.100.0/255.255.255.0]"
    spec = parse_model(DEMO.replace("[198.51.100.0/24]", given), ClusterSpec, "c.yml")
    assert spec.access.ssh_from == ("192.0.2.7/32", "2001:db8::/32", "198.51.100.0/24")


@pytest.mark.parametrize(
    ("given", "sources"),
    [
        ("network", ("network",)),
        ("192.0.2.7", ("192.0.2.7/32",)),
        ("[network, 192.0.2.0/24]", ("network", "192.0.2.0/24")),
    ],
)
def test_ssh_comes_from_networks_or_the_nodes_own(given: str, sources: tuple[str, ...]) -> None:
    spec = parse_model(DEMO.replace("[198.51.100.0/24]", given), ClusterSpec, "c.yml")
    assert spec.access.ssh_from == sources


@pytest.mark.parametrize("without", ["access: {ssh_from: [198.51.100.0/24]}\n", "ssh_from: [198.51.100.0/24]"])
def test_nobody_gets_ssh_by_default(without: str) -> None:
    message = error_of(DEMO.replace(without, ""))
    assert "is missing; add 'access: {ssh_from: [CIDR, ...]}', the networks that may reach port 22" in message


def test_limits_are_those_of_what_is_made() -> None:
    assert len(owner_mark("c" * limits.CLUSTER_NAME)) == limits.SERVER_TAG


def test_all_mistakes_come_at_once_in_the_order_of_the_file() -> None:
    message = error_of(DEMO.replace("cluster: demo", "cluster: D").replace("count: 3", "count: x"))
    lines = message.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["cluster", "groups.control.count"]


def test_reserving_every_agent_is_refused() -> None:
    message = error_of(DEMO.replace("{pool: jenkins-builder}", "{pool: jenkins-builder}\n    reserve_for: marathon"))
    assert "every group of agents is reserved for 'marathon': nothing is left for builds" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ":1:1: found nothing; allowed: a mapping"),
        (b"- a\n", ":1:1: found a list; allowed: a mapping"),
        (b"cluster: \xff\n", ":1:10: not UTF-8 text"),
        (b"a: &x [*x]\n", ":1:4: an anchor contains itself"),
        (b"? {a: b}\n: c\n", ":1:3: found a mapping or list as a key; allowed: text"),
        (b"a: !!python/name:os.system\n", ":1:4: found the tag"),
        (b"\x00", ":1:1: not YAML"),
    ],
)
def test_a_file_that_is_no_cluster_file(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "c.yml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_spec(path)
    assert str(caught.value).startswith(f"{path}{expected}")


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load_spec(tmp_path / "none.yml")
    with pytest.raises(InputError, match="is a directory"):
        load_spec(tmp_path)


# --- no malformed file gives a traceback ------------------------------------------------------------------------------
LINES = DEMO.splitlines()
junk = st.text(alphabet=st.sampled_from(list(" \t{}[]:,-&*!|>'\"%@#?0aZ\n\x00\x7f\u2028é")), max_size=12)


@st.composite
def malformed(draw: st.DrawFn) -> str:
    """The demo with lines dropped, doubled, swapped, indented or overwritten by junk."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 5)):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[at])
            case 2:
                lines[at] = " " * draw(st.integers(1, 5)) + lines[at]
            case 3:
                lines[at] = draw(junk)
            case 4:
                cut = draw(st.integers(0, len(lines[at])))
                lines[at] = lines[at][:cut] + draw(junk) + lines[at][cut:]
            case _:
                lines[at] = (
                    lines[at].split(":")[0] + ": " + draw(st.sampled_from(["", "[]", "{}", "1.5", "null", "~", "yes"]))
                )
        if not lines:
            break
    return "\n".join(lines)


@settings(
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "300")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(malformed())
def test_malformed_files_give_positions_and_no_traceback(text: str) -> None:
    try:
        parse_model(text, ClusterSpec, "c.yml")
    except InputError as error:
        for line in error.message.splitlines():
            assert line.startswith("c.yml:"), line
            position = line.split(":", 3)
            assert int(position[1]) >= 1
            assert int(position[2]) >= 1
