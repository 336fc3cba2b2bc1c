"""The options that ssh is given; checked with ssh's own parser (``ssh -G``), which connects to nothing."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ssh.config import (
    SshConfig,
    Target,
    ansible_ssh_args,
    control_directory,
    identity_from,
    ssh_options,
)

TARGET = Target("ci-control-1", "5f0c", "10.0.0.1")


def config(tmp_path: Path, *, bastion: str | None = None, identity: Path | None = None) -> SshConfig:
    return SshConfig("debian", tmp_path / "known_hosts", tmp_path, bastion=bastion, identity=identity)


def understood(options: list[str]) -> dict[str, str]:
    """What ssh makes of options; no file of this machine's user takes part."""
    run = subprocess.run(
        ["ssh", "-F", "none", "-G", *options, "10.0.0.1"], capture_output=True, text=True, check=True, timeout=10
    )
    return dict(line.split(" ", 1) for line in run.stdout.splitlines() if " " in line)


def test_ssh_understands_the_options_and_trusts_only_pinned_keys(tmp_path: Path) -> None:
    found = understood(ssh_options(config(tmp_path), TARGET))
    assert found["stricthostkeychecking"] == "true"
    assert found["hostkeyalias"] == "5f0c"
    assert found["userknownhostsfile"] == str(tmp_path / "known_hosts")
    assert found["globalknownhostsfile"] == "none"
    assert found["updatehostkeys"] == "false"
    assert (found["forwardx11"], found["forwardagent"]) == ("no", "no")
    assert (found["connecttimeout"], found["serveraliveinterval"], found["serveralivecountmax"]) == ("20", "5", "4")
    assert (found["controlmaster"], found["controlpersist"]) == ("auto", "60")
    assert found["identitiesonly"] == "no"


def test_a_path_with_blanks_and_percent_signs_stays_one_path(tmp_path: Path) -> None:
    place = tmp_path / "my cache%d"
    key = place / "a key"
    options = ssh_options(SshConfig("u", place / "known_hosts", tmp_path, identity=key, bastion="b"), TARGET)
    found = understood(options)
    assert found["userknownhostsfile"] == str(place / "known_hosts")
    assert found["identityfile"] == str(key).replace("%", "%%")  # expanded when it is read
    assert found["identitiesonly"] == "yes"


def test_a_replaced_server_with_the_same_address_has_a_connection_of_its_own(tmp_path: Path) -> None:
    paths = {
        understood(ssh_options(config(tmp_path), Target("n", server_id, "10.0.0.1")))["controlpath"]
        for server_id in ("old", "new")
    }
    assert len(paths) == 2


def test_bastion(tmp_path: Path) -> None:
    key = tmp_path / "key"
    found = understood(ssh_options(config(tmp_path, bastion="jump@gate.example:2222", identity=key), TARGET))
    shell, option, script, _, socket, *words = shlex.split(found["proxycommand"])
    assert (shell, option) == ("sh", "-c")
    assert "[%h]:%p" in script
    assert words[-3:] == ["-p", "2222", "jump@gate.example"]
    assert "BatchMode=yes" in words
    assert f'IdentityFile="{key}"' in words
    assert not any("StrictHostKeyChecking" in word for word in words)  # the operator's own known_hosts decide
    assert understood(words[:-3])["connecttimeout"] == "20"
    others = ssh_options(
        config(tmp_path, bastion="jump@gate.example:2222", identity=key), Target("m", "id-m", "10.0.0.2")
    )
    assert socket in understood(others)["proxycommand"]  # all nodes share one connection to it


# ssh to a bastion that lets one in at a time: a login takes a while, a second one meanwhile is dropped
SSH = """#!/bin/sh
echo "$*" >> calls
case $* in
  *-O\\ check*) [ -e up ] ;;
  *-fNM*)
    mkdir busy 2>/dev/null || { echo dropped >> calls; exit 255; }
    sleep 0.2
    if [ -e refuse ]; then rm refuse; rmdir busy; exit 255; fi
    touch up; rmdir busy ;;
  *-W*) [ -e up ] ;;
esac
"""


@pytest.mark.parametrize("refused", [False, True])
def test_many_nodes_log_in_at_the_bastion_once(tmp_path: Path, refused: bool) -> None:
    (tmp_path / "ssh").write_text(SSH)
    (tmp_path / "ssh").chmod(0o755)
    if refused:  # once, by others' logins: tried again
        (tmp_path / "refuse").touch()
    made = SshConfig("debian", tmp_path / "known_hosts", tmp_path, bastion="gate")
    commands = [
        understood(ssh_options(made, Target(f"n{number}", f"id-{number}", "10.0.0.1")))["proxycommand"]
        for number in range(8)
    ]
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    running = [subprocess.Popen(["sh", "-c", command], cwd=tmp_path, env=environ) for command in commands]
    assert [each.wait(60) for each in running] == [0] * 8
    calls = (tmp_path / "calls").read_text().splitlines()
    assert "dropped" not in calls
    assert sum("-fNM" in call for call in calls) == 1 + refused
    assert sum("-W [%h]:%p" in call for call in calls) == 8


def test_ansible_gets_the_same_options_in_one_string(tmp_path: Path) -> None:
    made = config(tmp_path, bastion="gate")
    assert shlex.split(ansible_ssh_args(made, TARGET)) == ssh_options(made, TARGET)


@pytest.fixture
def short() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="c") as name:
        yield Path(name)


def test_control_directory_is_private(short: Path) -> None:
    found = control_directory({"XDG_RUNTIME_DIR": str(short)})
    assert found == short / "clusterctl"
    assert found.stat().st_mode & 0o777 == 0o700
    assert control_directory({"XDG_RUNTIME_DIR": str(short)}) == found  # again


@pytest.mark.parametrize("runtime", [None, "relative", "/does/not/exist", "/" + "x" * 60])
def test_control_directory_elsewhere_without_a_usable_runtime_directory(short: Path, runtime: str | None) -> None:
    environ = {} if runtime is None else {"XDG_RUNTIME_DIR": runtime}
    assert control_directory(environ, fallback=short) == short / f"clusterctl-{os.getuid()}"


def test_control_directory_of_somebody_else_is_refused(short: Path) -> None:
    place = short / "clusterctl"
    place.mkdir(mode=0o755)
    with pytest.raises(ClusterctlError, match="only you can use"):
        control_directory({"XDG_RUNTIME_DIR": str(short)})
    place.rmdir()
    (short / "other").mkdir(mode=0o700)
    place.symlink_to(short / "other")
    with pytest.raises(ClusterctlError, match="only you can use"):
        control_directory({"XDG_RUNTIME_DIR": str(short)})


def test_socket_names_fit_the_longest_directory(tmp_path: Path) -> None:
    longest = Path("/" + "x" * 49) / "clusterctl"
    options = ssh_options(SshConfig("u", tmp_path, longest), TARGET)
    assert len(understood(options)["controlpath"]) + 17 < 108


def test_identity_from_the_environment(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("")
    assert identity_from({}) is None
    assert identity_from({"CLUSTERCTL_SSH_KEY": ""}) is None
    assert identity_from({"CLUSTERCTL_SSH_KEY": str(key)}) == key
    with pytest.raises(InputError, match=r"CLUSTERCTL_SSH_KEY: found .*, which is not a file"):
        identity_from({"CLUSTERCTL_SSH_KEY": str(tmp_path / "none")})
