"""A disk that holds something else is left as it is, and says so."""

from __future__ import annotations

from typing import Any

testinfra_hosts = ["ansible://data-1"]


def test_it_is_refused_in_words(host: Any) -> None:
    assert not host.mount_point("/srv/jenkins").exists
    assert "holds swap and not ext4; it is left as it is" in host.check_output("journalctl -u clusterctl-volume -n 20")


def test_it_is_left_as_it_is(host: Any) -> None:
    assert host.check_output("wipefs --noheadings --output TYPE /dev/disk/by-id/virtio-0a1b2c3d-0000-4000-8") == "swap"
