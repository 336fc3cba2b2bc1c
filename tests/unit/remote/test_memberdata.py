"""What members of ensembles keep on disk, as the script on the node tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusterctl.remote.memberdata import mesos_master, zookeeper
from clusterctl.remote.members import ZooKeeperData


def files(directory: Path, *names: str, epoch: str | None = None) -> Path:
    data = directory / "version-2"
    data.mkdir()
    for name in names:
        (data / name).write_bytes(b"x" * 10)
    if epoch is not None:
        (data / "currentEpoch").write_text(epoch)
    return directory


def test_the_epoch_and_the_newest_of_snapshots_and_logs(tmp_path: Path) -> None:
    found = zookeeper([files(tmp_path, "snapshot.0", "log.400000001", "log.4000000ff", "acceptedEpoch", epoch="5")])
    assert (found["epoch"], found["zxid"], found["bytes"]) == (5, 0x4000000FF, 41)
    assert found["written"] > 0
    assert not ZooKeeperData.model_validate(found).empty


@pytest.mark.parametrize("epoch", [None, "", "x"])
def test_without_its_file_the_epoch_is_in_the_names(tmp_path: Path, epoch: str | None) -> None:
    assert zookeeper([files(tmp_path, "log.700000001", epoch=epoch)])["epoch"] == 7


def test_a_log_that_lies_elsewhere_counts(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "log").mkdir()
    data = files(tmp_path / "data", "snapshot.400000001", epoch="4")
    found = zookeeper([data, files(tmp_path / "log", "log.4000000ff")])
    assert (found["epoch"], found["zxid"], found["bytes"]) == (4, 0x4000000FF, 21)


def test_a_member_that_never_took_part(tmp_path: Path) -> None:
    found = zookeeper([files(tmp_path, "snapshot.0", epoch="0")])
    assert ZooKeeperData.model_validate(found).empty


def test_nothing_is_there(tmp_path: Path) -> None:
    assert zookeeper([tmp_path / "none"]) == {"epoch": 0, "zxid": 0, "written": 0, "bytes": 0}
    assert mesos_master([tmp_path / "none"]) == {"written": 0, "bytes": 0}
    assert ZooKeeperData().when == "never"
