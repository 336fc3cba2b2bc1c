import io
import tarfile

import pytest

from lab.standins.marathon import tarball
from lab.standins.marathon.marathon_standin.buildinfo import for_build, load


def test_layout_is_that_of_marathons_universal_tarball() -> None:
    with tarfile.open(fileobj=io.BytesIO(tarball.packed(tarball.members(for_build(2))))) as archive:
        names = archive.getnames()
        assert names[0] == "marathon-1.11.25"
        assert archive.getmember("marathon-1.11.25/bin/marathon").mode == 0o755
        assert "marathon-1.11.25/lib/marathon_standin/main.py" in names
        version = archive.extractfile("marathon-1.11.25/VERSION")
        assert version is not None
        assert b"stand-in" in version.read()
        assert {(member.uid, member.mtime) for member in archive.getmembers()} == {(0, 0)}


def test_same_inputs_same_bytes_other_build_other_bytes() -> None:
    first = tarball.members(for_build(1))
    assert tarball.packed(first) == tarball.packed(dict(first))
    assert tarball.digest(first) != tarball.digest(tarball.members(for_build(2)))


def test_builds() -> None:
    assert (for_build(1).version, for_build(2).version) == ("1.11.24", "1.11.25")
    assert for_build(3).buildref == "standin-3"
    assert load() == for_build(1)  # a source tree is build 1


def test_releases_have_their_storage_versions() -> None:
    assert for_build(1, "1.9").version == "1.9.146"
    assert for_build(1, "1.9").storage < for_build(1, "1.10").storage == for_build(7, "1.11").storage
    with pytest.raises(ValueError, match=r"known releases are 1\.8, 1\.9"):
        for_build(1, "1.12")
