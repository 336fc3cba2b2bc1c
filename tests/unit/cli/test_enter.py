"""``trust`` from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clusterctl.ops.kit.access import open_access
from clusterctl.resources import KEY_CONSOLE
from tests.unit.cli.test_app import run
from tests.unit.ops.clouds import create_in, demo_cloud
from tests.unit.specs import DEMO, demo_spec
from tests.unit.ssh.keys import ECDSA, ED25519, PROOF, key_line

NODE = "demo-control-2"


def test_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    file = tmp_path / "demo.yml"
    file.write_text(DEMO)
    cloud = demo_cloud()
    create_in(cloud, demo_spec())
    monkeypatch.setattr("clusterctl.cloud.open_cloud", lambda _name: cloud)
    server = next(server for server in cloud.servers("demo") if server.name == NODE)
    cloud.set_metadata(server.id, {KEY_CONSOLE: PROOF})
    cloud.consoles[NODE] = key_line(ECDSA)
    known = open_access(demo_spec(), cloud).host_keys.known_hosts
    known.pin(server.id, [ED25519])
    capsys.readouterr()

    assert run("trust", str(file), "demo-control-9", monkeypatch=monkeypatch) == 2
    assert "allowed: demo-builders" in capsys.readouterr().err
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    assert run("trust", str(file), NODE, monkeypatch=monkeypatch) == 1
    assert f"  pinned: ssh-ed25519 {ED25519.fingerprint}" in capsys.readouterr().err
    assert known.keys(server.id) == (ED25519,)
    assert run("trust", str(file), NODE, "--yes", "--json", monkeypatch=monkeypatch) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["nodes"][0]["changed"] is True
    assert f"  found:  {ECDSA.type} {ECDSA.fingerprint}" in captured.err
    assert known.keys(server.id) == (ECDSA,)
    assert run("trust", str(file), NODE, monkeypatch=monkeypatch) == 0
    assert "was pinned already" in capsys.readouterr().out
