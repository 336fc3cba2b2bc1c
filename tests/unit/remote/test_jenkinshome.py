"""The script for homes on the nodes of Jenkins masters, on directories of this machine."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusterctl.jenkins.home import MARKER, OWN, PASSWORD, PRINCIPAL, TOKEN, new_marker
from clusterctl.jenkins.slots import MASTER_UID
from clusterctl.remote import jenkinshome as script
from clusterctl.remote.standardinput import sent
from clusterctl.spec.jenkins import MAX_SLOTS

IS_ROOT = os.geteuid() == 0
ME = os.getuid()


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of homes; every user is us, as if we had no other rights."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: SimpleNamespace(pw_uid=ME, pw_gid=os.getgid()))
    path = tmp_path / "srv"
    path.mkdir()
    return path


def run(directory: Path, action: str, **words: Any) -> Any:
    return script.run({"action": action, "directory": str(directory), "mount": None, **words})


def make(directory: Path, name: str = "alice", slot: int = 1, files: dict[str, str] | None = None) -> Any:
    home = {
        "name": name,
        "user": f"jm-{slot:03d}",
        "marker": new_marker("demo", name, slot, "admin").text(),
        "files": files or {},
    }
    return run(directory, "make", homes=[home])


def test_names_and_numbers_are_those_of_the_library() -> None:
    assert (script.OWN, script.MARKER) == (OWN, MARKER)
    assert (script.FIRST_UID, script.LAST_UID) == (MASTER_UID + 1, MASTER_UID + MAX_SLOTS)


def test_a_home_is_made_with_its_marker_and_secrets(homes: Path) -> None:
    assert make(homes) == {"answer": [{"name": "alice", "made": True, "changed": []}]}
    home = homes / "alice"
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / OWN).stat().st_mode & 0o777 == 0o700
    for name in (MARKER, TOKEN, PASSWORD):
        assert (home / name).stat().st_mode & 0o777 == 0o600
    token = (home / TOKEN).read_text().strip()
    assert len(token) == 34
    assert token.startswith("11")
    assert int(token, 16)
    assert len((home / PASSWORD).read_text().strip()) >= 20
    assert [each.name for each in homes.iterdir()] == ["alice"]


def test_making_it_again_changes_nothing_but_files(homes: Path) -> None:
    make(homes)
    token = (homes / "alice" / TOKEN).read_text()
    again = make(homes, files={"init.groovy.d/a.groovy": "println 1"})
    assert again == {"answer": [{"name": "alice", "made": False, "changed": ["init.groovy.d/a.groovy"]}]}
    assert (homes / "alice" / TOKEN).read_text() == token
    assert make(homes, files={"init.groovy.d/a.groovy": "println 1"})["answer"][0]["changed"] == []


def test_half_a_home_of_a_killed_run_is_made_anew(homes: Path) -> None:
    (homes / ".new-alice" / "rest").mkdir(parents=True)
    make(homes)
    assert not (homes / "alice" / "rest").exists()


def test_a_home_of_another_slot_is_refused(homes: Path) -> None:
    make(homes)
    assert make(homes, slot=2) == {"error": f"{homes}/alice has the marker of alice in slot 1"}


def test_a_survey_tells_of_everything_there(homes: Path, tmp_path: Path) -> None:
    make(homes)
    (homes / "stranger").mkdir()
    (homes / "lost+found").mkdir()
    (homes / "linked").symlink_to("/etc")
    (homes / "alice" / PRINCIPAL).write_text("jenkins-001.2\n")
    plugins = tmp_path / "opt" / "2.319.3-aa" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "mesos.jpi").write_bytes(b"x" * 3 * 2**20)
    (plugins.parent / "jenkins.war").touch()
    (tmp_path / "opt" / "current").symlink_to("2.319.3-aa")
    found = run(homes, "survey", releases=str(tmp_path / "opt"))["answer"]
    alice, linked, stranger = found["homes"]
    assert (alice["principal"], linked["principal"]) == ("jenkins-001.2", "")
    assert (alice["name"], json.loads(alice["marker"])["slot"], alice["mode"]) == ("alice", 1, 0o700)
    assert (linked["marker"], linked["problem"]) == (None, f"{homes}/linked is not a directory")
    assert (stranger["marker"], "marker can't be read: No such file" in stranger["problem"]) == (None, True)
    assert (found["releases"], found["current"]) == ({"2.319.3-aa": 3}, "2.319.3-aa")
    assert 0 <= found["free_mib"] <= found["size_mib"]


def test_a_volume_that_is_not_mounted_is_refused(homes: Path) -> None:
    assert run(homes, "survey", mount=str(homes)) == {"error": f"the volume is not mounted at {homes}"}
    assert run(homes / "no", "survey") == {"error": f"there is no directory {homes}/no"}


def test_who_a_master_is_to_mesos_is_unknown_where_its_user_put_something_else(homes: Path) -> None:
    make(homes)
    (homes / "alice" / PRINCIPAL).symlink_to("/etc/hostname")
    [alice] = run(homes, "survey")["answer"]["homes"]
    assert (alice["principal"], alice["problem"]) == ("", "")


def test_a_marker_that_is_a_link_is_not_read(homes: Path) -> None:
    make(homes)
    secret = homes.parent / "secret"
    secret.write_text("top")
    (homes / "alice" / MARKER).unlink()
    (homes / "alice" / MARKER).symlink_to(secret)
    [alice] = run(homes, "survey")["answer"]["homes"]
    assert alice["marker"] is None
    assert "marker can't be read" in alice["problem"]


def test_aside_and_back(homes: Path) -> None:
    make(homes)
    path = Path(run(homes, "set_aside", name="alice")["answer"])
    assert path.parent == homes / ".aside"
    found = run(homes, "survey")["answer"]
    assert (found["homes"], found["aside"]) == ([], [path.name])
    assert run(homes, "put_back", name="alice", path=str(path)) == {"answer": str(homes / "alice")}
    assert (homes / "alice" / TOKEN).is_file()
    assert run(homes, "put_back", name="alice", path=str(path)) == {"error": f"{homes}/alice is there"}


def test_homes_set_aside_are_measured_and_deleted(homes: Path) -> None:
    make(homes)
    entry = Path(run(homes, "set_aside", name="alice")["answer"]).name
    make(homes)
    (homes / ".aside" / entry / "big").write_bytes(b"x" * 3 * 2**20)
    sizes = run(homes, "sizes", names=[], aside=[entry, "gone-20260101T000000Z"])["answer"]
    assert (sizes[entry] >= 3, sizes["gone-20260101T000000Z"]) == (True, None)
    assert run(homes, "purge", names=[], aside=[entry, "gone-20260101T000000Z"]) == {"answer": None}
    assert list((homes / ".aside").iterdir()) == []
    assert (homes / "alice" / MARKER).is_file()
    assert "error" in run(homes, "purge", names=[], aside=["../alice"])


def test_purge_deletes_and_follows_no_link(homes: Path) -> None:
    make(homes)
    (homes.parent / "kept").write_text("x")
    (homes / "alice" / "link").symlink_to(homes.parent)
    (homes / "alice" / "jobs" / "a").mkdir(parents=True)
    assert run(homes, "purge", names=["alice", "bob"]) == {"answer": None}
    assert list(homes.iterdir()) == []
    assert (homes.parent / "kept").is_file()
    assert "found name '../x'" in run(homes, "purge", names=["../x"])["error"]


def test_sizes(homes: Path) -> None:
    make(homes)
    (homes / "alice" / "big").write_bytes(b"x" * 2**20)
    found = run(homes, "sizes", names=["alice", "bob"])["answer"]
    assert 1 <= found["alice"] <= 2
    assert found["bob"] is None


def test_login(homes: Path) -> None:
    make(homes)
    password = (homes / "alice" / PASSWORD).read_text().strip()
    assert run(homes, "login", name="alice") == {"answer": {"admin": "admin", "password": password}}
    assert run(homes, "login", name="bob") == {"error": f"there is no home {homes}/bob"}


@pytest.fixture
def owned() -> Iterator[Path]:
    """Homes of uid 30007, made by the script as root, reachable for that user: pytest's own directories are closed."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)
        homes = Path(directory) / "srv"
        homes.mkdir()
        yield homes


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_as_root_a_home_is_touched_with_its_users_rights_only(owned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = pwd.struct_passwd(("jm-007", "x", 30007, 30007, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: entry)
    assert "answer" in make(owned, slot=7)
    assert (owned / "alice").stat().st_uid == 30007
    assert {(owned / "alice" / name).stat().st_uid for name in (MARKER, TOKEN)} == {30007}
    # its user replaces the directory by a link to one that only root reads
    closed = owned / "closed"
    closed.mkdir(0o700)
    (closed / "master.json").write_text("top secret")
    (owned / "alice" / OWN).rename(owned / "alice" / "old")
    (owned / "alice" / OWN).symlink_to(closed)
    alice, other = run(owned, "survey")["answer"]["homes"]
    assert (alice["marker"], alice["problem"]) == (None, "its marker can't be read: Permission denied")
    assert "belongs to uid 0, which is not a Jenkins master's" in other["problem"]
    assert os.geteuid() == 0


def test_it_runs_as_it_is_sent(tmp_path: Path) -> None:
    script_sent = sent("jenkinshome.py", {"action": "survey", "directory": str(tmp_path / "no"), "mount": None})
    assert script_sent.command[:4] == ["python3", "-I", "-S", "-c"]
    assert str(tmp_path) not in " ".join(script_sent.command)
    done = subprocess.run(script_sent.command, input=script_sent.stdin, capture_output=True, check=True)
    assert json.loads(done.stdout) == {"error": f"there is no directory {tmp_path}/no"}
    assert sent("jenkinshome.py", {}, root=True).command[:3] == ["sudo", "-n", "python3"]
