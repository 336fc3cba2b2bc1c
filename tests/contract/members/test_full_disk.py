"""What a full disk leaves of ZooKeeper's newest log does not keep it down: its unit deletes it before a start."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from clusterctl.paths import roles_dir
from tests.contract.mesos.cluster import wait_for

from .test_members import Ensemble

pytestmark = pytest.mark.mesos

UNIT = roles_dir() / "zookeeper/templates/etc/systemd/system/zookeeper.service.j2"
BROKEN = 2  # the member


def before_start(data: Path) -> str:
    """What the unit does before each start to a newest log without transactions; what it printed."""
    [words] = re.findall(r"^ExecStartPre=-/usr/bin/find .* (-maxdepth .*)$", UNIT.read_text(), re.MULTILINE)
    found = subprocess.run(
        ["find", data / "version-2", *shlex.split(words)], check=True, capture_output=True, text=True
    )
    return found.stdout


@pytest.mark.parametrize("content", [b"", b"ZKLG\0\0\0\2"], ids=["empty", "half a header"])
def test_a_log_without_its_header_is_nothing_to_a_start(network: None, tmp_path: Path, content: bytes) -> None:
    ensemble = Ensemble(tmp_path)
    try:
        for n in (1, 2, 3):
            ensemble.start(n, [1, 2, 3])
        ensemble.synced(2)
        daemon, data = ensemble.daemons[BROKEN], tmp_path / f"zk{BROKEN}"
        daemon.kill()
        log = data / "version-2/log.ff00000001"
        log.write_bytes(content)
        daemon.start()  # without what the unit does before
        wait_for("ZooKeeper to end at it", lambda: not daemon.running, 60)
        assert before_start(data) == f"{log}\n"
        daemon.start()
        ensemble.synced(2)
    finally:
        ensemble.stop()
