"""The volume is there, formatted once; after a reboot with the same files on it."""

from __future__ import annotations

from typing import Any

testinfra_hosts = ["ansible://data-1"]


def test_it_is_mounted(host: Any, eventually: Any) -> None:
    assert eventually(lambda: host.mount_point("/srv/jenkins").exists)
    assert host.mount_point("/srv/jenkins").filesystem == "ext4"
    assert host.check_output("findmnt --noheadings --output LABEL /srv/jenkins") in ("", "clusterctl-data")


def test_no_service_starts_without_it(host: Any) -> None:
    for unit in ("zookeeper", "mesos-master", "mesos-agent", "marathon"):
        assert host.file(f"/etc/systemd/system/{unit}.service.requires/clusterctl-volume.service").is_symlink


def test_what_was_written_is_kept(host: Any, eventually: Any) -> None:
    # A uuid is made when a file system is: remember the first one seen on the root disk
    eventually(lambda: host.mount_point("/srv/jenkins").exists)
    uuid = host.check_output("blkid --match-tag UUID --output value /dev/disk/by-id/virtio-0a1b2c3d-0000-4000-8")
    first = host.file("/root/first-uuid")
    if first.exists:
        assert first.content_string == f"{uuid}\n"
        assert host.file("/srv/jenkins/mark").content_string == "kept\n"
    else:
        host.check_output(f"echo {uuid} > /root/first-uuid")
