"""A whole cluster on loopback addresses: ZooKeeper and Mesos as in tests/contract/mesos, and three Marathon stand-ins.

Made for use inside `private_network`. Marathon N is on 127.0.0.N:8080; agent 1 is a builder, agents 2 and 3 are
reserved to the role marathon, as clusterctl makes them for Jenkins masters.
"""

import http.client
import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.contract.mesos.cluster import (
    AGENT_PORT,
    JAVA,
    PATIENCE,
    SESSION_S,
    SUPERVISION_INTERVAL_S,
    ZK_PORT,
    Cluster,
    Daemon,
    Json,
    wait_for,
)

LAB = Path(__file__).parents[2] / "lab"
MARATHON_PORT = 8080
MARATHON_START_S = 60
START_S = 60  # of ZooKeepers, masters and agents together
# With ZooKeeper. A client leaves a server that says nothing for a third of this: on a busy machine a second is nothing
MARATHON_SESSION_S = 8


def unpacked_mesos(target: Path) -> Path:
    """Build the Mesos package (or take it from the cache) and unpack it; the root directory."""
    out = target / "package"
    subprocess.run([LAB / "mesos/build", out], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["dpkg", "-x", next(out.glob("*.deb")), target / "root"], check=True)
    return target / "root"


def unpacked_marathon(target: Path, build: int = 1, release: str = "1.11") -> Path:
    """Build a stand-in and unpack it; its top directory, which has bin/marathon."""
    done = subprocess.run(
        [LAB / "standins/marathon/build", "--build", str(build), "--release", release, target],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    tarball = Path(done.stdout.split()[0])
    subprocess.run(["tar", "-xzf", tarball, "-C", target], check=True)
    return target / tarball.name.removesuffix(".tgz")


class Answer:
    """Of one HTTP request: status, headers with lower-case names, and the body, parsed if it is JSON."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        text = response.read().decode()
        self.body: Any = json.loads(text) if text.startswith(("{", "[")) else text


def ask(host: str, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
    """Ask the Marathon on `host`. OSError or HTTPException if it does not answer."""
    connection = http.client.HTTPConnection(host, MARATHON_PORT, timeout=20)
    try:
        connection.request(
            method,
            path,
            None if body is None else json.dumps(body),
            {"Content-Type": "application/json", **(headers or {})},
        )
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Marathon:
    """One Marathon as a child process.

    Attributes:
        supervised: it is started again when it ends by itself, as systemd does it on nodes; without, a test sees how
            it ends.
    """

    def __init__(self, name: str, program: Path, log: Path, env: Mapping[str, str], flags: Sequence[str] = ()) -> None:
        self.name, self.program, self.log, self.env, self.flags = name, program, log, dict(env), flags
        self.supervised = False
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def start(self, *, supervised: bool = False) -> None:
        """Start it (again); nothing else of this process's environment but PATH is passed on."""
        with self._lock:
            self.supervised = supervised
            self._start()

    def _start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.program, *self.flags],
                env={"PATH": os.environ["PATH"], **self.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def supervise(self) -> None:
        """Start it again if it ended by itself and is supervised."""
        with self._lock:
            if self.supervised and not self.running:
                self._start()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """kill -9, and see it gone; it stays down."""
        with self._lock:
            self.supervised = False
            if self._process:
                self._process.kill()
                self._process.wait()

    def terminate(self) -> int:
        """SIGTERM; the exit code. It stays down."""
        with self._lock:
            self.supervised = False
            assert self._process
            self._process.terminate()
        return self.exit_code()

    def exit_code(self, deadline_s: float = 15) -> int:
        """Wait for it to end by itself; the exit code."""
        assert self._process
        return self._process.wait(PATIENCE * deadline_s)


class MarathonCluster(Cluster):
    """Three of each: ZooKeeper, master, Marathon, agent.

    Attributes:
        headers: sent with each request to a Marathon.
    """

    headers: Mapping[str, str] = {}

    def __init__(self, mesos: Path, marathon: Path, work: Path) -> None:
        super().__init__(mesos, work)
        self.agents = [
            self._agent(1, "pool:jenkins-builder"),
            self._agent(2, "pool:jenkins-master;rack:a", role="marathon"),
            self._agent(3, "pool:jenkins-master;rack:b", role="marathon"),
        ]
        self._daemons = [*self.zookeepers, *self.masters, *self.agents]
        self.marathons = [self.marathon(n, marathon) for n in (1, 2, 3)]

    def start(self) -> None:
        super().start()
        self.agent_ids(len(self.agents), START_S)
        for marathon in self.marathons:
            marathon.start(supervised=True)

    def stop(self) -> None:
        for marathon in self.marathons:
            marathon.kill()
        super().stop()

    def _supervise(self) -> None:
        while not self._stopping.wait(SUPERVISION_INTERVAL_S):
            for daemon in (*self._daemons, *self.marathons):
                daemon.supervise()

    def _agent(self, n: int, attributes: str, role: str = "*") -> Daemon:
        flags = [
            f"--master={self.zk}",
            f"--ip=127.0.0.{n}",
            f"--port={AGENT_PORT}",
            f"--hostname=127.0.0.{n}",
            "--no-hostname_lookup",
            f"--work_dir={self.work}/agent{n}",
            f"--runtime_dir={self.work}/agent{n}-run",
            f"--fetcher_cache_dir={self.work}/agent{n}-fetch",
            f"--launcher_dir={self.root}/usr/libexec/mesos",
            "--launcher=posix",
            "--containerizers=mesos",
            f"--attributes={attributes}",
            f"--resources=cpus:2;mem:1024;disk:1024;ports:[{n}1000-{n}1100]",
            f"--default_role={role}",
            "--recover=reconnect",
            "--recovery_timeout=2mins",
            "--no-systemd_enable_support",
            f"--zk_session_timeout={SESSION_S}secs",
        ]
        return Daemon(f"agent{n}", [self.program("mesos-agent"), *flags], self.work / f"agent{n}.log")

    def lone_zookeeper(self, n: int) -> Daemon:
        """A ZooKeeper of its own on 127.0.0.N, not of the ensemble."""
        data = self.work / f"zk{n}"
        data.mkdir()
        (data / "zoo.cfg").write_text(
            f"tickTime=500\ndataDir={data}\nclientPort={ZK_PORT}\nclientPortAddress=127.0.0.{n}\n"
            "admin.enableServer=false\nminSessionTimeout=1000\n"
        )
        argv = [JAVA, "-Xmx128m", "-cp", "/usr/share/java/zookeeper.jar"]
        main = "org.apache.zookeeper.server.ZooKeeperServerMain"
        return Daemon(f"zk{n}", [*argv, main, str(data / "zoo.cfg")], self.work / f"zk{n}.log")

    def marathon(self, n: int, unpacked: Path, **more: str) -> Marathon:
        """Marathon N on 127.0.0.N, configured through its environment as the role does; not started."""
        env = {
            "MARATHON_MASTER": self.zk,
            "MARATHON_ZK": self.zk.removesuffix("/mesos") + "/marathon",
            "MARATHON_HOSTNAME": f"127.0.0.{n}",
            "MARATHON_HTTP_ADDRESS": f"127.0.0.{n}",
            "MARATHON_HTTP_PORT": str(MARATHON_PORT),
            "MARATHON_MESOS_ROLE": "marathon",
            "MARATHON_MESOS_USER": "root",
            "MARATHON_ACCEPTED_RESOURCE_ROLES_DEFAULT_BEHAVIOR": "unreserved",
            "MARATHON_ZK_SESSION_TIMEOUT": str(MARATHON_SESSION_S * 1000),
            "MARATHON_MIN_REVIVE_OFFERS_INTERVAL": "1000",
            "STANDIN_START_S": "0.5",  # what it does is tested here, not how long a JVM takes to load
            **more,
        }
        return Marathon(f"marathon{n}", unpacked / "bin/marathon", self.work / f"marathon{n}.log", env)

    # --- what Marathon says ---------------------------------------------------------

    def serving(self) -> list[str]:
        """Addresses of the Marathons whose processes run."""
        pairs = zip(self.hosts, self.marathons, strict=True)
        return [host for host, marathon in pairs if marathon.running]

    def leading_marathon(self, other_than: str | None = None) -> str:
        """Address of the one leader that all running Marathons name and that is registered with Mesos; waits."""

        def one() -> str | None:
            named = {ask(host, "GET", "/v2/leader", headers=self.headers).body.get("leader") for host in self.serving()}
            if len(named) != 1 or not (host := str(named.pop()).partition(":")[0]):
                return None
            registered = ask(host, "GET", "/v2/info", headers=self.headers).body.get("frameworkId")
            return host if host != other_than and registered else None

        return wait_for("one leading Marathon", one, MARATHON_START_S)

    def ask_marathon(self, method: str, path: str, body: object = None) -> Answer:
        """Ask any running Marathon; it answers for the leader."""
        return ask(self.serving()[0], method, path, body, self.headers)

    def deploy(self, app: Json) -> None:
        """Create an app and wait until its deployment is finished."""
        answer = self.ask_marathon("POST", "/v2/apps", app)
        assert answer.status == http.HTTPStatus.CREATED, answer.body
        self.wait_deployed()

    def wait_deployed(self, deadline_s: float = 40) -> None:
        """Wait until no deployment is under way."""
        wait_for("no deployments", lambda: self.ask_marathon("GET", "/v2/deployments").body == [], deadline_s)

    def tasks(self, app_id: str, state: str | None = "TASK_RUNNING") -> list[Json]:
        """The app's tasks in that state (None: in any)."""
        answer = self.ask_marathon("GET", f"/v2/apps{app_id}/tasks")
        assert answer.status == http.HTTPStatus.OK, answer.body
        return [task for task in answer.body["tasks"] if state in (None, task["state"])]

    def delete_all_apps(self) -> None:
        """Delete every app, and wait until nothing of them is left."""
        for app in self.ask_marathon("GET", "/v2/apps").body["apps"]:
            self.ask_marathon("DELETE", f"/v2/apps{app['id']}?force=true")

        def gone() -> bool:
            idle = self.ask_marathon("GET", "/v2/deployments").body == []
            return idle and self.ask_marathon("GET", "/v2/tasks").body == {"tasks": []}

        wait_for("no apps, deployments and tasks", gone, 60)

    def mesos_tasks(self) -> dict[str, Json]:
        """The tasks that the leading master knows as not over, by id."""
        tasks = self.operator({"type": "GET_TASKS"})["get_tasks"].get("tasks", [])
        return {task["task_id"]["value"]: task for task in tasks}

    def start_supervised(self, marathon: Marathon) -> None:
        """Have it started again and again, as by systemd, until it stays."""
        if marathon.running:
            marathon.supervised = True
        else:
            marathon.start(supervised=True)

        def stays() -> bool:
            host = self.hosts[self.marathons.index(marathon)]
            return ask(host, "GET", "/ping", headers=self.headers).status == http.HTTPStatus.OK

        wait_for(f"{marathon.name} to stay", stays, MARATHON_START_S)
