"""Marathon's API and state, closed: who has the password goes on as before, all others get nowhere."""

from __future__ import annotations

import http
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kazoo.exceptions import NoAuthError
from kazoo.security import OPEN_ACL_UNSAFE
from marathon import MarathonApp
from marathon.exceptions import MarathonHttpError

from clusterctl.health.expect import Node
from clusterctl.remote.prober import probe_request, probe_script
from clusterctl.remote.standardinput import sent
from clusterctl.secrets.files import DIRECTORY
from clusterctl.secrets.marathon_files import HTTP_FILE
from clusterctl.secrets.zookeeper_files import MASTERS, SUPER
from clusterctl.services import Service
from tests.contract.loopback import MARATHON_PORT, ask
from tests.contract.marathon.client import client_of, runnable
from tests.contract.marathon.secured import SecuredCluster
from tests.contract.mesos.cluster import MASTER_PORT, ready, request, wait_for
from tests.contract.mesos.netns import private_network
from tests.contract.zookeeper.secured import NODE_PYTHON

pytestmark = pytest.mark.mesos
PLAYBOOKS = Path(__file__).parents[3] / "playbooks/files"
APP = {"id": "/shop/web", "cmd": "env; exec sleep 3600", "cpus": 0.1, "mem": 32}


@pytest.fixture(scope="module")
def cluster(mesos: Path, marathon: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredCluster]:
    """Closed when it serves, and everybody's credentials in use since his first start, as after ``create``."""
    with private_network(), SecuredCluster(mesos, marathon, tmp_path_factory.mktemp("secured")) as made:
        done = made.ensemble.close_tree(1)
        assert (done.returncode, done.stderr) == (0, "")
        made.leading_marathon()
        made.deploy(APP)
        yield made


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [NODE_PYTHON, "-I", PLAYBOOKS / script, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def acls(cluster: SecuredCluster, path: str) -> dict[str, list[str]]:
    """Of a node and all below it, as the super user sees them: scheme and user only, with the permissions' number."""
    client = cluster.ensemble.client(cluster.ensemble.of_super())
    found: dict[str, list[str]] = {}
    todo = [path]
    while todo:
        here = todo.pop()
        entries = client.get_acls(here)[0]
        found[here] = sorted(f"{e.id.scheme}:{e.id.id.split(':')[0]}:{e.perms}" for e in entries)
        todo += [f"{here}/{name}" for name in client.get_children(here)]
    client.stop()
    return found


OF_MARATHON, ALL_READ = "digest:marathon:31", "world:anyone:1"


def test_agents_without_a_password_find_the_leading_master(cluster: SecuredCluster) -> None:
    assert len(cluster.agent_ids(3)) == 3


def test_the_trees_belong_to_their_owners(cluster: SecuredCluster) -> None:
    of_marathon = acls(cluster, "/marathon")
    assert of_marathon.pop("/marathon/leader-curator") == [OF_MARATHON, ALL_READ]
    assert {tuple(acl) for acl in of_marathon.values()} == {(OF_MARATHON,)}
    assert any("/state/apps/" in path for path in of_marathon)
    of_mesos = acls(cluster, "/mesos")
    assert {tuple(acl) for acl in of_mesos.values()} == {("digest:mesos:31", ALL_READ)}
    assert sum("/json.info_" in path for path in of_mesos) == 3
    assert "/mesos/log_replicas" in of_mesos


def test_closing_a_tree_that_owners_made_changes_nothing(cluster: SecuredCluster) -> None:
    assert cluster.ensemble.close_tree(2).stdout == "zookeeper-tree: closed\n"


@pytest.mark.parametrize("path", ["/ping", "/v2/info", "/v2/leader", "/v2/apps", "/metrics", "/ui"])
def test_no_password_no_answer(path: str, cluster: SecuredCluster) -> None:
    for host in cluster.hosts:
        answer = ask(host, "GET", path)
        assert (answer.status, answer.body) == (http.HTTPStatus.UNAUTHORIZED, "")
        wrong = ask(host, "GET", path, headers={"Authorization": "Basic Y2x1c3RlcmN0bDp3cm9uZw=="})
        assert wrong.status == http.HTTPStatus.UNAUTHORIZED


def test_with_the_password_leader_and_standbys_answer(cluster: SecuredCluster) -> None:
    for host in cluster.hosts:
        assert ask(host, "GET", "/ping", headers=cluster.headers).body == "pong"
        info = ask(host, "GET", "/v2/info", headers=cluster.headers).body
        assert info["zookeeper_config"]["zk"].startswith("zk://xxxxxxxx:xxxxxxxx@127.0.0.1:2181,")


def test_the_pypi_client_with_and_without_the_password(cluster: SecuredCluster) -> None:
    with runnable(set()):
        login = cluster.login
        client = client_of(cluster.hosts, login["principal"], login["secret"])
        client.create_app("/by-client", MarathonApp(cmd="sleep 3600", cpus=0.1, mem=32))
        cluster.wait_deployed()
        assert [task.app_id for task in client.list_tasks("/by-client")] == ["/by-client"]
        client.delete_app("/by-client", force=True)
        cluster.wait_deployed()
        with pytest.raises(MarathonHttpError) as caught:
            client_of(cluster.hosts).list_apps()
        assert caught.value.status_code == http.HTTPStatus.UNAUTHORIZED


def answer_of(argv: list[str], stdin: bytes) -> Any:
    done = subprocess.run([NODE_PYTHON, *argv], input=stdin, capture_output=True, check=True)
    return json.loads(done.stdout)


def test_our_own_scripts_get_in_with_the_nodes_file_only(cluster: SecuredCluster) -> None:
    host, login = cluster.hosts[0], str(cluster.files[HTTP_FILE])
    asked = Node("node", "id", "control", host, (Service.MARATHON,))
    for logins, told in (({}, {"error": "/ping: HTTP 401"}), ({Service.MARATHON: login}, {"error": None})):
        request = json.dumps(probe_request(asked, logins=logins))
        found = answer_of(["-I", "-S", "-", request], probe_script())["marathon"]
        assert found.get("error") == told["error"]
        assert bool(found.get("framework_id")) is bool(logins)
    call = {"address": host, "port": MARATHON_PORT, "timeout_s": 10, "calls": [{"method": "GET", "path": "/v2/leader"}]}
    script = sent("marathoncall.py", call)
    assert "HTTP 401" in answer_of(script.command[1:], script.stdin)["error"]
    script = sent("marathoncall.py", {**call, "login": login})
    assert answer_of(script.command[1:], script.stdin)["answers"][0]["status"] == http.HTTPStatus.OK


def test_no_secret_is_in_logs_argv_tasks_and_answers(cluster: SecuredCluster) -> None:
    [task] = cluster.tasks("/shop/web")
    texts = {path.name: path.read_text(errors="replace") for path in cluster.work.glob("*.log")}
    for path in (cluster.work / "agent1").rglob("stdout"):
        if task["id"] in str(path):
            texts["the task's environment"] = path.read_text()
    assert "MARATHON_APP_ID=/shop/web" in texts["the task's environment"]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "ns/net").readlink() == Path("/proc/self/ns/net").readlink():
                texts[f"argv of {process.name}"] = (process / "cmdline").read_text()
        except OSError:  # it ended
            continue
    for path in ("/v2/info", "/v2/apps?embed=apps.tasks"):
        texts[path] = str(cluster.ask_marathon("GET", path).body)
    for host in cluster.hosts:
        texts[f"flags of {host}"] = str(request(host, MASTER_PORT, "/flags"))
    names = ("zookeeper/super", "zookeeper/quorum", "zookeeper/mesos", "zookeeper/marathon", "marathon/http")
    for name in names:
        secret = cluster.keys[name].reveal()
        assert not [where for where, text in texts.items() if secret in text], name
    assert f"{cluster.work}/masters-zk" in texts[f"flags of {cluster.hosts[0]}"]


def test_a_leading_master_hands_over_with_its_credentials(cluster: SecuredCluster) -> None:
    leader = cluster.leader()
    own = f"{leader}:{MASTER_PORT}"
    refused = run("hand_over.py", "mesos", cluster.zk, own)
    assert (refused.returncode, "NoAuthError" in refused.stderr) == (1, True)
    assert cluster.elected() == [leader]
    done = run("hand_over.py", "mesos", cluster.zk, own, cluster.files[MASTERS])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"handed over from {own} to ")
    cluster.leader(other_than=leader)
    wait_for("the old leader as a standby", lambda: ready(leader, MASTER_PORT, "/health"))
    cluster.agent_ids(3)


def test_a_leading_marathon_hands_over_where_the_node_has_the_password(cluster: SecuredCluster, tmp_path: Path) -> None:
    leader = cluster.leading_marathon()
    done = run("hand_over.py", "marathon", f"{leader}:8080")
    assert (done.returncode, "HTTP 401" in done.stderr) == (1, True)
    script = tmp_path / "hand_over.py"
    text = (PLAYBOOKS / "hand_over.py").read_text()
    assert DIRECTORY in text
    script.write_text(text.replace(DIRECTORY, str(cluster.work)))
    done = run(str(script), "marathon", f"{leader}:8080")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{leader}:8080 gave up its leadership\n", "")
    cluster.leading_marathon(other_than=leader)
    assert len(cluster.tasks("/shop/web")) == 1


def test_backup_and_restore_keep_the_tree_closed(cluster: SecuredCluster, tmp_path: Path) -> None:
    for marathon in cluster.marathons:
        marathon.kill()
    place, file = f"{cluster.hosts[0]}:2181", tmp_path / "tree.json"
    before = acls(cluster, "/marathon/state")
    assert run("zk_tree.py", "dump", place, "/marathon", tmp_path / "no.json").returncode == 1
    done = run("zk_tree.py", "dump", place, "/marathon", file, cluster.files[SUPER])
    assert (done.returncode, done.stderr) == (0, "")

    client = cluster.ensemble.client(cluster.ensemble.of_super())
    client.delete("/marathon/state/apps", recursive=True)
    client.set_acls("/marathon/state", OPEN_ACL_UNSAFE)
    client.create("/marathon/state/intruder", b"")
    done = run("zk_tree.py", "restore", place, "/marathon", file, cluster.files[SUPER])
    assert (done.returncode, done.stderr) == (0, "")
    assert acls(cluster, "/marathon/state") == before

    # a backup of before there were credentials: the tree is closed again
    tree = file.read_text()
    opened = tmp_path / "old.json"
    opened.write_text(tree[: tree.index(', "acls"')] + ', "acls": {}}')
    assert run("zk_tree.py", "restore", place, "/marathon", opened, cluster.files[SUPER]).returncode == 0
    assert cluster.ensemble.close_tree(1).returncode == 0
    assert acls(cluster, "/marathon/state") == before
    client.stop()

    for marathon in cluster.marathons:
        cluster.start_supervised(marathon)
    cluster.leading_marathon()
    assert len(cluster.tasks("/shop/web")) == 1


def test_a_stranger_can_not_stop_it(cluster: SecuredCluster) -> None:
    stranger = cluster.ensemble.client()
    [candidate, *_] = sorted(name for name in stranger.get_children("/mesos") if name.startswith("json.info_"))
    for attempt in (
        lambda: stranger.delete(f"/mesos/{candidate}"),
        lambda: stranger.create("/mesos/json.info_0000000000", b"{}"),
        lambda: stranger.create("/marathon/leader-curator/latch-0", b"127.0.0.9:8080"),
        lambda: stranger.get("/marathon/state"),
    ):
        with pytest.raises(NoAuthError):
            attempt()
    stranger.stop()
