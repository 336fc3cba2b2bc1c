"""Artifacts of an upgrade: wrong ones are refused before a node is asked, older ones are found for the way back."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from clusterctl.errors import InputError
from clusterctl.ops.upgrade.artifacts import kept_artifact, wanted_artifacts
from clusterctl.spec.artifacts import Artifact, Artifacts, MarathonArtifact
from tests.unit.ops.upgrade.packages import deb, tarball


def artifact(path: Path, version: str, **changes: str) -> Artifact:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Artifact(**{"version": version, "src": path.name, "sha256": digest} | changes)


def artifacts(tmp_path: Path, **changes: Artifact) -> Artifacts:
    package, archive = deb(tmp_path / "mesos.deb", "mesos", "1.11.0-2", 2048), tarball(tmp_path / "m.tgz", 5000)
    named = {"mesos": artifact(package, "1.11.0-2"), "marathon": artifact(archive, "1.11.25")} | changes
    return Artifacts(mesos=named["mesos"], marathon=MarathonArtifact(**named["marathon"].model_dump()))


def test_artifacts_are_verified_and_kept_for_the_way_back(tmp_path: Path) -> None:
    named, cache = artifacts(tmp_path), tmp_path / "cache"
    wanted = wanted_artifacts(["zookeeper", "mesos", "marathon"], named, tmp_path, cache, None)
    assert list(wanted) == ["mesos", "marathon"]
    assert (wanted["mesos"].version, wanted["mesos"].package) == ("1.11.0-2", "mesos")
    assert wanted["mesos"].room_bytes == (tmp_path / "mesos.deb").stat().st_size + 2048 * 1024
    assert wanted["marathon"].room_bytes == (tmp_path / "m.tgz").stat().st_size + 5000
    find = kept_artifact(cache, None, tmp_path)
    found = find("mesos", named.mesos.sha256)
    assert found is not None
    assert found.read_bytes() == (tmp_path / "mesos.deb").read_bytes()
    assert find("mesos", "0" * 64) is None


def test_the_old_artifact_can_be_named_by_an_older_file(tmp_path: Path) -> None:
    named = artifacts(tmp_path)
    find = kept_artifact(tmp_path / "empty", named, tmp_path)
    assert find("mesos", named.mesos.sha256) == tmp_path / "mesos.deb"
    assert find("mesos", "0" * 64) is None


def test_a_bad_digest_is_refused_on_the_operators_machine(tmp_path: Path) -> None:
    named = artifacts(tmp_path)
    (tmp_path / "mesos.deb").write_bytes(b"!<arch>\nsomething else")
    with pytest.raises(InputError, match=r"artifacts\.mesos\.sha256"):
        wanted_artifacts(["mesos"], named, tmp_path, tmp_path / "cache", None)


@pytest.mark.parametrize(
    ("to", "text"), [("1.11.0-9", "--to: found 1.11.0-9, and the artifacts file has mesos 1.11.0-2")]
)
def test_another_version_than_the_files_is_refused(tmp_path: Path, to: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        wanted_artifacts(["mesos"], artifacts(tmp_path), tmp_path, tmp_path / "cache", to)


def test_a_package_of_another_version_than_named_is_refused(tmp_path: Path) -> None:
    package = deb(tmp_path / "other.deb", "mesos", "1.11.0-1", 1)
    named = artifacts(tmp_path, mesos=artifact(package, "1.11.0-3"))
    with pytest.raises(InputError, match=r"found 1\.11\.0-3, and other\.deb is 1\.11\.0-1"):
        wanted_artifacts(["mesos"], named, tmp_path, tmp_path / "cache", None)


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("<html>404</html>")
    named = artifacts(tmp_path, mesos=artifact(tmp_path / "x", "1.11.0-3"))
    with pytest.raises(InputError, match="it is not a Debian package"):
        wanted_artifacts(["mesos"], named, tmp_path, tmp_path / "cache", None)
    named = artifacts(tmp_path, marathon=artifact(tmp_path / "x", "1.11.25"))
    with pytest.raises(InputError, match="it is not a tarball"):
        wanted_artifacts(["marathon"], named, tmp_path, tmp_path / "cache", None)


def test_artifacts_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--artifacts: is missing"):
        wanted_artifacts(["mesos"], None, tmp_path, tmp_path, None)
