"""user_data: fetch. Nodes bring their scripts from a git host over HTTP; a wrong digest is named with node and step."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import labkit
import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.conftest import run

pytestmark = pytest.mark.e2e

# One control node and one agent of each kind: enough to see that fetched scripts make members of nodes
FILE = """\
cluster: e2efetch
cloud: lab
image: clusterctl-base-ct
network: lab
availability_zone: container
keypair: ops
access: {{ssh_from: 10.51.0.1}}
allow_non_ha: true
user_data: {{url: "{url}", commit: "{commit}", sha256: "{sha256}"}}
groups:
  control: {{count: 1, flavor: ct.medium, services: [zookeeper, mesos_master, marathon]}}
  jenkins:
    count: 0
    flavor: ct.small
    services: [mesos_agent]
    attributes: {{pool: jenkins-master}}
    reserve_for: marathon
  builders: {{count: 1, flavor: ct.small, services: [mesos_agent], attributes: {{pool: jenkins-builder}}}}
"""


@pytest.fixture(scope="module")
def bundle(lab: dict[str, str]) -> dict[str, Any]:
    """This repository's HEAD on the lab's git host."""
    target = Path(lab["LAB_GIT_DIR"]) / "clusterctl.git"
    if not target.exists():
        subprocess.run(["git", "init", "--quiet", "--bare", str(target)], check=True)
    # a clone may be shallow, and a bare push of one would be refused
    source = str(labkit.ROOT)
    subprocess.run(["git", "-C", source, "push", "--quiet", "--force", str(target), "HEAD:refs/heads/main"], check=True)
    return labkit.clusterctl("bundle", f"{lab['LAB_GIT_URL']}/clusterctl.git", "HEAD", "--repository", source)


def write(bundle: dict[str, Any], **changes: str) -> Path:
    labkit.BUILD.mkdir(exist_ok=True)
    path = labkit.BUILD / f"e2e-fetch-{os.getpid()}.yml"
    path.write_text(FILE.format(**{**bundle, **changes}))
    return path


def test_nodes_become_members_by_fetched_scripts(bundle: dict[str, Any], container_image: dict[str, Any]) -> None:
    with Cluster(write(bundle)) as cluster:
        assert cluster.created["healthy"]
        assert labkit.clusterctl("configure", cluster.file)["changed"] == 0


def test_a_wrong_digest_is_named_with_node_and_step(bundle: dict[str, Any], container_image: dict[str, Any]) -> None:
    file = write(bundle, sha256="0" * 64)
    try:
        done = run("create", file)
        assert done.returncode == 1
        assert "e2efetch-control-1" in done.stderr
        assert "fetch" in done.stderr
        assert "expected " + "0" * 64 in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        assert run("destroy", file, "--yes").returncode == 0
