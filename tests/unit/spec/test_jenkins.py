"""The section ``jenkins``: what is refused, and where the message points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clusterctl.errors import InputError
from clusterctl.spec.jenkins import BuildSettings
from clusterctl.spec.load import parse_model
from clusterctl.spec.model import ClusterSpec, json_schema
from tests.unit.specs import DEMO

VOLUME = "    reserve_for: marathon\n    volume: {size: 50, mount: /srv/jenkins}\n"
FILE = DEMO.replace("    reserve_for: marathon\n", VOLUME)
LINES = FILE.count("\n")


def parse(section: str, file: str = FILE) -> ClusterSpec:
    return parse_model(f"{file}jenkins:\n  {section}\n", ClusterSpec, "c.yml")


def error_of(section: str, file: str = FILE) -> str:
    with pytest.raises(InputError) as caught:
        parse(section, file)
    return caught.value.message


def test_without_the_section_there_is_no_tier() -> None:
    spec = parse_model(FILE, ClusterSpec, "c.yml")
    assert (spec.jenkins, spec.masters_group, spec.homes_directory) == (None, None, None)


def test_an_empty_section_takes_the_defaults() -> None:
    spec = parse_model(f"{FILE}jenkins: {{}}\n", ClusterSpec, "c.yml")
    assert (spec.masters_group, spec.homes_directory) == ("jenkins", "/srv/jenkins")
    assert spec.jenkins is not None
    assert (spec.jenkins.plugin, spec.jenkins.registration, spec.jenkins.checkpoint) == ("0.x", "on_demand", True)
    assert [(build.label, build.default) for build in spec.jenkins.builds] == [("mesos", True)]


@pytest.mark.parametrize(
    ("section", "place", "expected"),
    [
        ("plugin: 3.x", "2:11", "jenkins.plugin: found '3.x'; allowed: '0.x', '1.x', '2.x'"),
        ("plugin: 1.x", "1:1", "found 'on_demand' with plugin 1.x; allowed: 'always'"),
        ("{plugin: 2.x, registration: always}", "1:1", "checkpoint: found true with plugin 2.x"),
        (
            "{plugin: 2.x, registration: always, checkpoint: false}\nsecurity: {insecure: network}",
            "2:12",
            "found '2.x' where Mesos asks frameworks who they are",
        ),
        ("registration: sometimes", "2:17", "found 'sometimes'; allowed: 'on_demand', 'always'"),
        ("group: builders", "2:10", "found 'builders'; allowed: 'jenkins', reserved for 'marathon'"),
        ("directory: /var/jenkins", "2:14", "found '/var/jenkins'; allowed: '/srv/jenkins' or below"),
        ("role: marathon", "2:9", "found 'marathon', the role of Marathon"),
        ("role: a b", "2:9", "found 'a b'; allowed: '*', or letters"),
        ("framework_name: jenkins", "2:19", "found 'jenkins'; allowed: text with one {name}"),
        ('framework_name: "{name}-{slot}"', "2:19", "allowed: text with one {name}"),
        ("public_url: https://ci.example.com/x/", "2:15", "allowed: text with one {name}"),
        ('public_url: "https://ci.example.com/{name}"', "2:15", "ending in '/'"),
        ("decline_s: 0", "2:14", "found 0; allowed: 1 or more"),
        ("max_masters: 1000", "2:16", "found 1000; allowed: 999 or less"),
        ("max_masters: 334", "2:16", "found 334; allowed: 333 with mesos.task_ports 31000-32000"),
        ("master: {heap_mib: 800}", "2:3", "found 1024 for a heap of 800 MiB; allowed: 1056 or more"),
        ("master: {java_options: [-Xmx1g]}", "2:27", "clusterctl sets -Xmx itself; use master.heap_mib"),
        ("master: {java_options: [Xss1m]}", "2:27", "found 'Xss1m'; allowed: a Java option"),
        ("master: {java_options: [-Djenkins.model.Jenkins.slaveAgentPort=1]}", "2:27", "clusterctl sets"),
        ("builds: []", "2:3", "jenkins.builds: found a list; allowed: at least 1 entry"),
        ("builds: [{label: a}, {label: b}]", "2:24", "two kinds of builds are for jobs without a label"),
        ("builds: [{label: a}, {label: a, default: false}]", "2:20", "found 'a' twice"),
        ("builds: [{label: seventeen-letters}]", "2:20", "up to 16 letters"),
        ("builds: [{attributes: {pool: jenkins-master}}]", "2:13", "no group of agents for builds has all of these"),
        ("builds: [{jvm_args: '-Xmx1g'}]", "2:23", "found -Xmx; the plugin sets it from mem_mib"),
        ("builds: [{jvm_args: '-XX:+UseConcMarkSweepGC'}]", "2:23", "Java 14 and later refuse to start"),
        ("builds: [{jnlp_args: '{{ x }}'}]", "2:24", "one line without '{{'"),
        ("builds: [{remote_fs: /tmp}]", "2:24", "found '/tmp'; allowed: a relative path"),
        ("security: {realm: file}", "2:21", "'realm: file' and 'file' go together"),
        ("security: {token_file: ~/token}", "2:14", "unknown key; allowed: admin, extra_groovy, file, realm"),
        ("backup: {method: copy}", "2:20", "found 'copy'; allowed: 'archive', 'snapshot'"),
    ],
)
def test_mistake_is_explained(section: str, place: str, expected: str) -> None:
    line, column = place.split(":")
    message = error_of(section)
    assert expected in message
    assert f"c.yml:{LINES + int(line)}:{column}: " in message


def test_executors_of_2x_are_one() -> None:
    section = "{plugin: 2.x, registration: always, checkpoint: false, builds: [{executors: 2}]}"
    message = error_of(f"{section}\nsecurity: {{insecure: mesos}}")
    assert "found 2; allowed with plugin 2.x: 1" in message


def test_homes_without_a_volume_need_consent() -> None:
    message = error_of("{}", DEMO)
    assert "c.yml:10:3: groups.jenkins: group 'jenkins' hosts Jenkins masters and has no 'volume'" in message
    assert parse("allow_ephemeral_homes: true", DEMO).homes_directory == "/srv/jenkins"


def test_ports_that_linux_gives_to_clients_are_refused() -> None:
    message = error_of("{}", f"{FILE}mesos: {{task_ports: 32000-33000}}\n")
    assert "mesos.task_ports: found 32000-33000; allowed with Jenkins masters: ports below 32768" in message


def test_with_two_reserved_groups_one_must_be_named() -> None:
    second = f"  more:\n    count: 1\n    flavor: x\n    services: [mesos_agent]\n    attributes: {{a: b}}\n{VOLUME}"
    file = FILE.replace("  builders:\n", f"{second}  builders:\n")
    assert "groups 'jenkins', 'more' reserve for 'marathon'; say which hosts masters" in error_of("plugin: 0.x", file)
    assert parse("group: more", file).masters_group == "more"


def test_what_a_builds_task_takes() -> None:
    build = BuildSettings(cpus=0.5, mem_mib=512, executor_cpus=0.25, executor_mem_mib=128, executors=2)
    assert build.task_cpus == 1.0
    assert build.task_mem_mib("0.x") == pytest.approx(1.1 * 768)
    assert build.task_mem_mib("2.x") == 768 + 32


SECTIONS = {
    "master": "JenkinsMaster",
    "provisioner": "Provisioner",
    "builds": "BuildSettings",
    "uris": "Uri",
    "security": "Security",
    "backup": "JenkinsBackup",
}


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, model in schema["$defs"].items():
        for key, value in model.get("properties", {}).items():
            yield name, key, value


def test_every_key_is_described_in_the_schema() -> None:
    ours = {"JenkinsSettings", *SECTIONS.values()}
    described = {f"{name}.{key}": value for name, key, value in properties(json_schema()) if name in ours}
    assert len(described) > 50
    assert not [name for name, value in described.items() if not value.get("description")]


def test_every_key_has_a_line_in_the_docs() -> None:
    text = (Path(__file__).parents[3] / "docs" / "jenkins.md").read_text()
    table = text[text.index("| key |") : text.index("## Artifacts")]
    keys = {key for name, key, _ in properties(json_schema()) if name in ("JenkinsSettings", *SECTIONS.values())}
    assert not [key for key in keys - SECTIONS.keys() if f"`{key}`" not in table and f".{key}`" not in table]


def test_snapshots_need_a_volume() -> None:
    message = error_of("{allow_ephemeral_homes: true, backup: {method: snapshot}}", DEMO)
    assert "jenkins.backup.method: found 'snapshot', and group 'jenkins', which hosts Jenkins masters" in message
    assert "has no 'volume'; allowed: 'archive'" in message
