"""The driver through real ssh: tunnels to the masters, with pinned host keys, and nothing of them left."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusterctl.cli.app import main
from clusterctl.health.expect import Node
from clusterctl.load.plan import MAX_FRAMEWORKS, Canary, FrameworkGroup, LoadPlan
from clusterctl.load.verdict import Thresholds, summarise
from clusterctl.ops.kit.access import Access
from clusterctl.ops.loadtest.driver import run_frameworks
from clusterctl.ops.loadtest.masters import MasterMap
from clusterctl.ops.loadtest.tunnels import tunnels
from clusterctl.remote.prober import SshProber
from clusterctl.services import Service
from clusterctl.ssh.client import Ssh
from clusterctl.ssh.config import SshConfig
from clusterctl.ssh.console import HostKey
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts
from tests.contract.health.world import FLAVOR, NODES, SPEC, ListingCloud
from tests.contract.load.field import Field
from tests.contract.mesos.cluster import MASTER_PORT, Daemon, wait_for

LAB = Path(__file__).parents[3] / "lab"
sys.path[:0] = [str(LAB / "hosts"), str(LAB / "openstack")]
pytestmark = [pytest.mark.mesos, pytest.mark.timeout(600)]

# sshd of the test hosts' root file system; what it writes goes to an overlay that ends with it
SSHD = r"""
mount -t tmpfs none "$1" && mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=$0,upperdir=$1/up,workdir=$1/work" none "$1/root"
mount --rbind /dev "$1/root/dev" && mount -t proc none "$1/root/proc"
mkdir -p "$1/root/run/sshd" "$1/root/root/.ssh" && chmod 700 "$1/root/root/.ssh"
cp "$2.pub" "$1/root/root/.ssh/authorized_keys" && cp "$2" "$1/root/etc/ssh/key" && chmod 600 "$1/root/etc/ssh/key"
printf 'UsePAM no\nPermitRootLogin yes\nListenAddress 127.0.0.%s\n' 1 > "$1/root/etc/ssh/load"
printf 'ListenAddress 127.0.0.%s\n' 2 3 >> "$1/root/etc/ssh/load"
exec chroot "$1/root" /usr/sbin/sshd -D -e -h /etc/ssh/key -f /etc/ssh/load
"""


@pytest.fixture(scope="module")
def access(field: Field, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """The way to three nodes with masters, each of which has sshd."""
    from labhosts.image import base

    work = tmp_path_factory.mktemp("ssh")
    key, mount = work / "key", work / "mount"
    mount.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    sshd = Daemon(
        "sshd", ["unshare", "-m", "sh", "-ec", SSHD, str(base() / "base"), str(mount), str(key)], work / "log"
    )
    sshd.start()
    known = KnownHosts(work / "known/known_hosts")
    kind, text, *_ = key.with_suffix(".pub").read_text().split()
    for server_id in (*(node.server_id for node in nodes()), *NODES):
        known.pin(server_id, [HostKey(kind, text)])
    keys = HostKeys(known, lambda server_id: "", lambda server_id: None)
    with tempfile.TemporaryDirectory() as sockets:  # its name is short enough for sockets
        ssh = Ssh(SshConfig("root", known.path, Path(sockets), identity=key))
        wait_for("sshd", lambda: ssh_works(ssh), 60)
        yield Access(ssh, keys, SshProber(ssh, keys))
    sshd.kill()


def nodes() -> list[Node]:
    masters = (Service.MESOS_MASTER,)
    return [Node(f"m{n}", f"server-{n}", "control", f"127.0.0.{n}", masters) for n in (1, 2, 3)]


def ssh_works(ssh: Ssh) -> bool:
    from clusterctl.remote.prober import target
    from clusterctl.ssh.client import SshError

    try:
        return ssh.run(target(nodes()[0]), ["true"]).returncode == 0
    except SshError:
        return False


def children() -> list[str]:
    """Command lines of ssh in this network."""
    here = Path("/proc/thread-self/ns/net").readlink()
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            if words[0] == b"ssh" and b"-L" in words and (path / "ns/net").readlink() == here:
                found.append(path.name)
        except OSError:  # it ended meanwhile
            continue
    return found


def test_builds_run_through_tunnels(field: Field, access: Access) -> None:
    group = FrameworkGroup(name="jenkins", kind="on_demand", count=20, builds=2, over_s=5, run_s=0.5, linger_s=1)
    plan = LoadPlan(groups=(group,), canary=Canary(turns=2, every_s=4), limit_s=90, user="root")
    with tunnels(access, nodes(), MASTER_PORT) as endpoints:
        assert len(endpoints) == len(children()) == 3
        result = run_frameworks(plan, MasterMap(endpoints), "test")
    summary = summarise(result, Thresholds(first_offer_p99_s=20, canary_s=20))
    assert summary.ok, summary
    assert (result.ended, summary.builds, summary.unfinished) == ("complete", 40, 0)
    assert children() == []
    assert list(access.ssh.config.control_dir.glob("load-*")) == []


@pytest.mark.operate
def test_as_many_frameworks_as_allowed_fit_through_one_ssh(field: Field, access: Access) -> None:
    what = {"kind": "suppress", "count": MAX_FRAMEWORKS, "join_over_s": 40}
    group = FrameworkGroup.model_validate(
        {"name": "many", **what, "builds": 1, "start_s": 55, "over_s": 1, "run_s": 600}
    )
    plan = LoadPlan(groups=(group,), limit_s=60, user="root")  # ends soon after all want something at once
    with tunnels(access, nodes(), MASTER_PORT) as endpoints:
        result = run_frameworks(plan, MasterMap(endpoints), "test")
    assert [each.registrations for each in result.frameworks] == [1] * MAX_FRAMEWORKS
    assert not any(each.reconnects for each in result.frameworks)
    assert result.driver.rss_mib < 300


def test_the_whole_program(
    field: Field,
    access: Access,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`loadtest run`, `report` and `clean` of a cluster file; only the cloud, which lists the servers, is not real."""
    file, kept, page = tmp_path / "loop.yml", tmp_path / "result.json", tmp_path / "page.html"
    file.write_text(SPEC.model_dump_json(exclude_defaults=True))
    monkeypatch.setattr("clusterctl.cloud.open_cloud", lambda _name: ListingCloud(flavor_list=[FLAVOR]))
    monkeypatch.setattr("clusterctl.ops.loadtest.run.open_access", lambda _spec, _cloud: access)

    def clusterctl(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["clusterctl", "loadtest", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    options = ["--frameworks", "10", "--builds", "2", "--over", "5", "--duration", "1", "--user", "root"]
    bounds = ["--max-first-offer", "20", "--max-canary", "20"]
    run = ["run", str(file), "--frameworks-only", *options, *bounds, "--result", str(kept), "--page", str(page)]
    assert clusterctl(*run, "--json") == 0
    told = capsys.readouterr()
    assert "10 of 11 frameworks registered" in told.err or "11 of 11 frameworks registered" in told.err
    summary = json.loads(told.out)
    assert (summary["ok"], summary["builds"], summary["unfinished"]) == (True, 20, 0)
    assert page.stat().st_size > 1_000_000

    assert clusterctl("report", str(kept), *bounds, "--max-first-offer", "0") == 3
    assert "Marathon's canary" in capsys.readouterr().out
    assert clusterctl("clean", str(file)) == 0
    assert capsys.readouterr().out == "no load test has left anything\n"


def test_tunnels_of_a_killed_driver_end(access: Access, tmp_path: Path) -> None:
    told = tmp_path / "told"
    pid = os.fork()
    if pid == 0:
        with tunnels(access, nodes(), MASTER_PORT):
            told.touch()
            signal.pause()
    wait_for("tunnels", told.exists, 60)
    assert len(children()) == 3
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    wait_for("no tunnels", lambda: children() == [])
    with tunnels(access, nodes(), MASTER_PORT):
        assert len(list(access.ssh.config.control_dir.glob("load-*"))) == 1, "the dead one's directory was removed"
