"""What an artifact says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusterctl.ops.upgrade.package import Contents, deb_contents, tarball_contents
from tests.unit.ops.upgrade.packages import deb, tarball


@pytest.mark.parametrize("control", ["control.tar", "control.tar.gz", "control.tar.xz"])
def test_a_package_tells_its_name_version_and_size(tmp_path: Path, control: str) -> None:
    path = deb(tmp_path / "p.deb", "mesos", "1:1.11.0-2~x+b", 100, control=control)
    assert deb_contents(path) == Contents("mesos", "1:1.11.0-2~x+b", 102400)


def test_a_package_that_can_not_be_read_here_is_believed(tmp_path: Path) -> None:
    path = deb(tmp_path / "p.deb", "mesos", "1", 100, control="control.tar.zst")
    assert deb_contents(path) == Contents("", "", 0)


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"!<arch>\n", b"!<arch>\ncontrol.tar.gz  garbage"])
def test_other_files_are_no_packages(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ValueError, match="not a Debian package"):
        deb_contents(tmp_path / "x")


def test_a_damaged_package_is_none(tmp_path: Path) -> None:
    path = deb(tmp_path / "p.deb", "mesos", "1", 100)
    data = path.read_bytes()
    path.write_bytes(data[:140] + b"\0" * 60 + data[200:])
    with pytest.raises(ValueError, match="not a Debian package"):
        deb_contents(path)


def test_a_tarball_tells_its_unpacked_size(tmp_path: Path) -> None:
    assert tarball_contents(tarball(tmp_path / "t.tgz", 12345)).unpacked_bytes == 12345
    (tmp_path / "x").write_bytes(b"no")
    with pytest.raises(ValueError, match="not a tarball"):
        tarball_contents(tmp_path / "x")
