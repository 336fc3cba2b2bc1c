"""Packing and unpacking homes, on directories of this machine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from clusterctl.jenkins.home import MARKER, NOT_RESTORED, TOKEN, excluded
from clusterctl.remote import jenkinsarchive as script
from clusterctl.remote.standardinput import sent
from tests.unit.remote.test_jenkinshome import homes, make  # noqa: F401  (homes is a fixture)


def fill(home: Path) -> None:
    """What Jenkins would write."""
    for name, text in {
        "config.xml": "<hudson/>",
        "jobs/a/config.xml": "<project/>",
        "jobs/a/builds/1/log": "hello",
        "jobs/a/workspace/big": "x",
        "plugins/mesos.jpi": "jar",
        "plugins/mesos/unpacked": "x",
        "queue.xml": "<q/>",
        "logs/x": "x",
    }.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (home / "jobs/a/builds/lastSuccessfulBuild").symlink_to("1")
    os.mkfifo(home / "pipe")


def pack(directory: Path, name: str = "alice", *, builds: bool = True) -> tuple[Any, bytes]:
    out = io.BytesIO()
    request = {"action": "pack", "directory": str(directory), "mount": None, "name": name}
    found = script.run({**request, "exclude": excluded(builds).pattern}, io.BytesIO(), out)
    return found, out.getvalue()


def unpack(directory: Path, data: bytes, name: str = "bob", **changes: Any) -> Any:
    request = {
        "action": "unpack",
        "directory": str(directory),
        "mount": None,
        "name": name,
        "user": "jm-002",
        "sha256": hashlib.sha256(data).hexdigest(),
        "marker": '{"name": "bob"}\n',
        "remove": list(NOT_RESTORED),
        "renew": False,
    }
    return script.run({**request, **changes}, io.BytesIO(data), io.BytesIO())


def names(data: bytes) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        return {info.name for info in archive if not info.isdir()}


def test_what_can_be_made_again_is_left_out(homes: Path) -> None:  # noqa: F811
    make(homes)
    fill(homes / "alice")
    found, data = pack(homes)
    assert found["answer"] == {
        "files": 8,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    assert names(data) == {
        MARKER,
        TOKEN,
        ".clusterctl/password",
        "config.xml",
        "jobs/a/config.xml",
        "jobs/a/builds/1/log",
        "jobs/a/builds/lastSuccessfulBuild",
        "plugins/mesos.jpi",
        "queue.xml",
    }
    assert "jobs/a/builds/1/log" not in names(pack(homes, builds=False)[1])


def test_a_home_comes_back_with_its_own_marker(homes: Path) -> None:  # noqa: F811
    make(homes)
    fill(homes / "alice")
    _, data = pack(homes)
    assert unpack(homes, data) == {"answer": {"bytes": len(data)}}
    bob = homes / "bob"
    assert (bob / "jobs/a/builds/1/log").read_text() == "hello"
    assert (bob / "jobs/a/builds/lastSuccessfulBuild").readlink() == Path("1")
    assert json.loads((bob / MARKER).read_text()) == {"name": "bob"}
    assert (bob / TOKEN).read_text() == (homes / "alice" / TOKEN).read_text()
    assert not (bob / "queue.xml").exists()
    assert bob.stat().st_mode & 0o777 == 0o700
    assert unpack(homes, data) == {"error": f"{bob} is there"}


def test_a_copy_gets_new_secrets(homes: Path) -> None:  # noqa: F811
    make(homes)
    _, data = pack(homes)
    unpack(homes, data, renew=True)
    for name in (TOKEN, ".clusterctl/password"):
        assert (homes / "bob" / name).read_text() != (homes / "alice" / name).read_text()


def test_an_archive_that_did_not_arrive_whole_leaves_nothing(homes: Path) -> None:  # noqa: F811
    make(homes)
    _, data = pack(homes)
    assert unpack(homes, data, sha256="0" * 64) == {"error": "what arrived is not what was sent"}
    assert "error" in unpack(homes, data[: len(data) // 2])
    assert sorted(each.name for each in homes.iterdir()) == ["alice"]


@pytest.mark.parametrize("path", ["/etc/evil", "../evil", "a/../../evil"])
def test_paths_that_lead_out_are_refused(homes: Path, path: str) -> None:  # noqa: F811
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo(path))
    assert unpack(homes, data.getvalue()) == {"error": f"the archive has the path {path!r}"}
    assert not list(homes.iterdir())


def test_a_home_that_is_not_there(homes: Path) -> None:  # noqa: F811
    assert pack(homes)[0] == {"error": f"there is no home {homes}/alice"}


def test_it_runs_as_it_is_sent(tmp_path: Path) -> None:
    request = {"action": "pack", "directory": str(tmp_path / "no"), "mount": None, "name": "a", "exclude": "x"}
    script_sent = sent("jenkinsarchive.py", request, modules=["jenkinshome"])
    done = subprocess.run(script_sent.command, input=script_sent.stdin, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert json.loads(done.stderr.splitlines()[-1]) == {"error": f"there is no directory {tmp_path}/no"}
