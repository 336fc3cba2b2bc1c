"""jenkins-start, as it is rendered for a node: what it refuses, what it writes, what it becomes."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from clusterctl.jenkins.app import app
from clusterctl.jenkins.home import PRINCIPAL, new_marker
from clusterctl.jenkins.slots import build_user, port_plan
from clusterctl.paths import roles_dir
from clusterctl.render.roles import roles_of
from clusterctl.render.templates import render_files
from tests.unit.jenkins.specs import tier
from tests.unit.render.conftest import Node

IDS = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002")
CLOUD = "org.jenkinsci.plugins.mesos.MesosCloud"


class Place:
    """A node in a directory: rendered files, a release, a home, a sandbox; and the script as a module."""

    def __init__(self, root: Path, node: Node) -> None:
        self.root = root
        services, variables = node
        for file in render_files(
            roles_dir(), roles_of(services), {**variables, "jenkins_directory": str(root / "homes")}
        ):
            path = root / file.path.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.content)
        self.script = root / "usr/lib/clusterctl/jenkins-start"
        self.home, self.sandbox, self.release = root / "homes/alice", root / "sandbox", root / "opt/jenkins/2.319.3-0"
        for each in (self.home / ".clusterctl", self.sandbox, self.release / "plugins"):
            each.mkdir(parents=True)
        self.home.chmod(0o700)
        (root / "opt/jenkins/current").symlink_to("2.319.3-0")
        self.pack(self.release / "jenkins.war", "Jenkins-Version: 2.319.3\n")
        self.pack(self.release / "plugins/mesos.jpi", "Short-Name: mesos\nPlugin-Version: 0.16 (private)\n")
        self.pack(self.release / "plugins/credentials.jpi", "Short-Name: credentials\nPlugin-Version: 1.22\n")
        (self.home / ".clusterctl/master.json").write_text(new_marker("ci", "alice", 7, "admin", IDS).text())
        self.module = self._load()

    def _load(self) -> Any:
        name = f"jenkins_start_{id(self)}"
        spec = importlib.util.spec_from_loader(name, SourceFileLoader(name, str(self.script)))
        assert spec
        assert spec.loader
        module: Any = importlib.util.module_from_spec(spec)
        writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        spec.loader.exec_module(module)
        sys.dont_write_bytecode = writes
        module.TEMPLATES, module.RELEASES = self.root / "etc/clusterctl/jenkins", self.root / "opt/jenkins"
        module.JAVA, module.LIBRARY = self.root / "java", str(self.root / "libmesos.so")
        return module

    @staticmethod
    def pack(path: Path, manifest: str) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("META-INF/MANIFEST.MF", manifest)

    def prepare(self, name: str = "alice", slot: int = 7, release: str = "current") -> tuple[list[str], dict[str, str]]:
        ports = {"PORT0": "31012", "PORT1": "31013", "PORT2": "31994"}
        given = {"HOST": "192.0.2.9", "MESOS_SANDBOX": str(self.sandbox), **ports}
        umask = os.umask(0o022)
        try:
            command, environment = self.module.prepare(name, slot, release, given)
        finally:
            os.umask(umask)
        return command, environment

    def refusal(self, **arguments: Any) -> tuple[int, str]:
        with pytest.raises(self.module.Refused) as caught:
            self.prepare(**arguments)
        return caught.value.status, str(caught.value)

    @property
    def config(self) -> Path:
        return self.home / "config.xml"

    @property
    def location(self) -> Path:
        return self.home / "jenkins.model.JenkinsLocationConfiguration.xml"


@pytest.fixture
def place(tmp_path: Path, nodes: dict[str, Node]) -> Place:
    return Place(tmp_path, nodes["masters-0.x"])


def unlocked(place: Place) -> None:
    """Ends the lock that a run in this process holds: the home's lock is a new file."""
    (place.home / ".clusterctl/lock").unlink()


def test_what_it_becomes(place: Place) -> None:
    command, environment = place.prepare()
    sandbox = place.sandbox
    assert command == [
        "java",
        "-Xmx512m",
        "-Djava.awt.headless=true",
        f"-Duser.home={sandbox}",
        f"-Djava.io.tmpdir={sandbox}/tmp",
        "-Djenkins.install.runSetupWizard=false",
        "-Djenkins.model.Jenkins.slaveAgentPort=31013",
        "-Djenkins.model.Jenkins.slaveAgentPortEnforce=true",
        "-Dhudson.slaves.NodeProvisioner.initialDelay=0",
        "-Dhudson.slaves.NodeProvisioner.recurrencePeriod=2500",
        "-Dhudson.slaves.NodeProvisioner.MARGIN=50",
        "-Dhudson.slaves.NodeProvisioner.MARGIN0=0.85",
        "-Xss1m",
        "-Dhello=a b",
        "-jar",
        str(place.release / "jenkins.war"),
        "--httpPort=31012",
        f"--webroot={sandbox}/war",
    ]
    assert environment["JENKINS_HOME"] == str(place.home)
    assert (environment["LIBPROCESS_IP"], environment["LIBPROCESS_PORT"]) == ("192.0.2.9", "31994")
    assert (sandbox / "tmp").is_dir()


def test_java_and_libmesos_of_the_node_are_used_if_they_are_there(place: Place) -> None:
    (place.root / "java").touch()
    (place.root / "libmesos.so").touch()
    command, environment = place.prepare()
    assert command[0] == str(place.root / "java")
    assert environment["MESOS_NATIVE_JAVA_LIBRARY"] == str(place.root / "libmesos.so")
    assert f"<nativeLibraryPath>{place.root}/libmesos.so<" in place.config.read_text()


def test_2x_has_no_libprocess(tmp_path: Path, nodes: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBPROCESS_PORT", "0")
    place = Place(tmp_path, nodes["masters-2.x"])
    _, environment = place.prepare()
    assert "LIBPROCESS_PORT" not in environment
    cloud = ET.fromstring(place.config.read_bytes()).find(f"clouds/{CLOUD}")
    assert cloud is not None
    assert cloud.findtext("frameworkId") == IDS[1]
    assert cloud.findtext("agentUser") == "b-007"


def test_the_app_and_the_script_agree(place: Place) -> None:
    command = app(tier(), "alice", 7, "192.0.2.9")["cmd"].split()
    assert command[:2] == ["exec", "/usr/lib/clusterctl/jenkins-start"]
    assert port_plan(tier()).of(7).http == 31012
    assert build_user(7) == "b-007"
    place.prepare(command[2], int(command[3]), command[4])
    assert "<slavesUser>b-007<" in place.config.read_text()


def test_a_new_home_gets_a_whole_configuration(place: Place) -> None:
    place.prepare()
    root = ET.fromstring(place.config.read_bytes())
    assert root.tag == "hudson"
    assert root.findtext("version") == "2.319.3"
    assert root.findtext("numExecutors") == "0"
    cloud = root.find(f"clouds/{CLOUD}")
    assert cloud is not None
    assert cloud.get("plugin") == "mesos@0.16"
    assert cloud.findtext("frameworkName") == "ci.alice"
    assert cloud.findtext("jenkinsURL") == "http://192.0.2.9:31012/"
    assert cloud.findtext("cloudID") == IDS[0]
    assert "@" not in place.config.read_text().replace("mesos@0.16", "")
    assert ET.fromstring(place.location.read_bytes()).findtext("jenkinsUrl") == "https://ci.example.com/alice/"
    assert "ApiTokenProperty" in (place.home / "init.groovy.d/clusterctl.groovy").read_text()
    for path in (place.config, place.location):
        assert path.stat().st_mode & 0o077 == 0


OWN = """\
<?xml version='1.1' encoding='UTF-8'?>
<hudson>
  <systemMessage>by hand &#x1b; &lt;clouds&gt; Grüße</systemMessage>
  <other note="a > b"><clouds><x/></clouds></other>
  <clouds>
    <com.example.OtherCloud><name>MesosCloud</name></com.example.OtherCloud>
    <org.jenkinsci.plugins.mesos.MesosCloud plugin="mesos@0.15">
      <name>MesosCloud</name>
      <slaveInfos><name>inner</name></slaveInfos>
    </org.jenkinsci.plugins.mesos.MesosCloud>
    <org.jenkinsci.plugins.mesos.MesosCloud><name>second</name></org.jenkinsci.plugins.mesos.MesosCloud>
  </clouds>
  <quietPeriod>17</quietPeriod>
</hudson>
"""


def test_only_the_cloud_is_replaced_and_all_else_stays_byte_for_byte(place: Place) -> None:
    place.config.write_text(OWN)
    place.prepare()
    text = place.config.read_text()
    before, after = OWN.split('    <org.jenkinsci.plugins.mesos.MesosCloud plugin="mesos@0.15">')
    assert text.startswith(before)
    rest = after[after.index("</org.jenkinsci.plugins.mesos.MesosCloud>") :]
    assert text.endswith(rest)
    assert text.count('plugin="mesos@0.16"') == 1
    assert "0.15" not in text
    place.module.elements(text.encode())  # and it still is XML


@pytest.mark.parametrize(
    "old",
    [
        "<hudson><quietPeriod>5</quietPeriod></hudson>",
        "<hudson>\n  <clouds/>\n</hudson>",
        "<hudson><clouds ></clouds></hudson>",
        "<hudson/>",
    ],
)
def test_a_cloud_is_added_where_there_is_none(old: str, place: Place) -> None:
    place.config.write_text(old)
    place.prepare()
    root = ET.fromstring(place.config.read_bytes())
    assert len(root.findall("clouds")) == 1
    assert len(root.findall(f"clouds/{CLOUD}")) == 1
    assert root.findtext("quietPeriod") == ("5" if "quietPeriod" in old else None)


def test_the_second_start_writes_nothing(place: Place) -> None:
    place.prepare()
    files = {path: (path.stat().st_ino, path.read_bytes()) for path in place.home.rglob("*") if path.is_file()}
    unlocked(place)
    place.prepare()
    lock = place.home / ".clusterctl/lock"
    assert {p: (p.stat().st_ino, p.read_bytes()) for p in files if p != lock} == {
        p: state for p, state in files.items() if p != lock
    }


def test_an_own_realm_replaces_that_of_the_file(place: Place) -> None:
    (place.home / ".clusterctl/security.xml").write_text(
        '<hudson>\n<securityRealm class="hudson.security.LDAPSecurityRealm"><server>x</server></securityRealm>\n'
        "<quietPeriod>0</quietPeriod></hudson>"
    )
    place.prepare()
    root = ET.fromstring(place.config.read_bytes())
    assert [each.get("class") for each in root.findall("securityRealm")] == ["hudson.security.LDAPSecurityRealm"]
    assert root.find("authorizationStrategy") is not None
    assert root.findtext("quietPeriod") == "5"


def test_the_address_of_the_administrator_stays(place: Place) -> None:
    name = "jenkins.model.JenkinsLocationConfiguration"
    place.location.write_text(
        f"<?xml version='1.1' encoding='UTF-8'?>\n<{name}>\n  <adminAddress>ops@example.com</adminAddress>\n"
        f"  <jenkinsUrl>http://old/</jenkinsUrl>\n</{name}>\n"
    )
    place.prepare()
    text = place.location.read_text()
    assert (
        "<adminAddress>ops@example.com</adminAddress>\n  <jenkinsUrl>https://ci.example.com/alice/</jenkinsUrl>" in text
    )


def test_plugins_of_the_release_are_placed_and_others_stay(place: Place) -> None:
    plugins = place.home / "plugins"
    plugins.mkdir()
    (plugins / "git.jpi").write_text("own")
    (plugins / "mesos.hpi").write_text("older")
    (plugins / "credentials.jpi").write_text("older")
    place.prepare()
    assert sorted(path.name for path in plugins.iterdir()) == ["credentials.jpi", "git.jpi", "mesos.jpi"]
    assert (plugins / "credentials.jpi").read_bytes() == (place.release / "plugins/credentials.jpi").read_bytes()
    assert (plugins / "git.jpi").read_text() == "own"


def test_plugins_that_only_another_release_has_go_with_it(place: Place) -> None:
    newer = place.root / "opt/jenkins/2.319.4-0"
    (newer / "plugins").mkdir(parents=True)
    place.pack(newer / "jenkins.war", "Jenkins-Version: 2.319.4\n")
    place.pack(newer / "plugins/mesos.jpi", "Short-Name: mesos\nPlugin-Version: 0.16\n")
    place.pack(newer / "plugins/metrics.jpi", "Short-Name: metrics\nPlugin-Version: 4\n")
    plugins = place.home / "plugins"
    place.prepare()
    (plugins / "git.jpi").write_text("own")
    unlocked(place)
    place.prepare(release="2.319.4-0")
    assert sorted(path.name for path in plugins.iterdir()) == ["git.jpi", "mesos.jpi", "metrics.jpi"]
    unlocked(place)
    place.prepare()
    assert sorted(path.name for path in plugins.iterdir()) == ["credentials.jpi", "git.jpi", "mesos.jpi"]


def test_a_record_of_plugins_reaches_no_other_file(place: Place) -> None:
    (place.home / "secret.key").write_text("key")
    (place.home / ".clusterctl/plugins").write_text("../secret.key\n../config.jpi\n")
    (place.home / "config.jpi").write_text("not a plugin of ours")
    place.prepare()
    assert (place.home / "secret.key").read_text() == "key"
    assert (place.home / "config.jpi").exists()
    assert (place.home / ".clusterctl/plugins").read_text().split() == ["credentials.jpi", "mesos.jpi"]


def test_what_is_in_the_way_is_named(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    (place.home / "plugins/mesos.clusterctl").mkdir(parents=True)
    for name, value in {"HOST": "192.0.2.9", "MESOS_SANDBOX": str(place.sandbox), "PORT0": "1", "PORT1": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PORT2", "3")
    monkeypatch.setattr(sys, "argv", ["jenkins-start", "alice", "7"])
    umask = os.umask(0o022)  # the program narrows that of its process
    try:
        assert place.module.main() == 78
    finally:
        os.umask(umask)
    assert capsys.readouterr().err == f"jenkins-start: {place.home}/plugins/mesos.clusterctl: Is a directory\n"


def test_a_home_without_a_marker_is_refused(place: Place) -> None:
    (place.home / ".clusterctl/master.json").unlink()
    status, message = place.refusal()
    assert status == 78
    assert f"{place.home} has no marker" in message
    assert not place.config.exists()
    _, message = place.refusal(name="bob")
    assert "homes/bob has no marker" in message


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"cluster": "other"}, "cluster 'other', not 'ci'"),
        ({"name": "bob"}, "name 'bob'"),
        ({"slot": 8}, "slot 8, not 7"),
    ],
)
def test_another_masters_home_is_refused(change: dict[str, Any], expected: str, place: Place) -> None:
    marker = place.home / ".clusterctl/master.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), **change}))
    assert expected in place.refusal()[1]


def test_an_open_home_is_refused(place: Place) -> None:
    place.home.chmod(0o750)
    assert "can be entered by others (mode 0750); allowed: 0700" in place.refusal()[1]


def test_a_home_of_another_user_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.module.os, "geteuid", lambda: 30007)
    assert f"belongs to user {place.home.stat().st_uid}; this is 30007" in place.refusal()[1]


def test_a_home_in_use_is_refused_and_left_alone(place: Place) -> None:
    with (place.home / ".clusterctl/lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        status, message = place.refusal()
    assert (status, place.config.exists()) == (75, False)
    assert "another master holds its lock" in message


def test_the_lock_is_kept_by_what_it_becomes(place: Place) -> None:
    (place.root / "java").write_text("#!/bin/sh\necho started\nread -r _\n")
    (place.root / "java").chmod(0o755)
    text = place.script.read_text()
    for name, path in (
        ("/etc/clusterctl/jenkins", "etc/clusterctl/jenkins"),
        ("/opt/jenkins-java/current/bin/java", "java"),
    ):
        text = text.replace(f'"{name}"', f'"{place.root}/{path}"')
    place.script.write_text(text.replace('"/opt/jenkins"', f'"{place.root}/opt/jenkins"'))
    environment = {**os.environ, "HOST": "h", "PORT0": "1", "PORT1": "2", "PORT2": "3"}
    environment["MESOS_SANDBOX"] = str(place.sandbox)
    command = [sys.executable, str(place.script), "alice", "7"]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdin
        assert first.stdout
        assert first.stdout.readline().startswith("jenkins-start: ")
        assert first.stdout.readline() == "started\n"
        second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (second.returncode, second.stdout) == (75, "")
        assert "another master holds its lock" in second.stderr
        first.stdin.write("\n")
    assert first.returncode == 0
    third = subprocess.run(command, env=environment, input="\n", capture_output=True, text=True, check=False)
    assert third.returncode == 0


def test_a_missing_release_is_refused(place: Place) -> None:
    status, message = place.refusal(release="2.400-1")
    assert (status, "there is no release 2.400-1 on this node" in message) == (78, True)


def test_a_broken_configuration_is_refused_and_left_alone(place: Place) -> None:
    place.config.write_text("<hudson><clouds>")
    assert f"{place.config} is no XML" in place.refusal()[1]
    assert place.config.read_text() == "<hudson><clouds>"


SECRET_CLASS = "com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl"
OTHERS = """<?xml version='1.1' encoding='UTF-8'?>
<com.cloudbees.plugins.credentials.SystemCredentialsProvider plugin="credentials@1.22">
  <domainCredentialsMap class="hudson.util.CopyOnWriteMap$Hash">
    <entry>
      <com.cloudbees.plugins.credentials.domains.Domain><specifications/></com.cloudbees.plugins.credentials.domains.Domain>
      <java.util.concurrent.CopyOnWriteArrayList>%s</java.util.concurrent.CopyOnWriteArrayList>
    </entry>
  </domainCredentialsMap>
</com.cloudbees.plugins.credentials.SystemCredentialsProvider>
"""
GITS = f"<{SECRET_CLASS}><id>git</id><username>bob</username><password>{{AQAA=}}</password></{SECRET_CLASS}>"
OLD = GITS.replace("git", "clusterctl-mesos").replace("bob", "jenkins-003")


@pytest.fixture
def closed(tmp_path: Path, nodes: dict[str, Node]) -> Place:
    place = Place(tmp_path, nodes["closed-masters"])
    place.module.SECRETS = str(tmp_path / "secrets")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/jm-007").write_text("jenkins-007.2:s3<&>xyz")
    return place


def credentials(place: Place) -> dict[str, tuple[str, str]]:
    """Username and password by id, of the whole file."""
    root = ET.parse(place.home / "credentials.xml").getroot()
    return {
        each.findtext("id", ""): (each.findtext("username", ""), each.findtext("password", ""))
        for each in root.iter(SECRET_CLASS)
    }


MINE = {"clusterctl-mesos": ("jenkins-007.2", "s3<&>xyz")}


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (None, MINE),
        ("", MINE),
        (OTHERS % "", MINE),
        (OTHERS % (GITS + OLD), {"git": ("bob", "{AQAA=}"), **MINE}),
        (OTHERS % (OLD + GITS), {"git": ("bob", "{AQAA=}"), **MINE}),
        (OTHERS % GITS, {"git": ("bob", "{AQAA=}"), **MINE}),
        ("<a><domainCredentialsMap class='x'/></a>", MINE),
        ("<a><other/></a>", MINE),
    ],
)
def test_the_slots_credential_is_written_and_others_stay(
    closed: Place, before: str | None, expected: dict[str, tuple[str, str]]
) -> None:
    if before is not None:
        (closed.home / "credentials.xml").write_text(before.replace("1.1", "1.0", 1))
    closed.prepare()
    assert credentials(closed) == expected
    cloud = ET.parse(closed.config).getroot().find(f"clouds/{CLOUD}")
    assert cloud is not None
    assert cloud.findtext("credentialsId") == "clusterctl-mesos"
    unlocked(closed)
    closed.prepare()
    assert credentials(closed) == expected
    assert (closed.home / PRINCIPAL).read_text() == "jenkins-007.2\n"


def test_the_secret_is_nowhere_but_in_its_file(closed: Place) -> None:
    command, environment = closed.prepare()
    assert "xyz" not in " ".join(command)
    assert not [value for value in environment.values() if "xyz" in value]
    assert (closed.home / "credentials.xml").stat().st_mode & 0o077 == 0
    assert [path for path in closed.home.rglob("*") if path.is_file() and b"s3&lt;" in path.read_bytes()] == [
        closed.home / "credentials.xml"
    ]


def test_without_its_secret_a_master_is_not_started(closed: Place) -> None:
    (closed.root / "secrets/jm-007").unlink()
    status, reason = closed.refusal()
    assert status == 78
    assert "slot 7 has no secret on this node (`clusterctl configure` brings it)" in reason


def test_credentials_that_can_not_be_read_are_named(closed: Place) -> None:
    (closed.home / "credentials.xml").write_text("<a><b></a>")
    assert f"{closed.home}/credentials.xml" in closed.refusal()[1]


def test_where_mesos_asks_nobody_there_is_no_credential(place: Place) -> None:
    place.prepare()
    assert not (place.home / "credentials.xml").exists()
