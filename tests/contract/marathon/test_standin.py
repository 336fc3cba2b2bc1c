"""The Marathon stand-in against real ZooKeeper and real Mesos: what the toolkit's operations rely on."""

import itertools
import subprocess
import time
from pathlib import Path

import pytest

from clusterctl.ops.upgrade.marathonlog import serious
from tests.contract.loopback import (
    MARATHON_SESSION_S,
    MARATHON_START_S,
    Marathon,
    MarathonCluster,
    ask,
    unpacked_marathon,
)
from tests.contract.mesos.cluster import Json, wait_for
from tests.contract.mesos.framework import Framework

pytestmark = pytest.mark.mesos

ON_RESERVED = {"acceptedResourceRoles": ["marathon"], "constraints": [["pool", "CLUSTER", "jenkins-master"]]}
RESERVED_HOSTS = {"127.0.0.2", "127.0.0.3"}


def sleeper(app_id: str, **more: object) -> Json:
    return {"id": app_id, "cmd": "sleep 3600", "cpus": 0.1, "mem": 32, **more}


def counter(app_id: str, file: Path, **more: object) -> Json:
    """An app that appends a line to a file five times a second: a gap or a second writer would be seen."""
    return {**sleeper(app_id), "cmd": f"while true; do echo $MESOS_TASK_ID >> {file}; sleep 0.2; done", **more}


def lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def wait_growth(file: Path) -> None:
    before = lines(file)
    wait_for("the task to go on", lambda: lines(file) > before + 5)


def zookeeper_tool(code: str, *arguments: str) -> str:
    """Run lines of Python with `zk`, a client of the ensemble's first member, and `arg`."""
    script = (
        "import sys\nfrom kazoo.client import KazooClient\n"
        "zk = KazooClient('127.0.0.1:2181')\nzk.start()\narg = sys.argv[1:]\n" + code
    )
    done = subprocess.run(
        ["/usr/bin/python3", "-c", script, *arguments], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


# --- election, proxy -----------------------------------------------------------------


def test_three_elect_one_where_curator_would_look(cluster: MarathonCluster) -> None:
    leader = cluster.leading_marathon()
    first = zookeeper_tool(
        "path = '/marathon/leader-curator'\n"
        "nodes = sorted(zk.get_children(path), key=lambda n: n.rpartition('latch-')[2])\n"
        "print(len(nodes), zk.get(path + '/' + nodes[0])[0].decode())"
    )
    assert first == f"3 {leader}:8080"


def test_standbys_pass_requests_on(cluster: MarathonCluster) -> None:
    leader = cluster.leading_marathon()
    standby = next(host for host in cluster.hosts if host != leader)
    own = ask(leader, "GET", "/v2/info")
    assert own.headers["x-marathon-leader"] == f"http://{leader}:8080"
    assert "x-marathon-via" not in own.headers
    passed_on = ask(standby, "GET", "/v2/info")
    assert passed_on.body == own.body
    assert passed_on.headers["x-marathon-leader"] == f"http://{leader}:8080"
    assert passed_on.headers["x-marathon-via"] == f"1.1 {standby}:8080"
    assert ask(standby, "GET", "/ping").body == "pong"
    looped = ask(standby, "GET", "/ping", headers={"X-Marathon-Via": f"1.1 {standby}:8080"})
    assert looped.status == 502
    created = ask(standby, "POST", "/v2/apps", sleeper("/through-a-standby"))
    assert created.status == 201, created.body
    assert ask(leader, "GET", "/v2/apps/through-a-standby").status == 200


# --- placement -----------------------------------------------------------------------


def test_apps_land_where_constraint_and_reservation_say(cluster: MarathonCluster) -> None:
    cluster.deploy(sleeper("/jenkins/team-a", **ON_RESERVED))
    cluster.deploy(sleeper("/ordinary"))
    (master,), (ordinary,) = cluster.tasks("/jenkins/team-a"), cluster.tasks("/ordinary")
    assert master["host"] in RESERVED_HOSTS
    assert ordinary["host"] == "127.0.0.1"
    known = cluster.mesos_tasks()
    for task, reserved in ((master, [{"type": "STATIC", "role": "marathon"}]), (ordinary, None)):
        resources = known[task["id"]]["resources"]
        assert {r["name"] for r in resources} == {"cpus", "mem", "ports"}
        assert all(r.get("reservations") == reserved for r in resources), resources


def test_unique_waits_for_a_free_host_and_the_queue_says_why(cluster: MarathonCluster) -> None:
    wanted = sleeper("/unique", instances=3, acceptedResourceRoles=["marathon"])
    answer = cluster.ask_marathon("POST", "/v2/apps", {**wanted, "constraints": [["hostname", "UNIQUE"]]})
    assert answer.status == 201
    wait_for("two of three tasks", lambda: len(cluster.tasks("/unique")) == 2)
    assert {task["host"] for task in cluster.tasks("/unique")} == RESERVED_HOSTS

    def refused() -> dict[str, int] | None:
        (item,) = cluster.ask_marathon("GET", "/v2/queue").body["queue"]
        assert item["count"] == 1
        summary = item["processedOffersSummary"]["rejectSummaryLastOffers"]
        declined = {each["reason"]: each["declined"] for each in summary if each["declined"]}
        return declined if len(declined) == 2 else None

    assert set(wait_for("refused offers", refused)) == {"UnfulfilledRole", "UnfulfilledConstraint"}
    assert cluster.ask_marathon("PUT", "/v2/apps/unique", {"instances": 1}).status == 409
    assert cluster.ask_marathon("PUT", "/v2/apps/unique?force=true", {"instances": 1}).status == 200
    cluster.wait_deployed()
    assert len(cluster.tasks("/unique")) == 1


def test_an_idle_marathon_leaves_the_offers_to_others(cluster: MarathonCluster) -> None:
    cluster.deploy(sleeper("/only"))
    other = Framework(cluster, roles=("*", "marathon"))
    try:
        wait_for("offers of all agents", lambda: {o["hostname"] for o in other.offers.values()} == set(cluster.hosts))
    finally:
        other.close()
    # and it is not starved when it wants offers again
    cluster.deploy(sleeper("/later", **ON_RESERVED))


# --- failures ------------------------------------------------------------------------


def test_killed_leader_is_followed_by_another_and_tasks_go_on(cluster: MarathonCluster, tmp_path: Path) -> None:
    file = tmp_path / "count"
    cluster.deploy(counter("/counter", file, **ON_RESERVED))
    (before,) = cluster.tasks("/counter")
    leader = cluster.leading_marathon()
    framework = ask(leader, "GET", "/v2/info").body["frameworkId"]
    killed = cluster.marathons[cluster.hosts.index(leader)]
    killed.kill()
    # At once again, as a supervisor would: ZooKeeper still has the old session, and the same id twice is refused.
    killed.start()
    assert killed.exit_code() == 104
    successor = cluster.leading_marathon(other_than=leader)
    assert ask(successor, "GET", "/v2/info").body["frameworkId"] == framework
    assert [task["id"] for task in cluster.tasks("/counter")] == [before["id"]]
    wait_growth(file)
    assert set(file.read_text().split()) == {before["id"]}
    cluster.start_supervised(killed)
    assert cluster.leading_marathon() == successor
    cluster.deploy(sleeper("/after-the-change"))


def test_master_failover_keeps_framework_and_tasks(cluster: MarathonCluster, tmp_path: Path) -> None:
    file = tmp_path / "count"
    cluster.deploy(counter("/counter", file))
    (before,) = cluster.tasks("/counter")
    framework = cluster.ask_marathon("GET", "/v2/info").body["frameworkId"]
    master = cluster.leader()
    cluster.masters[cluster.hosts.index(master)].kill()
    new_master = cluster.leader(other_than=master)

    def registered() -> bool:
        info = cluster.ask_marathon("GET", "/v2/info").body
        return info["marathon_config"].get("mesos_leader_ui_url") == f"http://{new_master}:5050/"

    wait_for("Marathon at the new master", registered)
    cluster.agent_ids(3)
    cluster.deploy(sleeper("/after-the-failover", **ON_RESERVED))
    assert cluster.ask_marathon("GET", "/v2/info").body["frameworkId"] == framework
    assert [task["id"] for task in cluster.tasks("/counter")] == [before["id"]]
    wait_growth(file)
    assert set(file.read_text().split()) == {before["id"]}


def test_draining_an_agent_moves_its_tasks(cluster: MarathonCluster) -> None:
    cluster.deploy(sleeper("/jenkins/team-b", backoffSeconds=60, **ON_RESERVED))
    (before,) = cluster.tasks("/jenkins/team-b")
    agent = {"value": before["slaveId"]}
    cluster.operator({"type": "DRAIN_AGENT", "drain_agent": {"agent_id": agent}})
    try:

        def drained() -> bool:
            info = cluster.agent_infos()[before["host"]]
            return bool(info.get("drain_info", {}).get("state") == "DRAINED")

        wait_for("the agent to be drained", drained)
        (after,) = wait_for("the task elsewhere", lambda: cluster.tasks("/jenkins/team-b"))
        assert {after["host"]} == RESERVED_HOSTS - {before["host"]}
        assert after["id"] != before["id"]
    finally:
        cluster.operator({"type": "REACTIVATE_AGENT", "reactivate_agent": {"agent_id": agent}})


def test_a_lost_agent_is_replaced_and_its_task_killed_when_it_returns(cluster: MarathonCluster, tmp_path: Path) -> None:
    file = tmp_path / "count"
    cluster.deploy(counter("/jenkins/team-c", file, **ON_RESERVED))
    (before,) = cluster.tasks("/jenkins/team-c")
    agent = cluster.agents[cluster.hosts.index(before["host"])]
    agent.kill()  # its executor and task live on, out of Mesos' sight
    # the masters of these tests take 20 s to give an agent up
    (after,) = wait_for("a task elsewhere", lambda: [t for t in cluster.tasks("/jenkins/team-c") if t != before], 60)
    assert {after["host"]} == RESERVED_HOSTS - {before["host"]}

    def writers() -> set[str]:
        return set(file.read_text().splitlines()[-10:])

    wait_for("both tasks writing", lambda: writers() == {before["id"], after["id"]})
    agent.start()
    wait_for("the lost task killed", lambda: writers() == {after["id"]}, 60)
    assert set(cluster.mesos_tasks()) == {after["id"]}


def test_failing_tasks_are_relaunched_with_growing_delays(cluster: MarathonCluster, tmp_path: Path) -> None:
    file = tmp_path / "starts"
    app = {**sleeper("/crashing"), "cmd": f"date +%s.%N >> {file}; exit 7", "backoffSeconds": 2, "backoffFactor": 2}
    assert cluster.ask_marathon("POST", "/v2/apps", app).status == 201
    wait_for("four starts", lambda: lines(file) >= 4, 60)
    starts = [float(line) for line in file.read_text().split()]
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert all(gap >= least for gap, least in zip(gaps, (2, 4, 8), strict=False)), gaps

    def waiting() -> int:
        # nothing is queued until the failure of the fourth is known
        queue = cluster.ask_marathon("GET", "/v2/queue").body["queue"]
        return max((int(item["delay"]["timeLeftSeconds"]) for item in queue), default=0)

    wait_for("a delay of many seconds", lambda: waiting() > 10)
    failure = cluster.ask_marathon("GET", "/v2/apps/crashing").body["app"]["lastTaskFailure"]
    assert failure["state"] == "TASK_FAILED"
    assert "7" in failure["message"]
    assert cluster.ask_marathon("DELETE", "/v2/queue/crashing/delay").status == 204
    wait_for("the next start", lambda: lines(file) >= 5)
    fourth, fifth = [float(line) for line in file.read_text().split()][3:5]
    assert fifth - fourth < 16, "it waited for the delay all the same"


def test_zookeepers_leader_killed_ends_all_marathons_and_one_leads_again(
    cluster: MarathonCluster, tmp_path: Path
) -> None:
    file = tmp_path / "count"
    cluster.deploy(counter("/counter", file, **ON_RESERVED))
    (before,) = cluster.tasks("/counter")
    code = "import socket\n"
    modes = {
        host: zookeeper_tool(
            code + "s = socket.create_connection((arg[0], 2181)); s.sendall(b'srvr'); print(s.makefile().read())", host
        )
        for host in cluster.hosts
    }
    zookeeper = next(host for host, text in modes.items() if "Mode: leader" in text)
    said = {marathon.name: marathon.log.stat().st_size for marathon in cluster.marathons}
    cluster.zookeepers[cluster.hosts.index(zookeeper)].kill()

    def ended() -> bool:
        new = [marathon.log.read_bytes()[said[marathon.name] :] for marathon in cluster.marathons]
        return all(b"Exiting with 101" in text for text in new)

    wait_for("all Marathons to end", ended)
    cluster.leading_marathon()
    cluster.deploy(sleeper("/written-afterwards"))
    assert [task["id"] for task in cluster.tasks("/counter")] == [before["id"]]
    wait_growth(file)
    assert set(file.read_text().split()) == {before["id"]}


def test_losing_zookeeper_or_the_leadership_ends_the_process(cluster: MarathonCluster, marathon: Path) -> None:
    zookeeper = cluster.lone_zookeeper(4)
    alone = cluster.marathon(4, marathon, MARATHON_ZK="zk://127.0.0.4:2181/marathon", MARATHON_MESOS_ROLE="alone")
    alone.start()
    assert alone.exit_code(20) == 100  # no ZooKeeper to begin with
    zookeeper.start()
    try:
        alone.start()
        leader = wait_for("it to lead", lambda: ask("127.0.0.4", "GET", "/v2/leader").body.get("leader"))
        assert leader == "127.0.0.4:8080"
        assert ask("127.0.0.4", "DELETE", "/v2/leader").body == {"message": "Leadership abdicated"}
        assert alone.exit_code() == 105
        alone.start()
        wait_for("it to lead", lambda: ask("127.0.0.4", "GET", "/v2/leader").status == 200)
        zookeeper.kill()
        start = time.monotonic()
        assert alone.exit_code() == 101
        assert time.monotonic() - start < MARATHON_SESSION_S  # at once
    finally:
        alone.kill()
        zookeeper.kill()


@pytest.mark.parametrize(
    ("node", "data", "code", "says"),
    [
        ("version", '{"storage": [111, 100, 0]}', 104, "not supported as it is newer than Version(110, 100, 0"),
        ("apps/broken", "{}", 107, "unexpected error"),
        ("instances/i1", "{}", 108, "no framework-id"),
    ],
)
def test_state_that_it_must_not_touch_ends_the_process(
    cluster: MarathonCluster, marathon: Path, node: str, data: str, code: int, says: str
) -> None:
    path = "/strange-" + node.partition("/")[0]
    zookeeper_tool("zk.create(arg[0], arg[1].encode(), makepath=True)", f"{path}/state/{node}", data)
    alone = cluster.marathon(4, marathon, MARATHON_ZK=cluster.zk.removesuffix("/mesos") + path)
    alone.start()
    assert alone.exit_code(20) == code
    assert says in alone.log.read_text()


def test_an_older_release_refuses_what_a_newer_one_has_migrated(
    cluster: MarathonCluster, marathon: Path, tmp_path: Path
) -> None:
    older = unpacked_marathon(tmp_path, release="1.9")
    path = cluster.zk.removesuffix("/mesos") + "/migrated"
    slow = {"MARATHON_ZK": path, "STANDIN_MIGRATION_S": "3", "MARATHON_MESOS_ROLE": "migrated"}
    old, new = cluster.marathon(4, older, **slow), cluster.marathon(5, marathon, **slow)
    try:
        old.start()
        wait_for("1.9 to lead", lambda: ask("127.0.0.4", "GET", "/v2/info").body["version"] == "1.9.146")
        assert old.terminate() == 143
        new.start()
        # elected, but not ready: its migration goes on
        wait_for("the migration", lambda: "apply change for version: Version(110, 100, 0" in new.log.read_text())
        assert ask("127.0.0.5", "GET", "/v2/info").status == 502
        wait_for("1.11 to lead", lambda: ask("127.0.0.5", "GET", "/v2/info").status == 200)
        assert new.terminate() == 143
        old.start()
        assert old.exit_code() == 104
        assert "Migration from Version(110, 100, 0, PERSISTENCE_STORE) is not supported" in old.log.read_text()
    finally:
        old.kill()
        new.kill()


def test_sigterm_hands_the_leadership_over_at_once(cluster: MarathonCluster) -> None:
    leader = cluster.leading_marathon()
    marathon = cluster.marathons[cluster.hosts.index(leader)]
    assert marathon.terminate() == 143
    start = time.monotonic()
    cluster.leading_marathon(other_than=leader)
    assert time.monotonic() - start < MARATHON_SESSION_S


def test_upgrade_in_marathons_own_order(cluster: MarathonCluster, tmp_path: Path) -> None:
    """Stop all but the leader, start the new version on a stopped one, stop the last old one, start the rest."""
    newer = unpacked_marathon(tmp_path, build=2)
    file = tmp_path / "count"
    cluster.deploy(counter("/counter", file, **ON_RESERVED))
    (before,) = cluster.tasks("/counter")
    leader = cluster.leading_marathon()
    framework = ask(leader, "GET", "/v2/info").body["frameworkId"]
    old = cluster.marathons[cluster.hosts.index(leader)]
    standbys = [m for m in cluster.marathons if m is not old]
    for standby in standbys:
        assert standby.terminate() == 143
    for standby in standbys:
        standby.program = newer / "bin/marathon"
    try:
        cluster.start_supervised(standbys[0])
        assert cluster.ask_marathon("GET", "/v2/info").body["version"] == "1.11.24"
        old.terminate()
        cluster.leading_marathon(other_than=leader)
        info = cluster.ask_marathon("GET", "/v2/info").body
        assert (info["version"], info["buildref"]) == ("1.11.25", "standin-2")
        assert info["frameworkId"] == framework
        assert [task["id"] for task in cluster.tasks("/counter")] == [before["id"]]
        wait_growth(file)
        assert set(file.read_text().split()) == {before["id"]}
        log = standbys[0].log.read_text().rpartition("Starting Marathon 1.11.25")[2]
        # our own questions of before may have been passed on to the leader that went
        assert serious(log.splitlines()) == []
    finally:
        for standby in standbys:
            standby.program = old.program
            standby.kill()  # the cluster is put back to the first version after the test


# --- applications --------------------------------------------------------------------


def test_scale_update_restart_and_delete(cluster: MarathonCluster) -> None:
    cluster.deploy(sleeper("/web", instances=2))
    first = {task["id"] for task in cluster.tasks("/web")}
    same = cluster.ask_marathon("PUT", "/v2/apps/web", sleeper("/web", instances=2))
    assert same.status == 200
    cluster.wait_deployed()
    assert {task["id"] for task in cluster.tasks("/web")} == first  # nothing changed, nothing restarted
    assert cluster.ask_marathon("PUT", "/v2/apps/web", {"instances": 3}).status == 200
    cluster.wait_deployed()
    assert first < {task["id"] for task in cluster.tasks("/web")}
    assert cluster.ask_marathon("PUT", "/v2/apps/web", {"instances": 1}).status == 200
    cluster.wait_deployed()
    (kept,) = cluster.tasks("/web")
    assert kept["id"] in first  # the youngest was killed first
    changed = cluster.ask_marathon("PUT", "/v2/apps/web", {"env": {"COLOUR": "blue"}})
    assert changed.headers["marathon-deployment-id"] == changed.body["deploymentId"]
    cluster.wait_deployed()
    (replaced,) = cluster.tasks("/web")
    assert replaced["id"] != kept["id"]
    assert cluster.ask_marathon("POST", "/v2/apps/web/restart").status == 200
    cluster.wait_deployed()
    (restarted,) = cluster.tasks("/web")
    assert restarted["id"] != replaced["id"]
    assert cluster.ask_marathon("DELETE", "/v2/apps/web").status == 200
    assert cluster.ask_marathon("GET", "/v2/apps/web").status == 404
    cluster.wait_deployed()
    assert not any(task_id.startswith("web.") for task_id in cluster.mesos_tasks())


def test_killed_tasks_come_back_unless_the_app_shrinks(cluster: MarathonCluster) -> None:
    cluster.deploy(sleeper("/web", instances=2))
    one, two = cluster.tasks("/web")
    killed = cluster.ask_marathon("DELETE", f"/v2/apps/web/tasks/{one['id']}")
    assert killed.body["task"]["id"] == one["id"]

    def replaced() -> list[Json] | None:
        now = cluster.tasks("/web")
        return now if len(now) == 2 and one["id"] not in {t["id"] for t in now} else None

    wait_for("another task", replaced)
    assert cluster.ask_marathon("DELETE", f"/v2/apps/web/tasks/{two['id']}?scale=true").status == 200
    cluster.wait_deployed()
    assert cluster.ask_marathon("GET", "/v2/apps/web").body["app"]["instances"] == 1
    assert len(cluster.tasks("/web")) == 1


def test_health_check_by_command_decides_when_a_deployment_is_done(cluster: MarathonCluster, tmp_path: Path) -> None:
    healthy = tmp_path / "healthy"
    check = {
        "protocol": "COMMAND",
        "command": {"value": f"test -e {healthy}"},
        "delaySeconds": 0,
        "intervalSeconds": 1,
        "gracePeriodSeconds": 5,
    }
    assert cluster.ask_marathon("POST", "/v2/apps", sleeper("/checked", healthChecks=[check])).status == 201
    wait_for("the task", lambda: cluster.tasks("/checked"))
    assert cluster.ask_marathon("GET", "/v2/deployments").body[0]["currentActions"][0]["action"] == "ScaleApplication"
    healthy.touch()
    cluster.wait_deployed()
    app = cluster.ask_marathon("GET", "/v2/apps/checked").body["app"]
    assert (app["tasksRunning"], app["tasksHealthy"], app["tasksUnhealthy"]) == (1, 1, 0)
    healthy.unlink()  # three failures later the executor kills it, and Marathon launches another
    before = {task["id"] for task in app["tasks"]}

    def another() -> bool:
        return bool({task["id"] for task in cluster.tasks("/checked", None)} - before)

    wait_for("another task", another)


def test_tasks_get_marathons_environment_and_their_ports(cluster: MarathonCluster, tmp_path: Path) -> None:
    file = tmp_path / "environment"
    ports = [{"port": 0, "name": "http"}, {"port": 0}]
    app = sleeper("/shop/db", labels={"team": "a"}, env={"MINE": "1"}, portDefinitions=ports)
    cluster.deploy({**app, "cmd": f"env > {file}.part && mv {file}.part {file}; sleep 3600"})
    wait_for("the task's environment", file.exists)  # a task runs before its command has done anything
    (task,) = cluster.tasks("/shop/db")
    seen = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert [seen["PORT0"], seen["PORT1"]] == [str(port) for port in task["ports"]]
    assert seen["PORT"] == seen["PORT_HTTP"] == seen["PORT0"]
    assert seen["MARATHON_APP_ID"] == "/shop/db"
    assert seen["MARATHON_APP_LABEL_TEAM"] == "a"
    assert seen["MESOS_TASK_ID"] == task["id"]
    assert seen["HOST"] == task["host"]
    assert seen["MINE"] == "1"


# --- the start script ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "env", "says"),
    [
        (["--nonsense", "1"], {}, "unknown flag --nonsense"),
        (["--http_port", "eighty"], {}, "--http_port needs a whole number"),
        (["--http_port=8080"], {"MARATHON_HTTP_PORT": "8080"}, "more than once"),
        (["--default_accepted_resource_roles", "*"], {}, "removed in Marathon 1.10"),
        (["--plugin_dir", "/x"], {}, "is a flag of Marathon 1.11, but the stand-in lacks it"),
        ([], {"MARATHON_NONSENSE": "1"}, "unknown flag --nonsense"),
    ],
)
def test_wrong_flags_end_the_process_with_a_reason(
    marathon: Path, tmp_path: Path, arguments: list[str], env: dict[str, str], says: str
) -> None:
    flags = ["-J-Xmx64m", "-Duser.dir=/", "--master", "127.0.0.1:5050", *arguments]
    daemon = Marathon("flags", marathon / "bin/marathon", tmp_path / "log", env, flags)
    daemon.start()
    assert daemon.exit_code(MARATHON_START_S) == 112
    assert says in daemon.log.read_text()


@pytest.mark.parametrize(
    ("env", "code", "says"),
    [
        ({"JAVA_OPTS": "-Xmx64m -XX:NoSuchOption"}, 1, "NoSuchOption"),
        ({"JAVA_OPTS": "-Xmx0.5x"}, 1, "Invalid maximum heap size"),
        ({"PATH": "/nowhere:/usr/bin:/bin", "JAVA_HOME": "/nowhere"}, 127, "java"),
        ({"STANDIN_START_S": "soon"}, 112, "STANDIN_START_S allows seconds"),
    ],
)
def test_java_is_the_one_given_and_its_options_count(
    marathon: Path, tmp_path: Path, env: dict[str, str], code: int, says: str
) -> None:
    if code == 127:  # a PATH with all that the script needs but java
        for program in ("bash", "dirname", "readlink"):
            (tmp_path / program).symlink_to(f"/usr/bin/{program}")
        env = {**env, "PATH": str(tmp_path)}
    daemon = Marathon("java", marathon / "bin/marathon", tmp_path / "log", env, ["--master", "127.0.0.1:5050"])
    daemon.start()
    assert daemon.exit_code(MARATHON_START_S) == code
    assert says in daemon.log.read_text()


def test_version_says_stand_in(marathon: Path) -> None:
    done = subprocess.run([marathon / "bin/marathon", "--version"], check=True, capture_output=True, text=True)
    assert "1.11.24" in done.stdout
    assert "stand-in" in done.stdout
