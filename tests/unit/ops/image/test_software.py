"""What of artifacts.yml is checked before a server exists, installed, and recorded."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from clusterctl.errors import InputError
from clusterctl.jenkins.release import release_name
from clusterctl.ops.image.software import (
    install_variables,
    load_artifacts,
    software_facts,
    software_files,
    software_properties,
)
from clusterctl.spec.artifacts import Artifact, Artifacts, Builder, ImageSpec, MarathonArtifact, PluginArtifact
from clusterctl.spec.model import AccessSettings

WAR = "Jenkins-Version: {}\n"
PLUGIN = "Short-Name: {}\nPlugin-Version: {}\nJenkins-Version: 2.7.3\nPlugin-Dependencies: {}\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    contents = {
        "jenkins.war": WAR.format("2.319.3"),
        "mesos.hpi": PLUGIN.format("mesos", "0.16", "credentials:1.22"),
        "credentials.hpi": PLUGIN.format("credentials", "2.6.1", ""),
    }
    for name, text in contents.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("META-INF/MANIFEST.MF", text)
    (tmp_path / "plain").write_bytes(b"x")
    return tmp_path


def artifact(kind: type[Artifact], base: Path, src: str, version: str, **more: Any) -> Any:
    digest = hashlib.sha256((base / src).read_bytes()).hexdigest()
    return kind(src=src, version=version, sha256=digest, **more)


def spec_of(base: Path, plugins: tuple[str, ...] = ("mesos", "credentials"), core: str = "2.319.3") -> ImageSpec:
    plain = artifact(Artifact, base, "plain", "1")
    versions = {"mesos": "0.16", "credentials": "2.6.1"}
    return ImageSpec(
        source_image="debian",
        build=Builder(cloud="c", flavor="f", network="n", keypair="k", access=ACCESS),
        artifacts=Artifacts(
            mesos=plain,
            marathon=MarathonArtifact(**plain.model_dump()),
            jenkins=artifact(Artifact, base, "jenkins.war", core),
            jenkins_plugins=tuple(
                artifact(PluginArtifact, base, f"{name}.hpi", versions[name], name=name) for name in plugins
            ),
        ),
        jenkins_java_package="openjdk-11-jre-headless",
    )


ACCESS = AccessSettings(ssh_from=("192.0.2.0/24",))


def test_a_whole_set_is_installed_and_recorded(files: Path) -> None:
    spec = spec_of(files)
    found = software_files(spec, files, files)
    assert sorted(found) == ["jenkins", "jenkins_plugins.credentials", "jenkins_plugins.mesos", "marathon", "mesos"]
    variables = install_variables(spec, found)
    assert variables["jenkins_artifact"]["src"] == str(files / "jenkins.war")
    assert [plugin["name"] for plugin in variables["jenkins_plugin_artifacts"]] == ["mesos", "credentials"]
    assert variables["jenkins_plugin_artifacts"][0]["version"] == "0.16"
    assert variables["jenkins_release"] == release_name(spec.artifacts)
    assert variables["jenkins_java_package"] == "openjdk-11-jre-headless"
    assert "jenkins_java_artifact" not in variables
    properties = software_properties(spec)
    assert properties["clusterctl_jenkins_plugin"] == "0.16"
    assert properties["clusterctl_jenkins_release"] == release_name(spec.artifacts)


def test_every_part_decides_whether_an_image_is_the_same(files: Path) -> None:
    spec = spec_of(files)
    fewer = spec_of(files, plugins=("mesos",))
    other_java = spec.model_copy(update={"jenkins_java_package": "openjdk-8-jre-headless"})
    assert software_facts(spec) == software_facts(spec_of(files))
    assert software_facts(spec) != software_facts(fewer)
    assert software_facts(spec) != software_facts(other_java)


def test_without_a_tier_nothing_is_said_of_it(files: Path) -> None:
    plain = artifact(Artifact, files, "plain", "1")
    spec = spec_of(files).model_copy(
        update={
            "artifacts": Artifacts(mesos=plain, marathon=MarathonArtifact(**plain.model_dump())),
            "jenkins_java_package": None,
        }
    )
    found = software_files(spec, files, files)
    assert not [key for key in install_variables(spec, found) if "jenkins" in key]
    assert not [key for key in {**software_facts(spec), **software_properties(spec)} if "jenkins" in key]


def test_a_missing_dependency_stops_the_build(files: Path) -> None:
    with pytest.raises(InputError, match=r"jenkins_plugins.mesos: needs credentials 1.22 or newer, which is not in"):
        software_files(spec_of(files, plugins=("mesos",)), files, files)


def test_a_war_of_another_version_stops_the_build(files: Path) -> None:
    with pytest.raises(InputError, match=r"artifacts.jenkins.version: found '2.319.1'; the war is 2.319.3"):
        software_files(spec_of(files, core="2.319.1"), files, files)


def test_what_does_not_go_together_is_told_with_its_place(files: Path) -> None:
    spec = spec_of(files, core="2.332.1").model_copy(update={"jenkins_java_package": "openjdk-17-jre-headless"})
    path = files / "artifacts.yml"
    path.write_text(json.dumps(spec.model_dump(mode="json", exclude_unset=True), indent=1))
    lines = path.read_text().splitlines()
    with pytest.raises(InputError) as caught:
        load_artifacts(path)
    core, java = caught.value.message.splitlines()
    at = next(number for number, line in enumerate(lines, 1) if '"jenkins": {' in line)
    assert core.startswith(f"{path}:{at}:3: artifacts.jenkins: found core 2.332.1 with plugin mesos 0.16")
    at = next(number for number, line in enumerate(lines, 1) if '"jenkins_java_package"' in line)
    assert java.startswith(f"{path}:{at}:26: jenkins_java_package: found Java 17; allowed with core 2.332.1")


def test_what_goes_together_is_loaded(files: Path) -> None:
    path = files / "artifacts.yml"
    path.write_text(json.dumps(spec_of(files).model_dump(mode="json", exclude_unset=True)))
    assert load_artifacts(path) == spec_of(files)


def test_marathon_gets_its_own_java_or_the_systems(files: Path) -> None:
    spec = spec_of(files)
    variables = install_variables(spec, software_files(spec, files, files))
    assert variables["marathon_java_package"] == variables["common_java_package"]
    assert "marathon_java_artifact" not in variables
    assert variables["marathon_java_versions"] == [], "nothing is known of this release"

    package = spec.model_copy(update={"marathon_java_package": "openjdk-8-jre-headless"})
    assert install_variables(package, software_files(spec, files, files))["marathon_java_package"] == (
        "openjdk-8-jre-headless"
    )
    assert software_facts(package) != software_facts(spec)

    java = artifact(Artifact, files, "plain", "8u392")
    marathon = spec.artifacts.marathon.model_copy(update={"java": (8,)})
    own = spec.model_copy(
        update={"artifacts": spec.artifacts.model_copy(update={"marathon_java": java, "marathon": marathon})}
    )
    variables = install_variables(own, software_files(own, files, files))
    assert variables["marathon_java_package"] == ""
    assert variables["marathon_java_artifact"] == {
        "src": str(files / "plain"),
        "sha256": java.sha256,
        "version": "8u392",
    }
    assert variables["marathon_java_versions"] == [8]
    assert software_facts(own) != software_facts(spec)


def test_cgroup_v1_is_another_image_and_says_so(files: Path) -> None:
    spec = spec_of(files)
    v1 = spec.model_copy(update={"build": spec.build.model_copy(update={"cgroups": "v1"})})
    assert software_facts(v1) != software_facts(spec)
    assert software_properties(v1)["clusterctl_cgroups"] == "v1"
    assert "clusterctl_cgroups" not in software_properties(spec)
    found = software_files(spec, files, files)
    assert [install_variables(each, found)["common_cgroups"] for each in (v1, spec)] == ["v1", ""]


def test_an_image_for_open_zookeepers_is_another_and_says_so(files: Path) -> None:
    spec = spec_of(files)
    open_ones = spec.model_copy(update={"zookeeper_open": True})
    assert software_facts(open_ones) != software_facts(spec)
    assert software_properties(open_ones)["clusterctl_zookeeper_open"] == "true"
    assert "clusterctl_zookeeper_open" not in software_properties(spec)
    found = software_files(spec, files, files)
    assert [install_variables(each, found)["zookeeper_java_least"] for each in (open_ones, spec)] == [8, 9]


def test_zookeepers_java_and_further_packages(files: Path) -> None:
    plain = spec_of(files)
    named = plain.model_copy(update={"packages": ("docker.io",), "zookeeper_java_package": "openjdk-11-jre-headless"})
    paths = software_files(named, files, files)
    variables = install_variables(named, paths)
    assert variables["common_further_packages"] == ["docker.io"]
    assert variables["zookeeper_java_package"] == "openjdk-11-jre-headless"
    assert "zookeeper_java_artifact" not in variables
    assert software_facts(named) != software_facts(plain)
    tarball = artifact(Artifact, files, "plain", "11.0.21")
    unpacked = plain.model_copy(update={"artifacts": plain.artifacts.model_copy(update={"zookeeper_java": tarball})})
    found = install_variables(unpacked, software_files(unpacked, files, files))
    assert found["zookeeper_java_artifact"] == {
        "src": str(files / "plain"),
        "sha256": tarball.sha256,
        "version": "11.0.21",
    }
    assert software_facts(unpacked)["artifacts"]["zookeeper_java"] == ["11.0.21", tarball.sha256]
    assert "zookeeper_java_package" not in install_variables(plain, paths)
