"""What a build can do on its node: tried by real tasks of Mesos, since what binds the agent's unit binds them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.contract.mesos.cluster import wait_for

from .conftest import Booted

pytestmark = pytest.mark.hosts
NODE, CONTROL = "th-builders-1", "th-control-1"
UNPRIVILEGED_USER = "b-001"
DEADLINE_S = 90


class Tasks:
    """Runs commands as tasks on the agent for builds, by Marathon."""

    def __init__(self, booted: Booted) -> None:
        self.booted, self.number = booted, 0
        address = next(node.address for node in booted.cluster.nodes if node.name == CONTROL)
        self.url = f"http://{address}:8080/v2/apps"

    def call(self, method: str, url: str, body: object = None) -> str:
        """A request to Marathon, made on its node."""
        script = (
            "import sys, urllib.request; "
            "r = urllib.request.Request(sys.argv[2], sys.argv[3].encode() or None, "
            "{'Content-Type': 'application/json'}, method=sys.argv[1]); "
            "sys.stdout.write(urllib.request.urlopen(r, timeout=20).read().decode())"
        )
        data = "" if body is None else json.dumps(body)
        done = self.booted.lab.run(CONTROL, "python3", "-c", script, method, url, data)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, command: str, user: str = UNPRIVILEGED_USER) -> str:
        """Starts a task and returns its name; what it prints goes to a file of its sandbox."""
        self.number += 1
        name = f"try-{self.number}"
        self.call(
            "PUT",
            f"{self.url}/{name}",
            {
                "id": f"/{name}",
                "user": user,
                "cmd": f"( {command}\n) > told 2>&1; touch over; exec sleep 1000",
                "cpus": 0.1,
                "mem": 64,
                "constraints": [["pool", "CLUSTER", "jenkins-builder"]],
            },
        )
        return name

    def told(self, name: str) -> str:
        """What the task printed, once its command is over."""
        runs = f"/var/lib/mesos/agent/slaves/*/frameworks/*/executors/{name}*/runs/latest"
        deadline = time.monotonic() + DEADLINE_S
        while self.booted.lab.run(NODE, "sh", "-c", f"ls {runs}/over").returncode != 0:
            assert time.monotonic() < deadline, self.booted.lab.run(NODE, "sh", "-c", f"head -c 2000 {runs}/*").stdout
            time.sleep(0.5)
        return self.booted.lab.run(NODE, "sh", "-c", f"cat {runs}/told").stdout

    def run(self, command: str, user: str = UNPRIVILEGED_USER) -> str:
        """What a task prints."""
        name = self.start(command, user)
        told = self.told(name)
        self.call("DELETE", f"{self.url}/{name}")
        return told


@pytest.fixture(scope="module")
def tasks(booted: Booted) -> Iterator[Tasks]:
    """See ``Tasks``."""
    made = Tasks(booted)
    deadline = time.monotonic() + DEADLINE_S
    while booted.lab.run(CONTROL, "nc", "-z", made.url.split("/")[2].split(":")[0], "8080").returncode:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    yield made


def test_it_runs_as_its_user(tasks: Tasks) -> None:
    assert tasks.run("id -un; pwd").splitlines()[0] == UNPRIVILEGED_USER


def test_it_reaches_no_control_node(booted: Booted, tasks: Tasks) -> None:
    controls = [node.address for node in booted.cluster.nodes if "control" in node.name]
    tries = "; ".join(
        f"nc -z -w 3 {at} {port} && echo in {at} {port}" for at in controls for port in (2181, 5050, 8080)
    )
    # A Marathon that lost its ZooKeeper starts again for some seconds
    wait_for(
        "all ports of control nodes",
        lambda: booted.lab.run(NODE, "sh", "-c", tries).stdout.count("in ") == 3 * len(controls),
        DEADLINE_S,
    )
    assert tasks.run(f"{tries}; echo tried") == "tried\n"


def test_it_can_not_enter_a_node(booted: Booted, tasks: Tasks) -> None:
    tries = "; ".join(f"nc -z -w 3 {node.address} 22 && echo in {node.name}" for node in booted.cluster.nodes)
    assert len(booted.lab.run(NODE, "sh", "-c", tries).stdout.splitlines()) == len(booted.names)
    assert tasks.run(f"{tries}; nc -z -w 3 127.0.0.1 22 && echo in itself; echo tried") == "tried\n"


def test_setuid_programs_gain_nothing(booted: Booted, tasks: Tasks) -> None:
    assert booted.lab.run(NODE, "sh", "-c", "cp /usr/bin/id /usr/local/bin/id-of-root").returncode == 0
    booted.lab.run(NODE, "chmod", "4755", "/usr/local/bin/id-of-root")
    # without the unit it does gain
    outside = booted.lab.run(NODE, "setpriv", "--reuid=b-001", "--regid=b-001", "--clear-groups", "id-of-root", "-u")
    assert outside.stdout == "0\n", outside.stderr
    assert tasks.run("id-of-root -u") == tasks.run("id -u") == "31001\n"


def test_it_makes_no_name_space(booted: Booted, tasks: Tasks) -> None:
    """In one of users it could write into the kernel's log, and so on the console."""
    tries = "unshare --user --map-root-user echo made; unshare --mount echo made; echo tried"
    told = tasks.run(tries)
    assert "made" not in told
    assert told.count("Operation not permitted") == 2, told


def test_it_sees_no_process_of_others(booted: Booted, tasks: Tasks) -> None:
    told = tasks.run("ls /proc | grep -c '^[0-9]'; cat /proc/1/cmdline; cat /proc/1/comm")
    count, *_ = told.splitlines()
    everything = booted.lab.run(NODE, "sh", "-c", "ls /proc | grep -c '^[0-9]'").stdout
    assert int(count) < 8 < int(everything)
    assert told.count("No such file or directory") == 2, told


def test_tenants_can_not_touch_each_other(tasks: Tasks) -> None:
    secret = "of-tenant-one"
    first = tasks.start(f"echo {secret} > mine; echo $$; pwd")
    pid, directory = tasks.told(first).splitlines()
    told = tasks.run(
        f"cat {directory}/mine; ls {directory}; kill -9 {pid}; cat /proc/{pid}/environ; "
        f"cat /proc/{pid}/cmdline; echo tried",
        user="b-002",
    )
    assert secret not in told
    assert told.count("Permission denied") == 2, told
    assert "Operation not permitted" in told
    assert told.count("No such file or directory") == 2, told
    assert tasks.booted.lab.run(NODE, "test", "-d", f"/proc/{pid}").returncode == 0
    tasks.call("DELETE", f"{tasks.url}/{first}")


def test_it_writes_only_where_it_should(tasks: Tasks) -> None:
    told = tasks.run(
        "for at in . /tmp /var/tmp /dev/shm; do touch $at/mine-$$ && echo wrote $at; done; "
        "for at in /etc /usr /run /var/lib/clusterctl /home /opt /var/log; do touch $at/mine 2>/dev/null "
        "&& echo wrote $at; done; echo tried"
    )
    assert told.splitlines() == ["wrote .", "wrote /tmp", "wrote /var/tmp", "wrote /dev/shm", "tried"]


def test_secrets_of_the_node_are_closed(booted: Booted, tasks: Tasks) -> None:
    places = [
        "/var/lib/cloud/instance/user-data.txt",
        "/var/lib/clusterctl/console",
        "/var/lib/cloud/seed/config_drive",
    ]
    for place in places:
        assert booted.lab.run(NODE, "ls", place).returncode == 0, place
    tries = [f"ls -A {place} && cat {place} && echo could-read-it" for place in places]
    told = tasks.run("; ".join([*tries, "dmesg", "journalctl -n 3"]))
    assert told.count("Permission denied") >= len(places), told
    assert "could-read-it" not in told
    assert "clusterctl:" not in told


def test_root_as_a_task_can_not_mount(tasks: Tasks) -> None:
    """A task of root, where one is let in, has the rights of the agent and no more."""
    told = tasks.run(
        "mount -t tmpfs none /mnt; echo 1 > /proc/sys/kernel/panic; touch /etc/mine; echo tried", user="root"
    )
    assert told.splitlines()[-1] == "tried"
    assert "mount: " in told
    assert told.count("Read-only file system") == 2, told


def test_a_fork_bomb_is_bounded_and_the_agent_lives(booted: Booted, tasks: Tasks) -> None:
    bomb = tasks.start("i=0; while [ $i -lt 20000 ]; do sleep 600 & i=$((i + 1)); done 2>/dev/null; echo made $i")
    count = "ls -ln /proc | awk '$3 == 31001' | wc -l"
    deadline, seen = time.monotonic() + DEADLINE_S, 0
    while seen < 3500:
        seen = int(booted.lab.run(NODE, "sh", "-c", count).stdout)
        assert time.monotonic() < deadline, seen
    # another tenant still works, and so does the agent
    assert tasks.run("echo alive", user="b-002") == "alive\n"
    assert int(booted.lab.run(NODE, "sh", "-c", count).stdout) <= 4100
    tasks.call("DELETE", f"{tasks.url}/{bomb}")
    while int(booted.lab.run(NODE, "sh", "-c", count).stdout) > 0:
        assert time.monotonic() < deadline + DEADLINE_S
        time.sleep(0.5)


def test_a_hog_of_memory_ends_and_the_agent_lives(booted: Booted, tasks: Tasks) -> None:
    restarts = ("systemctl", "show", "--property=NRestarts", "mesos-agent")
    before = booted.lab.run(NODE, *restarts).stdout
    hog = "python3 -c 'held = [bytearray(1 << 20) for _ in range(2000)]; print(\"held\", len(held))'; echo status $?"
    assert tasks.run(hog).splitlines()[-1] == "status 137"
    assert booted.lab.run(NODE, *restarts).stdout == before
    assert tasks.run("echo alive", user="b-002") == "alive\n"
