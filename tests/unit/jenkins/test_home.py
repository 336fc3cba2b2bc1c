"""The marker, and what a backup takes."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from clusterctl.errors import ClusterctlError
from clusterctl.jenkins.home import excluded, is_secret, new_marker, read_marker

IDS = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002")


def test_a_marker_is_read_back() -> None:
    marker = new_marker("demo", "alice", 7, "admin", IDS)
    assert read_marker(marker.text()) == marker
    assert (marker.cloud_id, marker.framework_id) == IDS


def test_ids_are_made_for_each_and_for_a_copy() -> None:
    first, second = new_marker("demo", "a", 1, "admin"), new_marker("demo", "a", 1, "admin")
    assert len({first.cloud_id, first.framework_id, second.cloud_id, second.framework_id}) == 4
    copy = first.renewed(name="b", slot=2)
    assert (copy.cluster, copy.name, copy.slot, copy.admin) == ("demo", "b", 2, "admin")
    assert not {copy.cloud_id, copy.framework_id} & {first.cloud_id, first.framework_id}


@pytest.mark.parametrize("name", ["", "Alice", "a_b", "-a", "a-", "../x", "a" * 33])
def test_a_wrong_name(name: str) -> None:
    with pytest.raises(ClusterctlError, match="allowed: up to 32 lower-case letters"):
        new_marker("demo", name, 1, "admin")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        new_marker("demo", "a", 1, "admin", IDS).text().replace('"slot": 1', '"slot": "1"'),
        new_marker("demo", "a", 1, "admin", IDS).text().replace('"slot": 1', '"slot": true'),
        new_marker("demo", "a", 1, "admin", IDS).text().replace('"name": "a"', '"name": "../a"'),
        new_marker("demo", "a", 1, "admin", ("x", IDS[1])).text(),
        new_marker("demo", "a", 1, "admin", IDS).text().replace('"cluster"', '"clusters"'),
    ],
)
def test_what_is_no_marker(text: str) -> None:
    with pytest.raises(ClusterctlError, match="not a marker of a Jenkins home"):
        read_marker(text)


IN = [
    "config.xml",
    "queue.xml",
    "jobs/a/config.xml",
    "jobs/a/nextBuildNumber",
    "jobs/a/jobs/war/config.xml",
    "users/admin/config.xml",
    "secrets/master.key",
    "identity.key.enc",
    "plugins/mesos.jpi",
    "userContent/readme.txt",
    "init.groovy.d/clusterctl.groovy",
    "fingerprints/a/b.xml",
    ".clusterctl/master.json",
    ".clusterctl/token",
]
BUILDS = ["jobs/a/builds/1/build.xml", "jobs/a/jobs/b/builds/1/log", "jobs/a/lastStable"]
OUT = [
    "war/index.jsp",
    "workspace/a/file",
    "jobs/a/workspace/file",
    "caches/git-1/HEAD",
    "logs/tasks/x.log",
    "plugins/mesos/WEB-INF/lib/mesos.jar",
    ".owner",
    "jobs/a/atomic123.tmp",
    ".clusterctl/lock",
]


def test_what_a_backup_takes() -> None:
    pattern = excluded(builds=True)
    assert [path for path in [*IN, *BUILDS] if pattern.fullmatch(path)] == []
    assert [path for path in OUT if not pattern.fullmatch(path)] == []


def test_a_backup_without_builds() -> None:
    pattern = excluded(builds=False)
    assert [path for path in IN if pattern.fullmatch(path)] == []
    assert [path for path in BUILDS if not pattern.fullmatch(path)] == []


def test_further_paths_to_leave_out() -> None:
    pattern = excluded(builds=True, exclude=["userContent/*.iso", "jobs/big/"])
    assert pattern.fullmatch("userContent/a.iso")
    assert pattern.fullmatch("jobs/big/config.xml")
    assert not pattern.fullmatch("userContent/sub/a.iso")
    assert not pattern.fullmatch("jobs/bigger/config.xml")


def test_secrets_are_known() -> None:
    found = [path for path in [*IN, "secret.key", "credentials.xml"] if is_secret(PurePosixPath(path))]
    assert found == [
        "users/admin/config.xml",
        "secrets/master.key",
        "identity.key.enc",
        ".clusterctl/token",
        "secret.key",
        "credentials.xml",
    ]
