"""A killed agent is started again and registers with the id that it had."""

from __future__ import annotations

from typing import Any

testinfra_hosts = ["ansible://one-jenkins-1"]


def test_it_keeps_its_id(host: Any, address: str, get: Any, eventually: Any) -> None:
    assert eventually(lambda: get(f"http://{address}:5051/metrics/snapshot")["slave/registered"]) == 1
    assert int(host.service("mesos-agent").systemd_properties["NRestarts"]) >= 1
    assert get(f"http://{address}:5051/state")["id"] == host.file("/root/agent-id").content_string
