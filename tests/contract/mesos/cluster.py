"""Real ZooKeepers, Mesos masters and agents as child processes on loopback addresses.

Made for use inside `private_network`; the addresses and ports are those of a small production
cluster: ZooKeeper N, master N and agent N on 127.0.0.N.
"""

import http.client
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

T = TypeVar("T")
Json = dict[str, Any]

ZK_PORT, MASTER_PORT, AGENT_PORT = 2181, 5050, 5051
SUPERVISION_INTERVAL_S = 0.5
SESSION_S = 8  # of masters and agents with ZooKeeper
JAVA = "/usr/lib/jvm/java-17-openjdk-amd64/bin/java"
TERMINAL = {"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE"}
# Deadlines are those of a quiet machine. A busy one is slower, which is no fault, and only failures wait so long
PATIENCE = 3


def wait_for(what: str, condition: Callable[[], T | None], deadline_s: float = 40) -> T:
    """The first truthy result of a condition; AssertionError with what was seen last after the deadline.

    No measure of how quick something is: see ``PATIENCE``.
    """
    deadline_s *= PATIENCE
    end = time.monotonic() + deadline_s
    while True:
        seen: object
        try:
            if result := condition():
                return result
            seen = result
        except (OSError, http.client.HTTPException) as error:  # not up yet
            seen = error
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline_s} s in vain for {what}; seen last: {seen!r}")
        time.sleep(0.1)


def request(
    host: str, port: int, path: str, body: Json | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """Status and JSON (or text) of a GET, or of a POST if there is a body."""
    connection = http.client.HTTPConnection(host, port, timeout=10)
    send = {"Accept": "application/json", "Content-Type": "application/json", **(headers or {})}
    connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, send)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if text.startswith(("{", "[")) else text


def ready(host: str, port: int, path: str) -> Any:
    """The body of a GET that answers 200, True if that is empty; None if it answers anything else."""
    status, body = request(host, port, path)
    return (body or True) if status == http.HTTPStatus.OK else None


@dataclass
class Daemon:
    """One child process whose output goes to a log file."""

    name: str
    argv: Sequence[str]
    log: Path
    env: dict[str, str] = field(default_factory=dict)
    restarts: int = 0
    _process: "subprocess.Popen[bytes] | None" = None
    _wanted: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start it (again); nothing else of this process's environment but PATH is passed on."""
        with self._lock:
            self._wanted = True
            self._start()

    def _start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.argv,
                env={"PATH": os.environ["PATH"], **self.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def supervise(self) -> None:
        """Start it again if it ended by itself, as systemd's Restart=always does."""
        with self._lock:
            if self._wanted and not self.running:
                self.restarts += 1
                self._start()

    def kill(self) -> None:
        """kill -9, and see it gone."""
        with self._lock:
            self._wanted = False
            if self._process:
                self._process.kill()
                self._process.wait()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._process.pid if self._process is not None and self.running else None


class Cluster:
    """Three ZooKeepers, three masters, two agents, not yet started.

    Agent 1 is configured by flags, agent 2 by environment variables and files only.
    """

    def __init__(self, root: Path, work: Path) -> None:
        self.root, self.work = root, work
        self.login: dict[str, str] = {}  # headers of whoever asks masters
        self.hosts = [f"127.0.0.{n}" for n in (1, 2, 3)]
        self.zk = "zk://" + ",".join(f"{host}:{ZK_PORT}" for host in self.hosts) + "/mesos"
        self.zookeepers = [self._zookeeper(n) for n in (1, 2, 3)]
        self.masters = [self._master(n) for n in (1, 2, 3)]
        self.agents = [self._agent_by_flags(), self._agent_by_environment()]
        self._daemons = [*self.zookeepers, *self.masters, *self.agents]
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)

    def __enter__(self) -> Self:
        """Starts it; what fails or is stopped meanwhile leaves nothing that would start daemons again."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start all, and go on supervising them: a master ends itself when it loses ZooKeeper or leadership."""
        for daemon in self._daemons:
            daemon.start()
        self._supervisor.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._supervisor.is_alive():
            self._supervisor.join()
        for daemon in self._daemons:
            daemon.kill()

    def _supervise(self) -> None:
        while not self._stopping.wait(SUPERVISION_INTERVAL_S):
            for daemon in self._daemons:
                daemon.supervise()

    def _zookeeper(self, n: int) -> Daemon:
        data = self.work / f"zk{n}"
        data.mkdir()
        (data / "myid").write_text(f"{n}\n")
        members = "".join(f"server.{i}=127.0.0.{i}:2888:3888\n" for i in (1, 2, 3))
        (data / "zoo.cfg").write_text(
            f"tickTime=500\ninitLimit=20\nsyncLimit=10\ndataDir={data}\nclientPort={ZK_PORT}\n"
            f"clientPortAddress=127.0.0.{n}\nadmin.enableServer=false\nminSessionTimeout=1000\n{members}"
        )
        argv = [JAVA, "-Xmx128m", "-cp", "/usr/share/java/zookeeper.jar"]
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        return Daemon(f"zk{n}", [*argv, main, str(data / "zoo.cfg")], self.work / f"zk{n}.log")

    def _master(self, n: int) -> Daemon:
        flags = [
            f"--zk={self.zk}",
            "--quorum=2",
            f"--ip=127.0.0.{n}",
            f"--hostname=127.0.0.{n}",
            "--no-hostname_lookup",
            f"--work_dir={self.work}/master{n}",
            f"--log_dir={self.work}/master{n}-log",
            "--logging_level=WARNING",
            "--cluster=test",
            f"--zk_session_timeout={SESSION_S}secs",
            "--agent_ping_timeout=5secs",
            "--max_agent_ping_timeouts=4",
            "--agent_reregister_timeout=15mins",
        ]
        return Daemon(f"master{n}", [self.program("mesos-master"), *flags], self.work / f"master{n}.log")

    def _agent_by_flags(self) -> Daemon:
        flags = [
            f"--master={self.zk}",
            "--ip=127.0.0.1",
            "--hostname=127.0.0.1",
            "--no-hostname_lookup",
            f"--work_dir={self.work}/agent1",
            f"--runtime_dir={self.work}/agent1-run",
            f"--fetcher_cache_dir={self.work}/agent1-fetch",
            f"--launcher_dir={self.root}/usr/libexec/mesos",
            "--launcher=posix",
            "--containerizers=mesos",
            "--attributes=pool:jenkins-builder",
            "--resources=cpus:4;mem:2048;disk:4096;ports:[31000-31100]",
            "--reconfiguration_policy=additive",
            "--recover=reconnect",
            "--recovery_timeout=2mins",
            "--no-systemd_enable_support",
            f"--zk_session_timeout={SESSION_S}secs",
        ]
        return Daemon("agent1", [self.program("mesos-agent"), *flags], self.work / "agent1.log")

    def _agent_by_environment(self) -> Daemon:
        master, resources = self.work / "agent2-master", self.work / "agent2-resources"
        master.write_text(f"{self.zk}\n")
        resources.write_text("cpus:2;mem:1024;disk:2048;ports:[32000-32100]")
        env = {
            "MESOS_MASTER": f"file://{master}",
            "MESOS_IP_DISCOVERY_COMMAND": "echo 127.0.0.2",
            "MESOS_HOSTNAME": "agent-two",
            "MESOS_HOSTNAME_LOOKUP": "false",
            "MESOS_WORK_DIR": f"{self.work}/agent2",
            "MESOS_RUNTIME_DIR": f"{self.work}/agent2-run",
            "MESOS_FETCHER_CACHE_DIR": f"{self.work}/agent2-fetch",
            "MESOS_LAUNCHER_DIR": f"{self.root}/usr/libexec/mesos",
            "MESOS_LAUNCHER": "posix",
            "MESOS_ATTRIBUTES": "pool:jenkins-master",
            "MESOS_RESOURCES": f"file://{resources}",
            "MESOS_DEFAULT_ROLE": "marathon",
            "MESOS_SYSTEMD_ENABLE_SUPPORT": "false",
            "MESOS_RECOVERY_TIMEOUT": "2mins",
        }
        return Daemon("agent2", [self.program("mesos-agent")], self.work / "agent2.log", env)

    def program(self, name: str) -> str:
        return str(self.root / "usr/sbin" / name)

    # --- what the cluster says of itself ------------------------------------------

    def metrics(self, host: str) -> dict[str, float]:
        """All metrics of the leading master; none of one that is not leading (it answers with a redirect).

        Not by /metrics/snapshot, which answers twice a second at most.
        """
        status, body = request(host, MASTER_PORT, "/api/v1", {"type": "GET_METRICS", "get_metrics": {}}, self.login)
        if status != http.HTTPStatus.OK:
            return {}
        return {metric["name"]: metric.get("value", 0) for metric in body["get_metrics"]["metrics"]}

    def elected(self) -> list[str]:
        """Addresses of the running masters that hold themselves elected."""
        running = [host for host, master in zip(self.hosts, self.masters, strict=True) if master.running]
        return [host for host in running if self.metrics(host).get("master/elected") == 1]

    def leader(self, other_than: str | None = None) -> str:
        """The one elected master with a recovered registrar; waits for it."""

        def one() -> str | None:
            found = self.elected()
            if len(found) != 1 or found[0] == other_than:
                return None
            return found[0] if self.metrics(found[0]).get("registrar/log/recovered") == 1 else None

        try:
            return wait_for("one elected master with a recovered registrar", one, 60)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.describe()}") from None

    def describe(self) -> str:
        """For a failure's message: who runs, how often each was restarted, and the end of its log."""
        lines = []
        for daemon in self._daemons:
            state = "running" if daemon.running else "down"
            tail = daemon.log.read_text(errors="replace")[-500:] if daemon.log.exists() else ""
            lines.append(f"--- {daemon.name}: {state}, restarted {daemon.restarts} times\n{tail}")
        return "\n".join(lines)

    def operator(self, call: Json) -> Any:
        """Make a v1 operator call to the leader; its answer."""
        status, body = request(self.leader(), MASTER_PORT, "/api/v1", call, self.login)
        assert status in {http.HTTPStatus.OK, http.HTTPStatus.ACCEPTED}, (status, body)
        return body

    def agent_infos(self) -> dict[str, Json]:
        """GET_AGENTS of the leader, by hostname; active agents only carry `"active": true`."""
        agents = self.operator({"type": "GET_AGENTS"})["get_agents"].get("agents", [])
        return {agent["agent_info"]["hostname"]: agent for agent in agents}

    def agent_ids(self, count: int = 2, deadline_s: float = 60) -> dict[str, str]:
        """Ids of the registered, active agents by hostname; waits until there are so many."""

        def enough() -> dict[str, str] | None:
            active = {name: info for name, info in self.agent_infos().items() if info.get("active")}
            ids = {name: info["agent_info"]["id"]["value"] for name, info in active.items()}
            return ids if len(ids) >= count else None

        return wait_for(f"{count} active agents", enough, deadline_s)
