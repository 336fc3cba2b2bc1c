"""The Debian package of Mesos: what is in it, and how its daemons take flags and credentials."""

import base64
import hashlib
import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.mesos.cluster import (
    Daemon,
    Json,
    ready,
    request,
    wait_for,
)
from tests.contract.mesos.conftest import BUILD

pytestmark = pytest.mark.mesos

OK = http.HTTPStatus.OK


def output(*argv: str | Path) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


# --- the package ----------------------------------------------------------------


def test_package_has_the_usual_paths_and_starts_nothing(package: Path, root: Path, tmp_path: Path) -> None:
    for path in ("usr/sbin/mesos-master", "usr/sbin/mesos-agent"):
        assert output(root / path, "--version") == "mesos 1.11.0\n"
    assert {p.name for p in (root / "usr/libexec/mesos").iterdir()} == {
        "mesos-containerizer",
        "mesos-executor",
        "mesos-fetcher",
    }
    files = [p.relative_to(root).parts for p in root.rglob("*") if p.is_file()]
    assert {parts[:2] for parts in files} == {("usr", "sbin"), ("usr", "libexec"), ("usr", "lib"), ("usr", "share")}
    subprocess.run(["dpkg-deb", "-e", package, tmp_path / "control"], check=True)
    assert {p.name for p in (tmp_path / "control").iterdir()} == {"control", "md5sums"}


@pytest.mark.operate
def test_build_is_reproducible(package: Path, tmp_path: Path) -> None:
    cache = Path(os.environ.get("CLUSTERCTL_CACHE", "/var/cache/clusterctl")) / "mesos/egg"
    fresh = tmp_path / "cache/mesos"
    fresh.mkdir(parents=True)
    (fresh / "egg").symlink_to(cache)  # all is made anew but the download
    env = {**os.environ, "CLUSTERCTL_CACHE": str(tmp_path / "cache")}
    subprocess.run([BUILD, tmp_path], env=env, check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / package.name).read_bytes() == package.read_bytes()


def test_another_revision_has_the_same_files(package: Path, tmp_path: Path) -> None:
    path, digest = output(BUILD, "--revision", "2", tmp_path).split()
    assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == digest
    assert [output("dpkg-deb", "-f", deb, "Version").strip() for deb in (package, path)] == ["1.11.0-1", "1.11.0-2"]
    assert output("dpkg-deb", "-c", package) == output("dpkg-deb", "-c", path)


@pytest.mark.parametrize("arguments", [["--revision", "x", "out"], [], ["--what", "out"]])
def test_build_refuses_wrong_arguments(arguments: list[str]) -> None:
    done = subprocess.run([BUILD, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr


# --- flags ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "flags", "says"),
    [
        ("mesos-master", ["--quorom=2"], "unknown flag 'quorom'"),
        ("mesos-master", ["--zk_session_timeout=4"], "zk_session_timeout"),
        ("mesos-master", ["--quorum=2", "--zk=zookeeper://127.0.0.1/mesos"], "zk://"),
        ("mesos-master", ["--zk=zk://127.0.0.1:2181/mesos"], "--quorum"),
        ("mesos-master", ["--role_sorter=random"], "only the"),
        ("mesos-master", ["--user_sorter=random"], "only the"),
        ("mesos-master", ["--modules=file:///dev/null"], "modules"),
        ("mesos-master", ["--ip=127.0.0.9", "--ip_discovery_command=true"], "Only one of `--ip`"),
        ("mesos-master", ["--ip_discovery_command=exit 3"], "exit 3"),
        ("mesos-master", ["--registry=etcd"], "'etcd' is not a supported option"),
        ("mesos-agent", ["--master=127.0.0.1:5050", "--chekpoint"], "unknown flag 'chekpoint'"),
        ("mesos-agent", [], "Missing required option `--master`"),
        ("mesos-agent", ["--master=127.0.0.1:5050", "--resources=cpus:many"], "cpus:many"),
        ("mesos-agent", ["--master=127.0.0.1:5050", "--jwt_secret_key=/etc/hostname"], "--jwt_secret_key"),
        ("mesos-agent", ["--master=127.0.0.1:5050", "--hooks=x"], "--hooks"),
        ("mesos-agent", ["--master=127.0.0.1:5050", "--isolation=no/such"], "no/such"),
    ],
)
def test_wrong_flag_ends_the_daemon_with_a_message(
    root: Path, network: None, tmp_path: Path, program: str, flags: list[str], says: str
) -> None:
    common = [f"--work_dir={tmp_path}"]
    if program == "mesos-agent":
        common += [f"--runtime_dir={tmp_path}/run", "--launcher=posix", "--no-systemd_enable_support"]
    done = subprocess.run(
        [root / "usr/sbin" / program, *common, *flags], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 1
    assert says in done.stderr


def test_master_finds_its_address_by_command(root: Path, network: None, tmp_path: Path) -> None:
    env = {
        "MESOS_IP_DISCOVERY_COMMAND": "echo ' 127.0.0.9 '",
        "MESOS_REGISTRY": "in_memory",
        "MESOS_PORT": "5999",
        "MESOS_HOSTNAME": "nine",
        "MESOS_WORK_DIR": str(tmp_path),
    }
    master = Daemon("master9", [str(root / "usr/sbin/mesos-master")], tmp_path / "log", env)
    master.start()
    try:
        state = wait_for("the master on 127.0.0.9:5999", lambda: ready("127.0.0.9", 5999, "/state"))
        assert state["hostname"] == "nine"
        assert state["pid"] == "master@127.0.0.9:5999"
        assert state["elected_time"]
    finally:
        master.kill()


# --- credentials ------------------------------------------------------------------------


@pytest.fixture
def guarded_master(root: Path, network: None, tmp_path: Path) -> Iterator[Path]:
    """A single master on 127.0.0.8:5998 that wants credentials of all and lets only ops see the schedule."""
    users = [{"principal": name, "secret": f"{name}-secret"} for name in ("agent", "ops", "guest")]
    only_ops = [
        {"principals": {"values": ["ops"]}, "machines": {"type": "ANY"}},
        {"principals": {"type": "ANY"}, "machines": {"type": "NONE"}},
    ]
    (tmp_path / "credentials").write_text(json.dumps({"credentials": users}))
    (tmp_path / "acls").write_text(json.dumps({"permissive": True, "get_maintenance_statuses": only_ops}))
    flags = [
        "--ip=127.0.0.8",
        "--port=5998",
        "--hostname=eight",
        "--registry=in_memory",
        f"--work_dir={tmp_path}/master",
        "--authenticate_agents",
        "--authenticate_http_readonly",
        "--authenticate_http_readwrite",
        f"--credentials=file://{tmp_path}/credentials",
        f"--acls=file://{tmp_path}/acls",
    ]
    master = Daemon("master8", [str(root / "usr/sbin/mesos-master"), *flags], tmp_path / "master.log")
    master.start()
    wait_for("the master", lambda: ready("127.0.0.8", 5998, "/health"))
    yield tmp_path
    master.kill()


def as_user(path: str, user: str, secret: str, body: Json | None = None) -> tuple[int, Any]:
    token = base64.b64encode(f"{user}:{secret}".encode()).decode()
    return request("127.0.0.8", 5998, path, body, {"Authorization": f"Basic {token}"})


def test_operators_need_their_secret_and_the_right(guarded_master: Path) -> None:
    assert request("127.0.0.8", 5998, "/state")[0] == http.HTTPStatus.UNAUTHORIZED
    assert as_user("/state", "ops", "wrong")[0] == http.HTTPStatus.UNAUTHORIZED
    assert as_user("/state", "guest", "guest-secret")[0] == OK
    machine = {"hostname": "nowhere", "ip": "127.0.0.99"}
    window = {"machine_ids": [machine], "unavailability": {"start": {"nanoseconds": 1}}}
    schedule = {"windows": [window]}
    assert as_user("/maintenance/schedule", "ops", "ops-secret", schedule)[0] == OK
    status, seen = as_user("/maintenance/status", "ops", "ops-secret")
    assert (status, [m["id"] for m in seen["draining_machines"]]) == (OK, [machine])
    status, seen = as_user("/maintenance/status", "guest", "guest-secret")
    assert (status, seen) == (OK, {})


def test_agents_need_their_secret(root: Path, guarded_master: Path) -> None:
    def agent(secret: str) -> Daemon:
        work = guarded_master / secret
        work.mkdir()
        (work / "credential").write_text(json.dumps({"principal": "agent", "secret": secret}))
        flags = [
            "--master=127.0.0.8:5998",
            "--ip=127.0.0.8",
            "--port=5997",
            "--hostname=eight",
            f"--work_dir={work}",
            f"--runtime_dir={work}/run",
            f"--fetcher_cache_dir={work}/fetch",
            f"--launcher_dir={root}/usr/libexec/mesos",
            "--launcher=posix",
            "--no-systemd_enable_support",
            f"--credential=file://{work}/credential",
        ]
        return Daemon(secret, [str(root / "usr/sbin/mesos-agent"), *flags], work / "log")

    impostor = agent("wrong")
    impostor.start()
    assert wait_for("the refusal", lambda: not impostor.running)
    assert "refused authentication" in impostor.log.read_text()

    friend = agent("agent-secret")
    friend.start()
    try:

        def registered() -> list[Json]:
            status, body = as_user("/slaves", "ops", "ops-secret")
            return list(body["slaves"]) if status == OK else []

        agents = wait_for("the agent", registered)
        assert [a["pid"] for a in agents] == ["slave(1)@127.0.0.8:5997"]
    finally:
        friend.kill()
