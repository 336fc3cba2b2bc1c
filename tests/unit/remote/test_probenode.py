"""What the probe tells of a node's confinement, from what nft, systemd and the kernel say."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from clusterctl.remote import probenode

RULES = "table inet clusterctl {\n\tchain output {\n\t\tmeta skuid { 20001-20999 } jump tenants\n\t}\n}\n"


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path


class Rules:
    """A node whose table is in ``table``, loaded by ``confine`` when ``record`` was written."""

    def __init__(self, directory: Path) -> None:
        self.table, self.record, self.confine = (directory / name for name in ("table", "record", "confine"))
        self.nft = program(directory / "nft", f'[ "$*" = "-s list table inet clusterctl" ] && cat {self.table}')
        for path in (self.table, self.record, self.confine):
            path.write_text(RULES)
        os.utime(self.confine, (0, 0))

    def seen(self) -> str:
        return probenode.rules(str(self.record), str(self.confine))


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rules:
    rules = Rules(tmp_path)
    monkeypatch.setattr(probenode, "NFT", str(rules.nft))
    return rules


def test_rules_as_they_were_loaded(node: Rules) -> None:
    assert node.seen() == "loaded"


def test_rules_of_an_older_release_have_no_record(node: Rules) -> None:
    node.record.unlink()
    assert node.seen() == "loaded"


def test_rules_that_are_gone(node: Rules) -> None:
    node.table.unlink()
    assert node.seen() == "missing"


def test_a_table_that_nobody_is_sent_to(node: Rules) -> None:
    node.record.unlink()
    node.table.write_text("table inet clusterctl {\n}\n")
    assert node.seen() == "missing"


def test_an_image_without_nftables(node: Rules) -> None:
    node.nft.unlink()
    assert node.seen() == "missing"


def test_rules_that_somebody_changed(node: Rules) -> None:
    node.table.write_text(RULES.replace("20001-20999", "20002-20999"))
    assert node.seen() == "changed"


def test_rules_from_before_the_configuration(node: Rules) -> None:
    os.utime(node.confine)
    os.utime(node.record, (1, 1))
    assert node.seen() == "stale"


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with what ``systemctl show`` prints."""
    pids = tmp_path / "pids"
    program(tmp_path / "systemctl", f'[ "$1 $2" = "show --property=MainPID" ] && cat {pids}')
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    # the mount namespaces of others are for root to see
    monkeypatch.setattr(os, "readlink", lambda path: "mnt:[2]" if path.startswith("/proc/1/") else "mnt:[1]")
    return pids


@pytest.mark.parametrize(("words", "held"), [([], False), (["setpriv", "--no-new-privs"], True)])
def test_processes_are_told_of_as_the_kernel_holds_them(systemd: Path, words: list[str], held: bool) -> None:
    with subprocess.Popen([*words, "sh", "-c", "echo; exec cat"], stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        process.stdout.readline()
        systemd.write_text(f"MainPID=0\n\nMainPID={process.pid}\n")
        found = probenode.hardening(["zookeeper", "mesos-agent"])
        process.kill()
    ours = Path("/proc/self/status").read_text()
    assert found == {
        "mesos-agent": {
            "no_new_privileges": held or "NoNewPrivs:\t1" in ours,
            "filtered": "Seccomp:\t2" in ours,
            "own_mounts": True,
        }
    }


def test_only_what_is_asked_for(systemd: Path) -> None:
    systemd.write_text("MainPID=0\n")
    assert probenode.confinement({"rules": None, "confine": "", "units": ["zookeeper"]}) == {"units": {}}
