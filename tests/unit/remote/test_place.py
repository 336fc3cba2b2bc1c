"""The script that puts secrets in their places, run as it is sent."""

from __future__ import annotations

import getpass
import grp
import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clusterctl.remote.standardinput import sent

ME, OURS = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name


def file(path: Path, text: str, **changes: Any) -> dict[str, Any]:
    return {"path": str(path), "text": text, "owner": ME, "group": OURS, "mode": 0o600} | changes


def run(*files: dict[str, Any]) -> dict[str, Any]:
    script = sent("place.py", {"files": list(files)})
    done = subprocess.run(script.command, input=script.stdin, capture_output=True, check=True)
    assert done.stderr == b""
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_files_get_their_content_and_mode(tmp_path: Path) -> None:
    one, two = tmp_path / "new" / "one", tmp_path / "two"
    answer = run(file(one, "first\n"), file(two, "second", mode=0o640))["answer"]
    assert answer == {
        str(one): {"sha256": hashlib.sha256(b"first\n").hexdigest(), "changed": True},
        str(two): {"sha256": hashlib.sha256(b"second").hexdigest(), "changed": True},
    }
    assert (one.read_text(), one.stat().st_mode & 0o777) == ("first\n", 0o600)
    assert (two.read_text(), two.stat().st_mode & 0o777) == ("second", 0o640)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "two"]
    # its names are not for everybody, but what one may read is found by its name
    assert one.parent.stat().st_mode & 0o777 == 0o711


def test_what_is_as_wanted_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "one"
    run(file(path, "text"))
    before = path.stat()
    assert run(file(path, "text"))["answer"][str(path)]["changed"] is False
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    path.chmod(0o644)
    assert run(file(path, "text"))["answer"][str(path)]["changed"] is True
    assert path.stat().st_mode & 0o777 == 0o600


def test_one_that_fails_keeps_all_as_they_were(tmp_path: Path) -> None:
    path, blocked = tmp_path / "one", tmp_path / "no-directory"
    path.write_text("old")
    blocked.write_text("a file")
    answer = run(file(path, "a secret"), file(blocked / "two", "a secret"))
    assert answer["error"].startswith(("NotADirectoryError", "FileExistsError"))
    assert "a secret" not in json.dumps(answer)
    assert path.read_text() == "old"
    assert run(file(path, "a secret", owner="nobody-of-this-name"))["error"].startswith("KeyError")
    assert path.read_text() == "old"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["no-directory", "one"]


def test_links_are_replaced_and_not_followed(tmp_path: Path) -> None:
    target, path = tmp_path / "target", tmp_path / "one"
    target.write_text("theirs")
    path.symlink_to(target)
    (tmp_path / ".one.clusterctl").symlink_to(target)  # left by a run that was killed, or by somebody else
    run(file(path, "ours"))
    assert target.read_text() == "theirs"
    assert not path.is_symlink()
    assert path.read_text() == "ours"


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_mode_is_as_said_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        run(file(tmp_path / "one", "x", mode=0o440))
    finally:
        os.umask(before)
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o440


def test_a_look_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "one"
    script = sent("place.py", {"files": [file(path, "text")], "look": True})
    done = subprocess.run(script.command, input=script.stdin, capture_output=True, check=True)
    assert json.loads(done.stdout)["answer"][str(path)]["changed"] is True
    assert list(tmp_path.iterdir()) == []
