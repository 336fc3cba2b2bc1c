"""A transaction log of ZooKeeper that lies elsewhere: on a disk of its own, with a fate that is not worse."""

from __future__ import annotations

from typing import Any

import pytest

from clusterctl.errors import InputError
from clusterctl.ops.lifecycle.majorities import data_directories
from clusterctl.services import Service
from clusterctl.spec.load import parse_model
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.zookeeper_rules import log_directory
from tests.unit.specs import DEMO, demo, demo_spec

ZOOKEEPER = "[zookeeper, mesos_master, marathon]"


def spec_of(log: str, *, own: str = "", volume: str = "") -> ClusterSpec:
    groups: dict[str, Any] = demo()["groups"]
    if own:
        groups["control"]["settings"] = {"zookeeper_data_log_dir": own}
    if volume:
        groups["control"]["volume"] = {"size": 5, "mount": volume}
    return demo_spec(groups=groups, settings={"zookeeper_data_log_dir": log} if log else {})


def test_where_it_lies() -> None:
    assert log_directory(demo_spec()) == ""
    assert log_directory(spec_of("/srv/a")) == "/srv/a"
    assert log_directory(spec_of("/srv/a", own="/srv/b")) == "/srv/b", "a group's goes above the cluster's"
    assert data_directories(demo_spec())[Service.ZOOKEEPER] == ("/var/lib/zookeeper",)
    found = data_directories(spec_of("/srv/a"))
    assert found == {
        Service.ZOOKEEPER: ("/var/lib/zookeeper", "/srv/a"),
        Service.MESOS_MASTER: ("/var/lib/mesos/master",),
    }


@pytest.mark.parametrize(
    ("log", "volume"),
    [
        ("/srv/zookeeper", ""),
        ("/mnt", ""),
        ("/srv/zookeeper", "/var/lib/mesos"),
        ("/var/lib/zookeeper/log", "/var/lib/zookeeper"),
    ],
)
def test_what_shares_the_fate_of_the_snapshots_is_taken(log: str, volume: str) -> None:
    assert log_directory(spec_of(log, volume=volume)) == log


@pytest.mark.parametrize("log", ["/srv/zookeeper", "/srv"])
@pytest.mark.parametrize("volume", ["/srv", "/srv/zookeeper"])
def test_a_log_that_outlives_the_snapshots_is_refused(log: str, volume: str) -> None:
    if log == "/srv" and volume != "/srv":
        spec_of(log, volume=volume)  # the volume lies below it, and the log beside that
        return
    with pytest.raises(
        ValueError, match="/var/lib/zookeeper not, and a replaced node would have one without the other"
    ):
        spec_of(log, volume=volume)


def test_snapshots_that_outlive_the_log_are_refused() -> None:
    with pytest.raises(ValueError, match=r"/var/lib/zookeeper would be on the volume .* and /srv/zookeeper not"):
        spec_of("/srv/zookeeper", volume="/var/lib/zookeeper")


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("/etc/zookeeper", "which would lie in /etc of the operating system"),
        ("/home", "which would hide /home of the operating system"),
        ("/var/lib/mesos", "which would give /var/lib/mesos to ZooKeeper's user"),
        ("/var/lib/mesos/log", "which would give /var/lib/mesos to ZooKeeper's user"),
        ("/var/lib/zookeeper/version-2", "which would give /var/lib/zookeeper/version-2 to"),
    ],
)
def test_directories_of_others_are_refused_with_their_place(log: str, expected: str) -> None:
    text = f"{DEMO}settings: {{zookeeper_data_log_dir: {log}}}\n"
    with pytest.raises(InputError) as caught:
        parse_model(text, ClusterSpec, "c.yml")
    assert caught.value.message.startswith("c.yml:22:36: settings.zookeeper_data_log_dir: found")
    assert expected in caught.value.message
    own = DEMO.replace(
        f"services: {ZOOKEEPER}", f"services: {ZOOKEEPER}\n    settings: {{zookeeper_data_log_dir: {log}}}"
    )
    assert own != DEMO
    with pytest.raises(InputError) as caught:
        parse_model(own, ClusterSpec, "c.yml")
    assert "groups.control.settings.zookeeper_data_log_dir: found" in caught.value.message
