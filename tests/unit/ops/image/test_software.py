"""What of artifacts.yml is checked before a server exists, installed, and recorded."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from clusterctl.errors import InputError
from clusterctl.jenkins.release import release_name
from clusterctl.ops.image.software import install_variables, software_facts, software_files, software_properties
from clusterctl.spec.artifacts import Artifact, Artifacts, Builder, ImageSpec, PluginArtifact
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
            marathon=plain,
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
        update={"artifacts": Artifacts(mesos=plain, marathon=plain), "jenkins_java_package": None}
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


def test_a_core_that_the_plugin_does_not_start_with_stops_the_build(files: Path) -> None:
    with pytest.raises(InputError, match=r"found core 2.332.1 with plugin mesos 0.16"):
        software_files(spec_of(files, core="2.332.1"), files, files)
