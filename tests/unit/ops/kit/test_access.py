"""The way to the nodes, put together from the file and the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusterctl.errors import InputError
from clusterctl.ops.kit.access import open_access
from tests.memory.cloud import MemoryCloud
from tests.unit.specs import demo_spec


def test_open_access(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("")
    spec = demo_spec(access={"ssh_from": "network", "user": "ops", "bastion": "jump@gate"})
    environ = {"XDG_CACHE_HOME": str(tmp_path), "CLUSTERCTL_SSH_KEY": str(key)}
    cloud = MemoryCloud()
    access = open_access(spec, cloud, environ)
    config = access.ssh.config
    assert (config.user, config.bastion, config.identity) == ("ops", "jump@gate", key)
    assert config.known_hosts == tmp_path / "clusterctl/lab/demo/known_hosts"
    assert access.host_keys.known_hosts.path == config.known_hosts
    assert cloud.calls.read + cloud.calls.write == 0


def test_a_wrong_key_file(tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path), "CLUSTERCTL_SSH_KEY": "/no/such/key"}
    with pytest.raises(InputError, match="/no/such/key"):
        open_access(demo_spec(), MemoryCloud(), environ)
