"""Artifacts: no digest, no build; checked before any server exists."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import requests_mock

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.kit.artifacts import file_digest, local_artifact
from clusterctl.spec.artifacts import Artifact, ImageSpec
from clusterctl.spec.load import parse_model

CONTENT = b"a package"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
URL = "https://mirror.example.com/mesos.deb"


def artifact(src: str, digest: str = DIGEST) -> Artifact:
    return Artifact(version="1.11.0-1", src=src, sha256=digest)


def test_a_path_is_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "mesos.deb").write_bytes(CONTENT)
    assert local_artifact("mesos", artifact("mesos.deb"), tmp_path, tmp_path / "cache") == tmp_path / "mesos.deb"


def test_a_wrong_digest_names_both(tmp_path: Path) -> None:
    (tmp_path / "mesos.deb").write_bytes(b"something else")
    with pytest.raises(
        InputError, match=f"the file names {DIGEST}, and mesos.deb has [0-9a-f]{{64}}; nothing was built"
    ):
        local_artifact("mesos", artifact("mesos.deb"), tmp_path, tmp_path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"artifacts.mesos.src: found 'none.deb', and there is no file"):
        local_artifact("mesos", artifact("none.deb"), tmp_path, tmp_path)


def test_a_url_is_downloaded_once(tmp_path: Path) -> None:
    with requests_mock.Mocker() as http:
        http.get(URL, content=CONTENT)
        first = local_artifact("mesos", artifact(URL), tmp_path, tmp_path / "cache")
        second = local_artifact("mesos", artifact(URL), tmp_path, tmp_path / "cache")
        assert http.call_count == 1
    assert first == second
    assert file_digest(first) == DIGEST


def test_a_download_with_another_digest_is_not_kept(tmp_path: Path) -> None:
    with requests_mock.Mocker() as http:
        http.get(URL, content=b"tampered")
        with pytest.raises(InputError, match="nothing was built"):
            local_artifact("mesos", artifact(URL), tmp_path, tmp_path / "cache")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_download_that_fails_is_no_traceback(tmp_path: Path) -> None:
    with requests_mock.Mocker() as http:
        http.get(URL, status_code=404)
        with pytest.raises(ClusterctlError, match="could not be downloaded: 404"):
            local_artifact("mesos", artifact(URL), tmp_path, tmp_path / "cache")


def test_an_artifact_without_digest_is_refused() -> None:
    text = """\
source_image: debian-12
build: {cloud: lab, flavor: m1.small, network: lab, keypair: ops, access: {ssh_from: network}}
artifacts:
  mesos: {version: 1.11.0-1, src: a.deb}
  marathon: {version: 1.11.24, src: a.tgz, sha256: abc}
"""
    with pytest.raises(InputError) as caught:
        parse_model(text, ImageSpec, "artifacts.yml")
    assert "artifacts.yml:4:3: artifacts.mesos.sha256: is missing; add it" in caught.value.message
    assert "artifacts.yml:5:52: artifacts.marathon.sha256: found 'abc'; allowed: a sha256" in caught.value.message
