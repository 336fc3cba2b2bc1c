"""User-data: a valid document, small enough, always the same, the same files either way."""

from __future__ import annotations

import base64
import gzip
import json
import random
import shutil
import stat
import string
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusterctl.errors import ClusterctlError
from clusterctl.paths import cloud_init_dir, roles_dir
from clusterctl.render import node as node_renderer
from clusterctl.render.bundle import BUNDLE_PATHS, bundle_digest, tree_digest
from clusterctl.render.roles import roles_of
from clusterctl.render.templates import render_files
from clusterctl.render.userdata import MANIFEST, MAX_BASE64, NODE, user_data
from clusterctl.render.userdata import NONCE as NONCE_FILE
from clusterctl.services import Service
from clusterctl.spec.model import Fetch
from tests.unit.ssh.keys import NONCE

from .conftest import Node

NODES = ("control", "closed", "jenkins", "builders")
FETCH = Fetch(url="http://git.example/clusterctl.git", commit="a" * 40, sha256="b" * 64)


def parsed(document: bytes) -> dict[str, Any]:
    first, _, rest = document.partition(b"\n")
    assert first == b"#cloud-config"
    data = yaml.safe_load(rest)
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize("name", NODES)
def test_embedded_holds_every_file_as_rendered(name: str, nodes: dict[str, Node]) -> None:
    services, variables = nodes[name]
    written = {
        entry["path"]: entry for entry in parsed(user_data(services, variables, "embedded", NONCE))["write_files"]
    }
    for file in render_files(roles_dir(), roles_of(services), variables):
        entry = written.pop(file.path)
        assert entry["content"] == file.content
        assert entry["permissions"] == file.mode
        assert entry["owner"] == f"{file.owner}:{file.group}"
    boot = {"/usr/lib/clusterctl/boot/lib.sh", "/usr/lib/clusterctl/boot/post-install"}
    assert set(written) == {MANIFEST, NONCE_FILE, *boot}


def test_one_command_starts_the_units_in_order(nodes: dict[str, Node]) -> None:
    assert parsed(user_data(*nodes["control"], "embedded", NONCE))["runcmd"] == [
        ["/usr/lib/clusterctl/boot/post-install", "zookeeper.service", "mesos-master.service", "marathon.service"]
    ]


@pytest.mark.parametrize("mode", ["embedded", FETCH], ids=["embedded", "fetch"])
def test_same_input_same_bytes_whatever_the_order(mode: Any, nodes: dict[str, Node]) -> None:
    services, variables = nodes["control"]
    again = dict(reversed(variables.items()))
    assert user_data(services, variables, mode, NONCE) == user_data(services, again, mode, NONCE)


def test_agents_of_a_group_share_their_user_data(nodes: dict[str, Node]) -> None:
    document = user_data(*nodes["builders"], "embedded", NONCE)
    assert b"clusterctl_node" not in document
    assert b"ci-builders" not in document


def noise(length: int) -> str:
    return "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=length))


def test_compressed_only_when_too_large(nodes: dict[str, Node]) -> None:
    services, variables = nodes["builders"]
    plain = user_data(services, variables, "embedded", NONCE)
    packed = user_data(services, {**variables, "mesos_agent_attributes": "a:" + "b" * 60000}, "embedded", NONCE)
    assert plain.startswith(b"#cloud-config\n")
    assert packed.startswith(b"\x1f\x8b")
    assert len(base64.b64encode(packed)) <= MAX_BASE64
    assert parsed(gzip.decompress(packed))["write_files"]


def test_over_the_limit_names_the_largest_file(nodes: dict[str, Node]) -> None:
    services, variables = nodes["builders"]
    with pytest.raises(ClusterctlError, match=r"65535; its largest files: /etc/default/mesos-agent \(\d+ char"):
        user_data(services, {**variables, "mesos_agent_attributes": noise(70000)}, "embedded", NONCE)


def test_fetch_holds_variables_and_no_rendered_file(nodes: dict[str, Node]) -> None:
    services, variables = nodes["control"]
    document = parsed(user_data(services, variables, FETCH, NONCE))
    written = {entry["path"]: entry["content"] for entry in document["write_files"]}
    assert set(written) == {NODE, NONCE_FILE, "/usr/lib/clusterctl/boot/lib.sh", "/usr/lib/clusterctl/boot/fetch"}
    assert json.loads(written[NODE]) == {"services": list(services), "variables": variables}
    assert document["runcmd"] == [["/usr/lib/clusterctl/boot/fetch", FETCH.url, FETCH.commit, FETCH.sha256]]


@pytest.mark.parametrize("mode", ["embedded", FETCH])
def test_the_nonce_is_in_one_file_for_root_and_in_no_command(mode: Any, nodes: dict[str, Node]) -> None:
    document = parsed(user_data(*nodes["builders"], mode, NONCE))
    [entry] = [entry for entry in document["write_files"] if NONCE in json.dumps(entry)]
    assert entry == {"path": NONCE_FILE, "owner": "root:root", "permissions": "0600", "content": f"{NONCE}\n"}
    assert NONCE not in json.dumps(document["runcmd"])


@pytest.mark.parametrize("name", NODES)
def test_a_node_renders_what_would_be_embedded(
    name: str,
    nodes: dict[str, Node],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "chown", lambda *_: None)  # its users exist only on a node
    services, variables = nodes[name]
    embedded = parsed(user_data(services, variables, "embedded", NONCE))
    fetched = {
        entry["path"]: entry["content"] for entry in parsed(user_data(services, variables, FETCH, NONCE))["write_files"]
    }
    (tmp_path / "node.json").write_text(fetched[NODE])
    arguments = ["--node", f"{tmp_path}/node.json", "--manifest", f"{tmp_path}/manifest", "--root", f"{tmp_path}/root"]
    assert node_renderer.main([*arguments, "--roles", str(roles_dir())]) == 0
    expected = {entry["path"]: entry for entry in embedded["write_files"] if "/boot/" not in entry["path"]}
    del expected[NONCE_FILE]  # written by cloud-init either way
    assert (tmp_path / "manifest").read_text() == expected.pop(MANIFEST)["content"]
    root = tmp_path / "root"
    assert {f"/{path.relative_to(root)}" for path in root.rglob("*") if path.is_file()} == set(expected)
    for path, entry in expected.items():
        written = root / path.lstrip("/")
        assert written.read_text() == entry["content"]
        assert f"{stat.S_IMODE(written.stat().st_mode):04o}" == entry["permissions"]
    assert capsys.readouterr().out.split() == embedded["runcmd"][0][1:]


def test_a_node_that_cannot_render_says_why_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "node.json").write_text('{"services": ["zookeeper"], "variables": {}}')
    arguments = ["--node", f"{tmp_path}/node.json", "--manifest", f"{tmp_path}/m", "--root", f"{tmp_path}/root"]
    assert node_renderer.main([*arguments, "--roles", str(roles_dir())]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "undefined" in captured.err
    assert not (tmp_path / "root").exists()


def test_the_digest_is_that_of_the_shell(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    for path in BUNDLE_PATHS:
        file = repository / path
        file = file if file.suffix else file / "sub dir" / "file"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    git = ["git", "-C", str(repository), "-c", "user.name=t", "-c", "user.email=t@example"]
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "bundle"], check=True)
    script = "find . -type f ! -path './.git/*' -exec sha256sum {} + | LC_ALL=C sort -k 2 | sha256sum"
    shell = subprocess.run(["sh", "-c", script], cwd=repository, check=True, capture_output=True, text=True).stdout
    assert bundle_digest(repository, "HEAD") == shell.split()[0]
    with pytest.raises(ClusterctlError, match="cannot export the bundle of commit nowhere"):
        bundle_digest(repository, "nowhere")


def test_the_digest_depends_on_paths_and_contents_and_not_on_their_order() -> None:
    one = tree_digest([("a", b"1"), ("b", b"2")])
    assert one == tree_digest([("b", b"2"), ("a", b"1")])
    assert len({one, tree_digest([("a", b"2"), ("b", b"1")]), tree_digest([("a", b"1"), ("c", b"2")])}) == 3


def test_the_node_checks_the_same_paths() -> None:
    script = (cloud_init_dir() / "fetch").read_text()
    assert f'paths="{" ".join(BUNDLE_PATHS)}"' in script


def test_every_service_has_roles() -> None:
    assert all(roles_of([service]) for service in Service)
    with pytest.raises(KeyError, match="telnet"):
        roles_of(["telnet"])
