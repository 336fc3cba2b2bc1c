"""The Debian package of Mesos: what is in it, and that its daemons do what the real ones do."""

import base64
import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.mesos.cluster import AGENT_PORT, MASTER_PORT, TERMINAL, Cluster, Daemon, Json, request, wait_for
from tests.contract.mesos.conftest import BUILD
from tests.contract.mesos.framework import Framework

pytestmark = pytest.mark.mesos

OK = http.HTTPStatus.OK


def output(*argv: str | Path) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


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


def test_build_is_reproducible_and_revisions_differ_in_their_version_only(package: Path, tmp_path: Path) -> None:
    cache = Path(os.environ.get("CLUSTERCTL_CACHE", "/var/cache/clusterctl")) / "mesos/egg"
    fresh = tmp_path / "cache/mesos"
    fresh.mkdir(parents=True)
    (fresh / "egg").symlink_to(cache)  # all is made anew but the download
    env = {**os.environ, "CLUSTERCTL_CACHE": str(tmp_path / "cache")}
    for revision in ("1", "2"):
        subprocess.run([BUILD, "--revision", revision, tmp_path], env=env, check=True, stdout=subprocess.DEVNULL)
    first, second = (tmp_path / f"mesos_1.11.0-{revision}_amd64.deb" for revision in "12")
    assert first.read_bytes() == package.read_bytes()
    assert [output("dpkg-deb", "-f", deb, "Version").strip() for deb in (first, second)] == ["1.11.0-1", "1.11.0-2"]
    assert output("dpkg-deb", "-c", first) == output("dpkg-deb", "-c", second)


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


def test_agent_configured_by_environment_and_files(cluster: Cluster) -> None:
    cluster.agent_ids()
    info = cluster.agent_infos()["agent-two"]["agent_info"]
    assert [(a["name"], a["text"]["value"]) for a in info["attributes"]] == [("pool", "jenkins-master")]
    by_name = {r["name"]: r for r in info["resources"]}
    assert by_name["cpus"]["scalar"]["value"] == 2
    assert by_name["mem"]["scalar"]["value"] == 1024
    assert by_name["cpus"]["reservations"] == [{"role": "marathon", "type": "STATIC"}]
    assert by_name["ports"]["ranges"]["range"] == [{"begin": 32000, "end": 32100}]
    status, body = request("127.0.0.2", AGENT_PORT, "/flags")
    assert status == OK
    assert body["flags"]["recovery_timeout"] == "2mins"
    assert body["flags"]["systemd_enable_support"] == "false"


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
        state = wait_for("the master on 127.0.0.9:5999", lambda: request("127.0.0.9", 5999, "/state"))[1]
        assert state["hostname"] == "nine"
        assert state["pid"] == "master@127.0.0.9:5999"
        assert state["elected_time"]
    finally:
        master.kill()


# --- the cluster --------------------------------------------------------------------


def test_one_master_is_elected_and_the_others_know_it(cluster: Cluster) -> None:
    leader = cluster.leader()
    for host in cluster.hosts:

        def redirected(host: str = host) -> bool:
            connection = http.client.HTTPConnection(host, MASTER_PORT, timeout=10)
            connection.request("GET", "/redirect")
            answer = connection.getresponse()
            return answer.status == 307 and answer.headers["Location"] == f"//{leader}:{MASTER_PORT}"

        wait_for(f"{host} to redirect to {leader}", redirected)
    assert cluster.metrics(leader)["registrar/log/ensemble_size"] == 3
    assert list((cluster.work / f"master{leader[-1]}-log").glob("mesos-master.WARNING*"))


def test_killed_leader_is_replaced_and_agents_keep_their_ids(cluster: Cluster, framework: Framework) -> None:
    leader = cluster.leader()
    ids = cluster.agent_ids()
    task = framework.launch("exec sleep 1000", "127.0.0.1")
    framework.wait_state(task, "TASK_RUNNING")
    master = cluster.masters[cluster.hosts.index(leader)]
    master.kill()
    assert cluster.leader(other_than=leader) != leader
    assert cluster.agent_ids() == ids
    master.start()
    wait_for("the old leader as a standby", lambda: request(leader, MASTER_PORT, "/health")[0] == OK)
    assert len(cluster.elected()) == 1
    assert set(framework.states(task)) == {"TASK_STARTING", "TASK_RUNNING"}


def test_killed_agent_comes_back_with_its_id_and_its_task(cluster: Cluster, framework: Framework) -> None:
    ids = cluster.agent_ids()
    pidfile = cluster.work / "survivor.pid"
    task = framework.launch(f"echo $$ > {pidfile}; exec sleep 1000", "127.0.0.1")
    framework.wait_state(task, "TASK_RUNNING")
    pid = int(wait_for("the task's pid", lambda: pidfile.read_text() if pidfile.exists() else None))
    cluster.agents[0].kill()
    assert alive(pid)
    wait_for("the agent's absence", lambda: not cluster.agent_infos()["127.0.0.1"].get("active"))
    cluster.agents[0].start()
    assert cluster.agent_ids() == ids
    assert alive(pid)
    assert set(framework.states(task)) == {"TASK_STARTING", "TASK_RUNNING"}
    framework.kill(task)  # the executor has found the new agent
    framework.wait_state(task, "TASK_KILLED")
    assert not alive(pid)


def test_task_gets_its_files_and_its_end_is_reported(cluster: Cluster, framework: Framework, tmp_path: Path) -> None:
    (tmp_path / "inside").write_text("seven\n")
    subprocess.run(["tar", "-C", tmp_path, "-czf", tmp_path / "a.tar.gz", "inside"], check=True)
    uris = {"uris": [{"value": f"file://{tmp_path}/a.tar.gz"}]}
    good = framework.launch({"value": 'test "$(cat inside)" = seven', **uris}, "127.0.0.1")
    framework.wait_state(good, "TASK_FINISHED")
    bad = framework.launch("exit 3", "127.0.0.1")
    assert framework.wait_state(bad, "TASK_FAILED")["message"] == "Command exited with status 3"
    missing = framework.launch({"value": "true", "uris": [{"value": "/no/such"}]}, "127.0.0.1")
    assert framework.wait_state(missing, "TASK_FAILED")["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"


def test_unhealthy_task_is_killed(framework: Framework) -> None:
    check = {
        "type": "COMMAND",
        "command": {"value": "false"},
        "delay_seconds": 0,
        "interval_seconds": 0.2,
        "grace_period_seconds": 0,
        "consecutive_failures": 2,
    }
    task = framework.launch("exec sleep 1000", "127.0.0.1", health_check=check)
    assert framework.wait_state(task, "TASK_KILLED")["healthy"] is False


def test_reserved_agent_is_offered_to_its_role_only(cluster: Cluster) -> None:
    framework = Framework(cluster, roles=("jenkins",))
    try:
        wait_for("an offer", lambda: framework.offers)
        task = framework.launch("true", "127.0.0.1")
        framework.wait_state(task, "TASK_FINISHED")
        assert {offer["hostname"] for offer in framework.offers.values()} <= {"127.0.0.1"}
    finally:
        framework.close()


# --- drain ----------------------------------------------------------------------------


def drain_state(cluster: Cluster, hostname: str) -> str | None:
    info: Json = cluster.agent_infos()[hostname].get("drain_info", {})
    return info.get("state")


def drain(cluster: Cluster, hostname: str, grace_s: int) -> Json:
    agent_id: Json = cluster.agent_infos()[hostname]["agent_info"]["id"]
    call = {"agent_id": agent_id, "max_grace_period": {"seconds": grace_s}, "mark_gone": False}
    cluster.operator({"type": "DRAIN_AGENT", "drain_agent": call})
    return agent_id


def reactivate(cluster: Cluster, agent_id: Json) -> None:
    """Take a drained agent back into use.

    The master says DRAINED with the last acknowledgement, about a second before the agent has seen its
    executors off; until then the agent answers a new task with TASK_LOST.
    """
    agent = next(info for info in cluster.agent_infos().values() if info["agent_info"]["id"] == agent_id)
    host, _, port = agent["pid"].partition("@")[2].partition(":")
    wait_for("the agent's own end of the drain", lambda: "drain_config" not in request(host, int(port), "/state")[1])
    cluster.operator({"type": "REACTIVATE_AGENT", "reactivate_agent": {"agent_id": agent_id}})


def test_drain_ends_when_the_framework_acknowledges_the_kills(cluster: Cluster) -> None:
    framework = Framework(cluster, capabilities=("TASK_KILLING_STATE",))
    try:
        polite = framework.launch("exec sleep 1000", "127.0.0.1")
        patient = {"grace_period": {"nanoseconds": 600_000_000_000}}
        deaf = framework.launch("trap '' TERM; while :; do sleep 1; done", "127.0.0.1", kill_policy=patient)
        for task in (polite, deaf):
            framework.wait_state(task, "TASK_RUNNING")
        framework.acknowledging = False

        start = time.monotonic()
        agent_id = drain(cluster, "127.0.0.1", grace_s=2)
        assert drain_state(cluster, "127.0.0.1") == "DRAINING"
        killing = framework.wait_state(polite, "TASK_KILLING")
        assert killing["reason"] == "REASON_AGENT_DRAINING"
        # Updates of a task come one after the other, each after the acknowledgement of the one before.
        assert TERMINAL.isdisjoint(framework.states(polite))
        assert drain_state(cluster, "127.0.0.1") == "DRAINING"

        framework.acknowledge_all()
        for task in (polite, deaf):
            assert framework.wait_state(task, "TASK_KILLED")["reason"] == "REASON_AGENT_DRAINING"
        wait_for("DRAINED", lambda: drain_state(cluster, "127.0.0.1") == "DRAINED", 20)
        assert time.monotonic() - start > 2  # the deaf one had the drain's grace period, not its own

        reactivate(cluster, agent_id)
        assert drain_state(cluster, "127.0.0.1") is None
        again = framework.launch("true", "127.0.0.1")
        framework.wait_state(again, "TASK_FINISHED")
    finally:
        framework.acknowledge_all()
        framework.close()


def test_empty_agent_is_drained_at_once_and_gets_no_offers(cluster: Cluster, framework: Framework) -> None:
    agent_id = drain(cluster, "agent-two", grace_s=30)
    wait_for("DRAINED", lambda: drain_state(cluster, "agent-two") == "DRAINED", 20)
    wait_for("its offers rescinded", lambda: "agent-two" not in {o["hostname"] for o in framework.offers.values()})
    reactivate(cluster, agent_id)
    wait_for("offers again", lambda: "agent-two" in {o["hostname"] for o in framework.offers.values()})


def test_drain_after_a_framework_left_ends_when_it_is_repeated(cluster: Cluster) -> None:
    framework = Framework(cluster)
    task = framework.launch("exec sleep 1000", "127.0.0.1")
    framework.wait_state(task, "TASK_RUNNING")
    framework.acknowledging = False
    drain(cluster, "127.0.0.1", grace_s=1)
    framework.wait_state(task, "TASK_KILLED")
    framework.close()
    assert drain_state(cluster, "127.0.0.1") == "DRAINING"  # nobody is left to acknowledge, no event ends it
    agent_id = drain(cluster, "127.0.0.1", grace_s=1)
    wait_for("DRAINED", lambda: drain_state(cluster, "127.0.0.1") == "DRAINED")
    reactivate(cluster, agent_id)


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
    wait_for("the master", lambda: request("127.0.0.8", 5998, "/health")[0] == OK)
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
        agents = wait_for("the agent", lambda: as_user("/slaves", "ops", "ops-secret")[1]["slaves"])
        assert [a["pid"] for a in agents] == ["slave(1)@127.0.0.8:5997"]
    finally:
        friend.kill()
