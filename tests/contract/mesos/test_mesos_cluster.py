"""What three masters and two agents of the package do together: election, recovery, tasks, drains."""

import http.client
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from clusterctl.paths import roles_dir
from tests.contract.mesos.cluster import (
    AGENT_PORT,
    MASTER_PORT,
    TERMINAL,
    Cluster,
    Json,
    ready,
    request,
    wait_for,
)
from tests.contract.mesos.framework import Framework

pytestmark = pytest.mark.mesos

OK = http.HTTPStatus.OK
HOST = "127.0.0.1"
SLOW_S = 4  # longer than Mesos' default for an executor to come back, shorter than ours


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_agent_configured_by_environment_and_files(cluster: Cluster) -> None:
    cluster.agent_ids()
    info = cluster.agent_infos()["agent-two"]["agent_info"]
    assert [(a["name"], a["text"]["value"]) for a in info["attributes"]] == [("pool", "jenkins-master")]
    by_name = {r["name"]: r for r in info["resources"]}
    assert by_name["cpus"]["scalar"]["value"] == 2
    assert by_name["mem"]["scalar"]["value"] == 1024
    assert by_name["cpus"]["reservations"] == [{"role": "marathon", "type": "STATIC"}]
    assert by_name["ports"]["ranges"]["range"] == [{"begin": 32000, "end": 32100}]
    flags = ready("127.0.0.2", AGENT_PORT, "/flags")["flags"]
    assert flags["recovery_timeout"] == "2mins"
    assert flags["systemd_enable_support"] == "false"


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
    wait_for("the old leader as a standby", lambda: ready(leader, MASTER_PORT, "/health"))
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


@pytest.mark.parametrize("ours", [False, True], ids=["as Mesos has it", "as the role has it"])
def test_an_executor_that_is_slow_after_its_agents_restart(
    cluster: Cluster, framework: Framework, ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a host full of builds: with Mesos' 2 s its task is lost, with ours it goes on."""
    agent = cluster.agents[0]
    pidfile = cluster.work / f"executor-{ours}.pid"
    cluster.agent_ids()
    if ours:  # executors get it, too, as the longest pause between their tries
        defaults = yaml.safe_load((roles_dir() / "mesos_agent/defaults/main.yml").read_text())
        seconds = defaults["mesos_agent_executor_reregistration_timeout_s"]
        flag = f"--executor_reregistration_timeout={seconds}secs"
        monkeypatch.setattr(agent, "argv", [*agent.argv, flag])
    stopped(cluster, framework)
    agent.start()
    task = framework.launch(f"echo $PPID > {pidfile}; exec sleep 1000", HOST)
    framework.wait_state(task, "TASK_RUNNING")
    executor = int(wait_for("the executor's pid", lambda: pidfile.read_text() if pidfile.exists() else None))
    os.kill(executor, signal.SIGSTOP)
    try:
        stopped(cluster, framework)
        agent.start()
        # 503 while it recovers, which lasts until no executor is waited for any more
        wait_for("the agent to recover", lambda: request(HOST, AGENT_PORT, "/state")[0])
        time.sleep(SLOW_S)  # it is what is tried: how long an executor may take
    finally:
        with suppress(ProcessLookupError):  # where it was too late
            os.kill(executor, signal.SIGCONT)
    wait_for("the agent to be back", lambda: cluster.agent_infos()[HOST].get("active"), 60)
    if not ours:
        framework.wait_state(task, "TASK_LOST")
        return
    framework.kill(task)  # the executor has found the new agent
    framework.wait_state(task, "TASK_KILLED")
    assert set(framework.states(task)) == {"TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"}


def stopped(cluster: Cluster, framework: Framework) -> None:
    """Kills the first agent, and waits until its offers are withdrawn: what is launched on such a one is lost."""
    cluster.agents[0].kill()
    wait_for("the agent's absence", lambda: not cluster.agent_infos()[HOST].get("active"))
    wait_for("its offers to go", lambda: all(each["hostname"] != HOST for each in list(framework.offers.values())))


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

    def over() -> bool:
        state = ready(host, int(port), "/state")
        return bool(state) and "drain_config" not in state

    wait_for("the agent's own end of the drain", over)
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
