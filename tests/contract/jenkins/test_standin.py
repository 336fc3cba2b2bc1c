"""The Jenkins stand-in on real Mesos: what drivers and operators of the Jenkins tier rely on."""

import base64
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from tests.contract.jenkins.conftest import Lab, Make
from tests.contract.jenkins.master import HOST, IDLE_MINUTES, MINUTE_MS, Master, shell_job
from tests.contract.jenkins.tool import ToolsMaster
from tests.contract.mesos.cluster import JAVA, ZK_PORT, Json, wait_for

pytestmark = pytest.mark.mesos

ALWAYS = {"onDemandRegistration": "false"}
# two timers of a minute after the idle time, and a busy machine
LEAVES_S = (IDLE_MINUTES + 4) * MINUTE_MS / 1000 + 20


def only_framework(lab: Lab) -> Json:
    (found,) = wait_for("one framework", lambda: list(lab.frameworks().values()))
    return found


def only_task(lab: Lab) -> Json:
    (found,) = wait_for("one task", lambda: list(lab.tasks().values()))
    return found


def can_connect(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 2).close()
    except OSError:
        return False
    return True


# --- the clients that drivers use ----------------------------------------------------


def test_python_jenkins_creates_builds_reads_and_deletes(make: Make) -> None:
    client = make("0.x").client()
    assert client.get_whoami()["id"] == "admin"
    assert client.get_version() == "2.319.3"
    client.create_job("hello", shell_job("echo hello from $NODE_NAME, build $BUILD_NUMBER of $JOB_NAME"))
    assert client.job_exists("hello")
    item = client.build_job("hello")
    found = wait_for("the build", lambda: client.get_queue_item(item).get("executable"), 60)
    build = wait_for("its end", lambda: (b := client.get_build_info("hello", found["number"]))["result"] and b)
    assert (build["result"], build["number"], build["queueId"]) == ("SUCCESS", 1, item)
    assert build["builtOn"].startswith("mesos-jenkins-")
    assert build["builtOn"].endswith("-mesos")
    log = client.get_build_console_output("hello", 1)
    assert f"hello from {build['builtOn']}, build 1 of hello\n" in log
    assert log.endswith("Finished: SUCCESS\n")
    assert client.get_nodes()[0]["name"] in {"Built-In Node", "(built-in)"}
    client.delete_job("hello")
    assert not client.job_exists("hello")


def test_api4jenkins_creates_builds_reads_and_deletes(make: Make) -> None:
    client = make("0.x").other_client()
    assert client.version == "2.319.3"
    client.create_job("hello", shell_job("echo hello"))
    item = client.build_job("hello")
    build = wait_for("the build", item.get_build, 60)
    output = list(build.progressive_output())
    assert "hello" in output
    assert build.result == "SUCCESS"
    assert client.queue.get(item.id) is None
    client.delete_job("hello")
    assert client.get_job("hello") is None


def test_the_tools_own_start_script_templates_and_groovy(lab: Lab, tools_master: ToolsMaster) -> None:
    client = tools_master.client()
    assert client.get_whoami()["id"] == "admin"
    assert {plugin["shortName"] for plugin in client.get_info("pluginManager")["plugins"]} == {"mesos", "credentials"}
    assert client.get_info()["slaveAgentPort"] == tools_master.port + 1
    assert not lab.frameworks()
    client.create_job("hello", shell_job("echo hello", label=None))
    build = tools_master.run("hello")
    assert build["result"] == "SUCCESS"
    info = only_framework(lab)["framework_info"]
    assert (info["name"], info["checkpoint"]) == ("jenkins-alice", True)
    assert can_connect(tools_master.port + 2)
    assert tools_master.terminate() == 143


# --- registration --------------------------------------------------------------------


def test_on_demand_registers_for_a_build_and_leaves_after_its_minute(lab: Lab, make: Make) -> None:
    master = make("0.x")
    assert not lab.frameworks()
    assert not can_connect(master.port + 2)  # libprocess begins with the first registration
    master.client().create_job("hello", shell_job("echo hello"))
    begun = time.monotonic()
    build = master.run("hello")
    assert build["result"] == "SUCCESS"
    info = only_framework(lab)["framework_info"]
    assert can_connect(master.port + 2)
    expected = {"name": "jenkins-test", "principal": "jenkins", "user": "root", "checkpoint": True}
    assert expected.items() <= info.items()
    assert info["webui_url"] == master.url
    assert info.get("failover_timeout", 0.0) == 0.0
    assert not info.get("capabilities")
    # idle for a minute, two timers of a minute, and not within a minute of its start
    wait_for("the framework to leave", lambda: not lab.frameworks(), LEAVES_S)
    assert time.monotonic() - begun > MINUTE_MS / 1000
    assert not lab.tasks()
    assert master.client().get_info()["jobs"]
    first = info["id"]["value"]
    assert master.run("hello")["result"] == "SUCCESS"
    assert only_framework(lab)["framework_info"]["id"]["value"] != first  # a new id each time


def test_leaving_is_looked_at_on_events_only(lab: Lab, make: Make) -> None:
    """An agent that ends before the framework's first minute is over leaves it registered till the next event."""
    master = make("0.x", start=False, info={"idleTerminationMinutes": 0})
    master.start("-Dstandin.minuteMillis=20000")
    master.wait_up()
    master.client().create_job("hello", shell_job("echo hello"))
    build = master.run("hello")
    assert master.ask("POST", f"/computer/{build['builtOn']}/doDelete", headers=master.basic)[0] == 302
    wait_for("the task's end", lambda: not lab.tasks())
    wait_for("the look", lambda: "created too recently" in master.log.read_text())
    assert lab.frameworks()


def test_always_registers_at_boot(lab: Lab, make: Make) -> None:
    master = make("1.x", **ALWAYS)
    framework = only_framework(lab)
    assert framework["active"]
    assert can_connect(master.port + 2)
    client = master.client()
    client.create_job("hello", shell_job("echo hello"))
    for _ in range(2):
        assert master.run("hello")["result"] == "SUCCESS"
    assert list(lab.frameworks()) == [framework["framework_info"]["id"]["value"]]


def test_second_generation_keeps_its_framework(lab: Lab, make: Make) -> None:
    master = make("2.x")
    assert not lab.frameworks()  # it registers at the first provisioning
    master.client().create_job("hello", shell_job("echo hello"))
    build = master.run("hello")
    assert build["result"] == "SUCCESS"
    assert build["builtOn"].startswith("jenkins-agent-mesos-")
    info = only_framework(lab)["framework_info"]
    assert f"<frameworkId>{info['id']['value']}</frameworkId>" in (master.home / "config.xml").read_text()
    assert info["failover_timeout"] == 7 * 86400
    assert not info.get("checkpoint")
    assert {each["type"] for each in info["capabilities"]} == {"MULTI_ROLE", "REGION_AWARE", "PARTITION_AWARE"}
    wait_for("the agent to be gone", lambda: not lab.tasks(), LEAVES_S)
    assert list(lab.frameworks())
    master.terminate()
    framework = wait_for("it to be inactive", lambda: (f := only_framework(lab)) and not f.get("active") and f)
    assert framework["framework_info"]["id"] == info["id"]
    master.start()
    master.wait_up()
    assert master.run("hello")["result"] == "SUCCESS"
    assert only_framework(lab)["framework_info"]["id"] == info["id"]


# --- tasks ---------------------------------------------------------------------------


def test_task_of_the_first_generation(lab: Lab, make: Make) -> None:
    master = make("0.x")
    master.client().create_job("long", shell_job("sleep 300"))
    master.started(master.build("long"))
    task = only_task(lab)
    name = task["task_id"]["value"]
    assert task["name"] == f"task {name}"
    amounts = {r["name"]: r["scalar"]["value"] for r in task["resources"]}
    assert amounts == pytest.approx({"cpus": 0.3, "mem": 1.1 * (64 + 64)})
    assert lab.agent_infos()["127.0.0.1"]["agent_info"]["id"] == task["agent_id"]
    (agent,) = java_of(name)
    assert agent.startswith("java -DHUDSON_HOME=jenkins -server -Xmx64m -Xms16m -Djava.net.preferIPv4Stack=true -jar ")
    assert f"/slave.jar -noReconnect -secret {'?' * 64}"[:-64] in agent
    assert agent.endswith(f"-jnlpUrl {master.url}computer/{name}/slave-agent.jnlp")


def java_of(name: str) -> list[str]:
    """Command lines of the agents' JVMs that serve a node."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").rstrip("\0").split("\0")
        except OSError:  # it ended meanwhile
            continue
        if words[0] == "java" and any(name in word for word in words):
            found.append(" ".join(words))
    return found


def test_waits_while_no_agent_has_the_attributes(lab: Lab, make: Make) -> None:
    master = make("0.x", info={"slaveAttributesString": '{"pool":"nowhere"}'})
    master.client().create_job("hello", shell_job("echo hello"))
    item = master.build("hello")
    wait_for("the node", lambda: len(master.client().get_nodes()) == 2)
    wait_for("offers that don't fit", lambda: "Did not match any of the" in master.log.read_text())
    assert not lab.tasks()
    assert "doesn’t have label ‘mesos’" in master.client().get_queue_item(item)["why"]


@pytest.mark.parametrize(
    ("plugin", "info"),
    [("0.x", {"jvmArgs": "-Xms16m -XX:+UseConcMarkSweepGC -Djava.net.preferIPv4Stack=true"})],
)
def test_option_that_the_builders_java_refuses(lab: Lab, make: Make, plugin: str, info: Json) -> None:
    master = make(plugin, info=info)
    master.client().create_job("hello", shell_job("echo hello"))
    item = master.build("hello")
    wait_for("the node", lambda: len(master.client().get_nodes()) == 2)
    name = master.client().get_nodes()[1]["name"]
    task = wait_for("the task to end", lambda: lab.completed_tasks().get(name), 60)
    assert task["state"] == "TASK_FAILED"
    sandbox = next((lab.work / "agent1").glob(f"slaves/*/frameworks/*/executors/{name}/runs/latest/stderr"))
    assert "Unrecognized VM option 'UseConcMarkSweepGC'" in sandbox.read_text()
    assert "executable" not in master.client().get_queue_item(item)


# --- what survives what ---------------------------------------------------------------


def restart_builder(lab: Lab) -> None:
    lab.agents[0].kill()
    lab.agents[0].start()
    lab.agent_ids(2)


def long_build(master: Master, tmp_path: Path) -> tuple[Json, Callable[[], None]]:
    """Start a build that ends with a file's appearance; the build, and what makes it appear."""
    done = tmp_path / "done"
    command = f"echo begun; while ! [ -e {done} ]; do sleep 0.1; done; echo ended"
    master.client().create_job("long", shell_job(command))
    build = master.started(master.build("long"))
    wait_for("its output", lambda: "begun" in master.client().get_build_console_output("long", 1))
    return build, done.touch


def test_checkpointed_build_survives_its_agents_restart(lab: Lab, make: Make, tmp_path: Path) -> None:
    master = make("0.x")
    _, finish = long_build(master, tmp_path)
    task = only_task(lab)["task_id"]
    restart_builder(lab)
    assert only_task(lab)["task_id"] == task
    finish()
    assert master.finished("long", 1)["result"] == "SUCCESS"
    assert master.client().get_build_console_output("long", 1).endswith("ended\nFinished: SUCCESS\n")


def test_build_of_the_second_generation_is_lost_with_its_agent(lab: Lab, make: Make, tmp_path: Path) -> None:
    master = make("2.x")
    long_build(master, tmp_path)
    restart_builder(lab)
    assert master.finished("long", 1)["result"] == "FAILURE"
    assert "Connection was broken" in master.client().get_build_console_output("long", 1)


def hand_over(lab: Lab) -> None:
    """Deletes the leading master's node, as a roll does before it restarts it: it hears of it, and ends."""
    client = KazooClient(",".join(f"{host}:{ZK_PORT}" for host in lab.hosts))
    client.start(30)
    try:
        client.delete("/mesos/" + min(name for name in client.get_children("/mesos") if name.startswith("json.info_")))
    finally:
        client.stop()
        client.close()


def kill_leader(lab: Lab) -> None:
    lab.masters[lab.hosts.index(lab.leader())].kill()


@pytest.mark.parametrize(("plugin", "leaves"), [("0.x", kill_leader), ("1.x", kill_leader), ("0.x", hand_over)])
def test_builds_survive_the_leading_mesos_master(
    lab: Lab, make: Make, tmp_path: Path, plugin: str, leaves: Callable[[Lab], None]
) -> None:
    master = make(plugin, **ALWAYS)
    _, finish = long_build(master, tmp_path)
    framework = only_framework(lab)["framework_info"]["id"]
    leader = lab.leader()
    leaves(lab)
    lab.leader(other_than=leader)
    lab.agent_ids(2)
    wait_for("the framework at the new master", lambda: any(f.get("active") for f in lab.frameworks().values()), 60)
    assert only_framework(lab)["framework_info"]["id"] == framework
    finish()
    assert master.finished("long", 1)["result"] == "SUCCESS"
    assert master.run("long")["result"] == "SUCCESS"


def test_builds_of_the_second_generation_survive_a_master_that_comes_back(lab: Lab, make: Make, tmp_path: Path) -> None:
    """It read ZooKeeper once: without the master that it knows, nothing redirects it to the leading one."""
    master = make("2.x")
    _, finish = long_build(master, tmp_path)
    framework = only_framework(lab)["framework_info"]["id"]
    leader = lab.leader()
    killed = lab.masters[lab.hosts.index(leader)]
    killed.kill()
    lab.leader(other_than=leader)
    lab.agent_ids(2)
    killed.start()
    wait_for("the framework at the new master", lambda: any(f.get("active") for f in lab.frameworks().values()), 90)
    assert only_framework(lab)["framework_info"]["id"] == framework
    finish()
    assert master.finished("long", 1)["result"] == "SUCCESS"


def test_stopping_loses_what_runs_and_keeps_what_waits(lab: Lab, make: Make, tmp_path: Path) -> None:
    master = make("0.x", **ALWAYS)
    long_build(master, tmp_path)
    client = master.client()
    client.create_job("waits", shell_job("echo at last", label="nowhere"))
    item = master.build("waits")
    assert master.terminate() == 143
    assert "waits" in (master.home / "queue.xml").read_text()
    wait_for("the framework to be removed", lambda: not lab.frameworks())
    wait_for("its task to be killed", lambda: not lab.tasks())
    master.start()
    master.wait_up()
    assert client.get_build_info("long", 1)["result"] == "ABORTED"
    assert client.get_queue_item(item)["task"]["name"] == "waits"
    client.reconfig_job("waits", shell_job("echo at last"))
    build = master.finished("waits", master.started(item)["number"])
    assert build["result"] == "SUCCESS"


def test_a_signal_to_both_ends_them_in_order(make: Make) -> None:
    """As the executor of Mesos sends it, to the process group."""
    master = make("0.x")
    master.client().create_job("waits", shell_job("true", label="nowhere"))
    master.build("waits")
    os.killpg(master.pid, signal.SIGTERM)
    assert master.exit_code() == 143
    assert "waits" in (master.home / "queue.xml").read_text()


@pytest.mark.parametrize("victim", ["jvm", "program"])
def test_jvm_and_program_end_together(make: Make, victim: str) -> None:
    master = make("0.x")
    jvm, program = master.pid, master.program()
    os.kill(jvm if victim == "jvm" else program, signal.SIGKILL)
    assert master.exit_code() != 0
    wait_for("both to be gone", lambda: not Path(f"/proc/{program}").exists())


# --- the process ---------------------------------------------------------------------


def test_the_jvm_refuses_what_it_does_not_know(make: Make) -> None:
    master = make("0.x", start=False)
    master.start("-XX:+UseNonsenseGC")
    assert master.exit_code() == 1
    assert "Unrecognized VM option" in master.log.read_text()


def test_the_war_refuses_a_java_that_its_core_does_not_know(make: Make) -> None:
    master = make("0.x", start=False)
    master.java = JAVA
    master.start()
    assert master.exit_code() == 1
    assert "Running with Java 17, but Jenkins 2.319.3 supports [8, 11]" in master.log.read_text()


def test_says_stand_in_everywhere(make: Make) -> None:
    master = make("0.x")
    status, headers, body = master.ask("GET", "/login")
    assert (status, headers["x-jenkins"]) == (200, "2.319.3")
    assert "stand-in" in headers["x-stand-in"]
    assert "stand-in" in body
    assert "stand-in" in master.log.read_text().splitlines()[0]
    done = subprocess.run([JAVA, "-jar", master.war, "--version"], check=True, capture_output=True, text=True)
    assert "2.319.3 (stand-in" in done.stdout


def test_memory_of_a_master(make: Make) -> None:
    """Many of them must fit into a small lab: the JVM and the program together, after a build."""
    master = make("0.x")
    master.client().create_job("hello", shell_job("echo hello"))
    assert master.run("hello")["result"] == "SUCCESS"
    resident = {
        pid: Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1] for pid in (master.pid, master.program())
    }
    sizes = [int(text.split()[0]) / 1024 for text in resident.values()]
    assert sum(sizes) < 110, sizes


def test_answers_503_while_loading(make: Make) -> None:
    master = make("0.x", start=False)
    master.start("-Dstandin.loadMillis=1500")
    status, headers, _ = wait_for("an answer", lambda: master.ask("GET", "/login"))
    assert (status, headers["x-jenkins"]) == (503, "2.319.3")
    master.wait_up()


def test_anonymous_and_token(make: Make) -> None:
    master = make("0.x")
    assert master.ask("GET", "/api/json")[0] == 403
    wrong = {"Authorization": "Basic " + base64.b64encode(b"admin:wrong").decode()}
    assert master.ask("GET", "/api/json", headers=wrong)[0] == 401
    assert master.ask("POST", "/quietDown", headers=master.basic)[0] == 302  # a token needs no crumb


@pytest.mark.parametrize(
    ("plugin", "cloud", "says"),
    [
        ("0.x", {"frameworkName": None, **ALWAYS}, "setName(frameworkName)"),
        ("0.x", {"master": None, **ALWAYS}, "NullPointerException: master"),
    ],
)
def test_boot_fails_where_the_plugin_would_throw(make: Make, plugin: str, cloud: Json, says: str) -> None:
    master = make(plugin, start=False, **cloud)
    config = master.home / "config.xml"
    for name, value in cloud.items():
        if value is None:
            config.write_text(config.read_text().replace(f"<{name}>None</{name}>", ""))
    master.start()
    wait_for("the failure", lambda: says in master.ask("GET", "/login")[2])
    assert master.ask("GET", "/login")[0] == 503
    assert (master.home / "failed-boot-attempts.txt").exists()


def test_restart_keeps_the_process_and_changes_the_session(make: Make) -> None:
    master = make("0.x")
    before, pid, program = master.ask("GET", "/login")[1]["x-jenkins-session"], master.pid, master.program()
    assert master.ask("POST", "/safeRestart", headers=master.basic)[0] == 302
    wait_for("another program", lambda: master.program() not in (0, program))
    wait_for("it to be up", lambda: master.ask("GET", "/login")[0] == 200)
    assert master.ask("GET", "/login")[1]["x-jenkins-session"] != before
    assert master.pid == pid
    assert master.ask("POST", "/exit", headers=master.basic)[0] == 200
    assert master.exit_code() == 0
