"""Zone container: the Jenkins tier. Masters by one command, builds on builders, and what builds outlive.

Jenkins and Marathon are the lab's stand-ins; Mesos, ZooKeeper, systemd, users and the JVMs are real.
"""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import labkit
import pytest

from tests.e2e.cluster import Cluster, eventually
from tests.e2e.conftest import as_json, run
from tests.e2e.jenkins import Tier, archive_of, purge, tier_file

pytestmark = pytest.mark.e2e

NAMES = [f"dev-{number:03}" for number in range(1, 6)]
RELEASE_S = 180  # the last build's agent, its task and the framework go by timers of the plugin


@pytest.fixture(scope="module")
def tier(container_image: dict[str, Any]) -> Iterator[Tier]:
    """A cluster with room for five masters and two builders, and the masters, made by one command."""
    with Cluster(tier_file("e2e-jenkins")) as cluster:
        made = Tier(cluster)
        made.created = made.clusterctl("create", "dev", "--count", "5", "--probe")
        yield made


def test_one_command_makes_masters_on_reserved_agents_only(tier: Tier) -> None:
    assert sorted(each["name"] for each in tier.created["created"]) == NAMES, tier.created
    assert not tier.created["failed"]
    # Marathon's own health check comes to know later than we that a master serves
    listed = eventually(
        "Marathon calls all of them healthy",
        tier.list,
        lambda found: all(each["state"] == "running" for each in found.values()),
    )
    assert {name: each["problems"] for name, each in listed.items()} == {name: [] for name in NAMES}
    assert sorted(each["slot"] for each in listed.values()) == [1, 2, 3, 4, 5]
    groups = {node["name"]: node["group"] for node in tier.cluster.status()["nodes"]}
    assert {groups[each["node"]] for each in listed.values()} == {"jenkins"}


def test_each_has_run_a_build_on_a_builder(tier: Tier) -> None:
    for each in tier.created["created"]:
        assert each["probe"]["error"] == "", each
        assert each["probe"]["agent"].startswith("mesos-jenkins-"), each


def test_the_same_command_again_writes_nothing(tier: Tier) -> None:
    again = tier.clusterctl("create", "dev", "--count", "5")
    assert (again["created"], sorted(again["there"]), again["marathon_writes"]) == ([], NAMES, 0)


def test_the_first_configure_changes_nothing(tier: Tier) -> None:
    report = labkit.clusterctl("configure", tier.cluster.file)
    assert report["changed"] == 0, report["changes"]


def test_verify_knows_the_tier(tier: Tier) -> None:
    report = tier.cluster.verify()
    assert report["healthy"], [check for check in report["checks"] if not check["ok"]]


def test_each_runs_as_its_own_user_in_a_home_that_nobody_else_enters(tier: Tier) -> None:
    for name, each in tier.list().items():
        user, node = f"jm-{each['slot']:03}", each["node"]
        owner, mode = tier.cluster.on(node, f"sudo stat -c '%U %a' {tier.home(name)}").split()
        assert (owner, mode) == (user, "700")
        running = tier.cluster.on(node, "ps -eo user:20,args | grep '[-]jar /opt/jenkins' | awk '{print $1}'").split()
        assert running.count(user) == 1, running


def test_one_masters_user_gets_neither_anothers_home_nor_its_environment(tier: Tier) -> None:
    mine, other = (tier.list()[name] for name in NAMES[:2])
    node = mine["node"]
    assert other["node"] == node, "both stand on the one agent for masters"
    pid = tier.pid(other["slot"], node)
    tries = {
        f"cat {tier.home(NAMES[1])}/config.xml": "Permission denied",
        f"ls {tier.home(NAMES[1])}": "Permission denied",
        f"cat /proc/{pid}/environ": "Permission denied",
        f"kill -0 {pid}": "not permitted",
    }
    for command, said in tries.items():
        told = tier.cluster.on(node, f"sudo -u jm-{mine['slot']:03} sh -c '{command}' 2>&1 || true")
        assert said in told, (command, told)
    own = tier.cluster.on(node, f"sudo -u jm-{other['slot']:03} sh -c 'head -c 20 {tier.home(NAMES[1])}/config.xml'")
    assert own.startswith("<?xml"), "its own user can"


def test_no_secret_stands_in_an_app(tier: Tier) -> None:
    apps = json.dumps(tier.cluster.marathon("GET", "/v2/apps"))
    for name, each in tier.list().items():
        token = tier.cluster.on(each["node"], f"sudo cat {tier.home(name)}/.clusterctl/token").strip()
        assert re.fullmatch(r"11[0-9a-f]{32}", token)
        assert token not in apps


def test_on_demand_a_framework_is_there_only_while_builds_are(tier: Tier) -> None:
    eventually("no Jenkins framework is registered", tier.frameworks, lambda found: not found, within_s=RELEASE_S)
    tier.job(NAMES[0], "brief", "id -un; hostname -I; sleep 30")
    build = tier.build(NAMES[0], "brief")
    eventually("the master has registered", tier.frameworks, lambda found: found == [f"jenkins-{NAMES[0]}"])
    done = tier.finished(NAMES[0], "brief", build)
    assert done["result"] == "SUCCESS", done
    text = tier.log(NAMES[0], "brief", build)
    slot = tier.list()[NAMES[0]]["slot"]
    assert f"b-{slot:03}" in text, text
    builders = {node["address"] for node in tier.cluster.status()["nodes"] if node["group"] == "builders"}
    assert builders & set(text.split()), (builders, text)
    eventually("the master has left again", tier.frameworks, lambda found: not found, within_s=RELEASE_S)


def test_libprocess_ports_are_open_to_control_nodes_only(tier: Tier) -> None:
    """The port is opened at a master's first registration, which its probe was."""
    each = tier.list()[NAMES[0]]
    at = next(node["address"] for node in tier.cluster.status()["nodes"] if node["name"] == each["node"])
    port = each["ports"]["libprocess"]
    names = {group: tier.nodes(group)[0] for group in ("control", "builders")}
    ask = f"nc -z -w 5 {at} {port} && echo open || echo closed"
    assert tier.cluster.on(names["control"], ask).strip() == "open"
    assert tier.cluster.on(names["builders"], ask).strip() == "closed"
    web = f"nc -z -w 5 {at} {each['ports']['http']} && echo open || echo closed"
    assert tier.cluster.on(names["builders"], web).strip() == "open", "builds fetch their agent there"


@pytest.mark.operate
def test_builds_outlive_leaders_and_agents(tier: Tier) -> None:
    """One build a master, all of them running while each part is hurt in turn; none is lost, no master starts anew."""
    names = NAMES[:2]
    for name in names:
        tier.job(name, "long", "i=0; while [ $i -lt 150 ]; do echo tick $i; i=$((i+1)); sleep 1; done")
    builds = {name: tier.build(name, "long") for name in names}
    for name in names:
        tier.number(name, "long", builds[name])
    node = tier.list()[names[0]]["node"]
    pids = {name: tier.pid(tier.list()[name]["slot"], node) for name in NAMES}

    for service, unit in (("mesos_master", "mesos-master"), ("marathon", "marathon")):
        before = tier.cluster.status()["leaders"][service]
        tier.cluster.on(before, f"sudo kill -KILL $(systemctl show --property=MainPID --value {unit})")
        eventually(
            f"another leader of {service} than {before}",
            lambda service=service: tier.cluster.status()["leaders"][service],  # type: ignore[misc]
            lambda leader, before=before: leader not in (None, before),  # type: ignore[misc]
        )
    for group in ("builders", "jenkins"):
        for each in tier.nodes(group):
            tier.cluster.on(each, "sudo kill -KILL $(systemctl show --property=MainPID --value mesos-agent)")
    eventually("the cluster is healthy again", tier.cluster.verify, lambda report: bool(report["healthy"]))

    for name in names:
        done = tier.finished(name, "long", builds[name], within_s=300)
        assert done["result"] == "SUCCESS", (name, done)
        ticks = re.findall(r"^tick (\d+)$", tier.log(name, "long", builds[name]), re.MULTILINE)
        assert [int(tick) for tick in ticks] == list(range(150)), f"{name}'s build was started anew or torn"
    assert {name: tier.pid(tier.list()[name]["slot"], node) for name in NAMES} == pids, "a master was started anew"


def test_open_shows_a_master_through_ssh(tier: Tier) -> None:
    with subprocess.Popen(
        [labkit.PROGRAM, "jenkins", "open", tier.cluster.file, NAMES[0]],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as opened:
        try:
            assert opened.stdout is not None
            url = opened.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:"), url
            with urllib.request.urlopen(f"{url}login", timeout=20) as answer:
                assert answer.status == 200
                assert answer.headers["X-Jenkins"]
        finally:
            opened.send_signal(signal.SIGINT)
            opened.wait(timeout=20)
    assert opened.returncode == 0


def test_a_purged_master_comes_back_from_its_archive(tier: Tier, tmp_path: Path) -> None:
    name = NAMES[4]
    slot = tier.list()[name]["slot"]
    tier.job(name, "kept", "echo remember me")
    tier.finished(name, "kept", tier.build(name, "kept"))
    before = tier.history(name, "kept")
    assert [(each["number"], each["result"]) for each in before] == [(1, "SUCCESS")]
    assert "remember me" in before[0]["log"]
    archive = archive_of(tier.clusterctl("backup", name, "--directory", str(tmp_path)), name)
    purge(tier, name)
    tier.clusterctl("restore", str(archive))
    tier.moved()
    assert tier.list()[name]["slot"] == slot
    assert tier.history(name, "kept") == before


NEWER = {"core": "2.319.4", "credentials": "1.24", "jackson2-api": "2.5.4"}


@pytest.fixture
def newer(tier: Tier) -> Path:
    """An artifacts file with a newer war, a newer plugin, and one more than masters have."""
    content = json.loads((labkit.BUILD / "artifacts-container.yml").read_text())
    made = labkit.build_jenkins(NEWER["core"])
    more = next(p for p in labkit.build_jenkins(plugin="1.x")["jenkins_plugins"] if p["name"] == "jackson2-api")
    for each in made["jenkins_plugins"]:
        if each["name"] == "credentials":
            each.update(raised(Path(each["src"]), each["version"], NEWER["credentials"]))
    made["jenkins_plugins"].append(more)
    content["artifacts"] |= made
    path = labkit.BUILD / "artifacts-container-newer.yml"
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def raised(plugin: Path, old: str, new: str) -> dict[str, str]:
    """A plugin file of the lab with another version in its manifest."""
    path = plugin.with_name(plugin.name.replace(old, new))
    with zipfile.ZipFile(plugin) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(f"Version: {old}".encode(), f"Version: {new}".encode()))
    return {"version": new, "src": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.mark.operate
def test_an_upgrade_goes_in_batches_and_what_fails_goes_back(tier: Tier, newer: Path, tmp_path: Path) -> None:
    """The home of one master has something in the way of the new plugin: its start fails with that release alone."""
    old = tier.versions(NAMES[0])
    assert (old["core"], old["credentials"], "jackson2-api" in old) == ("2.319.3", "1.22", False)
    failing = tier.list()[NAMES[2]]
    hurdle = f"{tier.home(NAMES[2])}/plugins/jackson2-api.clusterctl"  # the name under which it is copied there
    tier.cluster.on(failing["node"], f"sudo mkdir {hurdle}")
    pids = {name: tier.pid(each["slot"], each["node"]) for name, each in tier.list().items()}
    command = ("--all", "--artifacts", str(newer), "--batch", "2", "--timeout", "60", "--directory", str(tmp_path))

    done = run("jenkins", "upgrade", tier.cluster.file, *command, "--json")
    assert done.returncode == 1, done.stderr
    report = as_json(done)
    assert (list(report["done"]), list(report["failed"])) == ([NAMES[0], NAMES[1]], [NAMES[2]]), report
    assert "is back at 2.319.3-" in report["failed"][NAMES[2]]
    assert report["skipped"] == dict.fromkeys(NAMES[3:], "not tried after the failure of others")
    assert [tier.versions(name) for name in NAMES[:3]] == [old | NEWER, old | NEWER, old]
    for name in NAMES[3:]:
        each = tier.list()[name]
        assert tier.pid(each["slot"], each["node"]) == pids[name], "it was not to be touched"

    tier.cluster.on(failing["node"], f"sudo rmdir {hurdle}")
    report = tier.clusterctl("upgrade", *command)
    assert (sorted(report["done"]), sorted(report["skipped"])) == (NAMES[2:], NAMES[:2])
    assert [tier.versions(name) for name in NAMES] == [old | NEWER] * 5
    for name in NAMES:
        tier.job(name, "after", "echo built after the upgrade")
    builds = {name: tier.build(name, "after") for name in NAMES}
    for name in NAMES:
        assert tier.finished(name, "after", builds[name])["result"] == "SUCCESS"
    assert (tmp_path / NAMES[0]).is_dir(), "each home was packed before"
    report = tier.cluster.verify()
    assert report["healthy"], [check for check in report["checks"] if not check["ok"]]
