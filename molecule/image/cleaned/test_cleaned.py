"""Nothing of the builder is left. Asked past SSH, whose keys are gone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

LABHOST = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "lab" / "hosts" / "labhost"


def builder(command: str) -> str:
    argv = [LABHOST, "sh", "mol-image", "builder", "sh", "-c", command]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def test_no_identity() -> None:
    assert builder("cat /etc/machine-id") == ""
    assert builder("ls /etc/ssh | grep -c ssh_host || :") == "0"
    assert builder("ls -d /root/.ssh /home/*/.ssh 2>/dev/null || :") == ""


@pytest.mark.parametrize(
    "directory",
    ["/var/lib/cloud", "/var/lib/apt/lists", "/var/cache/clusterctl", "/tmp", "/var/tmp"],  # noqa: S108
)
def test_no_state_and_no_caches(directory: str) -> None:
    assert builder(f"find {directory} -type f 2>/dev/null || :") == ""


def test_no_packages_are_kept() -> None:
    assert builder("find /var/cache/apt -name '*.deb'") == ""
