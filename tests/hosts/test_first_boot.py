"""First boots that fetch their scripts, and first boots that fail: which step, and why, is told on the console."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from clusterctl.render.bundle import BUNDLE_PATHS, bundle_digest, full_commit
from clusterctl.render.userdata import user_data
from clusterctl.spec.model import Fetch
from clusterctl.ssh.console import BootReport, BootState
from lab.hosts import nodes as test_nodes

from .conftest import NONCE, ROOT, Lab

pytestmark = pytest.mark.hosts

REPOSITORY = "/srv/bundle.git"  # on the hosts


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Fetch]:
    """A git repository with the bundle of this working tree, below a directory that is copied to hosts."""
    top = tmp_path_factory.mktemp("bundle")
    tree, bare = top / "tree", top / "files" / REPOSITORY.lstrip("/")
    subprocess.run(["git", "init", "--quiet", tree], check=True)
    archive = subprocess.run(
        ["tar", "-c", "--exclude=__pycache__", *BUNDLE_PATHS], cwd=ROOT, capture_output=True, check=True
    )
    subprocess.run(["tar", "-x"], cwd=tree, input=archive.stdout, check=True)
    git = ["git", "-C", tree, "-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run([*git, "add", "--all", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "bundle"], check=True)
    subprocess.run(["git", "clone", "--quiet", "--bare", tree, bare], check=True)
    commit = full_commit(tree, "HEAD")
    digest = bundle_digest(tree, commit)
    # not checked: cluster files may name http(s) only, and these hosts see no server
    return top / "files", Fetch.model_construct(url=f"file://{REPOSITORY}", commit=commit, sha256=digest)


@pytest.fixture(scope="module")
def lab(new_lab: Callable[[str], Lab], bundle: tuple[Path, Fetch], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A host for each case, all booted at once."""
    made = new_lab("firstboot")
    cluster = test_nodes.cluster(ROOT / "molecule" / "shared" / "one.yml")
    control, _, agent = cluster.nodes
    files, right = bundle
    values = cluster.all_variables(agent)
    embedded = user_data(agent.services, values, "embedded", NONCE)
    broken = {**cluster.all_variables(control), "zookeeper_java": "/nonexistent/java"}
    torn = embedded.replace(b"MESOS_RECOVER=reconnect", b"MESOS_RECOVER=recon")
    assert torn != embedded

    def fetch(**changes: str) -> bytes:
        return user_data(agent.services, values, right.model_copy(update=changes), NONCE)

    made.boot("fetched", "10.99.0.21", fetch(), files=files)
    made.boot("wrong-digest", "10.99.0.22", fetch(sha256="0" * 64), files=files)
    made.boot("wrong-commit", "10.99.0.23", fetch(commit="0" * 40), files=files)
    made.boot("torn-file", "10.99.0.24", torn)
    # What runs before the next try of a service may have the last word
    noise = tmp_path_factory.mktemp("noise")
    drop_in = noise / "etc/systemd/system/zookeeper.service.d/noise.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nExecStopPost=/usr/bin/echo something else\n")
    made.boot("no-java", control.address, user_data(control.services, broken, "embedded", NONCE), files=noise)
    made.boot("stock-image", "10.99.0.26", embedded, layer="base")
    return made


def failed(lab: Lab, name: str) -> BootReport:
    """The report of a host whose boot failed; the node tells the same in its file."""
    report = lab.reports([name])[name]
    assert report.state is BootState.FAILED, report
    told = lab.run(name, "cat", "/var/lib/clusterctl/boot.json").stdout
    assert f'"state": "failed", "step": "{report.failed_step}"' in told
    return report


def test_a_node_that_fetches_is_the_same_as_an_embedded_one(lab: Lab) -> None:
    report = lab.reports(["fetched"])["fetched"]
    assert [step.name for step in report.steps if step.ok] == ["fetch", "render", "files", "mesos-agent"], report
    assert report.state is BootState.DONE
    # Nothing of the bundle's repository stays
    assert lab.run("fetched", "test", "-e", "/var/lib/clusterctl/bundle.git").returncode != 0


def test_a_wrong_digest_runs_nothing_of_the_bundle(lab: Lab, bundle: tuple[Path, Fetch]) -> None:
    report = failed(lab, "wrong-digest")
    assert report.failed_step == "fetch"
    assert f"has sha256 {bundle[1].sha256}, expected {'0' * 64}" in report.reason
    assert report.host_keys
    assert lab.run("wrong-digest", "test", "-e", "/etc/default/mesos-agent").returncode != 0


def test_a_commit_that_is_not_there_is_named(lab: Lab) -> None:
    report = failed(lab, "wrong-commit")
    assert report.failed_step == "fetch"
    assert f"cannot fetch commit {'0' * 40} from file://{REPOSITORY}" in report.reason


def test_a_file_that_did_not_arrive_whole_is_named(lab: Lab) -> None:
    report = failed(lab, "torn-file")
    assert report.failed_step == "files"
    assert "/etc/default/mesos-agent: FAILED" in report.reason
    assert lab.run("torn-file", "systemctl", "is-active", "mesos-agent").stdout.strip() == "inactive"


def test_a_service_that_does_not_start_is_named_with_its_last_words(lab: Lab) -> None:
    report = failed(lab, "no-java")
    assert report.failed_step == "zookeeper"
    assert "zookeeper.service is" in report.reason
    assert "/nonexistent/java" in report.reason


def test_an_image_that_is_none_of_ours_is_refused(lab: Lab) -> None:
    report = failed(lab, "stock-image")
    assert report.failed_step == "image"
    assert "was not built by 'clusterctl image build'" in report.reason


def test_cloud_init_reports_the_failure_too(lab: Lab) -> None:
    failed(lab, "torn-file")
    assert "status: error" in lab.run("torn-file", "cloud-init", "status", "--wait").stdout
